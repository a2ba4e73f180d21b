package fairqueue

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAGateCallsClientsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(1)
		leave, err := gate.Enter(t.Context(), "flood")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var went []string
		for _, name := range []string{"flood-1", "flood-2", "flood-3", "b-1"} {
			go func() {
				leave, err := gate.Enter(t.Context(), name[:1])
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				went = append(went, name)
				mu.Unlock()
				leave()
			}()
			synctest.Wait()
		}
		leave()
		synctest.Wait()
		if diff := cmp.Diff([]string{"flood-1", "b-1", "flood-2", "flood-3"}, went); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhoGivesUpTakesNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(2)
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			var group sync.WaitGroup
			for i := range 20 {
				group.Go(func() {
					leave, err := gate.Enter(ctx, fmt.Sprint(i%3))
					if err != nil {
						if !errors.Is(err, context.DeadlineExceeded) {
							t.Error(err)
						}
						return
					}
					time.Sleep(300 * time.Millisecond) // the last leave as the others give up
					leave()
				})
			}
			group.Wait()
			cancel()
		}
		if gate.free != 2 || gate.waiting.Len() != 0 {
			t.Errorf("room for %d is left, and %d wait", gate.free, gate.waiting.Len())
		}
	})
}

func TestWhoGaveUpHasNoTurnAlsoWhereOneIsFree(t *testing.T) {
	gate := NewGate(1)
	leave, err := gate.Enter(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		gaveUp, cancel := context.WithCancel(t.Context())
		entered := make(chan error)
		go func() {
			_, err := gate.Enter(gaveUp, "b")
			entered <- err
		}()
		for gate.Waiting() == 0 {
			runtime.Gosched()
		}
		cancel()
		leave()
		if err := <-entered; !errors.Is(err, context.Canceled) {
			t.Fatalf("who waited and gave up is let in: %v", err)
		}
		if _, err := gate.Enter(gaveUp, "b"); !errors.Is(err, context.Canceled) {
			t.Fatalf("who gave up before is let in: %v", err)
		}
		if leave, err = gate.Enter(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	leave()
}
