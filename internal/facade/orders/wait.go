package orders

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// ErrGone says that an order was deleted while somebody waited for it.
var ErrGone = errors.New("the order was deleted")

// Wait returns the order once until is true of it: at once if it is already, of the order as
// given or as the index knows it; else as soon as an event makes it so. An order of the same
// name that is another one is passed over. Between two looks an order may change twice: of
// what lasts, nothing is missed.
//
// The order that is returned is never nil, but the last one seen, also with an error: ErrGone,
// or the context's.
func (x *Index) Wait(ctx context.Context, order *v1alpha1.EsimOrder, until func(*v1alpha1.EsimOrder) bool) (*v1alpha1.EsimOrder, error) {
	if until(order) {
		return order, nil
	}
	w := x.waiters.add(order.UID)
	defer x.waiters.remove(order.UID, w)
	if known, ok := x.Get(order.Namespace, order.Name); ok {
		switch {
		case known.UID == order.UID:
			w.changed(known)
		case older(order, known):
			// Its name is another's by now. One that is older itself will go.
			w.gone()
		}
	}
	for {
		select {
		case <-ctx.Done():
			return order, fmt.Errorf("waiting for EsimOrder %s: %w", order.Name, context.Cause(ctx))
		case <-w.wake:
		}
		latest, gone := w.look()
		if latest != nil && !older(latest, order) {
			order = latest
		}
		if until(order) {
			return order, nil
		}
		if gone {
			return order, fmt.Errorf("waiting for EsimOrder %s: %w", order.Name, ErrGone)
		}
	}
}

// older tells whether the order is surely older than another copy of it: what was written is
// known before the informer shows it.
func older(order, other *v1alpha1.EsimOrder) bool {
	compared, err := resourceversion.CompareResourceVersion(order.ResourceVersion, other.ResourceVersion)
	return err == nil && compared < 0
}

// waiters are those who wait, by the UID of what they wait for.
type waiters struct {
	mu    sync.Mutex
	byUID map[types.UID]map[*waiter]struct{}
}

// waiter is one who waits. Whoever brings news does not wait for it.
type waiter struct {
	wake chan struct{}

	mu     sync.Mutex
	latest *v1alpha1.EsimOrder
	isGone bool
}

func (ws *waiters) add(uid types.UID) *waiter {
	w := &waiter{wake: make(chan struct{}, 1)}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.byUID == nil {
		ws.byUID = map[types.UID]map[*waiter]struct{}{}
	}
	if ws.byUID[uid] == nil {
		ws.byUID[uid] = map[*waiter]struct{}{}
	}
	ws.byUID[uid][w] = struct{}{}
	return w
}

func (ws *waiters) remove(uid types.UID, w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.byUID[uid], w)
	if len(ws.byUID[uid]) == 0 {
		delete(ws.byUID, uid)
	}
}

func (ws *waiters) changed(order *v1alpha1.EsimOrder) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.byUID[order.UID] {
		w.changed(order)
	}
}

func (ws *waiters) gone(order *v1alpha1.EsimOrder) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.byUID[order.UID] {
		w.gone()
	}
}

// changed leaves the order with the waiter, unless it has a newer one.
func (w *waiter) changed(order *v1alpha1.EsimOrder) {
	w.mu.Lock()
	if w.latest == nil || !older(order, w.latest) {
		w.latest = order
	}
	w.mu.Unlock()
	w.ring()
}

func (w *waiter) gone() {
	w.mu.Lock()
	w.isGone = true
	w.mu.Unlock()
	w.ring()
}

// ring wakes the waiter; once is enough until it has looked.
func (w *waiter) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *waiter) look() (latest *v1alpha1.EsimOrder, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latest, w.isGone
}
