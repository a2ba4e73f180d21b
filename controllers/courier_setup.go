package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/fairqueue"
	"github.com/telcodev/esim-operator/internal/notify/lanes"
)

// couriersAtOnce is how many orders are looked at in parallel: nothing waits there but a write.
const couriersAtOnce = 16

// SetupWithManager registers the controller, its watch, and the lanes in which it sends.
func (r *CourierReconciler) SetupWithManager(_ context.Context, mgr ctrl.Manager) error {
	r.Open()
	if err := mgr.Add(closing{r}); err != nil {
		return fmt.Errorf("adding the courier's lanes: %w", err)
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("courier").
		For(&v1alpha1.EsimOrder{}, builder.WithPredicates(predicate.NewPredicateFuncs(hasNotifications))).
		WatchesRawSource(r.queue.source()).
		WatchesRawSource(takenOver(r.Shard, r.Client, func() client.ObjectList { return &v1alpha1.EsimOrderList{} }, true)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: couriersAtOnce,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				errorBackoff.Initial.Duration, errorBackoff.Max.Duration),
			NewQueue: fairqueue.New,
		}).
		Complete(withinShard{shard: r.Shard, inner: r})
	if err != nil {
		return fmt.Errorf("setting up the courier: %w", err)
	}
	return nil
}

// Open makes the lanes, which Close ends.
func (r *CourierReconciler) Open() {
	r.events = lanes.New(lanes.Config{Concurrency: r.WebhookConcurrency, Done: r.ended})
	r.mails = lanes.New(lanes.Config{Concurrency: r.MailConcurrency, Done: r.ended})
	r.mailTurns = fairqueue.NewGate(cmp.Or(r.MailConcurrency, lanes.DefaultConcurrency))
	r.open, r.shut = context.WithCancel(context.Background())
}

// ended notes what a sending came to.
func (r *CourierReconciler) ended(_, _ string, err error) {
	if came := (*ending)(nil); errors.As(err, &came) {
		came.note(came.err)
	}
}

// logPanic tells of a defect of ours. What was panicked with may hold what is secret: only its
// stack is told.
func (r *CourierReconciler) logPanic(lane, job string, err error) {
	if panicked := (*lanes.Panicked)(nil); errors.As(err, &panicked) {
		r.Log.Error(errUnfinished, "Sending panicked", "lane", lane, "job", job, "stack", string(panicked.Stack))
	}
}

// Close lets what is under way end.
func (r *CourierReconciler) Close(ctx context.Context) error {
	r.shut()
	mails := make(chan error, 1)
	go func() { mails <- r.mails.Close(ctx) }()
	if err := errors.Join(r.events.Close(ctx), <-mails); err != nil {
		return fmt.Errorf("closing the courier's lanes: %w", err)
	}
	return nil
}

// hasNotifications tells whether there is something in an order's outbox.
func hasNotifications(o client.Object) bool {
	order, ok := o.(*v1alpha1.EsimOrder)
	return ok && len(order.Status.Notifications) > 0
}

// closing ends the lanes with the leadership.
type closing struct{ courier *CourierReconciler }

// closeWithin is how long what is under way may take when the manager stops.
const closeWithin = 10 * time.Second

// Start implements manager.Runnable.
func (c closing) Start(ctx context.Context) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	return c.courier.Close(ctx)
}

// Idle tells that nothing is under way.
func (r *CourierReconciler) Idle() bool {
	events, mails := r.events.Load(), r.mails.Load()
	return events.Waiting+events.Running+mails.Waiting+mails.Running == 0
}
