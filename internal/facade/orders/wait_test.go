package orders

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func delivered(order *v1alpha1.EsimOrder) bool {
	return order.Status.Phase == v1alpha1.PhaseDelivered
}

// becomes is a later state of an order.
func becomes(order *v1alpha1.EsimOrder, version string, phase v1alpha1.OrderPhase) *v1alpha1.EsimOrder {
	later := order.DeepCopy()
	later.ResourceVersion, later.Status.Phase = version, phase
	return later
}

func pendingOrder(name string) *v1alpha1.EsimOrder {
	order := numbered(1)
	order.Name, order.ResourceVersion = name, "10"
	return order
}

func TestFiveThousandWaitAtOnceAndEachIsWokenByItsOwnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const waiting = 5000
		var index Index
		var looks, done atomic.Int64
		var group sync.WaitGroup
		orders := make([]*v1alpha1.EsimOrder, waiting)
		for i := range orders {
			orders[i] = numbered(2*i + 1)
			index.OnAdd(orders[i], false)
			group.Go(func() {
				got, err := index.Wait(t.Context(), orders[i], func(o *v1alpha1.EsimOrder) bool { looks.Add(1); return delivered(o) })
				if err != nil || got.Name != orders[i].Name {
					t.Errorf("order %d: %v, %v", i, got.Name, err)
				}
				done.Add(1)
			})
		}
		synctest.Wait()
		if done.Load() != 0 {
			t.Fatalf("%d answered before anything happened", done.Load())
		}
		looks.Store(0)
		for i, order := range orders[:waiting/2] {
			index.OnUpdate(order, becomes(order, fmt.Sprint(100+i), v1alpha1.PhaseDelivered))
		}
		synctest.Wait()
		if done.Load() != waiting/2 || looks.Load() != waiting/2 {
			t.Errorf("%d answered after %d looks, of %d whose orders were delivered", done.Load(), looks.Load(), waiting/2)
		}
		for i, order := range orders[waiting/2:] {
			index.OnUpdate(order, becomes(order, fmt.Sprint(100+i), v1alpha1.PhaseDelivered))
		}
		group.Wait()
		if left := len(index.waiters.byUID); left != 0 {
			t.Errorf("%d orders have waiters after all went", left)
		}
	})
}

func TestWhoHangsUpLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var index Index
		order := pendingOrder("o-1")
		index.OnAdd(order, false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		got, err := index.Wait(ctx, order, delivered)
		if !errors.Is(err, context.DeadlineExceeded) || got != order || time.Since(began) != time.Minute {
			t.Errorf("after %s: %v, %v", time.Since(began), got, err)
		}
		if left := len(index.waiters.byUID); left != 0 {
			t.Errorf("%d orders have waiters", left)
		}
	})
}

func TestWaitingKnowsItsOrder(t *testing.T) {
	order := pendingOrder("o-1")
	predecessor := becomes(order, "5", v1alpha1.PhaseDelivered)
	predecessor.UID = "predecessor"
	successor := becomes(order, "20", v1alpha1.PhaseDelivered)
	successor.UID = "successor"
	for _, c := range []struct {
		name string
		// known is what the index has before the wait, events come after it has begun.
		known  *v1alpha1.EsimOrder
		events func(*Index)
		want   v1alpha1.OrderPhase
		err    error
	}{
		{name: "delivered before anybody waits", known: becomes(order, "11", v1alpha1.PhaseDelivered), want: v1alpha1.PhaseDelivered},
		{name: "not in the cache yet", want: v1alpha1.PhaseDelivered, events: func(x *Index) {
			x.OnAdd(becomes(order, "11", v1alpha1.PhaseDelivered), false)
		}},
		{name: "deleted while PENDING", known: order, want: v1alpha1.PhasePending, err: ErrGone, events: func(x *Index) { x.OnDelete(order) }},
		{name: "another took its name", known: order, want: v1alpha1.PhasePending, err: ErrGone, events: func(x *Index) { x.OnUpdate(order, successor) }},
		{name: "another had taken its name before", known: successor, want: v1alpha1.PhasePending, err: ErrGone},
		{name: "an earlier order of its name", known: predecessor, want: v1alpha1.PhaseDelivered, events: func(x *Index) {
			x.OnDelete(predecessor)
			x.OnAdd(order, false)
			x.OnUpdate(order, becomes(order, "11", v1alpha1.PhaseDelivered))
		}},
		{name: "delivered and deleted between two looks", known: order, want: v1alpha1.PhaseDelivered, events: func(x *Index) {
			later := becomes(order, "11", v1alpha1.PhaseDelivered)
			x.OnUpdate(order, later)
			x.OnDelete(later)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var index Index
				if c.known != nil {
					index.OnAdd(c.known, false)
				}
				answered := make(chan struct{})
				go func() {
					defer close(answered)
					got, err := index.Wait(t.Context(), order, delivered)
					if got.UID != order.UID || got.Status.Phase != c.want || !errors.Is(err, c.err) {
						t.Errorf("got %s %s, %v; want %s, %v", got.UID, got.Status.Phase, err, c.want, c.err)
					}
				}()
				synctest.Wait()
				if c.events != nil {
					c.events(&index)
				}
				<-answered
			})
		})
	}
}

// A write's answer is known before the informer shows it: what is older does not replace it.
func TestWaitingNeverGoesBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var index Index
		written := becomes(pendingOrder("o-1"), "20", v1alpha1.PhasePending)
		written.Spec.Cancel = true
		index.OnAdd(pendingOrder("o-1"), false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := index.Wait(ctx, written, func(o *v1alpha1.EsimOrder) bool { return !o.Spec.Cancel })
		if got != written || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("version %s, %v", got.ResourceVersion, err)
		}
	})
}
