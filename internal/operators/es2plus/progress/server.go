package progress

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
	readTimeout  = 15 * time.Second
	writeTimeout = readTimeout + storeTimeout + 5*time.Second
	idleTimeout  = time.Minute
	maxHeader    = 16 << 10
	// defaultConnections are many more than SM-DP+s keep open.
	defaultConnections = 512
	defaultGrace       = 10 * time.Second
)

// ServerOptions are where a Server listens, and how.
type ServerOptions struct {
	// BindAddress such as :8444.
	BindAddress string
	// CertDir holds tls.crt and tls.key, by which the server shows who it is. They may be
	// replaced at any time.
	CertDir string
	// MaxConnections at one time; others wait. 512 where 0.
	MaxConnections int
	// GracefulShutdown is how long requests in flight may take to end; 10s where 0.
	GracefulShutdown time.Duration
	// Log of what befalls the server.
	Log logr.Logger
}

// Server serves a Receiver over mutual TLS. It is a manager.Runnable.
type Server struct {
	options  ServerOptions
	receiver http.Handler
}

// NewServer serves the receiver once it is started.
func NewServer(receiver *Receiver, o ServerOptions) *Server {
	if o.MaxConnections == 0 {
		o.MaxConnections = defaultConnections
	}
	if o.GracefulShutdown == 0 {
		o.GracefulShutdown = defaultGrace
	}
	return &Server{options: o, receiver: receiver}
}

// NeedLeaderElection is false: whichever replica gets a report stores it.
func (*Server) NeedLeaderElection() bool { return false }

// Start serves until ctx ends, and then lets requests in flight end.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.BindAddress)
	if err != nil {
		return fmt.Errorf("listening for notifications on %s: %w", s.options.BindAddress, err)
	}
	return s.Serve(ctx, listener)
}

// Serve is Start on a listener, which it closes.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	watcher, err := servingcert.Watch(servingcert.Notifications, filepath.Join(s.options.CertDir, "tls.crt"), filepath.Join(s.options.CertDir, "tls.key"))
	if err != nil {
		return errors.Join(fmt.Errorf("reading the certificate for notifications: %w", err), listener.Close())
	}
	httpServer := s.httpServer(watcher.GetCertificate)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, work := errgroup.WithContext(work)
	group.Go(func() error { return watcher.Start(work) })
	group.Go(func() error {
		err := httpServer.ServeTLS(netutil.LimitListener(listener, s.options.MaxConnections), "", "")
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
		return s.shutDown(httpServer)
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("serving notifications: %w", err)
	}
	return nil
}

// shutDown takes no more requests, and cuts those off that do not end in time.
func (s *Server) shutDown(httpServer *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.GracefulShutdown)
	defer cancel()
	err := httpServer.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return httpServer.Close()
	}
	return err
}

func (s *Server) httpServer(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // all that ES2+ wants (SGP.22 section 6.1)
	return &http.Server{
		Handler: s.receiver, Protocols: protocols,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: stdlog.New(&serverLog{s.options.Log}, "", 0),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: certificate,
			// The handshake proves that the sender holds the key. Whose it is depends on CAs that
			// come and go with EsimOperators, and is checked with each request.
			ClientAuth: tls.RequireAnyClientCert,
		},
	}
}

// serverLog takes what net/http complains about. What it says of handshakes is dropped: it
// quotes from certificates that anybody may have made up.
type serverLog struct{ to logr.Logger }

var handshakeComplaint = []byte("http: TLS handshake error")

func (l *serverLog) Write(text []byte) (int, error) {
	if bytes.HasPrefix(text, handshakeComplaint) {
		l.to.V(1).Info("A TLS handshake failed")
	} else {
		l.to.Info("The server for notifications complains", "what", string(bytes.TrimSpace(text)))
	}
	return len(text), nil
}
