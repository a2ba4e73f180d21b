package es2plus

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/version"
)

const anICCID = `{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"iccid":"8947010000123456784F"}`

// answering answers every call with an ICCID.
var answering = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, anICCID)
})

func TestARequestIsWrittenToTheLetter(t *testing.T) {
	ca := newAuthority(t)
	type wire struct {
		Method, URI, Proto, Protocol, ContentType, Agent, Peer, Body string
	}
	seen := make(chan wire, 1)
	server := ca.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- wire{r.Method, r.RequestURI, r.Proto, r.Header.Get("X-Admin-Protocol"), r.Header.Get("Content-Type"),
			r.Header.Get("User-Agent"), r.TLS.PeerCertificates[0].Subject.CommonName, string(body)}
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		_, _ = io.WriteString(w, anICCID)
	}), nil)
	driver := newTestDriver(t, ca.config(server.URL+"/"))
	iccid, failure := driver.downloadOrder(t.Context(), anyPurchase)
	if failure != nil || iccid != "8947010000123456784" {
		t.Fatalf("answered %q, %v", iccid, failure)
	}
	want := wire{
		"POST", "/gsma/rsp2/es2plus/downloadOrder", "HTTP/1.1", "gsma/rsp/v2.2.0", "application/json",
		version.Get().UserAgent(), "OPERATOR-1",
		`{"header":{"functionRequesterIdentifier":"OPERATOR-1","functionCallIdentifier":"5JZ2-1-D"},"profileType":"JP-1GB-7D"}`,
	}
	if diff := cmp.Diff(want, <-seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	ca := newAuthority(t)
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(answering)
	server.TLS = ca.serverTLS()
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	driver := newTestDriver(t, ca.config(server.URL))
	for range 20 {
		if _, failure := driver.downloadOrder(t.Context(), anyPurchase); failure != nil {
			t.Fatal(failure)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("20 calls took %d connections", n)
	}
	driver.Close()
	if _, failure := driver.downloadOrder(t.Context(), anyPurchase); failure != nil {
		t.Errorf("a call after Close: %v", failure)
	}
}

// misuse is a pairing of client and server of which one refuses the other.
type misuse struct {
	name   string
	server func(*tls.Config)
	client func(*Config)
}

func misuses(t *testing.T) []misuse {
	stranger := newAuthority(t)
	strangers := func(c *Config) { c.CertificatePEM, c.KeyPEM = stranger.issue("OPERATOR-1") }
	return []misuse{
		{"the server does not know our certificate, TLS 1.3", nil, strangers},
		{"the server does not know our certificate, TLS 1.3 without tickets", func(c *tls.Config) { c.SessionTicketsDisabled = true }, strangers},
		{"the server does not know our certificate, TLS 1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, strangers},
		{"we do not know the server's certificate", nil, func(c *Config) { c.CAPEM = stranger.pem() }},
		{"the server has another name", nil, func(c *Config) { c.ServerName = "other.example.com" }},
		{"the server speaks TLS 1.1 at most", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, nil},
	}
}

// A refusal that is taken for a lost answer would be counted as a stranded profile, or leave
// an order OutcomeUnknown, each time that it is tried.
func TestACertificateRefusedByEitherSideWouldPassForALostAnswer(t *testing.T) {
	for _, tc := range misuses(t) {
		t.Run(tc.name, func(t *testing.T) {
			ca := newAuthority(t)
			server := ca.serve(answering, tc.server)
			config := ca.config(server.URL)
			if tc.client != nil {
				tc.client(&config)
			}
			driver := newTestDriver(t, config)
			for range 5 {
				_, failure := driver.downloadOrder(t.Context(), anyPurchase)
				checkClass(t, "DownloadOrder", failure, misconfigured, 0)
				checkClass(t, "ConfirmOrder", confirmAnything(t.Context(), driver), misconfigured, 0)
				if class, _ := operators.ClassOf(driver.Probe(t.Context())); class != misconfigured {
					t.Errorf("Probe: class %q", class)
				}
			}
		})
	}
}

func confirmAnything(ctx context.Context, driver *Driver) *operators.Error {
	_, failure := driver.confirmOrder(ctx, anyPurchase, operators.Profile{ICCID: heldICCID}, 1)
	return failure
}

func TestEveryTLSOfTodayIsSpoken(t *testing.T) {
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.3":                 nil,
		"TLS 1.3 without tickets": func(c *tls.Config) { c.SessionTicketsDisabled = true },
		"TLS 1.2":                 func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"another server name":     nil,
	} {
		ca := newAuthority(t)
		server := ca.serve(answering, change)
		config := ca.config(server.URL)
		if name == "another server name" {
			config.ServerName = "es2plus.example.com"
		}
		driver := newTestDriver(t, config)
		if err := driver.Probe(t.Context()); err != nil {
			t.Errorf("%s: Probe: %v", name, err)
		}
		for range 3 {
			if _, failure := driver.downloadOrder(t.Context(), anyPurchase); failure != nil {
				t.Errorf("%s: %v: %v", name, failure, failure.Err)
			}
		}
	}
}

func TestWhereNothingWasSentNothingIsLost(t *testing.T) {
	ca := newAuthority(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, url := range map[string]string{
		"connection refused":               "https://" + closed.Addr().String(),
		"closed before the handshake":      "https://" + acceptAnd(t, func(c net.Conn) { _ = c.Close() }),
		"reset before the handshake":       "https://" + acceptAnd(t, reset),
		"hangs in the handshake":           "https://" + acceptAnd(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }),
		"the name is known to no resolver": "https://nowhere.invalid",
		"closed right after the handshake": "https://" + acceptAnd(t, func(c net.Conn) { shakeAndClose(c, ca.serverTLS()) }),
	} {
		config := ca.config(url)
		config.Timeout = 300 * time.Millisecond
		driver := newTestDriver(t, config)
		_, failure := driver.downloadOrder(t.Context(), anyPurchase)
		checkClass(t, name+": DownloadOrder", failure, transient, 0)
		checkClass(t, name+": ConfirmOrder", confirmAnything(t.Context(), driver), transient, 0)
		if class, _ := operators.ClassOf(driver.Probe(t.Context())); class != transient {
			t.Errorf("%s: Probe: class %q", name, class)
		}
	}
}

func TestAServerThatSpeaksNoTLSIsMisconfigured(t *testing.T) {
	plain := httptest.NewServer(answering)
	t.Cleanup(plain.Close)
	driver := newTestDriver(t, newAuthority(t).config(strings.Replace(plain.URL, "http:", "https:", 1)))
	_, failure := driver.downloadOrder(t.Context(), anyPurchase)
	checkClass(t, "plain HTTP", failure, misconfigured, 0)
}

func TestAnAnswerThatIsLostOnTheWayWouldPassForNothingSent(t *testing.T) {
	ca := newAuthority(t)
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, handler := range map[string]http.HandlerFunc{
		"closed after the request": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"reset after the request":  func(w http.ResponseWriter, _ *http.Request) { hijack(w, reset) },
		"hangs":                    func(_ http.ResponseWriter, r *http.Request) { waitFor(r.Context(), hang) },
		"hangs within the headers": func(w http.ResponseWriter, r *http.Request) {
			hijack(w, func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-")
				waitFor(r.Context(), hang)
				_ = c.Close()
			})
		},
		"hangs within the body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, anICCID[:20])
			w.(http.Flusher).Flush()
			waitFor(r.Context(), hang)
		},
		"ends within the body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = io.WriteString(w, anICCID)
		},
		"speaks something else": func(w http.ResponseWriter, _ *http.Request) {
			hijack(w, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n"); _ = c.Close() })
		},
		"headers without end": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 2*maxAnswerHeaders))
			_, _ = io.WriteString(w, anICCID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait for timeouts
			server := ca.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // net/http notices a gone client only then
				handler(w, r)
			}), nil)
			config := ca.config(server.URL)
			config.Timeout = time.Second
			driver := newTestDriver(t, config)
			_, failure := driver.downloadOrder(t.Context(), anyPurchase)
			checkClass(t, "DownloadOrder", failure, transient, 1)
			checkClass(t, "ConfirmOrder", confirmAnything(t.Context(), driver), unknown, 0)
			checkClass(t, "CancelOrder", driver.cancelOrder(t.Context(), operators.Held{ICCID: heldICCID}, ""), unknown, 0)
		})
	}
}

