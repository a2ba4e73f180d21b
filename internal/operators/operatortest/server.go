package operatortest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// Server serves a wholesaler's fake over TLS on a network in memory, so that it lives inside of
// a testing/synctest bubble, where time passes at once. Its injector stands before the fake.
type Server struct {
	*faults.Injector
	// URL of the fake, without a path.
	URL string
	// CA is the certificate, in PEM, by which the fake is checked.
	CA []byte

	conns   chan net.Conn
	closed  chan struct{}
	refused atomic.Bool
}

// ServerHost is the host of every Server's URL.
const ServerHost = "api.vendor.example"

// Serve serves a fake until the test ends. name names a request's function, for faults; nil for
// its method and path.
func Serve(t testing.TB, fake http.Handler, name func(*http.Request) string) *Server {
	t.Helper()
	certificate, authority := identity()
	s := &Server{
		Injector: &faults.Injector{Name: name}, URL: "https://" + ServerHost, CA: authority,
		conns: make(chan net.Conn), closed: make(chan struct{}),
	}
	// serving are the server and all calls that it executes, those included whose client went.
	var serving sync.WaitGroup
	handler := s.Wrap(fake)
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			serving.Add(1)
			defer serving.Done()
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	serving.Go(func() {
		if err := server.Serve(tls.NewListener(s, server.TLSConfig)); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve the fake: %v", err)
		}
	})
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the fake: %v", err)
		}
		serving.Wait()
	})
	return s
}

// Refuse closes or opens the fake's port.
func (s *Server) Refuse(refused bool) { s.refused.Store(refused) }

// Dial connects to the fake whatever the address. It is what a driver under test uses in
// place of a net.Dialer.
func (s *Server) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	refusal := &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	if s.refused.Load() {
		return nil, refusal
	}
	ours, theirs := pipe()
	select {
	case s.conns <- theirs:
		return ours, nil
	case <-s.closed:
		return nil, refusal
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept is net.Listener's.
func (s *Server) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close is net.Listener's. The http.Server calls it once.
func (s *Server) Close() error {
	close(s.closed)
	return nil
}

// Addr is net.Listener's.
func (*Server) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// identity is the certificate of every Server. It is valid at the time at which bubbles begin
// and now.
var identity = sync.OnceValues(func() (tls.Certificate, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("make a key: %v", err))
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: ServerHost}, DNSNames: []string{ServerHost},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(fmt.Sprintf("make a certificate: %v", err))
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
})
