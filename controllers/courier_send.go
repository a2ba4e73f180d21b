package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/present"
	"github.com/telcodev/esim-operator/internal/notify/lanes"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
	"github.com/telcodev/esim-operator/internal/tracing"
)

type taking int

const (
	handedOver taking = iota
	// full: the recipient has too much to do already, or the order has as many receipts on their
	// way as it may send.
	full
	// pointless: nobody wants it any more.
	pointless
)

// errUnfinished is what became of a sending that did not come to its end.
var errUnfinished = errors.New("sending it did not come to an end")

// errPointless says that what was to be sent makes no sense any more.
var errPointless = errors.New("it makes no sense any more")

// errReplaced says that a receipt's address is not the order's at present. It may be again.
var errReplaced = errors.New("its address was replaced")

// errClosing says that the courier closes before it was a receipt's turn.
var errClosing = errors.New("the courier closes")

// send hands one notification for one recipient over to the recipient's lane.
func (r *CourierReconciler) send(order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification, terms *v1alpha1.EsimClient, recipient string, t *trip) taking {
	if isReceipt(n.Type) {
		if r.Mail == nil || !wantsReceipt(order, n.Type) {
			return pointless
		}
		if len(order.Status.Receipts)+t.receipts() >= maxReceipts {
			return full // until it is known what became of those on their way
		}
		return r.handOver(r.mails, order.Namespace, order, n, recipient, t, func(ctx context.Context) error {
			leave, err := r.mailTurns.Enter(r.open, order.Namespace)
			if err != nil {
				return errClosing
			}
			defer leave()
			return r.sendWantedReceipt(ctx, order, n)
		})
	}
	endpoint := endpointNamed(terms, recipient)
	if !r.wanted(terms, endpoint, n) {
		return pointless
	}
	lane := order.Namespace + "/" + recipient
	return r.handOver(r.events, lane, order, n, recipient, t, func(ctx context.Context) error {
		return r.sendWanted(ctx, order, n, recipient)
	})
}

// handOver runs do in a lane, notes what became of it, and has the order looked at then.
func (r *CourierReconciler) handOver(to *lanes.Lanes, lane string, order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification, recipient string, t *trip, do func(context.Context) error) taking {
	stop := stopOf(order, n, recipient)
	note := func(err error) { r.note(order, n, t, stop, err) }
	job := fmt.Sprintf("%s/%s/%d/%s", order.UID, n.Type, stop.since, stop.address)
	t.begin(stop, r.Clock.Now())
	taken := to.Submit(lane, job, func(ctx context.Context) (result error) {
		ended := &ending{err: errUnfinished, note: note}
		defer func() {
			if value := recover(); value != nil {
				r.logPanic(lane, job, &lanes.Panicked{Value: value, Stack: debug.Stack()})
				result = ended
			}
		}()
		ended.err = do(ctx)
		return ended
	})
	if !taken {
		t.notBegun(stop)
		return full
	}
	return handedOver
}

// ending is what a sending came to. It is noted once its lane lets it be handed over again:
// earlier, it would be taken for the one that has just ended, and never be sent.
type ending struct {
	err  error
	note func(error)
}

// Error is that of the sending.
func (e *ending) Error() string { return fmt.Sprint(e.err) }

// note what became of a sending, and have its order looked at.
func (r *CourierReconciler) note(order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification, t *trip, stop stop, err error) {
	now := r.Clock.Now()
	switch {
	case errors.Is(err, errReplaced), errors.Is(err, errClosing):
		t.notBegun(stop)
	case errors.Is(err, errPointless):
		t.end(stop, result{dropped: true, at: now})
	case ownTrouble(err):
		r.Log.Error(err, "A notification could not be sent", "order", client.ObjectKeyFromObject(order), "type", n.Type)
		t.postpone(stop, now.Add(ownTroubleAgain))
	default:
		t.end(stop, result{err: err, at: now})
	}
	r.queue.add(client.ObjectKeyFromObject(order))
}

// ownTrouble tells errors that no recipient has to do with: they are no tries.
func ownTrouble(err error) bool {
	var failed *webhook.Failed
	var gone *webhook.Gone
	var refused *mail.Refused
	var deferred *mail.Deferred
	return err != nil && !errors.As(err, &failed) && !errors.As(err, &gone) && !errors.As(err, &refused) &&
		!errors.As(err, &deferred) && !errors.Is(err, mail.ErrUnknownOutcome)
}

