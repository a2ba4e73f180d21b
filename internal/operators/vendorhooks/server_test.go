package vendorhooks

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

var (
	_ manager.Runnable               = (*Server)(nil)
	_ manager.LeaderElectionRunnable = (*Server)(nil)
)

// writeCertificate puts a certificate for 127.0.0.1, that signs itself, into a folder, and
// returns it as a pool.
func writeCertificate(t *testing.T, dir string) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: der}, "tls.key": {Type: "EC PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return pool, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// send posts zendit's webhook over HTTPS.
func send(ctx context.Context, address string, roots *x509.CertPool) (int, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/v1/zendit", strings.NewReader(zenditDone))
	if err != nil {
		return 0, err
	}
	request.Header.Set("X-Webhook-Secret", secretHeader)
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func TestEveryReplicaTakesWebhooks(t *testing.T) {
	if NewServer(nil, ServerOptions{}).NeedLeaderElection() {
		t.Error("only the leader would")
	}
}

func TestWebhooksAreTakenUnderACertificateThatMayBeReplaced(t *testing.T) {
	dir := t.TempDir()
	first, _ := writeCertificate(t, dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	server := NewServer(newScene(t).Receiver, ServerOptions{CertDir: dir, Log: logr.Discard()})
	go func() { ended <- server.Serve(ctx, listener) }()
	if got, err := send(t.Context(), address, first); err != nil || got != http.StatusNoContent {
		t.Errorf("answered %d, %v", got, err)
	}
	second, _ := writeCertificate(t, dir)
	gomega.NewWithT(t).Eventually(func() error {
		_, err := send(t.Context(), address, second)
		return err
	}, 10*time.Second, 20*time.Millisecond).Should(gomega.Succeed())
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got, err := send(t.Context(), address, second); err == nil {
		t.Errorf("after its end it answers %d", got)
	}
}

func TestWithoutACertificateOrAnAddressTheServerDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	server := NewServer(newScene(t).Receiver, ServerOptions{BindAddress: "127.0.0.1:0", CertDir: dir, Log: logr.Discard()})
	if err := server.Start(t.Context()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), filepath.Join(dir, "tls.crt")) {
		t.Errorf("the error is %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	server.options.BindAddress = taken.Addr().String()
	if err := server.Start(t.Context()); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("the error is %v", err)
	}
}

// pipes are a listener in memory, so that time can be made to pass.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error { close(p.done); return nil }
func (*pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func TestWhoSendsNothingMoreIsCutOff(t *testing.T) {
	_, certificate := writeCertificate(t, t.TempDir())
	for name, tc := range map[string]struct {
		begin string
		limit time.Duration
	}{
		"in the headers": {"POST /v1/zendit HTTP/1.1\r\n", headerTimeout + time.Second},
		"in the body":    {"POST /v1/zendit HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{", readTimeout + 2*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				httpServer := NewServer(newScene(t).Receiver, ServerOptions{Log: logr.Discard()}).
					httpServer(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil })
				listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				go func() { _ = httpServer.ServeTLS(listener, "", "") }()
				near, far := net.Pipe()
				listener.conns <- far
				begun := time.Now()
				secure := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
				if _, err := io.WriteString(secure, tc.begin); err != nil {
					t.Fatal(err)
				}
				// Whatever is answered, the connection ends.
				_, _ = io.Copy(io.Discard, bufio.NewReader(secure))
				if passed := time.Since(begun); passed > tc.limit {
					t.Errorf("it was cut off after %v, not %v", passed, tc.limit)
				}
				_ = near.Close()
				if err := httpServer.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
