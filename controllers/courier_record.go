package controllers

import (
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

// maxReceipts is how many receipts an order remembers, and so how many addresses it can have:
// more would be a way to send mails to many through one order.
const maxReceipts = 10

// recipientEmail is how the outbox names the order's address.
const recipientEmail = "email"

// recipients of a notification: those that it did not reach yet or, at first, all who want it.
func recipients(n *v1alpha1.OrderNotification, terms *v1alpha1.EsimClient) []string {
	var names []string
	if len(n.Pending) > 0 {
		for i := range n.Pending {
			names = append(names, n.Pending[i].To)
		}
		return names
	}
	if isReceipt(n.Type) {
		return []string{recipientEmail}
	}
	for i := range terms.Spec.Webhooks {
		if endpoint := &terms.Spec.Webhooks[i]; endpoint.Wants(n.Type) {
			names = append(names, endpoint.Name)
		}
	}
	return names
}

func pendingFor(n *v1alpha1.OrderNotification, recipient string) *v1alpha1.PendingDelivery {
	for i := range n.Pending {
		if n.Pending[i].To == recipient {
			return &n.Pending[i]
		}
	}
	return nil
}

// apply works what became of an order's notifications into its status, and returns what of it
// stands there then.
func (r *CourierReconciler) apply(order *v1alpha1.EsimOrder, terms *v1alpha1.EsimClient, known map[stop]result) []stop {
	var kept []v1alpha1.OrderNotification
	for i := range order.Status.Notifications {
		n := &order.Status.Notifications[i]
		if n.Pending = r.stillPending(order, n, terms, known); len(n.Pending) > 0 {
			kept = append(kept, *n)
		}
	}
	rememberReplaced(order, known)
	order.Status.Notifications = kept
	return slices.Collect(maps.Keys(known))
}

// rememberReplaced remembers the receipts that went to an address that is not the order's any
// more, or are not in its outbox any more: should the address come back, it had them.
func rememberReplaced(order *v1alpha1.EsimOrder, known map[stop]result) {
	for s, became := range known {
		told := recipientOf(order) == s.address && slices.ContainsFunc(order.Status.Notifications,
			func(n v1alpha1.OrderNotification) bool { return n.Type == s.kind })
		if refused, ok := s.toRemember(became); ok && !told {
			remember(order, s.kind, s.address, became.at, refused)
		}
	}
}

// remember a receipt, so that its address does not get it again. An order that remembers as many
// as it can gets no more.
func remember(order *v1alpha1.EsimOrder, kind, address string, at time.Time, refused string) {
	receipts := slices.DeleteFunc(slices.Clone(order.Status.Receipts), func(known v1alpha1.SentReceipt) bool {
		return known.Type == kind && known.Recipient == address
	})
	receipts = append(receipts, v1alpha1.SentReceipt{
		Type: kind, Recipient: address, Time: metav1.NewTime(at), Refused: firstBytes(refused, 256),
	})
	order.Status.Receipts = receipts[max(0, len(receipts)-maxReceipts):]
}

// stillPending are the recipients that a notification did not reach yet.
func (r *CourierReconciler) stillPending(order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification, terms *v1alpha1.EsimClient, known map[stop]result) []v1alpha1.PendingDelivery {
	var pending []v1alpha1.PendingDelivery
	for _, recipient := range recipients(n, terms) {
		before := v1alpha1.PendingDelivery{To: recipient, NextTime: n.Time}
		if found := pendingFor(n, recipient); found != nil {
			before = *found
		}
		became, ended := known[stopOf(order, n, recipient)]
		if !ended {
			pending = append(pending, before)
		} else if again := r.became(order, n, before, became); again != nil {
			pending = append(pending, *again)
		}
	}
	return pending
}

// became records what one sending came to; it returns what is left to do.
func (r *CourierReconciler) became(order *v1alpha1.EsimOrder, n *v1alpha1.OrderNotification, before v1alpha1.PendingDelivery, became result) *v1alpha1.PendingDelivery {
	receipt := isReceipt(n.Type)
	switch {
	case became.dropped:
		countSent(receipt, outcomeDropped)
		if receipt && mayHaveReceipt(order, n.Type) && sentAllReceipts(order) {
			setTooManyAddresses(order, became.at)
		}
		return nil
	case became.err == nil:
		countSent(receipt, outcomeSent)
		if receipt {
			sent(order, n.Type, became, "")
		}
		return nil
	}
	var refused *mail.Refused
	var gone *webhook.Gone
	if errors.As(became.err, &refused) || errors.As(became.err, &gone) {
		countSent(receipt, outcomeRefused)
		if receipt {
			sent(order, n.Type, became, became.err.Error())
		}
		return nil
	}
	again := before
	again.Tries++
	wait, ok := r.wait(receipt, again.Tries, became.err)
	if !ok {
		countSent(receipt, outcomeGivenUp)
		if receipt {
			sent(order, n.Type, became, "given up: "+became.err.Error())
		}
		return nil
	}
	countSent(receipt, outcomeFailed)
	if receipt && again.Tries >= triesUntilSaid {
		setReceiptUnsent(order, "Delayed", "The receipt could not be sent yet: "+became.err.Error(), became.at)
	}
	again.NextTime = metav1.NewTime(became.at.Add(wait))
	return &again
}

// triesUntilSaid is after how many failed tries the order says that its receipt is late.
const triesUntilSaid = 2

// wait is how long a recipient waits for the next try; false when there is none.
func (r *CourierReconciler) wait(receipt bool, tries int32, err error) (time.Duration, bool) {
	if receipt {
		return mailWait(tries, r.Jitter())
	}
	wait, ok := webhook.Wait(int(tries), r.Jitter())
	if failed := (*webhook.Failed)(nil); errors.As(err, &failed) {
		wait = max(wait, failed.RetryAfter)
	}
	return wait, ok
}

// mailWait spreads the tries to send a mail over two days, as mail servers do: from 10 seconds,
// three times as long each time, up to six hours.
func mailWait(tries int32, jitter float64) (time.Duration, bool) {
	const first, longest, most = 10 * time.Second, 6 * time.Hour, 16
	wait := min(float64(first)*math.Pow(3, float64(tries-1)), float64(longest))
	return time.Duration(wait * (1 + jitter/10)), tries < most
}

// sent remembers the receipt of the order's present address, and says what became of it.
func sent(order *v1alpha1.EsimOrder, kind string, became result, refused string) {
	remember(order, kind, recipientOf(order), became.at, refused)
	if refused == "" {
		meta.RemoveStatusCondition((*[]metav1.Condition)(&order.Status.Conditions), v1alpha1.ConditionReceiptSent)
		return
	}
	setReceiptUnsent(order, "Refused", "The receipt cannot be sent to spec.notificationEmail; set another address: "+refused, became.at)
}

// setReceiptUnsent says that a receipt did not go out, and why.
func setReceiptUnsent(order *v1alpha1.EsimOrder, reason, message string, at time.Time) {
	meta.SetStatusCondition((*[]metav1.Condition)(&order.Status.Conditions), metav1.Condition{
		Type: v1alpha1.ConditionReceiptSent, Status: metav1.ConditionFalse, Reason: reason, Message: cut(message),
		ObservedGeneration: order.Generation, LastTransitionTime: metav1.NewTime(at),
	})
}

// sentAllReceipts tells that an order has sent as many receipts as it may.
func sentAllReceipts(order *v1alpha1.EsimOrder) bool {
	return len(order.Status.Receipts) >= maxReceipts
}

// setTooManyAddresses says that the order's present address gets no receipt.
func setTooManyAddresses(order *v1alpha1.EsimOrder, at time.Time) {
	setReceiptUnsent(order, "TooManyAddresses", "The order has sent as many receipts as it may; make a new order to tell others", at)
}

func firstBytes(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most]
}
