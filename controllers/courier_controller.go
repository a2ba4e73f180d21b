package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/fairqueue"
	"github.com/telcodev/esim-operator/internal/notify/lanes"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
	"github.com/telcodev/esim-operator/internal/shard"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimorders/status,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get

// CourierReconciler sends what stands in orders' outboxes, receipts by e-mail and events to
// clients' endpoints, and takes off what was sent: one write for all of an order's, once they
// are under way no longer.
//
// A crash between the sending and that write has something sent twice, rather than never: a
// webhook with the same ID, a mail with the same Message-ID. Neither can be asked for.
type CourierReconciler struct {
	// Client reads from the cache.
	Client client.Client
	// Live reads Secrets.
	Live client.Reader
	// Writer writes with a short deadline.
	Writer client.Client
	// Webhooks sends events.
	Webhooks EventSender
	// Mail sends receipts; nil where none are sent.
	Mail ReceiptSender
	// Health is what is known of clients' endpoints.
	Health *EndpointHealth
	// Clock tells the time for what is written down.
	Clock clock.PassiveClock
	// Tracer follows orders; nil follows none.
	Tracer *tracing.Tracer
	// Shard is the clients that this process works for.
	Shard *shard.Shard
	// Jitter is a random number from 0 to 1, to spread retries.
	Jitter func() float64
	// Log is told of our own defects.
	Log logr.Logger
	// WebhookConcurrency is how many sendings each endpoint gets at one time; MailConcurrency, the
	// mail server.
	WebhookConcurrency, MailConcurrency int

	memory  courierMemory
	secrets signingSecrets
	events  *lanes.Lanes
	mails   *lanes.Lanes
	queue   wakeQueue
	// mailTurns has clients take turns at the one mail server: each has a lane of its own. open
	// ends when the courier closes, which is shut.
	mailTurns *fairqueue.Gate
	open      context.Context //nolint:containedctx // it is that of the lanes' lifetime
	shut      context.CancelFunc
}

// EventSender sends one event to one endpoint once.
type EventSender interface {
	Send(ctx context.Context, url string, secrets []webhook.Secret, event webhook.Event) error
}

// ReceiptSender sends one receipt to one address once. An error that errors.As *mail.Refused
// is for good.
type ReceiptSender interface {
	Send(ctx context.Context, to, messageID string, r receipt.Receipt) error
}

const (
	// settledAfter is how long an order's results wait for others that are under way, so that one
	// write records them all.
	settledAfter = time.Second
	// ownTroubleAgain is after how long a sending comes again that failed for a reason of ours.
	ownTroubleAgain = 10 * time.Second
	// fullAgain is after how long an order comes back whose recipient has too much to do.
	fullAgain = 30 * time.Second
)

// Reconcile sends what is due of one order's outbox, and records what was sent.
func (r *CourierReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var order v1alpha1.EsimOrder
	err := r.Client.Get(ctx, req.NamespacedName, &order, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	if apierrors.IsNotFound(err) {
		r.memory.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading EsimOrder %s: %w", req, err)
	}
	trip := r.memory.of(&order)
	if older(order.ResourceVersion, trip.written) {
		return ctrl.Result{RequeueAfter: conflictDelay}, nil // the cache does not show our last write yet
	}
	if len(order.Status.Notifications) == 0 {
		return r.finish(ctx, &order, trip)
	}
	terms, err := r.terms(ctx, order.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	wait, underWay := r.dispatch(&order, terms, trip)
	if !trip.ripe(&order, underWay, r.Clock.Now()) {
		if underWay && trip.worthAWrite(&order) {
			wait = soonest(wait, settledAfter)
		}
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	return r.record(ctx, &order, terms, trip)
}

// finish a trip whose outbox is empty. What is still on its way went to an address that was
// replaced: its end has the order looked at, and is remembered, or it would come twice should the
// address come back.
func (r *CourierReconciler) finish(ctx context.Context, order *v1alpha1.EsimOrder, trip *trip) (ctrl.Result, error) {
	switch trip.left() {
	case leftToRemember:
		return r.record(ctx, order, &v1alpha1.EsimClient{}, trip)
	case leftUnderWay:
		return ctrl.Result{}, nil
	case leftNothing:
	}
	r.memory.forget(client.ObjectKeyFromObject(order))
	return ctrl.Result{}, nil
}

// terms on which a client buys; without any there are no endpoints.
func (r *CourierReconciler) terms(ctx context.Context, namespace string) (*v1alpha1.EsimClient, error) {
	var terms v1alpha1.EsimClient
	key := types.NamespacedName{Namespace: namespace, Name: v1alpha1.ClientName}
	err := r.Client.Get(ctx, key, &terms, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading the EsimClient of namespace %s: %w", namespace, err)
	}
	return &terms, nil
}

// dispatch hands over what is due, without waiting for it. It returns when the next is due, and
// whether anything is under way.
func (r *CourierReconciler) dispatch(order *v1alpha1.EsimOrder, terms *v1alpha1.EsimClient, trip *trip) (wait time.Duration, underWay bool) {
	now := r.Clock.Now()
	for i := range order.Status.Notifications {
		notification := &order.Status.Notifications[i]
		wanted := recipients(notification, terms)
		if len(wanted) == 0 {
			trip.end(stopOf(order, notification, ""), result{dropped: true, at: now})
		}
		for _, recipient := range wanted {
			stop := stopOf(order, notification, recipient)
			switch trip.state(stop) {
			case stopUnderWay:
				underWay = true
				continue
			case stopDone:
				continue
			case stopOpen:
			}
			if again := trip.laterThan(stop, now); again > 0 {
				wait = soonest(wait, again)
				continue
			}
			if pending := pendingFor(notification, recipient); pending != nil && pending.NextTime.After(now) {
				wait = soonest(wait, pending.NextTime.Sub(now))
				continue
			}
			switch r.send(order, notification, terms, recipient, trip) {
			case handedOver:
				underWay = true
			case full:
				wait = soonest(wait, fullAgain)
			case pointless:
				trip.end(stop, result{dropped: true, at: now})
			}
		}
	}
	return wait, underWay
}

// record writes, with an optimistic lock, what became of the outbox.
func (r *CourierReconciler) record(ctx context.Context, order *v1alpha1.EsimOrder, terms *v1alpha1.EsimClient, trip *trip) (ctrl.Result, error) {
	updated := order.DeepCopy()
	recorded := r.apply(updated, terms, trip.snapshot())
	if err := r.Writer.Status().Update(ctx, updated); err != nil {
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return ctrl.Result{RequeueAfter: conflictDelay}, nil
		}
		return ctrl.Result{}, fmt.Errorf("recording what was sent of EsimOrder %s: %w", order.Name, err)
	}
	trip.recorded(recorded, updated.ResourceVersion)
	return ctrl.Result{RequeueAfter: conflictDelay}, nil // to wait for what is due next
}

// older tells whether a version is surely older than another.
func older(version, than string) bool {
	if than == "" {
		return false
	}
	compared, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && compared < 0
}
