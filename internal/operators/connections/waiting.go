package connections

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/internal/fairqueue"
)

// retryShare: of so many orders that are woken, one tried already, however many new ones come.
const retryShare = 4

// waitingList holds the orders that wait for one operator, each once. Those of each client are
// woken in their order, and clients in turn; new orders before those that tried already, but for
// one in four.
type waitingList struct {
	fresh, retries fairqueue.Round[types.NamespacedName]
	// popped counts the orders woken while both have some.
	popped int
}

func (l *waitingList) push(order types.NamespacedName, retry bool) {
	switch {
	case l.fresh.Has(order) || l.retries.Has(order):
	case retry:
		l.retries.Push(order.Namespace, order)
	default:
		l.fresh.Push(order.Namespace, order)
	}
}

// forget drops an order that need not wait any more.
func (l *waitingList) forget(order types.NamespacedName) {
	l.fresh.Remove(order)
	l.retries.Remove(order)
}

// empty tells whether no order waits.
func (l *waitingList) empty() bool { return l.fresh.Len()+l.retries.Len() == 0 }

func (l *waitingList) pop() (types.NamespacedName, bool) {
	if l.fresh.Len() > 0 && l.retries.Len() > 0 {
		if l.popped++; l.popped%retryShare == 0 {
			return l.popRetry()
		}
	}
	if order, ok := l.fresh.Pop(); ok {
		return order, true
	}
	return l.retries.Pop()
}

// popRetry is pop for those that tried already, if any.
func (l *waitingList) popRetry() (types.NamespacedName, bool) {
	if order, ok := l.retries.Pop(); ok {
		return order, true
	}
	return l.fresh.Pop()
}
