package es2plus

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// echo is what a peer may repeat of an earlier request.
const echo = "K3TQX9ZW7VJ2M4PBN8RD"

// net/http quotes what it cannot read. What it read may be a credential that the peer had from
// us, on this connection or another.
func TestWhatIsNoHTTPWouldBeLogged(t *testing.T) {
	for name, said := range map[string]string{
		"no HTTP at all":             echo + "\r\n\r\n",
		"another status code":        "HTTP/1.1 " + echo + " OK\r\n\r\n",
		"another version":            echo + "/1.1 200 OK\r\n\r\n",
		"a header without a colon":   "HTTP/1.1 200 OK\r\n" + echo + "\r\n\r\n",
		"a header that goes nowhere": "HTTP/1.1 200 OK\r\n " + echo + "\r\n\r\n",
		"a length that is none":      "HTTP/1.1 200 OK\r\nContent-Length: " + echo + "\r\n\r\n",
		"two lengths":                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: " + echo + "\r\n\r\n",
		"an unknown encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + echo + "\r\n\r\n",
		"a chunk without length":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + echo + "\r\n",
		"a broken trailer":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\n{\r\n0\r\n" + echo + "\r\n\r\n",
		"no gzip":                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + echo,
	} {
		ca := newAuthority(t)
		config := ca.config("https://" + acceptAnd(t, func(conn net.Conn) { say(conn, ca.serverTLS(), said) }))
		failure := confirmAnything(t.Context(), newTestDriver(t, config))
		checkClass(t, name, failure, unknown, 0)
		if failure == nil || failure.Err == nil {
			t.Errorf("%s: the error has no cause", name)
			continue
		}
		for _, shown := range []string{failure.Err.Error(), fmt.Sprintf("%+v", failure.Err), fmt.Sprintf("%#v", failure.Err)} {
			if strings.Contains(shown, echo) {
				t.Errorf("%s: the log shows %s", name, shown)
			}
		}
		for err := error(failure); err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), echo) {
				t.Errorf("%s: an error within shows %s", name, err)
			}
		}
	}
}

// say shakes hands, reads a request and answers what is no answer.
func say(conn net.Conn, config *tls.Config, what string) {
	secure := tls.Server(conn, config)
	request, err := http.ReadRequest(bufio.NewReader(secure))
	if err != nil {
		return // a probe, or a client that is gone
	}
	_, _ = io.Copy(io.Discard, request.Body)
	_, _ = io.WriteString(secure, what)
	_ = secure.Close()
}

func TestACauseStillTellsWhatHappened(t *testing.T) {
	ca := newAuthority(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	silent := acceptAnd(t, func(conn net.Conn) {
		secure := tls.Server(conn, ca.serverTLS())
		_, _ = io.Copy(io.Discard, secure)
	})
	for _, tc := range []struct {
		name, url, want string
		is              error
	}{
		{"connection refused", "https://" + closed.Addr().String(), "connection refused", nil},
		{"closed after the request", "https://" + acceptAnd(t, func(c net.Conn) { say(c, ca.serverTLS(), "") }), "EOF", io.EOF},
		{"reset after the request", "https://" + acceptAnd(t, func(c net.Conn) { hangUpOn(c, ca.serverTLS()) }), "connection reset", nil},
		{"ended within the body", "https://" + acceptAnd(t, func(c net.Conn) {
			say(c, ca.serverTLS(), "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
		}), "read the answer", io.ErrUnexpectedEOF},
		{"no answer in time", "https://" + silent, "deadline exceeded", context.DeadlineExceeded},
		{"no HTTP", "https://" + acceptAnd(t, func(c net.Conn) { say(c, ca.serverTLS(), "SSH-2.0-x\r\n\r\n") }), "no HTTP", nil},
	} {
		config := ca.config(tc.url)
		config.Timeout = time.Second
		failure := confirmAnything(t.Context(), newTestDriver(t, config))
		if failure == nil || failure.Err == nil || !strings.Contains(failure.Err.Error(), tc.want) {
			t.Errorf("%s: the cause is %v, want %q", tc.name, errors.Unwrap(failure), tc.want)
		}
		if tc.is != nil && !errors.Is(failure, tc.is) {
			t.Errorf("%s: the cause %v is not %v", tc.name, errors.Unwrap(failure), tc.is)
		}
	}
}

// hangUpOn resets the connection once the request is there.
func hangUpOn(conn net.Conn, config *tls.Config) {
	secure := tls.Server(conn, config)
	if request, err := http.ReadRequest(bufio.NewReader(secure)); err == nil {
		_, _ = io.Copy(io.Discard, request.Body)
	}
	reset(secure)
}

func TestACertificatesNamesAreToldAndCut(t *testing.T) {
	stranger := newAuthority(t)
	ca := newAuthority(t)
	server := ca.serve(answering, nil)
	config := ca.config(server.URL)
	config.CAPEM = stranger.pem()
	failure := confirmAnything(t.Context(), newTestDriver(t, config))
	if failure == nil || failure.Err == nil || !strings.Contains(failure.Err.Error(), "unknown authority") {
		t.Errorf("the cause is %v", errors.Unwrap(failure))
	}
	long := plain(&trustError{errors.New(strings.Repeat("x", 1000) + "\n")})
	if len(long.Error()) > maxPeerText {
		t.Errorf("a peer's certificate fills the log with %d bytes", len(long.Error()))
	}
}