func TestAnEndlessAnswerWouldCostMemory(t *testing.T) {
	ca := newAuthority(t)
	const size = 100 << 20
	chunk := make([]byte, 64<<10)
	var written atomic.Int64
	huge := func(w io.Writer) {
		for n := 0; n < size; n += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
			written.Add(int64(len(chunk)))
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"plain": func(w http.ResponseWriter, _ *http.Request) { huge(w) },
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			packer := gzip.NewWriter(w)
			huge(packer)
			_ = packer.Close()
		},
	} {
		server := ca.serve(handler, nil)
		driver := newTestDriver(t, ca.config(server.URL))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := driver.transport.exchange(t.Context(), "/x", nil)
		runtime.ReadMemStats(&after)
		if r.fate != unreadable || r.body != nil {
			t.Errorf("%s: fate %d, %d bytes kept: %v", name, r.fate, len(r.body), r.err)
		}
		// Both sides of the connection live in this process; io.ReadAll doubles as it grows.
		if spent := after.TotalAlloc - before.TotalAlloc; spent > 20*maxAnswer {
			t.Errorf("%s: an answer of %d MiB cost %d MiB", name, size>>20, spent>>20)
		}
	}
	if written.Load() >= 2*size {
		t.Error("all of both answers was fetched")
	}
}

