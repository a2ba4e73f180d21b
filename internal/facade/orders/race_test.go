package orders

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Whoever begins to wait at the very moment of the delivery sees it in the index or is woken
// by it: there is no gap between the two. Run with -race, this looks for one.
func TestNoDeliveryIsMissedByWhoBeginsToWaitAtThatMoment(t *testing.T) {
	const times = 3000
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var index Index
	for i := range times {
		order := numbered(2*i + 1)
		order.ResourceVersion = "10"
		index.OnAdd(order, false)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if got, err := index.Wait(ctx, order, delivered); err != nil || !delivered(got) {
					t.Errorf("order %d: %s, %v", i, got.Status.Phase, err)
				}
			})
		}
		group.Go(func() {
			index.OnUpdate(order, becomes(order, "11", v1alpha1.PhaseDelivered))
			if i%2 == 0 {
				index.OnUpdate(order, becomes(order, "12", v1alpha1.PhaseDelivered))
			}
		})
		group.Wait()
	}
	if left := len(index.waiters.byUID); left != 0 {
		t.Errorf("%d orders have waiters", left)
	}
}
