package connections

import (
	"sync"
	"time"
)

// Trial finds out, without an order, whether an operator answers again that calls pause for.
type Trial struct {
	connection *Connection
	once       sync.Once
}

// TryAgain takes the right to do so once calls have paused long enough; nil where an order may
// find out, or must: one that waits is woken for it, and that DownloadOrder is answered again, or
// our identity taken, nothing else shows. End must be called.
func (c *Connection) TryAgain() *Trial {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.driver == nil, c.shut, c.suspension != nil, c.answersLost, !c.waiting.empty(), c.breaker.IsClosed():
		return nil
	case !c.breaker.TryAcquirePermit():
		return nil
	default:
		return &Trial{connection: c}
	}
}

// End says whether the operator answered. What Observe learned meanwhile counts more.
func (t *Trial) End(answered bool) {
	if t == nil {
		return
	}
	t.once.Do(func() {
		switch breaker := t.connection.breaker; {
		case !breaker.IsHalfOpen():
		case answered:
			breaker.RecordSuccess()
		default:
			breaker.RecordFailure()
		}
	})
}

// afterPause has an order try whether the operator is back or, where none waits, whoever looks
// after the operator.
func (c *Connection) afterPause() {
	if !c.wakeOne() {
		c.changed(c.name)
	}
}

// wakeOne wakes the order that tries whether the operator is back, where one waits. While it is suspended, every
// other one is a retry: it may be that only an order which gives back a profile can end that,
// and new ones may come for ever.
func (c *Connection) wakeOne() bool {
	c.mu.Lock()
	pop := c.waiting.pop
	if c.suspension != nil {
		if c.trials++; c.trials%2 == 0 {
			pop = c.waiting.popRetry
		}
	}
	order, ok := pop()
	if ok {
		c.callLocked(order)
	}
	c.mu.Unlock()
	if ok {
		c.wake(order)
	}
	return ok
}

// trialDueLocked tells whether one order may try now whether the operator is back, and whether
// nothing else goes in.
func (c *Connection) trialDueLocked() (due, paused bool) {
	switch {
	case c.suspension != nil:
		return !time.Now().Before(c.suspension.nextTrial), true
	case c.breaker.IsOpen():
		return c.breaker.RemainingDelay() <= 0, true
	default:
		return false, false
	}
}
