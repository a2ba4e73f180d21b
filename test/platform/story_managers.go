package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/stand"
)

const (
	leaseName = "esim-operator-controllers"
	// leaderLimit is how long it may take until somebody leads.
	leaderLimit = 2 * time.Minute
	massacres   = 3
)

// managersDie tells of managers that are killed or stopped, under a trickle of orders.
func managersDie(ctx context.Context, w *world) error {
	stop := w.trickle(ctx)
	if _, err := w.awaitLeader(ctx, "", time.Time{}); err != nil {
		return err
	}
	if err := allKilled(ctx, w); err != nil {
		return err
	}
	if err := leaderKilled(ctx, w); err != nil {
		return err
	}
	if err := leaderStopped(ctx, w); err != nil {
		return err
	}
	return stop()
}

// allKilled kills every manager at a random moment, several times: nobody stands by.
func allKilled(ctx context.Context, w *world) error {
	for n := 1; n <= massacres; n++ {
		if !pause(ctx, time.Duration(w.chance.Int64N(int64(2*time.Second)))) {
			return context.Cause(ctx)
		}
		began := time.Now()
		for _, manager := range w.managers {
			if _, err := manager.signal(syscall.SIGKILL); err != nil {
				return err
			}
		}
		if _, err := w.awaitLeader(ctx, "", began.Add(restartPause)); err != nil {
			return err
		}
		if n < massacres {
			continue
		}
		// The failure ends when processes run again: that a lease has to run out counts as recovery.
		note := fmt.Sprintf("the last of %d times; the lease is %s", massacres, lease)
		if err := w.recover(ctx, "all managers killed", began, began.Add(restartPause), note); err != nil {
			return err
		}
	}
	return nil
}

// leaderKilled kills the leader, and the standby takes over.
func leaderKilled(ctx context.Context, w *world) error {
	leader, err := w.awaitLeader(ctx, "", time.Now())
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := w.managers[leader].signal(syscall.SIGKILL); err != nil {
		return err
	}
	return w.recover(ctx, "leader killed, another stands by", began, time.Now(), fmt.Sprintf("the lease is %s", lease))
}

// leaderStopped stops the leader past its lease, in the midst of calls, and lets it go on once the
// standby leads.
func leaderStopped(ctx context.Context, w *world) error {
	leader, err := w.awaitLeader(ctx, "", time.Now())
	if err != nil {
		return err
	}
	slow := `{"kind": "delay", "delay": "1500ms"}`
	if err := w.simulator.Tell(ctx, http.MethodPost, "/faults", slow, nil); err != nil {
		return err
	}
	if err := w.awaitCall(ctx); err != nil {
		return err
	}
	began := time.Now()
	stopped, err := w.managers[leader].signal(syscall.SIGSTOP)
	if err != nil {
		return err
	}
	other, err := w.awaitOther(ctx, leader, began)
	if err := errors.Join(err, w.simulator.Tell(ctx, http.MethodDelete, "/faults", "", nil)); err != nil {
		return err
	}
	if other == leader {
		return fmt.Errorf("%s leads although it is stopped", other)
	}
	if err := w.recover(ctx, "leader stopped (SIGSTOP)", began, time.Now(), "counted from when the other leads"); err != nil {
		return err
	}
	resumed := time.Now()
	if _, err := w.managers[leader].signal(syscall.SIGCONT); err != nil {
		return err
	}
	return w.watchTheDeposed(ctx, leader, stopped, resumed)
}

// watchTheDeposed: a leader that comes back after its lease ends by itself. By then it has begun
// nothing: what it was in the midst of, and what needs no leader, may still be written, at the
// version that it knew.
func (w *world) watchTheDeposed(ctx context.Context, name string, process *stand.Process, resumed time.Time) error {
	waiting, cancel := context.WithTimeout(ctx, leaderLimit)
	defer cancel()
	select {
	case <-process.Ended():
	case <-waiting.Done():
		return fmt.Errorf("%s goes on although another leads", name)
	}
	ended := time.Now()
	if err := w.recover(ctx, "stopped leader goes on (SIGCONT)", resumed, ended, "it ended by itself"); err != nil {
		return err
	}
	events, err := w.env.AuditEvents()
	if err != nil {
		return err
	}
	var begun []string
	tried, taken := 0, 0
	seen := map[string]bool{}
	for _, e := range events {
		if !e.Write() || e.Group != v1alpha1.GroupVersion.Group && e.Resource != "secrets" {
			continue
		}
		accepted := e.Code < http.StatusBadRequest
		// The first status of an order is the one that charges it, before anything is bought.
		charges := e.Resource == "esimorders" && e.Subresource == "status" && accepted && !seen[e.Name]
		seen[e.Name] = seen[e.Name] || charges
		if program(e) != name || e.Received.Before(resumed) || e.Received.After(ended) {
			continue
		}
		tried++
		if accepted {
			taken++
		}
		if charges || e.Resource == "secrets" && accepted {
			begun = append(begun, fmt.Sprintf("%s %s/%s %s after %s", e.Verb, e.Resource, e.Subresource, e.Name, e.Received.Sub(resumed)))
		}
	}
	w.report.factf("%s: between SIGCONT and its end the stopped leader tried %d writes, of which %d were taken: no charge, no journal", w.name, tried, taken)
	if len(begun) > 0 {
		return fmt.Errorf("%s charged or bought although another leads: %s", name, strings.Join(begun, "; "))
	}
	return nil
}

// program that made a request.
func program(e testenv.AuditEvent) string {
	name, _, _ := strings.Cut(e.UserAgent, "/")
	return name
}

// awaitLeader waits for the program that has renewed the lease after a time, the latest one.
func (w *world) awaitLeader(ctx context.Context, not string, after time.Time) (string, error) {
	leads := ""
	err := stand.Until(ctx, leaderLimit, "a leader", func() (bool, error) {
		events, err := w.env.AuditEvents()
		if err != nil {
			return false, err
		}
		for _, e := range slices.Backward(events) {
			if e.Resource == "leases" && e.Name == leaseName && e.Write() && e.Code < http.StatusBadRequest && e.Received.After(after) && program(e) != not {
				leads = program(e)
				return true, nil
			}
		}
		return false, nil
	})
	return leads, err
}

// awaitOther waits until another program than one leads.
func (w *world) awaitOther(ctx context.Context, than string, after time.Time) (string, error) {
	return w.awaitLeader(ctx, than, after)
}

// awaitCall waits until a call is with the SM-DP+: its profile is reserved, and no more.
func (w *world) awaitCall(ctx context.Context) error {
	return stand.Until(ctx, deliveryLimit, "a call to the SM-DP+", func() (bool, error) {
		n, err := w.simulator.Stranded(ctx)
		return n > 0, err
	})
}
