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
	// guests are the connections that are let in, and have not gone.
	guests map[net.Conn]*guest
	// moved is signalled when one of them goes on.
	moved *sync.Cond
	// turnsAway tells that no connection is kept for a second call.
	turnsAway bool
}

// guest is how far a connection is.
type guest struct {
	state http.ConnState
	// inside tells that a request of it is being handled.
	inside bool
	// dismissed tells that it was told to go; expulsion makes it.
	dismissed bool
	expulsion *time.Timer
}

// quiet tells that no request is under way.
func (g guest) quiet() bool { return g.state == http.StateNew || g.state == http.StateIdle }

func openGate(ctx context.Context, address string, refuses func() bool) (*gate, error) {
	port, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for ES2+: %w", err)
	}
	g := &gate{
		refuses: refuses, port: port, addr: port.Addr(),
		changed: make(chan struct{}), guests: make(map[net.Conn]*guest),
	}
	g.moved = sync.NewCond(&g.mu)
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
	defer g.moved.Broadcast()
	who, known := g.guests[conn]
	if state == http.StateClosed || state == http.StateHijacked {
		if known && who.dismissed {
			who.expulsion.Stop()
		}
		delete(g.guests, conn)
		return
	}
	if !known {
		who = &guest{}
		g.guests[conn] = who
	}
	who.state = state
	if g.turnsAway && state == http.StateIdle {
		g.sayGoodbye(conn, who)
	}
}

// enter lets a request in, unless its connection was told to go. The caller calls leave.
func (g *gate) enter(conn net.Conn) bool {
	return g.setInside(conn, true)
}

// leave tells that the request was handled.
func (g *gate) leave(conn net.Conn) { g.setInside(conn, false) }

func (g *gate) setInside(conn net.Conn, inside bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.moved.Broadcast()
	who, known := g.guests[conn]
	if !known || who.dismissed {
		return false
	}
	who.inside = inside
	return true
}

// keeps tells whether a connection is kept for a second call.
func (g *gate) keeps() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.turnsAway
}

// turnAway says whether connections are kept for a second call from now on. If not, it ends
// those on which no request is being handled, and returns once their clients have noticed, so
// that none of them sends another request there. One that was on its way is not handled.
func (g *gate) turnAway(from bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turnsAway = from
	if !from {
		return
	}
	leaving := make([]net.Conn, 0, len(g.guests))
	for conn, who := range g.guests {
		leaving = append(leaving, conn)
		if who.quiet() {
			g.sayGoodbye(conn, who)
		}
	}
	for _, conn := range leaving {
		// One whose request was handled just now is still becoming idle: track sees it off.
		for who := g.guests[conn]; who != nil && !who.inside; who = g.guests[conn] {
			g.moved.Wait()
		}
	}
}

// sayGoodbye ends a quiet connection: it goes once the client has closed its side, or after
// a while. One whose handshake is not done cannot be told, and goes at once.
func (g *gate) sayGoodbye(conn net.Conn, who *guest) {
	if who.dismissed {
		return
	}
	who.dismissed = true
	patience := farewell
	if secure, ok := conn.(*tls.Conn); !ok || secure.CloseWrite() != nil {
		patience = 0
	}
	who.expulsion = time.AfterFunc(patience, func() { reset(conn) })
}

// connKey is the context key of a request's connection.
type connKey struct{}

// withConn is the http.Server's ConnContext hook.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// drop resets the quiet connections without ceremony, so that the server can end.
func (g *gate) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn, who := range g.guests {
		if who.quiet() {
			reset(conn)
		}
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
