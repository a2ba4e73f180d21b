package controllers

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// How the money of a deleted order gets into its wallet's settled totals, once:
//
//  1. gather: the wallet as it is at some version; each deleted order is read from the API
//     server, and counts only if it is the very one, still has the finalizer and has ended.
//  2. write: settled totals and the orders' UIDs in one write, at that version of the wallet.
//     Whoever else settles meanwhile, or has since, makes it fail.
//  3. letGo: the finalizer is removed from the version of the order that was counted. An order
//     that changed since is looked at again, by finish; if its money changed, the totals are
//     corrected first.
//  4. A UID leaves the wallet only after an answer of the API server to this process that the
//     finalizer is gone. That a cache does not show an order proves nothing. A process that
//     starts asks again for every UID that it finds.

// settlement is what a pass changes about the orders that a wallet settles.
type settlement struct {
	// answered are those that are done.
	answered map[types.UID]struct{}
	// corrections are those whose money changed after they were counted.
	corrections map[types.UID]v1alpha1.SettlingOrder
	// batch are those that come new.
	batch []countedOrder
}

// countedOrder is an order as it was read, and what of it goes into the totals.
type countedOrder struct {
	order *v1alpha1.EsimOrder
	entry v1alpha1.SettlingOrder
}

// gather reads the orders that wait to be settled, as many as the wallet has room for.
func (r *WalletReconciler) gather(ctx context.Context, wallet *v1alpha1.EsimWallet, memory *walletMemory) ([]countedOrder, error) {
	settling := map[types.UID]struct{}{}
	for _, entry := range wallet.Status.Settling {
		settling[entry.UID] = struct{}{}
		memory.done(entry.UID) // finish sees to it
	}
	handed := memory.some(maxSettling - len(memory.unanswered(wallet)))
	read := make([]*countedOrder, len(handed))
	trouble := r.each(len(handed), func(i int) error {
		order, err := r.find(ctx, wallet.Namespace, handed[i].name, handed[i].uid)
		if err != nil {
			return err
		}
		if !countsAgainst(order, wallet) || order.DeletionTimestamp.IsZero() || !order.Terminal() {
			memory.done(handed[i].uid)
			return nil
		}
		entry, err := settlingEntry(order)
		if err != nil {
			return err
		}
		read[i] = &countedOrder{order, entry}
		return nil
	})
	var batch []countedOrder
	for _, counted := range read {
		if counted != nil {
			batch = append(batch, *counted)
		}
	}
	return batch, trouble
}

// finish sees to the orders that the wallet says it settles, and whose answer this process does
// not have: they were written by a process before it, or their last answer was a conflict.
func (r *WalletReconciler) finish(ctx context.Context, wallet *v1alpha1.EsimWallet, memory *walletMemory) (settlement, error) {
	entries := memory.unanswered(wallet)
	corrected := make([]*v1alpha1.SettlingOrder, len(entries))
	answered := make([]bool, len(entries))
	trouble := r.each(len(entries), func(i int) error {
		order, err := r.find(ctx, wallet.Namespace, entries[i].Name, entries[i].UID)
		if err != nil {
			return err
		}
		if order == nil || !controllerutil.ContainsFinalizer(order, v1alpha1.SettlementFinalizer) {
			answered[i] = true
			return nil
		}
		if order.DeletionTimestamp.IsZero() {
			return nil // restored from a backup: whoever did that deletes it again
		}
		now, err := settlingEntry(order)
		if err != nil {
			return err
		}
		if now != entries[i] {
			corrected[i] = &now
			return nil
		}
		answered[i], err = r.unhold(ctx, order)
		return err
	})
	corrections := map[types.UID]v1alpha1.SettlingOrder{}
	for i, entry := range entries {
		if answered[i] {
			memory.answered[entry.UID] = struct{}{}
		}
		if corrected[i] != nil {
			corrections[entry.UID] = *corrected[i]
		}
	}
	return settlement{answered: memory.answered, corrections: corrections}, trouble
}

// letGo removes the finalizers of orders that have just been counted.
func (r *WalletReconciler) letGo(ctx context.Context, batch []countedOrder, memory *walletMemory) error {
	answered := make([]bool, len(batch))
	trouble := r.each(len(batch), func(i int) (err error) {
		answered[i], err = r.unhold(ctx, batch[i].order)
		return err
	})
	for i := range batch {
		if answered[i] {
			memory.answered[batch[i].entry.UID] = struct{}{}
		}
	}
	return trouble
}

// unhold removes the finalizer from the very version of the order that was counted, and tells
// whether the API server answered that it is gone. A conflict is no answer.
func (r *WalletReconciler) unhold(ctx context.Context, order *v1alpha1.EsimOrder) (bool, error) {
	released := order.DeepCopy()
	controllerutil.RemoveFinalizer(released, v1alpha1.SettlementFinalizer)
	lock := client.MergeFromWithOptions(order, client.MergeFromWithOptimisticLock{})
	err := r.Writer.Patch(ctx, released, lock)
	switch {
	case err == nil:
		ordersSettled.Inc()
		return true, nil
	case apierrors.IsNotFound(err):
		return true, nil
	case apierrors.IsConflict(err):
		return false, nil
	default:
		return false, fmt.Errorf("removing the finalizer of EsimOrder %s/%s: %w", order.Namespace, order.Name, err)
	}
}

// find reads an order from the API server; nil where it is gone, or another one has its name.
func (r *WalletReconciler) find(ctx context.Context, namespace, name string, uid types.UID) (*v1alpha1.EsimOrder, error) {
	var order v1alpha1.EsimOrder
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &order)
	if apierrors.IsNotFound(err) || err == nil && order.FirstUID() != uid {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading EsimOrder %s/%s: %w", namespace, name, err)
	}
	return &order, nil
}

// countsAgainst tells whether an order's charge counts against a wallet as that of a live order.
func countsAgainst(order *v1alpha1.EsimOrder, wallet *v1alpha1.EsimWallet) bool {
	return order != nil && order.Status.Charge != nil && order.Status.Charge.WalletUID == wallet.FirstUID() &&
		controllerutil.ContainsFinalizer(order, v1alpha1.SettlementFinalizer)
}

// settlingEntry is what an order took and gave back.
func settlingEntry(order *v1alpha1.EsimOrder) (v1alpha1.SettlingOrder, error) {
	entry := v1alpha1.SettlingOrder{Name: order.Name, UID: order.FirstUID(), Refunded: "0"}
	if order.Status.Charge == nil {
		return entry, fmt.Errorf("EsimOrder %s/%s lost its charge", order.Namespace, order.Name)
	}
	amount, err := money.Parse(string(order.Status.Charge.Amount))
	if err != nil {
		return entry, fmt.Errorf("the charge of EsimOrder %s/%s: %w", order.Namespace, order.Name, err)
	}
	entry.Debited = v1alpha1.Amount(amount.String())
	if order.Status.Charge.Refund != nil {
		entry.Refunded = entry.Debited
	}
	return entry, nil
}

// each makes n calls, some of them in parallel. One that fails keeps none from being made.
func (r *WalletReconciler) each(n int, call func(i int) error) error {
	atOnce := r.CallsAtOnce
	if atOnce == 0 {
		atOnce = settledAtOnce
	}
	errs := make([]error, n)
	var calls errgroup.Group
	calls.SetLimit(atOnce)
	for i := range n {
		calls.Go(func() error {
			errs[i] = call(i)
			return errs[i]
		})
	}
	return calls.Wait()
}
