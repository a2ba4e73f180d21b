package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// The outbox is the order's own status.notifications: what is to be told of a change is
// recorded in the write of the change itself. So a crash loses nothing that was to be told, and
// tells of nothing that did not happen. The courier sends it and takes it off.

// receiptOf is the receipt for the end of an order.
var receiptOf = map[v1alpha1.OrderPhase]string{
	v1alpha1.PhaseDelivered: v1alpha1.ReceiptDelivered,
	v1alpha1.PhaseFailed:    v1alpha1.ReceiptFailed,
	v1alpha1.PhaseCancelled: v1alpha1.ReceiptCancelled,
}

// eventOf is the event for the end of an order.
var eventOf = map[v1alpha1.OrderPhase]string{
	v1alpha1.PhaseDelivered: v1alpha1.EventOrderDelivered,
	v1alpha1.PhaseFailed:    v1alpha1.EventOrderFailed,
	v1alpha1.PhaseCancelled: v1alpha1.EventOrderCancelled,
}

// isReceipt tells receipts from webhook events.
func isReceipt(notification string) bool { return strings.HasPrefix(notification, "receipt.") }

// tell puts events into the outbox that an endpoint of the client wants to hear of.
func (r *OrderReconciler) tell(ctx context.Context, p *pass, events ...string) {
	if len(events) == 0 {
		return
	}
	endpoints, known := r.endpoints(ctx, p.order.Namespace)
	for _, event := range events {
		wanted := slices.ContainsFunc(endpoints, func(e v1alpha1.WebhookEndpoint) bool { return e.Wants(event) })
		if wanted || !known {
			p.notify(event)
		}
	}
}

// endpoints of a client's webhooks; false where it cannot be told whether there are any. Then
// the outbox takes everything, and the courier sorts it out.
func (r *OrderReconciler) endpoints(ctx context.Context, namespace string) ([]v1alpha1.WebhookEndpoint, bool) {
	var terms v1alpha1.EsimClient
	key := types.NamespacedName{Namespace: namespace, Name: v1alpha1.ClientName}
	err := r.Client.Get(ctx, key, &terms, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	if err != nil && !apierrors.IsNotFound(err) {
		ctrl.LoggerFrom(ctx).Error(err, "Reading whom to tell of an order")
		return nil, false
	}
	return terms.Spec.Webhooks, true
}

// tellEnd puts what is told of an order's end into the outbox.
func (r *OrderReconciler) tellEnd(ctx context.Context, p *pass, refunded bool) {
	if refunded {
		r.tell(ctx, p, v1alpha1.EventCredited)
	}
	r.tell(ctx, p, eventOf[p.order.Status.Phase])
	r.sendReceipt(p)
}

// sendReceipt puts the receipt for the order's end into the outbox, unless its address had it, or
// the profile is on its device: there is nothing to install any more.
func (r *OrderReconciler) sendReceipt(p *pass) {
	receipt := receiptOf[p.order.Status.Phase]
	p.dropReceipts(receipt)
	installed := p.order.Status.Activation != nil && p.order.Status.Activation.Installed
	if !r.Receipts || installed || receipt == "" || p.order.Spec.NotificationEmail == "" || hasReceipt(p.order, receipt) {
		return
	}
	if sentAllReceipts(p.order) {
		setTooManyAddresses(p.order, p.now)
		return
	}
	p.notify(receipt)
}

// sendLateReceipt is for an address that came, or changed, after the order's end. Orders whose
// spec did not change since are left alone: receipts may have been switched on meanwhile.
func (r *OrderReconciler) sendLateReceipt(p *pass) {
	if p.written.ObservedGeneration != p.generation {
		r.sendReceipt(p)
	}
}

// tellAgain puts all events of the order into the outbox once more, where somebody asks for it.
func (r *OrderReconciler) tellAgain(ctx context.Context, p *pass) {
	wanted := annotationValue(p.order, v1alpha1.ReplayAnnotation)
	if wanted == "" || wanted == p.order.Status.Replayed {
		return
	}
	p.order.Status.Replayed = wanted
	r.tell(ctx, p, eventsOf(p.order)...)
}

// eventsOf are the events of an order until now, in the order in which they happened.
func eventsOf(order *v1alpha1.EsimOrder) []string {
	var events []string
	happened := func(did bool, event string) {
		if did {
			events = append(events, event)
		}
	}
	status := &order.Status
	charge, life := status.Charge, status.Activation
	happened(charge != nil, v1alpha1.EventDebited)
	happened(status.Esim != nil, v1alpha1.EventOrderDelivered)
	happened(life != nil && life.Installed, v1alpha1.EventInstalled)
	happened(life != nil && life.ActivatedTime != nil, v1alpha1.EventActivated)
	happened(life != nil && life.Status == v1alpha1.ActivationExpired, v1alpha1.EventExpired)
	happened(charge != nil && charge.Refund != nil, v1alpha1.EventCredited)
	happened(status.Phase == v1alpha1.PhaseFailed, v1alpha1.EventOrderFailed)
	happened(status.Phase == v1alpha1.PhaseCancelled, v1alpha1.EventOrderCancelled)
	return events
}

// notify puts one notification into the outbox, in the place of an earlier one of its type.
func (p *pass) notify(notification string) {
	p.dropNotifications(func(n *v1alpha1.OrderNotification) bool { return n.Type == notification })
	p.order.Status.Notifications = append(p.order.Status.Notifications,
		v1alpha1.OrderNotification{Type: notification, Time: p.time()})
}

// dropReceipts takes receipts out of the outbox that another one replaces: nobody wants to read
// how to install what was cancelled.
func (p *pass) dropReceipts(but string) {
	p.dropNotifications(func(n *v1alpha1.OrderNotification) bool { return isReceipt(n.Type) && n.Type != but })
}

func (p *pass) dropNotifications(drop func(*v1alpha1.OrderNotification) bool) {
	var kept []v1alpha1.OrderNotification
	for i := range p.order.Status.Notifications {
		if n := &p.order.Status.Notifications[i]; !drop(n) {
			kept = append(kept, *n)
		}
	}
	p.order.Status.Notifications = kept
}

// hasReceipt tells whether an order's present address has had a receipt.
func hasReceipt(order *v1alpha1.EsimOrder, receipt string) bool {
	recipient := recipientOf(order)
	return slices.ContainsFunc(order.Status.Receipts, func(sent v1alpha1.SentReceipt) bool {
		return sent.Type == receipt && sent.Recipient == recipient
	})
}

// recipientOf is the order's present address as a status remembers it: it tells one address
// from another, within one order.
func recipientOf(order *v1alpha1.EsimOrder) string {
	sum := sha256.Sum256([]byte(string(order.FirstUID()) + "\x00" + order.Spec.NotificationEmail))
	return hex.EncodeToString(sum[:16])
}
