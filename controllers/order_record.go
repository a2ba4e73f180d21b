package controllers

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// record writes what a pass decided. Whoever owns the order may edit it at any time, in a loop
// if they like: an edit that left the status alone contradicts nothing that was decided, and
// must not have it forgotten, or the next call would come without tries, backoff and limits.
// Neither does what came into the outbox's and the reports' lists, or left them, nor what the
// courier says of a receipt. A deletion, and any other status than the pass began from, have the
// order looked at anew.
func (r *OrderReconciler) record(ctx context.Context, p *pass) error {
	err := r.writeStatus(ctx, p)
	for range recordTries {
		if !apierrors.IsConflict(err) {
			return err
		}
		var now v1alpha1.EsimOrder
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(p.order), &now); err != nil {
			return fmt.Errorf("reading the order after a conflict: %w", err)
		}
		if now.UID != p.order.UID || now.DeletionTimestamp.IsZero() != p.order.DeletionTimestamp.IsZero() ||
			!equality.Semantic.DeepEqual(ownStatus(now.Status), ownStatus(p.written)) {
			return err
		}
		decided, found := p.order.Status, *now.Status.DeepCopy()
		decided.Reports = merged(p.written.Reports, decided.Reports, found.Reports)
		decided.Notifications = mergedOutbox(p.written.Notifications, decided.Notifications, found.Notifications)
		decided.Receipts = found.Receipts
		decided.Conditions = mergedReceiptSent(p.written.Conditions, decided.Conditions, found.Conditions)
		p.order, p.written = &now, found
		p.order.Status = decided
		err = r.writeStatus(ctx, p)
	}
	return err
}

// recordTries is how many edits in a row a pass' last write comes after.
const recordTries = 5

// ownStatus is what only the order controller writes: reports come from the receiver, and the
// courier takes off what it sent, and says what became of a receipt.
func ownStatus(status v1alpha1.EsimOrderStatus) v1alpha1.EsimOrderStatus {
	status.Reports, status.Notifications, status.Receipts = nil, nil, nil
	status.Conditions = slices.Clone(status.Conditions)
	meta.RemoveStatusCondition((*[]metav1.Condition)(&status.Conditions), v1alpha1.ConditionReceiptSent)
	return status
}

// mergedReceiptSent are our conditions with what the courier said meanwhile of a receipt, unless
// we said something of it too.
func mergedReceiptSent(began, ours, theirs v1alpha1.Conditions) v1alpha1.Conditions {
	said := func(conditions v1alpha1.Conditions) *metav1.Condition {
		return meta.FindStatusCondition(conditions, v1alpha1.ConditionReceiptSent)
	}
	if !equality.Semantic.DeepEqual(said(began), said(ours)) {
		return ours
	}
	merged := (*[]metav1.Condition)(&ours)
	meta.RemoveStatusCondition(merged, v1alpha1.ConditionReceiptSent)
	if found := said(theirs); found != nil {
		*merged = append(*merged, *found)
	}
	return ours
}

// mergedOutbox is the outbox as the courier left it meanwhile, with what we put in, and without
// what we took out. A type is in it once: what we put in takes the place of what the courier is
// to try again, or its address would get a receipt twice.
func mergedOutbox(began, ours, theirs []v1alpha1.OrderNotification) []v1alpha1.OrderNotification {
	of := func(list []v1alpha1.OrderNotification, kind string) *v1alpha1.OrderNotification {
		if i := slices.IndexFunc(list, func(n v1alpha1.OrderNotification) bool { return n.Type == kind }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	unchanged := func(kind string) bool {
		return equality.Semantic.DeepEqual(of(began, kind), of(ours, kind))
	}
	var out []v1alpha1.OrderNotification
	for _, t := range theirs {
		if unchanged(t.Type) {
			out = append(out, t)
		}
	}
	for _, t := range ours {
		if !unchanged(t.Type) {
			out = append(out, t)
		}
	}
	return out
}

// merged is the list that another wrote meanwhile, with what we added to the one that we began
// from, and without what we took off it.
func merged[T any](began, ours, theirs []T) []T {
	in := func(list []T, wanted T) bool {
		return slices.ContainsFunc(list, func(t T) bool { return equality.Semantic.DeepEqual(t, wanted) })
	}
	var out []T
	for _, t := range theirs {
		if !in(began, t) || in(ours, t) {
			out = append(out, t)
		}
	}
	for _, t := range ours {
		if !in(began, t) && !in(out, t) {
			out = append(out, t)
		}
	}
	return out
}
