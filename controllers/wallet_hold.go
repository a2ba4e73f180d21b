package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// hold keeps a wallet from vanishing while orders count against it.
func (r *WalletReconciler) hold(ctx context.Context, wallet *v1alpha1.EsimWallet, memory *walletMemory) error {
	if controllerutil.ContainsFinalizer(wallet, v1alpha1.WalletFinalizer) {
		return nil
	}
	before := wallet.DeepCopy()
	controllerutil.AddFinalizer(wallet, v1alpha1.WalletFinalizer)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Writer.Patch(ctx, wallet, lock); err != nil {
		return fmt.Errorf("adding the finalizer of EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
	}
	memory.latest = wallet.DeepCopy()
	return nil
}

// release lets a deleted wallet go once nothing counts against it, or its whole namespace goes.
// It returns after how long to look again; 0 where there is nothing to wait for.
func (r *WalletReconciler) release(ctx context.Context, wallet *v1alpha1.EsimWallet, memory *walletMemory) (time.Duration, error) {
	if wallet.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(wallet, v1alpha1.WalletFinalizer) {
		return 0, nil
	}
	free, err := r.unused(ctx, wallet, memory)
	if err != nil {
		return 0, err
	}
	if !free {
		if free, err = r.namespaceEnds(ctx, wallet.Namespace); err != nil {
			return 0, err
		}
	}
	if !free {
		return walletHeldInterval, nil
	}
	before := wallet.DeepCopy()
	controllerutil.RemoveFinalizer(wallet, v1alpha1.WalletFinalizer)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Writer.Patch(ctx, wallet, lock); client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("removing the finalizer of EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
	}
	return 0, nil
}

// unused tells whether no order counts against the wallet. That the ledger knows of none is
// checked with a complete list; and where the cache does not show the deletion yet, an order
// could still be charged from it.
func (r *WalletReconciler) unused(ctx context.Context, wallet *v1alpha1.EsimWallet, memory *walletMemory) (bool, error) {
	charged, err := r.Ledger.Charges(ctx, wallet)
	if err != nil {
		return false, fmt.Errorf("counting the orders of EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
	}
	if charged > 0 || len(wallet.Status.Settling) > 0 || memory.waiting() > 0 {
		return false, nil
	}
	var cached v1alpha1.EsimWallet
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(wallet), &cached); err != nil {
		return false, fmt.Errorf("reading EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
	}
	if cached.DeletionTimestamp.IsZero() {
		return false, nil
	}
	charges, err := r.chargesNow(ctx, wallet)
	if charges {
		r.Ledger.Distrust(wallet.Namespace) // it should have known
	}
	return err == nil && !charges, err
}

// chargesNow asks the API server, page by page, whether an order counts against the wallet.
func (r *WalletReconciler) chargesNow(ctx context.Context, wallet *v1alpha1.EsimWallet) (bool, error) {
	const page = 500
	var next string
	for {
		var orders v1alpha1.EsimOrderList
		err := r.Live.List(ctx, &orders, client.InNamespace(wallet.Namespace), client.Limit(page), client.Continue(next))
		if err != nil {
			return false, fmt.Errorf("listing the orders of EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
		}
		for i := range orders.Items {
			if countsAgainst(&orders.Items[i], wallet) {
				return true, nil
			}
		}
		if next = orders.Continue; next == "" {
			return false, nil
		}
	}
}

// namespaceEnds tells whether the namespace is being deleted with everything in it.
func (r *WalletReconciler) namespaceEnds(ctx context.Context, name string) (bool, error) {
	var namespace corev1.Namespace
	if err := r.Live.Get(ctx, types.NamespacedName{Name: name}, &namespace); err != nil {
		return false, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return !namespace.DeletionTimestamp.IsZero(), nil
}