// sendWanted sends one event to an endpoint, if it still wants it when its turn comes.
func (r *CourierReconciler) sendWanted(ctx context.Context, order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification, recipient string) error {
	terms, err := r.terms(ctx, order.Namespace)
	if err != nil {
		return err
	}
	endpoint := endpointNamed(terms, recipient)
	if !r.wanted(terms, endpoint, n) {
		return errPointless
	}
	err = r.sendEvent(ctx, order, n, endpoint)
	if !ownTrouble(err) {
		r.Health.observe(terms, endpoint, err, r.Clock.Now())
	}
	return err
}

// wanted tells whether an endpoint is there, takes events, and wants to hear of this one.
func (r *CourierReconciler) wanted(terms *v1alpha1.EsimClient, endpoint *v1alpha1.WebhookEndpoint, n *v1alpha1.OrderNotification) bool {
	return endpoint != nil && endpoint.Wants(n.Type) && !r.Health.disabled(terms, endpoint)
}

func endpointNamed(terms *v1alpha1.EsimClient, name string) *v1alpha1.WebhookEndpoint {
	for i := range terms.Spec.Webhooks {
		if terms.Spec.Webhooks[i].Name == name {
			return &terms.Spec.Webhooks[i]
		}
	}
	return nil
}

// sendEvent sends one event to one endpoint.
func (r *CourierReconciler) sendEvent(ctx context.Context, order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification, endpoint *v1alpha1.WebhookEndpoint) error {
	secrets, err := r.secrets.of(ctx, r.Live, types.NamespacedName{Namespace: order.Namespace, Name: endpoint.SigningSecretRef.Name}, r.Clock.Now())
	if err != nil {
		return err
	}
	product, err := r.product(ctx, order)
	if err != nil {
		return err
	}
	data, err := json.Marshal(present.Order(order, product))
	if err != nil {
		return fmt.Errorf("writing the order for a webhook: %w", err)
	}
	ctx, span := tracing.Start(traced(ctx, r.Tracer, order), spanEvent, tracing.Client)
	span.Text(keyEvent, n.Type)
	span.Text(keyEndpoint, endpoint.Name)
	err = r.Webhooks.Send(ctx, endpoint.URL, secrets, webhook.Event{
		ID: webhook.EventID(order.FirstUID(), n.Type), Type: n.Type, Time: eventTime(order, n), Data: data,
	})
	span.End(spanClass(err))
	return err
}

// product is what the catalogue says of an order's product now.
func (r *CourierReconciler) product(ctx context.Context, order *v1alpha1.EsimOrder) (orders.Product, error) {
	name, variant := orders.PlanNames(order)
	var product v1alpha1.EsimProduct
	err := r.Client.Get(ctx, types.NamespacedName{Name: name}, &product, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	if apierrors.IsNotFound(err) {
		return orders.Product{}, nil
	}
	if err != nil {
		return orders.Product{}, fmt.Errorf("reading EsimProduct %s: %w", name, err)
	}
	now := orders.Product{
		ID: product.Status.ID, Name: product.Spec.DisplayName,
		CountryCode: product.Spec.CountryCode, Currency: product.Spec.Currency,
	}
	for i := range product.Status.Variants {
		if product.Status.Variants[i].Name == variant {
			now.VariantID = product.Status.Variants[i].ID
		}
	}
	return now, nil
}

// eventTime is when what an event tells of happened, also where the event is sent again.
func eventTime(order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification) time.Time {
	charge, life := order.Status.Charge, order.Status.Activation
	var at *metav1.Time
	switch n.Type {
	case v1alpha1.EventDebited:
		if charge != nil {
			at = &charge.Time
		}
	case v1alpha1.EventCredited:
		if charge != nil && charge.Refund != nil {
			at = &charge.Refund.Time
		}
	case v1alpha1.EventInstalled:
		if life != nil {
			at = life.InstalledTime
		}
	case v1alpha1.EventActivated:
		if life != nil {
			at = life.ActivatedTime
		}
	case v1alpha1.EventExpired:
		if life != nil {
			at = life.ExpiryTime
		}
	default:
		if ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			at = &ready.LastTransitionTime
		}
	}
	if at == nil || at.IsZero() {
		at = &n.Time
	}
	return at.UTC()
}

