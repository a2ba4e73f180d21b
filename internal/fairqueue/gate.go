package fairqueue

import (
	"context"
	"sync"
)

// Gate lets so many calls through at one time. Those that wait go in turn by client. It is safe
// for concurrent use.
type Gate struct {
	mu      sync.Mutex
	free    int
	waiting Round[*caller]
}

// caller is one that waits; called is closed once it may go.
type caller struct{ called chan struct{} }

// NewGate makes a gate that has room for so many.
func NewGate(room int) *Gate { return &Gate{free: room} }

// Enter waits until a client's call may go. leave must be called once after it. The error is that
// of ctx, which ended first.
func (g *Gate) Enter(ctx context.Context, client string) (leave func(), err error) {
	// Who is not wanted any more has no turn, also where there would be one.
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return g.leave, nil
	}
	waits := &caller{make(chan struct{})}
	g.waiting.Push(client, waits)
	g.mu.Unlock()
	select {
	case <-waits.called:
		if err := ctx.Err(); err != nil {
			g.leave()
			return nil, err
		}
		return g.leave, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	waited := g.waiting.Remove(waits)
	g.mu.Unlock()
	if !waited {
		g.leave() // it was called at this very moment
	}
	return nil, ctx.Err()
}

// Waiting is how many wait to be let in.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting.Len()
}

func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if next, ok := g.waiting.Pop(); ok {
		close(next.called)
		return
	}
	g.free++
}
