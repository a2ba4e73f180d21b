package es2plus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// maxPeerText bounds what is logged of an SM-DP+'s free text, in bytes.
const maxPeerText = 200

// maxPeerScan bounds what is looked at of it, in bytes.
const maxPeerScan = 16 * maxPeerText

// codePart is a subject or reason code (SGP.22 section 5.2.6): numbers with dots.
var codePart = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){0,4}$`)

// readStatus reads the header that opens every answer. Field names of another case, unknown
// fields, a byte order mark and any Content-Type are tolerated; an answer without a status
// is not one.
func readStatus(body []byte) (es2plus.FunctionExecutionStatus, error) {
	var answer struct {
		Header es2plus.ResponseHeader `json:"header"`
	}
	if err := json.Unmarshal(trim(body), &answer); err != nil {
		return es2plus.FunctionExecutionStatus{}, fmt.Errorf("read the header of the answer: %w", withoutValue(err))
	}
	status := answer.Header.FunctionExecutionStatus
	if status.Status == "" {
		return status, errors.New("the answer has no functionExecutionStatus")
	}
	return status, nil
}

// readFields reads the fields of a function that was executed.
func readFields(body []byte, fields any) error {
	if err := json.Unmarshal(trim(body), fields); err != nil {
		return fmt.Errorf("read the answer: %w", withoutValue(err))
	}
	return nil
}

func trim(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// withoutValue keeps the place of an error and drops what stood there, which the peer wrote.
func withoutValue(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fmt.Errorf("%s has another type than %s", wrongType.Field, wrongType.Type)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("no JSON from byte %d on", syntax.Offset)
	}
	return err
}

// statusCode is the code as the tables write it, such as 8.2.5/3.7; empty where what came is
// no code, because it is shown to people and must not carry anything else.
func statusCode(data *es2plus.StatusCodeData) string {
	if data == nil {
		return ""
	}
	subject, reason := strings.TrimSpace(data.SubjectCode), strings.TrimSpace(data.ReasonCode)
	if !codePart.MatchString(subject) || !codePart.MatchString(reason) {
		return ""
	}
	return es2plus.StatusCodeData{SubjectCode: subject, ReasonCode: reason}.Code()
}

// peerText is what an SM-DP+ says in free text, as an error for logs: without control
// characters, with each of secrets masked, and whatever else could be one, since such texts
// repeat what was sent, and cut. Nil where it says nothing.
func peerText(data *es2plus.StatusCodeData, secrets ...activation.Credential) error {
	if data == nil || data.Message == "" {
		return nil
	}
	message := data.Message
	if len(message) > maxPeerScan {
		// The last word may be half of a secret.
		message = message[:strings.LastIndexByte(message[:maxPeerScan], ' ')+1]
	}
	// What cannot be printed goes first, so that a secret with a control character in it is found.
	return errors.New("the SM-DP+ says: " + cut(activation.Redact(printable(message), secrets...)))
}

// scrub makes a text fit for logs: without control characters, and cut.
func scrub(text string) string { return cut(printable(text[:min(len(text), maxPeerScan)])) }

// printable drops what cannot be printed.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

// cut bounds a text by maxPeerText, between two characters.
func cut(text string) string {
	if len(text) <= maxPeerText {
		return text
	}
	text = text[:maxPeerText]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text
}
