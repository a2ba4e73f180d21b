package controllers

import (
	"context"
	"fmt"
	"sync"

	"github.com/telcodev/esim-operator/internal/fairqueue"
)

// How many passes write at one time: those that hold an operator's slot, and those that do not. An
// API server that is given more at once does less: it works on all of them together, most are not
// done within a write's deadline, and what is done for nobody has to be done again. Ten thousand
// orders that begin to wait, are cancelled or cannot be paid each have that to write at the same
// moment; orders that are being filled do not wait for these.
const (
	mostFilling = 64
	mostOthers  = 16
)

// writeTurns has passes that write take turns, and clients among them. The zero value is ready.
type writeTurns struct {
	once            sync.Once
	filling, others *fairqueue.Gate
}

func (w *writeTurns) enter(ctx context.Context, client string, filling bool) (leave func(), err error) {
	w.once.Do(func() { w.filling, w.others = fairqueue.NewGate(mostFilling), fairqueue.NewGate(mostOthers) })
	if filling {
		return w.filling.Enter(ctx, client)
	}
	return w.others.Enter(ctx, client)
}

// turn waits until a pass may write; leave must be called once it has. Nothing is left out or put
// off to another pass: what is decided is written, only in its client's turn.
//
// It comes before the fence of a charge or a refund. What enters that is to leave at once.
func (r *OrderReconciler) turn(ctx context.Context, p *pass) (leave func(), err error) {
	if p.inTurn {
		return func() {}, nil
	}
	left, err := r.turns.enter(ctx, p.order.Namespace, p.slot != nil)
	if err != nil {
		return nil, fmt.Errorf("waiting for a turn to write: %w", err)
	}
	p.inTurn = true
	return func() { p.inTurn = false; left() }, nil
}

// enterFence asks, once it is the pass' turn, whether a charge or a refund may be written.
func (r *OrderReconciler) enterFence(ctx context.Context, p *pass) (leave func(), err error) {
	leaveTurn, err := r.turn(ctx, p)
	if err != nil {
		return nil, err
	}
	leaveFence, err := r.Fence.Enter()
	if err != nil {
		leaveTurn()
		return nil, fmt.Errorf("before money is moved: %w", err)
	}
	return func() { leaveFence(); leaveTurn() }, nil
}
