package smdp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// farewell is how long an idle client has to notice that its connection ends.
const farewell = time.Second

// gate is the ES2+ port. It can reset connections before anything is read from them, and close
// the port and open it again. As a net.Listener it outlives that.
type gate struct {
	// refuses tells whether the next connection is refused.
	refuses func() bool

	mu   sync.Mutex
	port net.Listener // nil while the port is closed
	addr net.Addr
	// changed is closed, and made anew, when the port opens or the gate ends.
	changed chan struct{}
	ended   bool
	// quiet are the connections on which no request is under way.
	quiet map[net.Conn]struct{}
	// dismissed are those that were told to go, and have not gone.
	dismissed map[net.Conn]struct{}
	// fewer is signalled when a quiet connection goes.
	fewer *sync.Cond
}

func openGate(ctx context.Context, address string, refuses func() bool) (*gate, error) {
	port, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for ES2+: %w", err)
	}
	g := &gate{
		refuses: refuses, port: port, addr: port.Addr(),
		changed: make(chan struct{}), quiet: make(map[net.Conn]struct{}), dismissed: make(map[net.Conn]struct{}),
	}
	g.fewer = sync.NewCond(&g.mu)
	return g, nil
}

// Accept waits for a connection that is let in.
func (g *gate) Accept() (net.Conn, error) {
	for {
		port, changed, ended := g.current()
		switch {
		case ended:
			return nil, net.ErrClosed
		case port == nil:
			<-changed
			continue
		}
		conn, err := port.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				continue // closed by close or Close, as current tells
			}
			return nil, err
		}
		if g.refuses() {
			reset(conn)
			continue
		}
		return conn, nil
	}
}

func (g *gate) current() (port net.Listener, changed <-chan struct{}, ended bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.port, g.changed, g.ended
}

// Addr is the same while the port is closed.
func (g *gate) Addr() net.Addr { return g.addr }

// Close ends the gate.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return nil
	}
	g.ended = true
	close(g.changed)
	return g.shutPort()
}

// shut closes the port until open.
func (g *gate) shut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shutPort()
}

func (g *gate) shutPort() error {
	if g.port == nil {
		return nil
	}
	err := g.port.Close()
	g.port = nil
	return err
}

// open opens the port again, if it is closed.
func (g *gate) open(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.port != nil || g.ended {
		return nil
	}
	port, err := new(net.ListenConfig).Listen(ctx, "tcp", g.addr.String())
	if err != nil {
		return fmt.Errorf("open the ES2+ port again: %w", err)
	}
	g.port = port
	close(g.changed)
	g.changed = make(chan struct{})
	return nil
}

// track is the http.Server's ConnState hook.
func (g *gate) track(conn net.Conn, state http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if state == http.StateNew || state == http.StateIdle {
		g.quiet[conn] = struct{}{}
		return
	}
	delete(g.quiet, conn)
	if state == http.StateClosed || state == http.StateHijacked {
		delete(g.dismissed, conn)
	}
	g.fewer.Broadcast()
}

// dismiss ends the connections on which no request is under way, and returns once their
// clients have noticed, so that none of them sends another request there. One that was under
// way already is not served.
func (g *gate) dismiss() {
	g.mu.Lock()
	defer g.mu.Unlock()
	leaving := make([]net.Conn, 0, len(g.quiet))
	for conn := range g.quiet {
		leaving = append(leaving, conn)
		g.dismissed[conn] = struct{}{}
		// The server's own read ends when the client closes, or at the deadline. A connection
		// whose handshake is not done cannot say goodbye.
		secure, ok := conn.(*tls.Conn)
		if !ok || secure.CloseWrite() != nil || conn.SetReadDeadline(time.Now().Add(farewell)) != nil {
			reset(conn)
		}
	}
	for _, conn := range leaving {
		for g.isQuiet(conn) {
			g.fewer.Wait()
		}
	}
}

// isDismissed tells whether the connection was told to go.
func (g *gate) isDismissed(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, gone := g.dismissed[conn]
	return gone
}

// connKey is the context key of a request's connection.
type connKey struct{}

// withConn is the http.Server's ConnContext hook.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

func (g *gate) isQuiet(conn net.Conn) bool {
	_, quiet := g.quiet[conn]
	return quiet
}

// drop resets the quiet connections without ceremony, so that the server can end.
func (g *gate) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn := range g.quiet {
		reset(conn)
	}
}

// reset ends a connection at once; the peer sees a reset, not an orderly end. What is wrong
// with the connection does not matter any more.
func reset(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
