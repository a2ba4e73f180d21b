package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/tracing"
)

const (
	// DefaultTimeout of a try, from the look-up of the host to the answer's head. Standard
	// Webhooks recommends 15 to 30 seconds.
	DefaultTimeout = 15 * time.Second
	// MaxURL bounds a URL in bytes, as the EsimClient's schema does.
	MaxURL = 1024

	// maxAnswer bounds what is read of an answer's body, and drainTime for how long. It is
	// read only so that the connection can be used again.
	maxAnswer = 64 << 10
	drainTime = time.Second
	// maxAnswerHeader bounds an answer's head in bytes.
	maxAnswerHeader = 64 << 10
	// maxConnsPerHost bounds the connections to one host and port, over all its endpoints.
	maxConnsPerHost = 64
	maxIdlePerHost  = 4
	maxIdle         = 256
	idleTimeout     = 90 * time.Second
	// pingAfter silence, an HTTP/2 connection has to show that it lives.
	pingAfter = 10 * time.Second

	userAgent = "esim-operator"
)

// Config of a Sender. The zero value sends to public addresses over HTTPS.
type Config struct {
	// Allowed are networks that are not public and that clients' endpoints may be in.
	Allowed []netip.Prefix
	// AllowHTTP also sends without TLS, but only to Allowed networks.
	AllowHTTP bool
	// RootCAs that endpoints' certificates are checked by; nil means the system's.
	RootCAs *x509.CertPool
	// Timeout of a try; 0 means DefaultTimeout.
	Timeout time.Duration
	// Clock for timestamps and for Retry-After; nil means the system's.
	Clock clock.PassiveClock
	// Resolver of hosts; nil means the system's.
	Resolver *net.Resolver
}

// Sender sends events. It may be used by many goroutines at once.
type Sender struct {
	timeout time.Duration
	clock   clock.PassiveClock
	secure  *http.Transport
	// plain is nil where HTTP is not allowed.
	plain *http.Transport
}

// New makes a Sender. The error names the field that cannot be used.
func New(config Config) (*Sender, error) {
	if config.Timeout < 0 {
		return nil, fmt.Errorf("timeout %s: must not be negative", config.Timeout)
	}
	everywhere, err := newGuard(config.Allowed, false)
	if err != nil {
		return nil, err
	}
	s := &Sender{timeout: config.Timeout, clock: config.Clock, secure: transport(everywhere, config)}
	if s.timeout == 0 {
		s.timeout = DefaultTimeout
	}
	if s.clock == nil {
		s.clock = clock.RealClock{}
	}
	if config.AllowHTTP {
		within := guard{allowed: everywhere.allowed, onlyAllowed: true}
		s.plain = transport(within, config)
	}
	return s, nil
}

func transport(g guard, config Config) *http.Transport {
	return &http.Transport{
		// No Proxy, whatever the environment says: a proxy would connect where the guard
		// cannot see.
		DialContext:            g.dialer(config.Resolver).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: config.RootCAs},
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
		DisableCompression:     true,
		MaxConnsPerHost:        maxConnsPerHost,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxIdleConns:           maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeader,
	}
}

// Close ends connections that are not in use. The Sender can be used on.
func (s *Sender) Close() {
	s.secure.CloseIdleConnections()
	if s.plain != nil {
		s.plain.CloseIdleConnections()
	}
}

// Send makes one try: a POST of the event to an endpoint, signed with each of the secrets.
// It is nil on any 2xx answer; *Gone where the endpoint wants nothing any more; *Failed where
// the try failed. Anything else means that there was no try: context.Canceled where ctx was
// cancelled (and nobody knows whether the endpoint was reached), or the event cannot be
// written.
func (s *Sender) Send(ctx context.Context, endpoint string, secrets []Secret, event Event) error {
	target, via, refused := s.route(endpoint)
	if refused != "" {
		return &Failed{Reason: refused}
	}
	if !usable(secrets) {
		return &Failed{Reason: "there is no signing secret"}
	}
	body, err := event.body()
	if err != nil {
		return err
	}
	trying, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(trying, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return &Failed{Reason: reasonURL}
	}
	request.Header = sign(secrets, event.ID, s.clock.Now(), body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	// Present but empty, it is not sent, and lets the transport repeat the request where a
	// connection turns out to have been closed while it was idle. The event's ID makes that safe.
	request.Header["Idempotency-Key"] = nil
	tracing.Inject(ctx, request.Header)

	// A transport by itself follows no redirects and keeps no cookies.
	answer, err := via.RoundTrip(request)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return fmt.Errorf("send %s: %w", event.Type, ctx.Err())
		}
		return &Failed{Reason: reasonOf(err)}
	}
	// What remains of an answer that has been judged is of no account, nor is how it ends.
	defer func() { _ = answer.Body.Close() }()
	tracing.Current(ctx).Number(tracing.KeyStatus, int64(answer.StatusCode))
	drain(answer, cancel)
	return s.judge(answer)
}

// route decides how an endpoint is reached; or says why it is not, in words that hold nothing
// of the URL, which may be a credential.
func (s *Sender) route(endpoint string) (target *url.URL, via *http.Transport, refused string) {
	if len(endpoint) > MaxURL {
		return nil, nil, fmt.Sprintf("the url is longer than %d bytes", MaxURL)
	}
	target, err := url.Parse(endpoint)
	if err != nil || target.Hostname() == "" || target.User != nil || target.Fragment != "" {
		return nil, nil, reasonURL
	}
	switch {
	case target.Scheme == "https":
		return target, s.secure, ""
	case target.Scheme == "http" && s.plain != nil:
		return target, s.plain, ""
	case target.Scheme == "http":
		return nil, nil, "the url must begin with https://"
	}
	return nil, nil, reasonURL
}

// usable tells whether there are secrets, and none of them is empty: anybody could sign with
// that one.
func usable(secrets []Secret) bool {
	for _, s := range secrets {
		if s.Empty() {
			return false
		}
	}
	return len(secrets) > 0
}

// drain reads on a little, so that the connection can be used again, and throws it away. The
// answer's head has said everything already, so neither errors nor delays matter. cancel ends
// the request.
func drain(answer *http.Response, cancel context.CancelFunc) {
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return // what follows is no body, and has no end
	}
	defer time.AfterFunc(drainTime, cancel).Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
}
