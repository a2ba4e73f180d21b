package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// gate is an address that leads to another one while it is open, and refuses connections while it
// is shut, as a server does that is not there.
type gate struct {
	address, to string

	mu       sync.Mutex
	listener net.Listener
	through  map[net.Conn]bool
	passing  sync.WaitGroup
}

// openGate opens a gate at a free address of this machine.
func openGate(ctx context.Context, to string) (*gate, error) {
	g := &gate{address: "127.0.0.1:0", to: to, through: map[net.Conn]bool{}}
	if err := g.open(ctx); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *gate) open(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", g.address)
	if err != nil {
		return fmt.Errorf("opening a gate: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener, g.address = listener, listener.Addr().String()
	g.passing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // it is shut
			}
			g.passing.Go(func() { g.pass(conn) })
		}
	})
	return nil
}

// pass lets one connection through until either end closes it, or the gate is shut.
func (g *gate) pass(in net.Conn) {
	out, err := new(net.Dialer).DialContext(context.Background(), "tcp", g.to)
	if err != nil {
		_ = in.Close() // nobody is there
		return
	}
	if !g.note(in, out) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // what breaks it off is its end
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.through, in)
	delete(g.through, out)
}

// note connections, so that shutting the gate ends them; false where it is shut by now.
func (g *gate) note(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range conns {
		if g.listener == nil {
			_ = conn.Close()
			continue
		}
		g.through[conn] = true
	}
	return g.listener != nil
}

// shut ends what goes through, and lets nothing through any more. It may be shut already.
func (g *gate) shut() error {
	g.mu.Lock()
	if g.listener == nil {
		g.mu.Unlock()
		return nil
	}
	err := g.listener.Close()
	g.listener = nil
	for conn := range g.through {
		if closed := conn.Close(); !errors.Is(closed, net.ErrClosed) {
			err = errors.Join(err, closed)
		}
	}
	g.mu.Unlock()
	g.passing.Wait()
	if err != nil {
		return fmt.Errorf("shutting a gate: %w", err)
	}
	return nil
}
