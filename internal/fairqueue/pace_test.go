package fairqueue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFloodOfCallsDelaysAnotherClientsByARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(10)
		began := time.Now()
		var flood sync.WaitGroup
		for range 101 { // the first needs not wait
			flood.Go(func() {
				if err := pace.Wait(WithClient(t.Context(), "flood")); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for range 3 {
			asked := time.Now()
			if err := pace.Wait(WithClient(t.Context(), "single")); err != nil {
				t.Error(err)
			}
			if waited := time.Since(asked); waited > 300*time.Millisecond {
				t.Errorf("it waited %s at 10 calls a second: the one under way, one of the flood's, and its own, are 300ms", waited)
			}
		}
		flood.Wait()
		if took := time.Since(began).Round(time.Millisecond); took != 10300*time.Millisecond {
			t.Errorf("104 calls took %s at 10 a second", took)
		}
	})
}

func TestWhoGivesUpWaitingMayNotCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(1)
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if err := pace.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := pace.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it got %v", err)
		}
		group.Wait()
	})
}

func TestWithoutALimitNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace, began := NewPace(0), time.Now()
		for range 1000 {
			if err := pace.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %s", took)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := pace.Wait(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("who hung up got %v", err)
		}
	})
}
