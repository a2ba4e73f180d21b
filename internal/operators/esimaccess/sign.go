package esimaccess

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/telcodev/esim-operator/internal/activation"
)

// signer says who calls.
type signer struct {
	accessCode, secretKey activation.Credential
	random                io.Reader
	now                   func() time.Time
}

// header of a request with this body: the access code alone, or with timestamp, ID and
// signature where there is a secret key.
func (s signer) header(body []byte) (http.Header, error) {
	header := make(http.Header)
	header.Set("RT-AccessCode", s.accessCode.Reveal())
	if s.secretKey.Empty() {
		return header, nil
	}
	id, err := uuid.NewRandomFromReader(s.random)
	if err != nil {
		return nil, fmt.Errorf("draw a request ID: %w", err)
	}
	timestamp := strconv.FormatInt(s.now().UnixMilli(), 10)
	header.Set("RT-Timestamp", timestamp)
	header.Set("RT-RequestID", id.String())
	header.Set("RT-Signature", signature(s.secretKey, timestamp, id.String(), s.accessCode, body))
	return header, nil
}

// signature is the vendor's: HMAC-SHA256 over timestamp, request ID, access code and body.
func signature(secretKey activation.Credential, timestamp, requestID string, accessCode activation.Credential, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secretKey.Reveal()))
	mac.Write([]byte(timestamp + requestID + accessCode.Reveal()))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// headerText tells whether a text can be a header's value as it stands.
func headerText(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