// wantsReceipt tells whether an order's present address is to get a receipt.
func wantsReceipt(order *v1alpha1.EsimOrder, receipt string) bool {
	return mayHaveReceipt(order, receipt) && !sentAllReceipts(order)
}

// mayHaveReceipt tells whether a receipt tells of an order's end, to an address that had none.
func mayHaveReceipt(order *v1alpha1.EsimOrder, receipt string) bool {
	return order.Spec.NotificationEmail != "" && receiptOf[order.Status.Phase] == receipt && !hasReceipt(order, receipt)
}

// sendWantedReceipt sends a receipt, if its address is still the order's when its turn comes: the
// one that was replaced may be a stranger's, and the mail carries the code.
func (r *CourierReconciler) sendWantedReceipt(ctx context.Context, order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification) error {
	var now v1alpha1.EsimOrder
	err := r.Client.Get(ctx, client.ObjectKeyFromObject(order), &now, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the order before its receipt is sent: %w", err)
	}
	switch {
	case err != nil || now.UID != order.UID:
		// The receipt of an order that is gone by now tells what became of its money.
	case recipientOf(&now) != recipientOf(order):
		return errReplaced
	case !wantsReceipt(&now, n.Type):
		return errPointless
	}
	return r.sendReceipt(ctx, order, n)
}

// sendReceipt sends the receipt of an order's end to its address.
func (r *CourierReconciler) sendReceipt(ctx context.Context, order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification) error {
	filled := receiptFor(order, n)
	if n.Type == v1alpha1.ReceiptDelivered {
		if err := r.addCode(ctx, order, &filled); err != nil {
			return err
		}
	}
	id := webhook.EventID(order.FirstUID(), n.Type+"\x00"+order.Spec.NotificationEmail)
	ctx, span := tracing.Start(traced(ctx, r.Tracer, order), spanReceipt, tracing.Client)
	span.Text(keyEvent, n.Type)
	err := r.Mail.Send(ctx, order.Spec.NotificationEmail, id, filled)
	span.End(spanClass(err))
	return err
}

func receiptFor(order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification) receipt.Receipt {
	status := &order.Status
	filled := receipt.Receipt{
		Kind: receipt.Kind(n.Type), OrderID: status.ID, Reference: order.Spec.ClientReference,
		ProductName: order.Spec.ProductRef.Name, Time: n.Time.UTC(),
	}
	if plan := status.Plan; plan != nil {
		filled.ProductName, filled.CountryCode = plan.DisplayName, string(plan.CountryCode)
		filled.DataAmountGB, filled.ValidityDays = string(plan.DataAmountGB), plan.ValidityDays
	}
	if charge := status.Charge; charge != nil {
		filled.Amount, filled.Currency = string(charge.Amount), string(charge.Currency)
		if charge.Refund != nil {
			filled.RefundAmount, filled.RefundCurrency = string(charge.Amount), string(charge.Currency)
		}
	}
	if status.Esim != nil {
		filled.ICCID = status.Esim.ICCID
	}
	if status.Failure != nil {
		filled.FailureReason, filled.UserFixable = status.Failure.Reason, status.Failure.UserFixable
	}
	return filled
}

// addCode reads the activation code, from the API server, for the one mail that may carry it.
func (r *CourierReconciler) addCode(ctx context.Context, order *v1alpha1.EsimOrder, filled *receipt.Receipt) error {
	var secret corev1.Secret
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: order.Namespace, Name: v1alpha1.ActivationSecretName(order.Name)}, &secret)
	if apierrors.IsNotFound(err) {
		return errPointless
	}
	if err != nil {
		return fmt.Errorf("reading the activation Secret: %w", err)
	}
	code := string(secret.Data[v1alpha1.SecretKeyActivationCode])
	if secret.Type != v1alpha1.ActivationSecretType || !order.OwnsSecret(&secret) || code == "" {
		return errPointless // the profile is on its device by now, or the order was undone
	}
	filled.Code = activation.NewCredential(code)
	filled.SMDPAddress = string(secret.Data[v1alpha1.SecretKeySMDPAddress])
	filled.MatchingID = activation.NewCredential(string(secret.Data[v1alpha1.SecretKeyMatchingID]))
	filled.ConfirmationCode = activation.NewCredential(string(secret.Data[v1alpha1.SecretKeyConfirmationCode]))
	return nil
}
