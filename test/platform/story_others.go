package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const (
	// awayAlone is how long mail server and endpoint are away while orders are delivered, awayToo
	// how long after that the operators are away as well.
	awayAlone = 6 * time.Second
	awayToo   = 12 * time.Second
	// replayBeyond is how long a person waits for an event that was put off, before having it replayed.
	replayBeyond = 30 * time.Second
)

// othersAreAway tells of a mail server, a client's endpoint and operators that are away for a
// while: the first two refuse connections, the last take requests and do not answer, and execute
// them later.
func othersAreAway(ctx context.Context, w *world) error {
	stop := w.trickle(ctx)
	if err := w.settled(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := errors.Join(w.post.smtp.shut(), w.post.hooks.shut()); err != nil {
		return err
	}
	if !pause(ctx, awayAlone) {
		return context.Cause(ctx)
	}
	stopped := time.Now()
	if err := w.simulator.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	pause(ctx, awayToo)
	resumed := w.simulator.Signal(syscall.SIGCONT)
	if err := errors.Join(ctx.Err(), resumed, w.post.smtp.open(ctx), w.post.hooks.open(ctx)); err != nil {
		return err
	}
	ended := time.Now()
	if err := w.recover(ctx, "operators stopped (SIGSTOP, SIGCONT)", stopped, ended, ""); err != nil {
		return err
	}
	if err := stop(); err != nil {
		return err
	}
	return w.postReturns(ctx, began, ended)
}

// postReturns measures until when all receipts, and all events, have arrived. Events that were
// refused twice come again by themselves after five minutes: these are replayed.
func (w *world) postReturns(ctx context.Context, began, ended time.Time) error {
	orders, err := w.read(ctx)
	if err != nil {
		return err
	}
	replayed := 0
	for i := range orders {
		if !waitsLong(&orders[i], ended.Add(replayBeyond)) {
			continue
		}
		patch := fmt.Sprintf(`{"metadata": {"annotations": {%q: "after the outage"}}}`, v1alpha1.ReplayAnnotation)
		if err := w.env.Client.Patch(ctx, &orders[i], client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			return fmt.Errorf("replaying the events of %s: %w", orders[i].Name, err)
		}
		replayed++
	}
	if replayed == 0 {
		return errors.New("no event was put off while its endpoint was away")
	}
	if err := w.judgePost(ctx, orders); err != nil {
		return err
	}
	w.report.add(outage{
		story: "mail server and webhook endpoint away", lasted: ended.Sub(began), meanwhile: len(w.wanted(began, ended)), backlog: time.Since(ended),
		note: fmt.Sprintf("until the last receipt and event; events of %d orders were replayed, else they come after 5 min", replayed),
	})
	return nil
}

// waitsLong tells whether an event of an order is to come again only after a time.
func waitsLong(order *v1alpha1.EsimOrder, after time.Time) bool {
	for i := range order.Status.Notifications {
		for _, pending := range order.Status.Notifications[i].Pending {
			if pending.To == "shop" && pending.NextTime.Time.After(after) {
				return true
			}
		}
	}
	return false
}
