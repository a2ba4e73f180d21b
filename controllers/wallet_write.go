package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// write writes the wallet's status at the version that the pass began from.
func (r *WalletReconciler) write(ctx context.Context, wallet *v1alpha1.EsimWallet, status *v1alpha1.EsimWalletStatus, memory *walletMemory, change settlement) (*v1alpha1.EsimWallet, error) {
	updated := wallet.DeepCopy()
	updated.Status = *status.DeepCopy()
	err := r.Writer.Status().Update(ctx, updated)
	if err != nil {
		err = fmt.Errorf("writing the status of EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
		if !answeredNo(err) { // it may have been written, or still be
			r.Ledger.Distrust(wallet.Namespace)
			err = errors.Join(err, r.reread(ctx, wallet, memory))
		}
		return nil, err
	}
	settled := updated.Status.Settled
	memory.latest, memory.settled, memory.writtenAt = updated.DeepCopy(), &settled, r.Clock.Now()
	r.tellFunds(wallet, updated)
	moved := make([]v1alpha1.SettlingOrder, len(change.batch))
	for i, counted := range change.batch {
		moved[i] = counted.entry
		memory.done(counted.entry.UID)
	}
	switch {
	case len(change.corrections) > 0:
		r.Ledger.Distrust(wallet.Namespace) // it does not know by what the totals were corrected
		return updated, nil
	case len(moved) == 0:
		return updated, nil
	}
	if err := r.Ledger.Settled(updated, moved); err != nil {
		return nil, fmt.Errorf("after settling: %w", err)
	}
	return updated, nil
}

// answeredNo tells whether the API server answered that a write was not made.
func answeredNo(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsForbidden(err) ||
		apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsRequestEntityTooLargeError(err)
}

// tellFunds makes an event of a wallet that runs low, or has enough again.
func (r *WalletReconciler) tellFunds(before, after *v1alpha1.EsimWallet) {
	low := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionLowFunds)
	was := meta.IsStatusConditionTrue(before.Status.Conditions, v1alpha1.ConditionLowFunds)
	switch {
	case low == nil:
	case low.Status == metav1.ConditionTrue && !was:
		r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, v1alpha1.ConditionLowFunds, "Watch", "%s", low.Message)
	case low.Status != metav1.ConditionTrue && was:
		r.Recorder.Eventf(after, nil, corev1.EventTypeNormal, v1alpha1.WalletReasonEnough, "Watch", "%s", low.Message)
	}
}
