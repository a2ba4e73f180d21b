package facade

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// slow is an API server that takes its time, and counts how many calls it has at once.
type slow struct {
	client.Client
	takes     time.Duration
	now, most atomic.Int64
}

func (s *slow) Create(ctx context.Context, _ client.Object, _ ...client.CreateOption) error {
	s.most.Store(max(s.most.Load(), s.now.Add(1)))
	defer s.now.Add(-1)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.takes):
		return nil
	}
}

func (s *slow) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return nil
}

func TestACrowdOfOrdersIsMadeInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &slow{takes: 100 * time.Millisecond}
		calls := newTurns(api)
		var group sync.WaitGroup
		for range 5000 {
			group.Go(func() {
				if err := calls.Create(t.Context(), &v1alpha1.EsimOrder{}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := calls.Get(t.Context(), client.ObjectKey{}, &v1alpha1.EsimOrder{}); err != nil {
			t.Errorf("a read waited for the writes: %v", err)
		}
		group.Wait()
		if most := api.most.Load(); most != mostWrites {
			t.Errorf("%d at once, want %d", most, mostWrites)
		}
	})
}

func TestACrowdOfOneClientDoesNotHoldUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := newTurns(&slow{takes: 100 * time.Millisecond})
		create := func(namespace string) {
			order := &v1alpha1.EsimOrder{}
			order.Namespace = namespace
			if err := calls.Create(t.Context(), order); err != nil {
				t.Error(err)
			}
		}
		var crowd sync.WaitGroup
		for range 5000 {
			crowd.Go(func() { create("crowd") })
		}
		synctest.Wait()
		began := time.Now()
		create("single")
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("it took %s: a call that was under way, and its own, are 200ms", took)
		}
		crowd.Wait()
	})
}

func TestWhoWaitsTooLongForATurnIsToldThatNothingHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &slow{takes: time.Hour}
		calls := newTurns(api)
		served, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range mostWrites {
			group.Go(func() { _ = calls.Create(served, &v1alpha1.EsimOrder{}) })
		}
		synctest.Wait()
		began := time.Now()
		err := calls.Create(t.Context(), &v1alpha1.EsimOrder{})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != longestTurn || api.most.Load() != mostWrites {
			t.Errorf("after %s: %v, with %d at once", time.Since(began), err, api.most.Load())
		}
		hungUp, hangUp := context.WithCancel(t.Context())
		hangUp()
		if err := calls.Create(hungUp, &v1alpha1.EsimOrder{}); !errors.Is(err, context.Canceled) {
			t.Errorf("who hung up got %v", err)
		}
		stop()
		group.Wait()
	})
}
