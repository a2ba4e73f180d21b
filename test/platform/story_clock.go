package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/test/stand"
)

// retryLimit is how long it may take until an order is tried again.
const retryLimit = 2 * time.Minute

// wallClock is a machine's clock that somebody sets: without the monotonic part that a process
// measures by, also where the manager compares times that were never written down.
type wallClock struct {
	mu     sync.Mutex
	offset time.Duration
}

// Now implements clock.PassiveClock.
func (c *wallClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset).Round(0)
}

// Since implements clock.PassiveClock.
func (c *wallClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (c *wallClock) set(offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = offset
}

// clockJumps tells of a clock that is set forward and back while one order waits for its operator,
// the answer to another's purchase was lost, and a third is delivered. Jumps are shorter than
// recovery.giveUpAfter: that one goes by the clock.
func clockJumps(ctx context.Context, w *world) error {
	clock := &wallClock{}
	if err := w.manageHere(clock); err != nil {
		return err
	}
	if err := w.settled(ctx); err != nil {
		return err
	}
	began := time.Now()
	open, err := w.inTrouble(ctx)
	if err != nil {
		return err
	}
	// An endpoint refuses what is signed at another time than its own.
	err = stand.Until(ctx, postLimit, "the events of three orders", func() (bool, error) {
		events, err := w.post.received()
		arrived := 0
		for _, of := range events {
			arrived += len(of)
		}
		return arrived == 2*len(told), err
	})
	if err != nil {
		return err
	}
	for _, offset := range []time.Duration{time.Hour, 0, -time.Hour, 0, 48 * time.Hour, 0} {
		clock.set(offset)
		w.sayf("the clock is set to %s from what is right", offset)
		for _, o := range open {
			if err := w.triedAgain(ctx, o, clock.Now()); err != nil {
				return fmt.Errorf("with a clock that is %s from what is right: %w", offset, err)
			}
		}
	}
	faults := errors.Join(w.simulator.Tell(ctx, http.MethodDelete, "/faults", "", nil), w.simulator.Tell(ctx, http.MethodDelete, "/"+stand.Zendit+"/faults", "", nil))
	if faults != nil {
		return faults
	}
	return w.recover(ctx, "clock set to +1 h, -1 h, +48 h, and back", began, time.Now(), "orders were waiting for their operators all the time")
}

// inTrouble has two orders wait: one for an SM-DP+ that is away, one for the answer to a purchase
// that was lost.
func (w *world) inTrouble(ctx context.Context) ([]*ordered, error) {
	for _, fault := range []struct{ path, fault string }{
		{"/faults", `{"kind": "refuse-connection"}`},
		{"/" + stand.Zendit + "/faults", `{"kind": "drop", "function": "POST /esim/purchases", "times": 1}`},
		{"/" + stand.Zendit + "/faults", `{"kind": "status", "status": 503, "function": "GET /esim/purchases/{transactionId}"}`},
	} {
		if err := w.simulator.Tell(ctx, http.MethodPost, fault.path, fault.fault, nil); err != nil {
			return nil, err
		}
	}
	var open []*ordered
	for variant := range offers {
		placed, err := w.order(ctx, variant)
		if err != nil {
			return nil, err
		}
		open = append(open, placed)
	}
	return open, nil
}

// triedAgain waits until an order is tried, by a clock that shows about now, and goes on waiting.
func (w *world) triedAgain(ctx context.Context, o *ordered, now time.Time) error {
	var found v1alpha1.EsimOrder
	err := stand.Until(ctx, retryLimit, "the next try", func() (bool, error) {
		if err := w.env.Client.Get(ctx, types.NamespacedName{Namespace: o.key.Namespace, Name: o.key.Name}, &found); err != nil {
			return false, fmt.Errorf("reading the order: %w", err)
		}
		if found.Terminal() {
			return false, errors.New("it does not wait any more")
		}
		p := found.Status.Provisioning
		if p == nil || p.LastError == nil {
			return false, nil
		}
		// A status keeps whole seconds.
		at := p.LastError.Time.Time
		return !at.Before(now.Truncate(time.Second)) && at.Before(now.Add(retryLimit)), nil
	})
	if err != nil {
		return fmt.Errorf("%s, which is %s: %w", o.key.Name, describe(&found), err)
	}
	return nil
}

// manageHere runs a manager in this process, by a clock.
func (w *world) manageHere(clock *wallClock) error {
	identity, err := w.env.ManagerConfig()
	if err != nil {
		return err
	}
	file := filepath.Join(w.folder, "manager.yaml")
	if err := os.WriteFile(file, []byte(managerConfig+w.post.config()), 0o600); err != nil {
		return fmt.Errorf("writing the manager's configuration: %w", err)
	}
	config, err := manager.ReadConfig([]string{"--config=" + file, "--metrics-bind-address=0", "--health-probe-bind-address=0"})
	if err != nil {
		return err
	}
	running, end := context.WithCancel(w.life)
	made, err := manager.New(running, identity, config, manager.Options{Clock: clock, SkipNameValidation: true})
	if err != nil {
		end()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(running, made) }()
	w.closers = append(w.closers, func() error {
		end()
		return <-ended
	})
	return nil
}
