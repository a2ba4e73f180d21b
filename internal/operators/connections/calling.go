package connections

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// keptFor is how long a slot is kept for an order that was called to it and that the manager is
// too busy to get to. Of one that has gone elsewhere, or has ended, Called tells sooner.
const keptFor = 2 * time.Second

// calledOrders are the orders that were called to a free slot and have not come yet. The slot is
// kept for them: else it would go to whoever happens to come by, and a client with ten thousand
// orders has one that comes by at any time. The number is that of the call.
type calledOrders struct {
	orders map[types.NamespacedName]uint64
	calls  uint64
}

func (c *calledOrders) add(order types.NamespacedName) (call uint64) {
	if c.orders == nil {
		c.orders = map[types.NamespacedName]uint64{}
	}
	c.calls++
	c.orders[order] = c.calls
	return c.calls
}

// others is for how many orders but this one slots are kept.
func (c *calledOrders) others(order types.NamespacedName) int {
	n := len(c.orders)
	if _, ok := c.orders[order]; ok {
		n--
	}
	return n
}

// came ends the call of an order.
func (c *calledOrders) came(order types.NamespacedName) { delete(c.orders, order) }

// popLocked calls as many of those that wait as there is room for, at most n, and keeps a slot for
// each. They are woken once the lock is free.
func (c *Connection) popLocked(n int) []types.NamespacedName {
	var woken []types.NamespacedName
	for n = min(n, c.limit-c.inFlight-len(c.called.orders)); n > 0; n-- {
		order, ok := c.waiting.pop()
		if !ok {
			break
		}
		c.callLocked(order)
		woken = append(woken, order)
	}
	return woken
}

// callLocked keeps a slot for an order that is about to be woken.
func (c *Connection) callLocked(order types.NamespacedName) {
	call := c.called.add(order)
	time.AfterFunc(keptFor, func() { c.lapse(order, call) })
}

// lapse gives the slot of an order that did not come to the next one; and that it tries whether
// the operator is back, where that is what it was called for.
func (c *Connection) lapse(order types.NamespacedName, call uint64) {
	c.mu.Lock()
	if c.called.orders[order] != call {
		c.mu.Unlock()
		return
	}
	c.called.came(order)
	due, paused := c.trialDueLocked()
	var woken []types.NamespacedName
	if !paused {
		woken = c.popLocked(1)
	}
	c.mu.Unlock()
	c.wakeAll(woken)
	if due {
		c.afterPause()
	}
}

// Called is asked when a pass over an order begins; passed is called when it ends. A slot that was
// kept for the order by then, and that it did not take, is the next one's: the order has gone
// elsewhere, or has ended.
func (p *Pool) Called(order types.NamespacedName) (passed func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lapses []func()
	for _, c := range p.byName {
		if call, ok := c.callOf(order); ok {
			lapses = append(lapses, func() { c.lapse(order, call) })
		}
	}
	return func() {
		for _, lapse := range lapses {
			lapse()
		}
	}
}

// callOf is the call of an order that has not come yet.
func (c *Connection) callOf(order types.NamespacedName) (call uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call, ok = c.called.orders[order]
	return call, ok
}
