package connections

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/internal/operators"
)

// TestOrdersThatAreGoneKeepNoSlots: while an operator was away, a client's orders waited for it and
// went elsewhere, or were cancelled. Once it is back, they are called to its slots and do not come.
func TestOrdersThatAreGoneKeepNoSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, takes, gone, orders = 20, 100 * time.Millisecond, 1000, 50
		pool := NewPool(DefaultConfig)
		c := pool.For("op")
		in := make(chan struct{}, orders)
		pass := func(order types.NamespacedName) {
			defer pool.Called(order)()
			if order.Namespace == "gone" {
				return
			}
			if slot, err := c.Enter(order, false); err == nil {
				in <- struct{}{}
				time.AfterFunc(takes, slot.Leave)
			}
		}
		for i := range gone {
			turnedAwayFrom(t, c, types.NamespacedName{Namespace: "gone", Name: fmt.Sprint(i)})
		}
		pool.OnWake(func(order types.NamespacedName) {
			time.AfterFunc(time.Millisecond, func() { pass(order) }) // as a work queue takes a while
		})
		began := time.Now()
		c.Connect(&silent{}, slots)
		for i := range orders {
			pass(types.NamespacedName{Namespace: "living", Name: fmt.Sprint(i)})
		}
		for range orders {
			<-in
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%d orders took %s to get to %d slots of %s each", orders, took, slots, takes)
		}
		c.Disconnect()
		time.Sleep(time.Minute) // the bubble's clock
	})
}

// TestAPassThatBeganBeforeTheCallDoesNotEndIt: the order comes again, as the call has put it back
// into the work queue.
func TestAPassThatBeganBeforeTheCallDoesNotEndIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := h.For("op")
		c.Connect(&silent{}, 1)
		first := enter(t, c, "a", false)
		turnedAway(t, c, "b", false, Full)
		passed := h.Called(order("b"))
		first.Leave()
		h.awake(t, "b")
		passed()
		turnedAway(t, c, "c", false, Full)
		enter(t, c, "b", false).Leave()
		h.awake(t, "c")
		h.Called(order("c"))()
		enter(t, c, "d", false).Leave()
	})
}

func TestOrdersThatAreGoneLeaveToTheNextToTryWhetherTheOperatorIsBack(t *testing.T) {
	for name, paused := range map[string]func(*house) *Connection{
		"calls pause": broken,
		"our identity is refused": func(h *house) *Connection {
			c := h.For("telco")
			c.Connect(&silent{}, 10)
			c.Suspend(&operators.Error{Class: operators.Misconfigured, Message: "refused"})
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(Config{BreakerFailures: 5, BreakerDelay: time.Second, TrialInterval: time.Second})
				c := paused(h)
				for _, waits := range []string{"cancelled", "lost", "there"} {
					_, _ = c.Enter(order(waits), false) // turned away, and noted as waiting
				}
				time.Sleep(time.Second)
				h.awake(t, "cancelled")
				h.Called(order("cancelled"))() // its pass ends without a call
				h.awake(t, "lost")
				time.Sleep(keptFor) // no pass comes
				h.awake(t, "there")
				enter(t, c, "there", false).Leave()
				h.Called(order("there"))()
				h.awake(t)
			})
		})
	}
}

func TestTheOperatorItselfIsLookedAtOnceAllThatWaitedForItAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := broken(h)
		_, _ = c.Enter(order("gone"), false) // turned away, and noted as waiting
		time.Sleep(DefaultConfig.BreakerDelay)
		h.awake(t, "gone")
		h.changed = nil
		h.Called(order("gone"))()
		synctest.Wait()
		if !slices.Contains(h.changed, "telco") || c.TryAgain() == nil {
			t.Error("nobody finds out whether it is back")
		}
	})
}

func turnedAwayFrom(t *testing.T, c *Connection, order types.NamespacedName) {
	t.Helper()
	if _, err := c.Enter(order, false); err == nil {
		t.Fatalf("%s got in", order)
	}
}
