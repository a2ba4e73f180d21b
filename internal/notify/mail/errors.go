package mail

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"regexp"
	"strings"
	"unicode"

	"github.com/telcodev/esim-operator/internal/activation"
)

// ErrUnknownOutcome says that the whole mail was sent, and that the server's answer was lost:
// it may have taken the mail or not. SMTP has no way to ask. Who tries again may send it
// twice, with one Message-ID; who does not may not have sent it at all.
var ErrUnknownOutcome = errors.New("the mail may have been sent: the server's answer was lost")

// Answer is what a mail server said.
type Answer struct {
	// Code of RFC 5321, such as 550; 0 where there was no answer.
	Code int
	// Enhanced code of RFC 3463, such as 5.1.1; empty where there was none.
	Enhanced string
	// Text is the server's own, for logs and not for conditions: it is bounded, of one line,
	// and without the address and the credentials that were sent. What a server says once it
	// has the content of a mail, or the password, is not kept: it may repeat them.
	Text string
}

func (a Answer) codes() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.Code, a.Enhanced))
}

// Refused says that this mail will not be sent to this address, however often it is tried.
type Refused struct {
	Answer
	// Reason is ours where it was not the server that refused; it does not repeat the address.
	Reason string
}

// Error is stable: it tells of no time, address or request.
func (r *Refused) Error() string {
	if r.Reason != "" {
		return "the mail cannot be sent: " + r.Reason
	}
	return "the mail server refused the mail: " + r.codes()
}

// Deferred says that the mail was not sent, and that another try may succeed: later, or once
// the configuration of this or of the server has changed.
type Deferred struct {
	Answer
	// Step of the dialogue: connect, TLS, greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA or
	// content.
	Step string
	// Reason is ours.
	Reason string
	// Cause is what the network or TLS said, for logs; it holds nothing that the server wrote.
	Cause error
}

// Error is stable: it tells of no time, address or request.
func (d *Deferred) Error() string {
	if d.Code != 0 {
		return fmt.Sprintf("the mail server does not take the mail now: %s at %s", d.codes(), d.Step)
	}
	return fmt.Sprintf("the mail could not be sent: %s at %s", d.Reason, d.Step)
}

// Unwrap is the cause.
func (d *Deferred) Unwrap() error { return d.Cause }

// answers reads errors of the dialogue and knows what must not be repeated.
type answers struct{ secrets []string }

// newAnswers removes the recipient and the credentials, in the clear and as AUTH carries them.
func newAnswers(to address, username string, password activation.Credential) answers {
	plain := "\x00" + username + "\x00" + password.Reveal()
	a := answers{secrets: []string{to.path()}}
	for _, secret := range []string{plain, password.Reveal(), username} {
		if secret != "" && plain != "\x00\x00" {
			a.secrets = append(a.secrets, base64.StdEncoding.EncodeToString([]byte(secret)), secret)
		}
	}
	return a
}

// deferred makes an error of a step that failed.
func (a answers) deferred(step string, err error) error {
	if refusal := new(textproto.Error); errors.As(err, &refusal) {
		// A refusal is no cause: its text is the server's, as it came.
		return &Deferred{Step: step, Answer: a.read(step, refusal)}
	}
	return &Deferred{Step: step, Reason: reason(err), Cause: cause(err)}
}

// cause is the part of an error that comes from the network, from TLS or from us: what is
// wrapped around it may quote the server.
func cause(err error) error {
	var (
		certificate *tls.CertificateVerificationError
		operation   *net.OpError
	)
	switch {
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &operation):
		return operation
	case errors.Is(err, errTooMuchSaid):
		return errTooMuchSaid
	case errors.Is(err, errNotLoopback):
		return errNotLoopback
	}
	return nil
}

// final makes an error of a step at which a server decides on recipient and content.
func (a answers) final(step string, err error) error {
	refusal := new(textproto.Error)
	if !errors.As(err, &refusal) || refusal.Code < 500 || aboutUs(refusal.Code) {
		return a.deferred(step, err)
	}
	return &Refused{Answer: a.read(step, refusal)}
}

// aboutUs tells that an answer complains of how we speak, or of who we are, not of the mail.
func aboutUs(code int) bool {
	switch code {
	case 500, 502, 503, 504, 530, 534, 535, 538:
		return true
	}
	return false
}

// enhancedCode begins an answer where the server has such codes.
var enhancedCode = regexp.MustCompile(`^([245]\.\d{1,3}\.\d{1,3})(?:[ \n]|$)`)

// maxAnswerText bounds the text of an answer, in characters.
const maxAnswerText = 200

func (a answers) read(step string, refusal *textproto.Error) Answer {
	answer := Answer{Code: refusal.Code}
	text := refusal.Msg
	if found := enhancedCode.FindStringSubmatch(text); found != nil {
		answer.Enhanced, text = found[1], text[len(found[1]):]
	}
	if step == stepAuth || step == stepContent {
		return answer
	}
	answer.Text = a.clean(text)
	return answer
}

// clean makes a foreign text fit for a log.
func (a answers) clean(text string) string {
	if len(text) > 16*maxAnswerText {
		text = text[:16*maxAnswerText]
	}
	for _, secret := range a.secrets {
		text = regexp.MustCompile(`(?i)`+regexp.QuoteMeta(secret)).ReplaceAllLiteralString(text, activation.Mask)
	}
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, text)), " ")
	if letters := []rune(text); len(letters) > maxAnswerText {
		return string(letters[:maxAnswerText-1]) + "…"
	}
	return text
}

// reason says in stable words what kind of trouble there was.
func reason(err error) string {
	var (
		certificate *tls.CertificateVerificationError
		protocol    textproto.ProtocolError
		record      tls.RecordHeaderError
		lookup      *net.DNSError
		operation   *net.OpError
	)
	switch {
	case errors.Is(err, errTooMuchSaid):
		return errTooMuchSaid.Error()
	case errors.Is(err, errNotLoopback):
		return errNotLoopback.Error()
	case errors.As(err, &certificate):
		return "the server's certificate is not trusted"
	case errors.As(err, &record), errors.As(err, &operation) && strings.HasSuffix(operation.Op, " error"):
		// What crypto/tls calls a local or a remote error is an alert.
		return "the server does not speak TLS as it must"
	case errors.As(err, &lookup):
		return "the server's name could not be looked up"
	case errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return "the server did not answer in time"
	case errors.As(err, &operation) && operation.Op == "dial":
		return "the server could not be reached"
	case errors.As(err, &protocol):
		return "the server does not speak SMTP"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &operation):
		return "the connection was lost"
	}
	return "the dialogue failed"
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
