package es2plus

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/tunnel"
)

// serveProxy is an HTTP proxy that connects everybody to behind, and tells whom it was asked for.
func serveProxy(t *testing.T, behind string) (at *url.URL, asked <-chan string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var passing sync.WaitGroup
	t.Cleanup(passing.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	requests := make(chan string, 8)
	passing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { pass(conn, behind, requests) })
		}
	})
	return &url.URL{Scheme: "http", Host: listener.Addr().String()}, requests
}

func pass(conn net.Conn, behind string, requests chan<- string) {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	requests <- request.Method + " " + request.Host
	operator, err := net.Dial("tcp", behind)
	if err != nil {
		return
	}
	defer func() { _ = operator.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(operator, reader)
		_ = operator.Close()
	}()
	_, _ = io.Copy(conn, operator)
}

func TestAProxyPassesOnWhatItCannotRead(t *testing.T) {
	ca := newAuthority(t)
	peers := make(chan string, 1)
	server := ca.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		peers <- r.TLS.PeerCertificates[0].Subject.CommonName
		_, _ = io.WriteString(w, anICCID)
	}), nil)
	at, asked := serveProxy(t, strings.TrimPrefix(server.URL, "https://"))
	config := ca.config("https://smdp.example.com:8443")
	config.ServerName, config.Dial = "127.0.0.1", tunnel.Through(at, "")
	driver := newTestDriver(t, config)
	if _, failure := driver.downloadOrder(t.Context(), anyPurchase); failure != nil {
		t.Fatal(failure)
	}
	if got := <-asked; got != "CONNECT smdp.example.com:8443" {
		t.Errorf("the proxy was asked to %q", got)
	}
	if got := <-peers; got != "OPERATOR-1" {
		t.Errorf("the SM-DP+ saw %q, not our own certificate", got)
	}
	driver.Close()
}

// DownloadOrder without an answer counts as a lost one, and may strand a profile; not this one.
func TestAProxyThatRefusesProvesThatNothingWasSent(t *testing.T) {
	ca := newAuthority(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	config := ca.config("https://smdp.example.com:8443")
	config.Dial = tunnel.Through(at, "")
	_, failure := newTestDriver(t, config).downloadOrder(t.Context(), anyPurchase)
	checkClass(t, "a refusing proxy", failure, operators.Transient, 0)
}
