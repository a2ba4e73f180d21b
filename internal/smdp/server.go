package smdp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/activation"
)

const (
	// headerTimeout bounds the TLS handshake and the reading of a request's header.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// closeTimeout is how long calls under way may take when the server closes.
	closeTimeout = 5 * time.Second
)

var errClosed = errors.New("the SM-DP+ is closed")

// Server is an SM-DP+. Its methods are safe for concurrent use; those that show its state work before
// Start and after Close too.
type Server struct {
	options   Options
	log       *slog.Logger
	clock     clock.Clock
	random    *lockedReader
	pki       *PKI
	registry  *registry
	faults    *faults
	latencies latencies
	notifier  *notifier

	settings struct {
		sync.Mutex
		Behaviour
	}

	// ending is done once the server closes.
	ending context.Context
	end    context.CancelCauseFunc

	es2plus *http.Server
	control *http.Server
	// refusing is held while it changes whether connections are refused.
	refusing sync.Mutex

	lifecycle sync.Mutex
	gate      *gate // nil before Start; set with refusing held too
	ports     struct{ control net.Addr }
	running   sync.WaitGroup
	unwatch   func() bool
	closed    bool
	closeErr  error
}

// New makes an SM-DP+, or opens the one in the data folder. Close it in any case.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("start an SM-DP+: %w", err)
	}
	s := &Server{options: o, log: o.Logger, clock: o.Clock, random: &lockedReader{source: o.Rand}}
	s.settings.Behaviour = o.Behaviour
	s.settings.smdpAddress = o.SMDPAddress
	s.faults = &faults{chance: s.chance}
	s.ending, s.end = context.WithCancelCause(context.Background())
	var err error
	if s.registry, err = openRegistry(o, s.random); err != nil {
		return nil, fmt.Errorf("start an SM-DP+: %w", err)
	}
	if s.pki, err = openPKI(o.DataDir, o.serverNames(), o.Clock.Now); err != nil {
		return nil, errors.Join(fmt.Errorf("start an SM-DP+: %w", err), s.registry.journal.close())
	}
	if s.notifier, err = newNotifier(s.pki, s.clock, s.random, s.log, o.Notifications); err != nil {
		return nil, errors.Join(fmt.Errorf("start an SM-DP+: %w", err), s.registry.journal.close())
	}
	s.es2plus = s.newHTTPServer(s.es2plusHandler())
	s.control = s.newHTTPServer(s.controlHandler())
	return s, nil
}

// openRegistry makes the memory of an SM-DP+, or reads it from the data folder.
func openRegistry(o Options, random *lockedReader) (*registry, error) {
	iccids, err := newICCIDSource(o.ICCIDPrefix)
	if err != nil {
		return nil, err
	}
	r := &registry{
		iccids: iccids, journal: noJournal{}, random: random,
		defaultStock: o.defaultStock, mayOrder: o.mayOrder,
		profiles: make(map[activation.ICCID]profile), shelves: make(map[string]int),
		returned:    make(map[string][]activation.ICCID),
		matchingIDs: make(map[matchingKey]activation.ICCID),
		ledger:      newLedger(o.LedgerLimit),
	}
	if o.DataDir != "" {
		if err := openJournal(o.DataDir, r); err != nil {
			return nil, err
		}
	}
	for profileType, n := range o.Stock {
		if _, known := r.shelves[profileType]; known {
			continue
		}
		if err := r.setStock(profileType, n); err != nil {
			return nil, errors.Join(fmt.Errorf("stock of %q: %w", profileType, err), r.journal.close())
		}
	}
	return r, nil
}

func (s *Server) newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return s.ending },
		// HTTP/1.1 is what ES2+ is specified over.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
}

// Start opens the ports and serves until ctx is done or Close is called.
func (s *Server) Start(ctx context.Context) error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	switch {
	case s.closed:
		return errClosed
	case s.gate != nil:
		return errors.New("the SM-DP+ is started already")
	}
	g, err := openGate(ctx, s.options.Address, s.refuses)
	if err != nil {
		return err
	}
	control, err := new(net.ListenConfig).Listen(ctx, "tcp", s.options.ControlAddress)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for the control API: %w", err), g.Close())
	}
	s.refusing.Lock()
	s.gate = g
	s.refusing.Unlock()
	s.ports.control = control.Addr()
	s.es2plus.ConnState = g.track
	s.es2plus.ConnContext = withConn
	s.serveOn(s.es2plus, tls.NewListener(g, s.tlsConfig()))
	s.serveOn(s.control, control)
	s.running.Go(func() { s.notifier.run(s.ending) })
	s.unwatch = context.AfterFunc(ctx, func() {
		if err := s.Close(); err != nil {
			s.log.Error("not closed in good order", "error", err)
		}
	})
	s.log.Info("serving", "es2plus", s.urlOf("https", g.Addr()), "control", s.urlOf("http", control.Addr()))
	return s.applyRefusal()
}

func (s *Server) serveOn(server *http.Server, l net.Listener) {
	s.running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("port lost", "address", l.Addr().String(), "error", err)
		}
	})
}

// tlsConfig demands a client certificate of our CA.
func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{s.pki.server},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    s.pki.pool(),
		NextProtos:   []string{"http/1.1"},
		Time:         s.clock.Now,
	}
}

// Close ends what hangs, lets calls under way be answered for some seconds, and writes the
// state. It may be called more than once.
func (s *Server) Close() error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	if s.closed {
		return s.closeErr
	}
	s.closed = true
	s.end(errClosed)
	if s.gate != nil {
		s.unwatch()
		s.gate.drop()
		s.closeErr = errors.Join(s.gate.Close(), shutdown(s.es2plus), shutdown(s.control))
	}
	s.running.Wait()
	s.notifier.close()
	s.closeErr = errors.Join(s.closeErr, s.registry.closeJournal())
	return s.closeErr
}

// shutdown lets calls end, but not for ever.
func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("calls did not end: %w", err), server.Close())
	}
	return nil
}

// URL of ES2+, such as https://127.0.0.1:18443; empty before Start.
func (s *Server) URL() string {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	if s.gate == nil {
		return ""
	}
	return s.urlOf("https", s.gate.Addr())
}

// ControlURL of the control API, such as http://127.0.0.1:18444; empty before Start.
func (s *Server) ControlURL() string {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	if s.ports.control == nil {
		return ""
	}
	return s.urlOf("http", s.ports.control)
}

// urlOf a port that was opened, as this machine reaches it.
func (s *Server) urlOf(scheme string, a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return scheme + "://" + a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// PKI of this SM-DP+.
func (s *Server) PKI() *PKI { return s.pki }
