package progress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/onsi/gomega"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

var (
	_ manager.Runnable               = (*Server)(nil)
	_ manager.LeaderElectionRunnable = (*Server)(nil)
)

func TestEveryReplicaTakesNotifications(t *testing.T) {
	if NewServer(nil, ServerOptions{}).NeedLeaderElection() {
		t.Error("only the leader would")
	}
}

func TestACertificateThatIsReplacedIsShownAtOnce(t *testing.T) {
	s := newScene(t)
	if got := s.post(s.sender, installed); got != http.StatusNoContent {
		t.Fatalf("answered %d", got)
	}
	next := newAuthority(t, "our next CA")
	s.root = next
	s.writeCertificate(next.issue(withLoopback))
	c := s.client(s.ca.issue().tls)
	gomega.NewWithT(t).Eventually(func() error {
		c.CloseIdleConnections()
		_, err := s.send(c, http.MethodGet, "/", "")
		return err
	}, timeout, 20*time.Millisecond).Should(gomega.Succeed())
}

func TestWithoutACertificateTheServerDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	server := NewServer(NewReceiver(fixed(), &books{}, clock.RealClock{}, logr.Discard()), ServerOptions{BindAddress: "127.0.0.1:0", CertDir: dir})
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

func TestAReportThatIsBeingStoredIsStoredAndAnsweredBeforeTheServerEnds(t *testing.T) {
	ca := newAuthority(t, "the operator's CA")
	begun, goOn := make(chan struct{}), make(chan struct{})
	store := storeFunc(func(context.Context, []string, v1alpha1.DeviceReport) error {
		close(begun)
		<-goOn
		return nil
	})
	r := serve(t, fixed(Sender{Operator: "telco-one", CA: ca.pem(), Terms: sans(senderName)}), store, clock.RealClock{}, logr.Discard())
	status := make(chan int, 1)
	c := r.client(ca.issue().tls)
	go func() { status <- r.post(c, installed) }()
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	// Once it is told to stop it takes no more.
	gomega.NewWithT(t).Eventually(func() error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "https://"))
		if err == nil {
			err = conn.Close()
		}
		return err
	}, timeout, 10*time.Millisecond).ShouldNot(gomega.Succeed())
	select {
	case err := <-ended:
		t.Errorf("it ended with a report half stored: %v", err)
	default:
	}
	close(goOn)
	if got := <-status; got != http.StatusNoContent {
		t.Errorf("answered %d", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
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

func TestWhoSendsSlowlyIsCutOff(t *testing.T) {
	ours, ca := newAuthority(t, "our CA").issue(), newAuthority(t, "the operator's CA")
	theirs := ca.issue().tls
	for name, test := range map[string]struct {
		begin string
		every time.Duration
		limit time.Duration
	}{
		"before the handshake": {"", 0, headerTimeout},
		"in the headers":       {"POST / HTTP/1.1\r\n", time.Second, headerTimeout + time.Second},
		"in the body": {
			"POST /gsma/rsp2/es2plus/handleDownloadProgressInfo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n",
			time.Second, readTimeout + 2*time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				receiver := NewReceiver(fixed(Sender{Operator: "telco-one", CA: ca.pem(), Terms: sans(senderName)}), &books{}, clock.RealClock{}, logr.Discard())
				httpServer := NewServer(receiver, ServerOptions{}).httpServer(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &ours.tls, nil })
				// The certificates are of the real time, and the bubble begins in the year 2000.
				receiver.clock = fixedClock{ca.cert.NotBefore.Add(time.Minute)}
				listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				go func() { _ = httpServer.ServeTLS(listener, "", "") }()
				near, far := net.Pipe()
				listener.conns <- far
				begun := time.Now()
				conn := near
				var trickling sync.WaitGroup
				if test.begin != "" {
					secure := tls.Client(near, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{theirs}})
					if _, err := io.WriteString(secure, test.begin); err != nil {
						t.Fatal(err)
					}
					conn = secure
					trickling.Go(func() { trickle(secure, test.every) })
				}
				// Whatever is answered, the connection ends.
				_, _ = io.Copy(io.Discard, conn)
				if passed := time.Since(begun); passed > test.limit {
					t.Errorf("it was cut off after %v, not %v", passed, test.limit)
				}
				_ = near.Close()
				trickling.Wait()
				if err := httpServer.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// trickle sends a byte at a time, for ever.
func trickle(to io.Writer, every time.Duration) {
	for {
		if _, err := io.WriteString(to, "x"); err != nil {
			return
		}
		time.Sleep(every) // of the bubble's time
	}
}

// fixedClock always tells the same time.
type fixedClock struct{ at time.Time }

func (c fixedClock) Now() time.Time                  { return c.at }
func (c fixedClock) Since(t time.Time) time.Duration { return c.at.Sub(t) }
