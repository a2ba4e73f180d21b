package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// MaxRetryAfter bounds how long an endpoint can put a try off: by the longest wait of the
// schedule.
const MaxRetryAfter = 24 * time.Hour

// Gone is an endpoint's answer 410: it wants no events any more.
type Gone struct{}

// Error says so.
func (*Gone) Error() string { return "the endpoint answered 410 Gone" }

// Failed is a try that failed.
type Failed struct {
	// Status of the answer; 0 where there was none.
	Status int
	// RetryAfter is how long the endpoint wants to be left alone, at most MaxRetryAfter; 0
	// where it does not say.
	RetryAfter time.Duration
	// Reason is a sentence for people. It is one of a few dozen, holds no addresses, nothing of
	// the URL and nothing that the endpoint said but its status, and is shorter than 200 bytes,
	// so it can stand in a status without changing at each try.
	Reason string
}

// Error is the reason.
func (f *Failed) Error() string { return f.Reason }

// judge an answer by its status (Standard Webhooks, "Delivery success and failure").
func (s *Sender) judge(answer *http.Response) error {
	status := answer.StatusCode
	switch {
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusGone:
		return &Gone{}
	case status >= 300 && status <= 399:
		return &Failed{Status: status, Reason: said(status) + ": redirects are not followed; give the address itself as url"}
	}
	return &Failed{Status: status, RetryAfter: retryAfter(answer.Header.Get("Retry-After"), s.clock.Now()), Reason: said(status)}
}

// said is a status in words that are ours and not the endpoint's.
func said(status int) string {
	text := "the endpoint answered " + strconv.Itoa(status)
	if known := http.StatusText(status); known != "" {
		text += " " + known
	}
	return text
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3). What cannot be read, or has
// passed, is no wish.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(MaxRetryAfter/time.Second))) * time.Second
	} else if errors.Is(err, strconv.ErrRange) {
		return MaxRetryAfter
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), MaxRetryAfter)
}

const reasonURL = "the url must be an https URL with a host, without user and fragment"

// reasons that are known by a value in an error's tree.
var reasons = []struct {
	is   error
	text string
}{
	{errForbidden, "the host's address is not public, and its network is not one that the platform team allows"},
	{syscall.ECONNREFUSED, "the connection was refused"},
	{syscall.ECONNRESET, "the connection was reset before the answer"},
	{syscall.EPIPE, "the connection ended before the answer"},
	{syscall.EHOSTUNREACH, "the host cannot be reached"},
	{syscall.ENETUNREACH, "the host's network cannot be reached"},
	{context.DeadlineExceeded, "there was no answer in time"},
	{os.ErrDeadlineExceeded, "there was no answer in time"},
	{io.EOF, "the connection ended before the answer"},
	{io.ErrUnexpectedEOF, "the connection ended within the answer"},
}

// reasonOf a try without an answer. Nothing of err's own text is kept: it may quote what the
// endpoint sent, and names addresses.
func reasonOf(err error) string {
	if text := reasonOfTLS(err); text != "" {
		return text
	}
	if resolver, found := errors.AsType[*net.DNSError](err); found {
		switch {
		case resolver.IsNotFound:
			return "DNS does not know the host"
		case resolver.IsTimeout:
			return "DNS did not answer in time"
		}
		return "DNS could not be asked for the host"
	}
	for _, r := range reasons {
		if errors.Is(err, r.is) {
			return r.text
		}
	}
	if timeout, found := errors.AsType[net.Error](err); found && timeout.Timeout() {
		return "there was no answer in time"
	}
	return "there was no HTTP answer that can be read"
}

// reasonOfTLS is empty where TLS is not the reason.
func reasonOfTLS(err error) string {
	if _, found := errors.AsType[x509.HostnameError](err); found {
		return "the endpoint's certificate is for another host"
	}
	if _, found := errors.AsType[x509.UnknownAuthorityError](err); found {
		return "the endpoint's certificate is not signed by a known authority"
	}
	if invalid, found := errors.AsType[x509.CertificateInvalidError](err); found {
		if invalid.Reason == x509.Expired {
			return "the endpoint's certificate has expired, or is not valid yet"
		}
		return "the endpoint's certificate is not valid"
	}
	if _, found := errors.AsType[*tls.CertificateVerificationError](err); found {
		return "the endpoint's certificate is not valid"
	}
	// crypto/tls keeps the type of alerts to itself, but gives them this operation.
	if operation, found := errors.AsType[*net.OpError](err); found && operation.Op == "remote error" {
		return "the endpoint refused the TLS handshake"
	}
	if _, found := errors.AsType[tls.RecordHeaderError](err); found {
		return "the endpoint does not speak TLS"
	}
	return ""
}
