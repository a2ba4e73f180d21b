package controllers

import (
	"context"
	"fmt"
	"sync"

	"github.com/telcodev/esim-operator/internal/fairqueue"
)

// mostWriting is how many passes without an operator's slot write at one time. Ten thousand orders
// that begin to wait, are cancelled or cannot be paid each have that to write at the same moment:
// more than the API server does within a write's deadline, so that most of it would be done for
// nobody, and orders that are being filled would wait for it.
const mostWriting = 16

// writeTurns has passes that write take turns, and clients among them. The zero value is ready.
type writeTurns struct {
	once sync.Once
	gate *fairqueue.Gate
}

func (w *writeTurns) enter(ctx context.Context, client string) (leave func(), err error) {
	w.once.Do(func() { w.gate = fairqueue.NewGate(mostWriting) })
	return w.gate.Enter(ctx, client)
}

// turn waits until a pass may write; leave must be called once it has. A pass that holds a slot
// does not wait: its operator waits with it, and as many as there are slots are no crowd. Nothing
// is left out or put off to another pass: what is decided is written, only in its client's turn.
//
// It comes before the fence. What enters that is to leave at once.
func (r *OrderReconciler) turn(ctx context.Context, p *pass) (leave func(), err error) {
	if p.slot != nil || p.inTurn {
		return func() {}, nil
	}
	left, err := r.turns.enter(ctx, p.order.Namespace)
	if err != nil {
		return nil, fmt.Errorf("waiting for a turn to write: %w", err)
	}
	p.inTurn = true
	return func() { p.inTurn = false; left() }, nil
}

// enterRefund asks, once it is the pass' turn, whether a refund may be written.
func (r *OrderReconciler) enterRefund(ctx context.Context, p *pass) (leave func(), err error) {
	leaveTurn, err := r.turn(ctx, p)
	if err != nil {
		return nil, err
	}
	leaveFence, err := r.Fence.Enter()
	if err != nil {
		leaveTurn()
		return nil, fmt.Errorf("before the refund: %w", err)
	}
	return func() { leaveFence(); leaveTurn() }, nil
}