func TestACompressedAnswerIsRead(t *testing.T) {
	ca := newAuthority(t)
	server := ca.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		packer := gzip.NewWriter(w)
		_, _ = io.WriteString(packer, anICCID)
		_ = packer.Close()
	}), nil)
	if iccid, failure := newTestDriver(t, ca.config(server.URL)).downloadOrder(t.Context(), anyPurchase); failure != nil || iccid != heldICCID {
		t.Errorf("read %q, %v", iccid, failure)
	}
}

func TestARedirectWouldSendTheOrderElsewhere(t *testing.T) {
	ca := newAuthority(t)
	elsewhere := ca.serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }), nil)
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := ca.serve(http.RedirectHandler(elsewhere.URL, status), nil)
		driver := newTestDriver(t, ca.config(server.URL))
		checkClass(t, fmt.Sprint("HTTP ", status), confirmAnything(t.Context(), driver), unknown, 0)
	}
}

func TestNoProxyOfTheEnvironmentIsAsked(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://"+acceptAnd(t, func(c net.Conn) { t.Error("the proxy was asked"); _ = c.Close() }))
	t.Setenv("NO_PROXY", "")
	ca := newAuthority(t)
	server := ca.serve(answering, nil)
	if _, failure := newTestDriver(t, ca.config(server.URL)).downloadOrder(t.Context(), anyPurchase); failure != nil {
		t.Error(failure)
	}
}

// acceptAnd listens and does something with each connection; it returns the address.
func acceptAnd(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			do(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return listener.Addr().String()
}

// reset closes a connection so that its peer gets an error and no end.
func reset(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func shakeAndClose(conn net.Conn, config *tls.Config) {
	config.SessionTicketsDisabled = true // a ticket would be the server's consent
	secure := tls.Server(conn, config)
	_ = secure.Handshake()
	_ = conn.Close()
}

func hijack(w http.ResponseWriter, do func(net.Conn)) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	do(conn)
}

func waitFor(ctx context.Context, end <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-end:
	}
}
