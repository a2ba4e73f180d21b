package vendorhooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/telcodev/esim-operator/internal/servingcert"
)

const (
	headerTimeout = 5 * time.Second
	// readTimeout bounds a whole request, so that nobody holds a connection by sending slowly.
	readTimeout = 15 * time.Second
	// writeTimeout leaves time to read the secrets anew, and to store.
	writeTimeout = readTimeout + 2*storeTimeout + 5*time.Second
	idleTimeout  = time.Minute
	maxHeader    = 16 << 10
	// maxConnections at one time; others wait.
	maxConnections = 512
	grace          = 10 * time.Second
)

// ServerOptions are where a Server listens, and how.
type ServerOptions struct {
	// BindAddress such as :8445.
	BindAddress string
	// CertDir holds tls.crt and tls.key, by which the server shows who it is. They may be
	// replaced at any time.
	CertDir string
	// Log of what befalls the server.
	Log logr.Logger
}

// Server serves a Receiver over HTTPS. It is a manager.Runnable.
type Server struct {
	options  ServerOptions
	receiver http.Handler
}

// NewServer serves the receiver once it is started.
func NewServer(receiver *Receiver, o ServerOptions) *Server {
	return &Server{options: o, receiver: receiver}
}

// NeedLeaderElection is false: whichever replica gets a hint stores it.
func (*Server) NeedLeaderElection() bool { return false }

// Start serves until ctx ends, and then lets requests in flight end.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.BindAddress)
	if err != nil {
		return fmt.Errorf("listening for wholesalers' webhooks on %s: %w", s.options.BindAddress, err)
	}
	return s.Serve(ctx, listener)
}

// Serve is Start on a listener, which it closes.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	watcher, err := servingcert.Watch(servingcert.VendorWebhooks, filepath.Join(s.options.CertDir, "tls.crt"), filepath.Join(s.options.CertDir, "tls.key"))
	if err != nil {
		return errors.Join(fmt.Errorf("reading the certificate for wholesalers' webhooks: %w", err), listener.Close())
	}
	httpServer := s.httpServer(watcher.GetCertificate)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, work := errgroup.WithContext(work)
	group.Go(func() error { return watcher.Start(work) })
	group.Go(func() error {
		err := httpServer.ServeTLS(netutil.LimitListener(listener, maxConnections), "", "")
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	})
	group.Go(func() error {
		defer stop()
		select {
		case <-ctx.Done():
		case <-work.Done():
		}
		return shutDown(httpServer)
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("serving wholesalers' webhooks: %w", err)
	}
	return nil
}

// shutDown takes no more requests, and cuts those off that do not end in time.
func shutDown(httpServer *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := httpServer.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return httpServer.Close()
	}
	return err
}

func (s *Server) httpServer(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // a webhook is one request; streams would escape the limit of connections
	return &http.Server{
		Handler: s.receiver, Protocols: protocols,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog:  stdlog.New(&serverLog{s.options.Log}, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate},
	}
}

// serverLog takes what net/http complains about. Of handshakes, which anybody can fail at, it
// tells no more than that they failed.
type serverLog struct{ to logr.Logger }

var handshakeComplaint = []byte("http: TLS handshake error")

func (l *serverLog) Write(text []byte) (int, error) {
	if bytes.HasPrefix(text, handshakeComplaint) {
		l.to.V(1).Info("A TLS handshake failed")
	} else {
		l.to.Info("The server for wholesalers' webhooks complains", "what", string(bytes.TrimSpace(text)))
	}
	return len(text), nil
}
