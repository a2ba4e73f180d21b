package airalo

import "sync"

// maxUnsent bounds how many orders are known not to have been sent.
const maxUnsent = 10_000

// unsent are orders that were fresh when this process sent them first, and that Airalo has
// refused each time since: there is nothing to look up. To forget one costs look-ups and no
// more. It is safe for concurrent use; the zero value is empty.
type unsent struct {
	mu     sync.Mutex
	orders map[string]struct{}
}

// has tells whether an order is known not to have been sent.
func (u *unsent) has(requestID string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.orders[requestID]
	return ok
}

// set notes what is known of an order.
func (u *unsent) set(requestID string, is bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case !is:
		delete(u.orders, requestID)
		return
	case u.orders == nil, len(u.orders) >= maxUnsent:
		u.orders = make(map[string]struct{})
	}
	u.orders[requestID] = struct{}{}
}
