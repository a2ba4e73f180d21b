package wholesale

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
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// port serves a handler over TLS. It can be shut, as that of a server that is gone, and opened
// again.
type port struct {
	handler http.Handler
	tls     *tls.Config
	log     *slog.Logger

	mu      sync.Mutex
	address string // with the port's number once it was open
	server  *http.Server
	running sync.WaitGroup
	ended   bool
}

// open listens, unless it does already.
func (p *port) open(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
		return errors.New("the wholesaler is closed")
	case p.server != nil:
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	p.address = listener.Addr().String()
	server := &http.Server{
		Handler: p.handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog:     slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	p.server = server
	p.running.Go(func() {
		if err := server.Serve(tls.NewListener(listener, p.tls)); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("port lost", "error", err)
		}
	})
	return nil
}

// shut closes the port and all connections until open.
func (p *port) shut() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		return nil
	}
	err := p.server.Close()
	p.server = nil
	if err != nil {
		return fmt.Errorf("close the port: %w", err)
	}
	return nil
}

// end closes the port for good and waits until nobody serves it.
func (p *port) end() error {
	err := p.shut()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.running.Wait()
	return err
}

func (p *port) current() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address
}
