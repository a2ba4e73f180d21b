package esimaccess

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// rememberedOrders is how many order numbers a process remembers: some 20 MB.
const rememberedOrders = 100_000

// placed is an order that the vendor took from this process.
type placed struct {
	requestID, orderNo string
	at                 time.Time
	// again tells that the order had been sent before, in vain as far as the list showed: there
	// may be another order under the request ID after all.
	again bool
}

// orderBook remembers the vendor's order numbers by request ID, the last ones only. With its
// number an order is found at once and exactly; without, in the list. It is safe for concurrent
// use.
type orderBook struct {
	limit int

	mu      sync.Mutex
	entries map[string]*list.Element
	recent  *list.List // of placed, the newest in front
}

func newOrderBook(limit int) *orderBook {
	return &orderBook{limit: limit, entries: make(map[string]*list.Element), recent: list.New()}
}

// note an order that was taken.
func (b *orderBook) note(order placed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(order.requestID)
	for b.recent.Len() >= b.limit {
		b.remove(orderIn(b.recent.Back()).requestID)
	}
	b.entries[order.requestID] = b.recent.PushFront(order)
}

// find an order by our request ID.
func (b *orderBook) find(requestID string) (placed, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	element, ok := b.entries[requestID]
	if !ok {
		return placed{}, false
	}
	return orderIn(element), true
}

// orderIn is what an element of recent holds.
func orderIn(element *list.Element) placed {
	order, _ := element.Value.(placed) // nothing else is put there
	return order
}

// forget an order whose number the vendor does not know.
func (b *orderBook) forget(requestID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(requestID)
}

// remove an entry. b.mu must be held.
func (b *orderBook) remove(requestID string) {
	if element, ok := b.entries[requestID]; ok {
		b.recent.Remove(element)
		delete(b.entries, requestID)
	}
}

// turns lets one caller at a time work on a request ID: two that look for the same order at
// once would both find nothing, and both send it. It is safe for concurrent use.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

func newTurns() *turns { return &turns{busy: make(map[string]chan struct{})} }

// take waits for the turn. leave must be called when it is over.
func (t *turns) take(ctx context.Context, requestID string) (leave func(), err error) {
	for {
		t.mu.Lock()
		over, busy := t.busy[requestID]
		if !busy {
			over = make(chan struct{})
			t.busy[requestID] = over
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.busy, requestID)
				t.mu.Unlock()
				close(over)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-over:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
