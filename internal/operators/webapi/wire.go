package webapi

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
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/telcodev/esim-operator/internal/version"
)

const (
	// maxAnswerHeaders bounds the headers of an answer.
	maxAnswerHeaders = 64 << 10
	// maxRetryAfter bounds how long a vendor may tell us to wait.
	maxRetryAfter = time.Hour
	// idleTimeout is shorter than common servers' own, so that a request seldom goes out on
	// a connection that the server is about to close: that would be a lost answer.
	idleTimeout = 30 * time.Second
)

// trustError is a TLS handshake that one of the sides refused. Nothing was sent.
type trustError struct{ err error }

func (e *trustError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *trustError) Unwrap() error { return e.err }

// tlsConn knows whether the request that it carries has begun to leave.
type tlsConn struct {
	*tls.Conn
	sent atomic.Bool
}

// Write notes that something leaves, whether or not it arrives.
func (c *tlsConn) Write(data []byte) (int, error) {
	c.sent.Store(true)
	return c.Conn.Write(data)
}

// wire carries calls over HTTP/1.1 with TLS.
type wire struct {
	base    *url.URL
	timeout time.Duration
	tls     *tls.Config
	dialer  func(ctx context.Context, network, address string) (net.Conn, error)
	pool    *http.Transport
	// carrier is pool, or what Config.WrapTransport made of it.
	carrier http.RoundTripper
	now     func() time.Time
	closed  atomic.Bool
}

func newWire(config Config) (*wire, error) {
	base, err := config.baseURL()
	if err != nil {
		return nil, err
	}
	w := &wire{base: base, timeout: config.Timeout, now: config.Now, dialer: config.Dial}
	w.tls = &tls.Config{ServerName: base.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if len(config.CAPEM) > 0 {
		w.tls.RootCAs = x509.NewCertPool()
		if !w.tls.RootCAs.AppendCertsFromPEM(config.CAPEM) {
			return nil, errors.New("ca.crt of the credentials' Secret must hold the certificates, in PEM, by which " + config.Vendor + " is checked; leave it out to use the system's")
		}
	}
	if w.timeout <= 0 {
		w.timeout = DefaultTimeout
	}
	if w.now == nil {
		w.now = time.Now
	}
	if w.dialer == nil {
		w.dialer = (&net.Dialer{}).DialContext
	}
	w.pool = &http.Transport{
		Proxy:                  nil, // what goes there is for the vendor alone
		DialTLSContext:         w.dial,
		MaxIdleConns:           max(config.InFlight, 2),
		MaxIdleConnsPerHost:    max(config.InFlight, 2),
		MaxConnsPerHost:        2 * max(config.InFlight, 2),
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeaders,
		Protocols:              new(http.Protocols),
	}
	w.pool.Protocols.SetHTTP1(true)
	w.carrier = w.pool
	if config.WrapTransport != nil {
		w.carrier = config.WrapTransport(w.pool)
	}
	return w, nil
}

// dial connects and shakes hands. Its errors prove that no request was sent.
func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	raw, err := w.dialer(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, w.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the handshake's error is the one to tell
		return nil, handshakeError(err)
	}
	return &tlsConn{Conn: conn}, nil
}

// handshakeError tells a refusal from a connection that broke or took too long.
func handshakeError(err error) error {
	var timeout net.Error
	broken := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		(errors.As(err, &timeout) && timeout.Timeout())
	if broken {
		return err
	}
	return &trustError{err}
}

// exchange sends one request and reads its answer. It follows no redirect, and sends nothing
// twice: of requests with a body net/http repeats by itself only those of which no byte left.
func (w *wire) exchange(ctx context.Context, call Call) reply {
	if err := ctx.Err(); err != nil {
		return reply{fate: notSent, err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	defer w.giveUpIdle()

	var used []*tlsConn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if conn, ok := info.Conn.(*tlsConn); ok {
			conn.sent.Store(false)
			used = append(used, conn)
		}
	}})
	request, err := w.request(ctx, call)
	if err != nil {
		return reply{fate: notSent, err: err}
	}
	answer, err := w.carrier.RoundTrip(request) //nolint:bodyclose // read closes it
	if err != nil {
		return failed(err, used)
	}
	return w.read(answer, call.Limit)
}

func (w *wire) request(ctx context.Context, call Call) (*http.Request, error) {
	address := w.base.String() + call.Path
	if len(call.Query) > 0 {
		address += "?" + call.Query.Encode()
	}
	var body io.Reader
	if call.Body != nil {
		body = bytes.NewReader(call.Body)
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, address, body)
	if err != nil {
		return nil, errors.New("the request cannot be written") // err may quote the path
	}
	for name, values := range call.Header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	if call.Body != nil && request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", version.Get().UserAgent())
	return request, nil
}

// failed tells how far a call came that has no answer. By then net/http has closed the
// connection, so that nothing can leave later.
func failed(err error, used []*tlsConn) reply {
	var trust *trustError
	if errors.As(err, &trust) {
		return reply{fate: refused, err: plain(err)}
	}
	for _, conn := range used {
		if conn.sent.Load() {
			return reply{fate: unanswered, err: plain(err)}
		}
	}
	return reply{fate: notSent, err: plain(err)}
}

// read takes at most limit bytes of the answer. Closing an answer that was not read to its end
// closes the connection; the rest is never fetched.
func (w *wire) read(answer *http.Response, limit int64) reply {
	defer func() { _ = answer.Body.Close() }() // it was read or is given up: nothing is lost
	if limit <= 0 {
		limit = DefaultLimit
	}
	result := reply{status: answer.StatusCode, retryAfter: retryAfter(answer.Header, w.now())}
	body, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	switch {
	case err != nil:
		result.fate, result.err = unanswered, fmt.Errorf("read the answer: %w", plain(err))
	case int64(len(body)) > limit:
		result.fate, result.err = unreadable, fmt.Errorf("the answer is longer than %d bytes", limit)
	default:
		result.body = body
	}
	return result
}

// connect shakes hands and hangs up.
func (w *wire) connect(ctx context.Context) reply {
	port := w.base.Port()
	if port == "" {
		port = "443"
	}
	conn, err := w.dial(ctx, "tcp", net.JoinHostPort(w.base.Hostname(), port))
	if err != nil {
		return failed(err, nil)
	}
	_ = conn.Close() // the handshake is what was asked for
	return reply{fate: answered}
}

// close gives up idle connections; see giveUpIdle.
func (w *wire) close() {
	w.closed.Store(true)
	w.pool.CloseIdleConnections()
}

// giveUpIdle keeps a closed wire from keeping the connections of its last calls.
func (w *wire) giveUpIdle() {
	if w.closed.Load() {
		w.pool.CloseIdleConnections()
	}
}

// retryAfter reads a Retry-After header, of seconds or a date (RFC 9110 section 10.2.3),
// bounded by maxRetryAfter; 0 where there is none that can be read.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" || len(text) > 64 {
		return 0
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		seconds = min(max(seconds, 0), int64(maxRetryAfter/time.Second))
		return time.Duration(seconds) * time.Second
	}
	when, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	// The server's own clock counts, where it tells it.
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(when.Sub(now), 0), maxRetryAfter)
}
