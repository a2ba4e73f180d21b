package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// settle lets a deleted order go: what it holds at its operator is given back and refunded
// first, its Secret is removed, its money goes into its wallet's settled totals, then the
// finalizer goes. Where it is not known what the order holds, the finalizer stays, with a
// condition that says why.
func (r *OrderReconciler) settle(ctx context.Context, p *pass) (*decision, error) {
	if !controllerutil.ContainsFinalizer(p.order, v1alpha1.SettlementFinalizer) {
		return &decision{silent: true}, nil
	}
	if decided, err := r.wind(ctx, p); decided != nil || err != nil {
		return decided, err
	}
	if untold(p.order, p.now) {
		return &decision{silent: true, after: untoldAgain}, nil
	}
	if p.provisioning() != nil {
		if decided, err := r.removeSecret(ctx, p); decided != nil || err != nil {
			return decided, err
		}
	}
	if p.order.Status.Charge == nil {
		return r.release(ctx, p)
	}
	return r.settleCharge(ctx, p)
}

const (
	// untoldFor is how long after a change an order that is deleted waits for the courier to tell
	// of it: long enough for a first try, and the one after it.
	untoldFor = 30 * time.Second
	// untoldAgain is how often it looks whether that is done.
	untoldAgain = 500 * time.Millisecond
)

// untold tells whether something that happened just now is still in the order's outbox, which
// goes with the order: of a refund nobody would hear. What endpoints do not take holds no
// deletion up.
func untold(order *v1alpha1.EsimOrder, now time.Time) bool {
	return slices.ContainsFunc(order.Status.Notifications, func(n v1alpha1.OrderNotification) bool {
		age := now.Sub(n.Time.Time)
		return age > -untoldFor && age < untoldFor
	})
}

// wind brings an order that is not at its end there.
func (r *OrderReconciler) wind(ctx context.Context, p *pass) (*decision, error) {
	switch {
	case undoing(p.order):
		return r.undo(ctx, p)
	case p.order.Terminal() || p.provisioning() == nil:
		return nil, nil
	}
	const why = "the order was deleted before it was delivered"
	if decided, err := r.returnHeld(ctx, p, why); decided != nil || err != nil {
		return decided, err
	}
	if p.order.Status.Charge == nil {
		return nil, nil
	}
	return cancelled("The order was deleted before it was delivered"), nil
}

// settleCharge hands the order over to its wallet; without one its charge counts nowhere.
func (r *OrderReconciler) settleCharge(ctx context.Context, p *pass) (*decision, error) {
	charge := p.order.Status.Charge
	key := types.NamespacedName{Namespace: p.order.Namespace, Name: charge.WalletRef.Name}
	for _, reader := range []client.Reader{r.Client, r.Live} {
		var wallet v1alpha1.EsimWallet
		err := reader.Get(ctx, key, &wallet)
		if err == nil && wallet.FirstUID() == charge.WalletUID {
			_, span := tracing.Start(ctx, spanSettle, tracing.Internal)
			span.Text(keyWallet, key.Name)
			r.Wallets.Settle(key, charge.WalletUID, client.ObjectKeyFromObject(p.order), p.order.FirstUID())
			span.End("")
			return &decision{silent: true, after: settleAgain}, nil
		}
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading EsimWallet %s: %w", key, err)
		}
	}
	return r.release(ctx, p)
}

// settleAgain is how long after it was handed over an order is handed over again, should it
// still be there.
const settleAgain = 30 * time.Second

// removeSecret deletes the order's Secret, and nothing else of that name. While a former leader's
// answer may still be written down it stays, or decides what is read later: one profile of two that
// were bought for an order is given back.
func (r *OrderReconciler) removeSecret(ctx context.Context, p *pass) (*decision, error) {
	late, err := r.mayComeLate(ctx, p)
	if late > 0 || err != nil {
		return &decision{silent: true, after: late}, err
	}
	order := p.order
	var secret corev1.Secret
	err = r.Live.Get(ctx, types.NamespacedName{Namespace: order.Namespace, Name: v1alpha1.ActivationSecretName(order.Name)}, &secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the activation Secret: %w", err)
	}
	if secret.Type != v1alpha1.ActivationSecretType || !order.OwnsSecret(&secret) {
		return nil, nil
	}
	if decided, err := r.returnStray(ctx, p, &secret); decided != nil || err != nil {
		return decided, err
	}
	leave, err := r.turn(ctx, p)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := discard(ctx, r.Writer, &secret); err != nil {
		return nil, fmt.Errorf("removing the activation Secret: %w", err)
	}
	return nil, nil
}

// release removes the finalizer from the very version of the order that was looked at.
func (r *OrderReconciler) release(ctx context.Context, p *pass) (*decision, error) {
	leave, err := r.turn(ctx, p)
	if err != nil {
		return nil, err
	}
	defer leave()
	before := p.order.DeepCopy()
	controllerutil.RemoveFinalizer(p.order, v1alpha1.SettlementFinalizer)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	ctx, span := tracing.Start(ctx, spanRelease, tracing.Internal)
	err = r.Writer.Patch(ctx, p.order, lock)
	span.End(spanClass(err))
	if err != nil {
		return nil, fmt.Errorf("removing the finalizer: %w", err)
	}
	r.unwritten.forget(client.ObjectKeyFromObject(p.order))
	return &decision{silent: true}, nil
}
