package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of a signed request (Standard Webhooks, "Webhook headers").
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Why Verify refuses a request.
var (
	// ErrHeader: a header is absent, there more than once, or not of its form.
	ErrHeader = errors.New("the webhook's headers are not as they must be")
	// ErrTimestamp: the request was signed too long ago, or in the future. It may be a replay.
	ErrTimestamp = errors.New("the webhook's timestamp is too far from the present")
	// ErrSignature: no signature is by one of the secrets.
	ErrSignature = errors.New("the webhook is not signed with a known secret")
)

const (
	// symmetric is the version of HMAC-SHA256 signatures.
	symmetric = "v1,"
	// maxSignatures bounds the header, in bytes: some 80 signatures.
	maxSignatures = 4 << 10
	// maxTimestamp bounds it, in digits: 30,000 years.
	maxTimestamp = 12
)

// sign a try at a time, once with each secret.
func sign(secrets []Secret, id string, at time.Time, body []byte) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		signatures[i] = symmetric + base64.StdEncoding.EncodeToString(signature(s, id, timestamp, body))
	}
	header := http.Header{}
	header.Set(HeaderID, id)
	header.Set(HeaderTimestamp, timestamp)
	header.Set(HeaderSignature, strings.Join(signatures, " "))
	return header
}

// signature is HMAC-SHA256 of id.timestamp.body (Standard Webhooks, "Signature scheme").
func signature(s Secret, id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(s.Reveal()))
	// A hash takes everything.
	_, _ = mac.Write([]byte(id + "." + timestamp + "."))
	_, _ = mac.Write(body)
	return mac.Sum(nil)
}

// Verify tells whether a request with these headers and exactly this body was signed with one
// of the secrets, at most tolerance before or after now. The error is ErrHeader, ErrTimestamp
// or ErrSignature. Five minutes are a usual tolerance.
func Verify(secrets []Secret, header http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	id, err := only(header, HeaderID)
	if err != nil {
		return err
	}
	timestamp, err := only(header, HeaderTimestamp)
	if err != nil {
		return err
	}
	signatures, err := only(header, HeaderSignature)
	if err != nil {
		return err
	}
	if !validID(id) {
		return fmt.Errorf("%w: %s must be letters, digits, underscores and dashes", ErrHeader, HeaderID)
	}
	seconds, err := parseTimestamp(timestamp)
	if err != nil {
		return err
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return ErrTimestamp
	}
	if len(signatures) > maxSignatures {
		return fmt.Errorf("%w: %s is longer than %d bytes", ErrHeader, HeaderSignature, maxSignatures)
	}
	if !anySigned(secrets, id, timestamp, body, signatures) {
		return ErrSignature
	}
	return nil
}

// only value of a header. A second one may be what somebody else reads.
func only(header http.Header, name string) (string, error) {
	values := header.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", fmt.Errorf("%w: %s must be there once", ErrHeader, name)
	}
	return values[0], nil
}

// parseTimestamp reads seconds since 1970, without sign or anything else.
func parseTimestamp(text string) (int64, error) {
	seconds, err := strconv.ParseUint(text, 10, 63)
	if err != nil || len(text) > maxTimestamp {
		return 0, fmt.Errorf("%w: %s must be seconds since 1970", ErrHeader, HeaderTimestamp)
	}
	return int64(seconds), nil
}

// anySigned tells whether one of the signatures is by one of the secrets. Signatures of other
// versions are passed over.
func anySigned(secrets []Secret, id, timestamp string, body []byte, signatures string) bool {
	// Texts are compared, not what they mean: one signature has one text, without line breaks in it.
	wanted := make([][]byte, 0, len(secrets))
	for _, s := range secrets {
		if !s.Empty() {
			wanted = append(wanted, []byte(base64.StdEncoding.EncodeToString(signature(s, id, timestamp, body))))
		}
	}
	for text := range strings.SplitSeq(signatures, " ") {
		encoded, known := strings.CutPrefix(text, symmetric)
		if !known {
			continue
		}
		for _, w := range wanted {
			if hmac.Equal([]byte(encoded), w) {
				return true
			}
		}
	}
	return false
}
