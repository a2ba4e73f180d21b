package es2plus

import (
	"bytes"
	"context"
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
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/version"
)

const (
	// maxAnswer bounds an answer, after decompression. A real one has some hundred bytes.
	maxAnswer = 1 << 20
	// maxAnswerHeaders bounds the headers of an answer.
	maxAnswerHeaders = 64 << 10
	// maxRetryAfter bounds how long an SM-DP+ may tell us to wait.
	maxRetryAfter = time.Hour
	// idleTimeout is shorter than common servers' own, so that a request seldom goes out on
	// a connection that the server is about to close: that would be a lost answer.
	idleTimeout = 30 * time.Second
)

// fate is how far a call came.
type fate int

const (
	// answered: a whole answer came, whatever it says.
	answered fate = iota
	// notSent: nothing of the request left.
	notSent
	// refused: one side refuses the other's certificate; the request was not looked at.
	refused
	// unanswered: the request left, and no whole answer came in time.
	unanswered
	// unreadable: an answer came that cannot be used.
	unreadable
)

// reply is what came of a call.
type reply struct {
	fate fate
	// status, retryAfter and body of the HTTP answer, where there is one.
	status     int
	retryAfter time.Duration
	body       []byte
	// err is why there is none, for logs: a cause, or in our own words.
	err error
}

// httpTransport is transport over HTTP/1.1 with mutual TLS (SGP.22 section 6.1).
type httpTransport struct {
	base    *url.URL
	version string
	timeout time.Duration
	dialer  *dialer
	pool    *http.Transport
	// carrier is pool, or what Config.WrapTransport made of it.
	carrier http.RoundTripper
	now     func() time.Time
	closed  atomic.Bool
}

func newHTTPTransport(config Config) (*httpTransport, error) {
	base, err := config.baseURL()
	if err != nil {
		return nil, err
	}
	if config.FunctionRequesterIdentifier == "" {
		return nil, errors.New("spec.es2plus.functionRequesterIdentifier must be set")
	}
	version, err := config.version()
	if err != nil {
		return nil, err
	}
	trust, err := config.tls(base.Hostname())
	if err != nil {
		return nil, err
	}
	t := &httpTransport{base: base, version: version, timeout: config.Timeout, now: config.Now}
	if t.timeout <= 0 {
		t.timeout = DefaultTimeout
	}
	if t.now == nil {
		t.now = time.Now
	}
	t.dialer = &dialer{tls: trust, timeout: t.timeout, connect: config.Dial}
	if t.dialer.connect == nil {
		t.dialer.connect = (&net.Dialer{}).DialContext
	}
	// No proxy of net/http's: a tunnel is Dial's to make. The certificate that identifies us is for
	// the SM-DP+ alone.
	t.pool = &http.Transport{
		DialTLSContext:         t.dialer.dial,
		MaxIdleConns:           max(config.InFlight, 2),
		MaxIdleConnsPerHost:    max(config.InFlight, 2),
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeaders,
		Protocols:              new(http.Protocols),
	}
	t.pool.Protocols.SetHTTP1(true)
	t.carrier = t.pool
	if config.WrapTransport != nil {
		t.carrier = config.WrapTransport(t.pool)
	}
	return t, nil
}

// exchange sends one request and reads its answer. It follows no redirect, and sends nothing
// twice: what net/http repeats by itself is a request of which no byte left.
func (t *httpTransport) exchange(ctx context.Context, path string, request []byte) reply {
	if err := ctx.Err(); err != nil {
		return reply{fate: notSent, err: err}
	}
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, t.base.String()+path, bytes.NewReader(request))
	if err != nil {
		return reply{fate: notSent, err: err}
	}
	call.Header.Set("Content-Type", "application/json")
	call.Header.Set(es2plus.HeaderAdminProtocol, es2plus.AdminProtocol(t.version))
	return t.carry(call)
}

// ask reads what is at a path. To read is safe (RFC 9110 section 9.2.1): functions are executed
// by POST only, so the answer tells that the SM-DP+ is there, and no more.
func (t *httpTransport) ask(ctx context.Context, path string) reply {
	call, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base.String()+path, nil)
	if err != nil {
		return reply{fate: notSent, err: err}
	}
	return t.carry(call)
}

// carry sends a request and reads its answer.
func (t *httpTransport) carry(call *http.Request) reply {
	ctx, cancel := context.WithTimeout(call.Context(), t.timeout)
	defer cancel()
	defer t.giveUpIdle()

	var used []*tlsConn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if conn, ok := info.Conn.(*tlsConn); ok {
			conn.begin()
			used = append(used, conn)
		}
	}})
	call.Header.Set("User-Agent", version.Get().UserAgent())

	answer, err := t.carrier.RoundTrip(call.WithContext(ctx)) //nolint:bodyclose // read closes it
	if err != nil {
		return failed(err, used)
	}
	return t.read(answer)
}

// failed tells how far a call came that has no answer. By then net/http has closed the
// connection, so that nothing can leave later.
func failed(err error, used []*tlsConn) reply {
	sent := false
	for _, conn := range used {
		if refusal := conn.refusal.Load(); refusal != nil {
			return reply{fate: refused, err: plain(refusal)}
		}
		sent = sent || conn.sent.Load()
	}
	var trust *trustError
	switch {
	case errors.As(err, &trust):
		return reply{fate: refused, err: plain(err)}
	case sent:
		return reply{fate: unanswered, err: plain(err)}
	default:
		return reply{fate: notSent, err: plain(err)}
	}
}

// read takes at most maxAnswer bytes of the answer. Closing an answer that was not read to
// its end closes the connection; the rest is never fetched.
func (t *httpTransport) read(answer *http.Response) reply {
	defer func() { _ = answer.Body.Close() }() // it was read or is given up: nothing is lost
	result := reply{status: answer.StatusCode, retryAfter: retryAfter(answer.Header, t.now())}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		result.fate, result.err = unanswered, fmt.Errorf("read the answer: %w", plain(err))
	case len(body) > maxAnswer:
		result.fate, result.err = unreadable, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	default:
		result.body = body
	}
	return result
}

// connect shakes hands and hangs up.
func (t *httpTransport) connect(ctx context.Context) reply {
	port := t.base.Port()
	if port == "" {
		port = "443"
	}
	conn, err := t.dialer.dial(ctx, "tcp", net.JoinHostPort(t.base.Hostname(), port))
	if err != nil {
		return failed(err, nil)
	}
	_ = conn.Close() // the handshake is what was asked for
	return reply{fate: answered}
}

// close gives up idle connections; see giveUpIdle.
func (t *httpTransport) close() {
	t.closed.Store(true)
	t.pool.CloseIdleConnections()
}

// giveUpIdle keeps a closed transport from keeping the connections of its last calls.
func (t *httpTransport) giveUpIdle() {
	if t.closed.Load() {
		t.pool.CloseIdleConnections()
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
