package connections

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func TestASlotIsKeptForTheOrderThatWasWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := h.For("op")
		c.Connect(&silent{}, 1)
		first := enter(t, c, "a", false)
		turnedAway(t, c, "b", false, Full)
		first.Leave()
		h.awake(t, "b")
		turnedAway(t, c, "c", false, Full) // it came by before b did
		enter(t, c, "b", false).Leave()
		h.awake(t, "c")
		enter(t, c, "c", false).Leave()
		h.awake(t)
	})
}

func TestASlotIsNotKeptForLongForAnOrderThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := h.For("op")
		c.Connect(&silent{}, 1)
		first := enter(t, c, "a", false)
		turnedAway(t, c, "gone", false, Full)
		turnedAway(t, c, "b", false, Full)
		first.Leave()
		h.awake(t, "gone")
		time.Sleep(keptFor)
		h.awake(t, "b")
		enter(t, c, "b", false)
		turnedAway(t, c, "gone", false, Full) // it was late, and waits anew
	})
}

func TestNewOrdersDoNotHoldUpRetriesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := h.For("op")
		c.Connect(&silent{}, 1)
		slot := enter(t, c, "first", false)
		turnedAway(t, c, "retry", true, Full)
		for i := range 5 {
			turnedAway(t, c, fmt.Sprintf("new-%d", i), false, Full)
		}
		var woken []string
		for range 6 {
			slot.Leave()
			synctest.Wait()
			name := h.woken[0]
			woken, h.woken = append(woken, name), nil
			slot = enter(t, c, name, name == "retry")
		}
		if want := []string{"new-0", "new-1", "new-2", "retry", "new-3", "new-4"}; !slices.Equal(woken, want) {
			t.Errorf("woken: %v, want %v", woken, want)
		}
	})
}

// TestAFloodOfOneClientLeavesOthersTheirShare: an operator takes 20 orders at a time, 100 ms each.
// One client has 10,000, which come by again and again; another has one now and then.
func TestAFloodOfOneClientLeavesOthersTheirShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, takes, flood = 20, 100 * time.Millisecond, 10_000
		pool := NewPool(DefaultConfig)
		c := pool.For("op")
		comesBy := func(order types.NamespacedName) bool {
			slot, err := c.Enter(order, false)
			if err == nil {
				time.AfterFunc(takes, slot.Leave)
			}
			return err == nil
		}
		singles := make(chan struct{}, 1)
		pool.OnWake(func(order types.NamespacedName) {
			time.AfterFunc(time.Millisecond, func() { // as a work queue takes a while
				if comesBy(order) && order.Namespace == "single" {
					singles <- struct{}{}
				}
			})
		})
		c.Connect(&silent{}, slots)
		for i := range flood {
			comesBy(types.NamespacedName{Namespace: "flood", Name: fmt.Sprint(i)})
		}
		for i := range 20 {
			began := time.Now()
			order := types.NamespacedName{Namespace: "single", Name: fmt.Sprint(i)}
			if comesBy(order) {
				t.Fatal("it went ahead of those that wait")
			}
			for n := range 200 { // by chance, or because their wait is over
				comesBy(types.NamespacedName{Namespace: "flood", Name: fmt.Sprint(flood - 1 - n)})
			}
			<-singles
			if waited := time.Since(began); waited > takes+time.Millisecond {
				t.Errorf("order %d waited %s for a slot, which becomes free every %s", i, waited, takes)
			}
			time.Sleep(37 * time.Millisecond)
		}
		c.Disconnect() // ends the rest
		time.Sleep(time.Minute)
	})
}

// TestNoOrderIsForgottenAndNoSlotIsLost: whatever orders do, slots never exceed the limit, and in
// the end each that waits was woken and comes in.
func TestNoOrderIsForgottenAndNoSlotIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Nothing but rapid.TB: rapid asks a test for its deadline, which a bubble has not.
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			pool := NewPool(DefaultConfig)
			c := pool.For("op")
			called := make(chan types.NamespacedName, 1000)
			pool.OnWake(func(order types.NamespacedName) { called <- order })
			limit := rapid.IntRange(1, 3).Draw(t, "limit")
			c.Connect(&silent{}, limit)
			inside := map[types.NamespacedName]*Slot{}
			waits := map[types.NamespacedName]bool{}
			come := func(t *rapid.T, order types.NamespacedName, retry bool) {
				if inside[order] != nil {
					return
				}
				slot, err := c.Enter(order, retry)
				var unavailable *Unavailable
				switch {
				case err == nil:
					inside[order] = slot
					delete(waits, order)
				case !errors.As(err, &unavailable) || unavailable.Health != Full:
					t.Fatal(err)
				default:
					waits[order] = true
				}
				if len(inside) > limit {
					t.Fatalf("%d are inside, and %d may be", len(inside), limit)
				}
			}
			leave := func() {
				for _, client := range clients {
					for _, name := range names {
						order := types.NamespacedName{Namespace: client, Name: name}
						if slot := inside[order]; slot != nil {
							delete(inside, order)
							slot.Leave()
							return
						}
					}
				}
			}
			t.Repeat(map[string]func(*rapid.T){
				"come": func(t *rapid.T) {
					order := types.NamespacedName{
						Namespace: rapid.SampledFrom(clients).Draw(t, "client"), Name: rapid.SampledFrom(names).Draw(t, "name"),
					}
					come(t, order, rapid.Bool().Draw(t, "retry"))
				},
				"comeAsWoken": func(t *rapid.T) {
					synctest.Wait()
					if len(called) > 0 {
						come(t, <-called, false)
					}
				},
				"leave": func(*rapid.T) { leave() },
				"lapse": func(*rapid.T) { time.Sleep(keptFor); synctest.Wait() },
			})
			for round := 0; len(waits) > 0; round++ {
				if round > 100 {
					t.Fatalf("never woken: %v; %d slots are kept", waits, len(c.called.orders))
				}
				leave()
				time.Sleep(keptFor)
				synctest.Wait()
				for len(called) > 0 {
					come(t, <-called, false)
				}
			}
			for len(inside) > 0 {
				leave()
			}
			time.Sleep(2 * keptFor)
			synctest.Wait()
			if c.inFlight != 0 || len(c.called.orders) != 0 || !c.waiting.empty() {
				t.Fatalf("%d are inside, %d called, and some wait: %t", c.inFlight, len(c.called.orders), !c.waiting.empty())
			}
		})
	})
}

var clients, names = []string{"a", "b"}, []string{"1", "2", "3"}
