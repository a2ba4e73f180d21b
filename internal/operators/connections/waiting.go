package connections

import "k8s.io/apimachinery/pkg/types"

// waitingList holds the orders that wait for one operator, each once, new ones before those
// that tried already, else first come, first served.
type waitingList struct {
	fresh, retries []types.NamespacedName
	known          map[types.NamespacedName]struct{}
}

func (l *waitingList) push(order types.NamespacedName, retry bool) {
	if _, ok := l.known[order]; ok {
		return
	}
	if l.known == nil {
		l.known = map[types.NamespacedName]struct{}{}
	}
	l.known[order] = struct{}{}
	if retry {
		l.retries = append(l.retries, order)
	} else {
		l.fresh = append(l.fresh, order)
	}
}

// forget drops an order that need not wait any more.
func (l *waitingList) forget(order types.NamespacedName) { delete(l.known, order) }

// empty tells whether no order waits.
func (l *waitingList) empty() bool { return len(l.known) == 0 }

func (l *waitingList) pop() (types.NamespacedName, bool) { return l.first(&l.fresh, &l.retries) }

// popRetry is pop for those that tried already.
func (l *waitingList) popRetry() (types.NamespacedName, bool) { return l.first(&l.retries, &l.fresh) }

func (l *waitingList) first(queues ...*[]types.NamespacedName) (types.NamespacedName, bool) {
	for _, queue := range queues {
		for len(*queue) > 0 {
			order := (*queue)[0]
			*queue = (*queue)[1:]
			if _, ok := l.known[order]; ok {
				delete(l.known, order)
				return order, true
			}
		}
	}
	return types.NamespacedName{}, false
}
