package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

// settle lets a deleted order go: what it holds at its operator is given back first, its
// Secret is removed, then the finalizer. Where it is not known what the order holds, the
// finalizer stays, with a condition that says why.
func (r *OrderReconciler) settle(ctx context.Context, p *pass) (*decision, error) {
	if !controllerutil.ContainsFinalizer(p.order, v1alpha1.SettlementFinalizer) {
		return &decision{silent: true}, nil
	}
	if p.provisioning() != nil {
		if !p.order.Terminal() {
			if decided, err := r.returnHeld(ctx, p); decided != nil || err != nil {
				return decided, err
			}
		}
		if err := r.removeSecret(ctx, p.order); err != nil {
			return nil, err
		}
	}
	return r.release(ctx, p)
}

// returnHeld gives back what an unfinished attempt holds. An attempt that holds nothing does
// not wait for its operator.
func (r *OrderReconciler) returnHeld(ctx context.Context, p *pass) (*decision, error) {
	err := r.openJournal(ctx, p)
	if err != nil && !errors.Is(err, operators.ErrJournalRefused) {
		return nil, err
	}
	resolved := p.order.Annotations[v1alpha1.ResolveAnnotation] == v1alpha1.ResolveNotBought && waitsForPerson(p.order)
	held := p.held()
	if resolved || held == "" {
		return nil, nil
	}
	p.source = currentSource(p.provisioning())
	closing := p.provisioning().Closing != ""
	if !closing {
		p.provisioning().NextAttemptTime = nil // what a retry waits for does not matter any more
	}
	if decided, err := r.enter(ctx, p); decided != nil || err != nil {
		return decided, err
	}
	if closing {
		return r.giveBack(ctx, p, again)
	}
	cause := &operators.Error{Class: operators.Restart, Message: "the order was deleted before it was delivered"}
	return r.close(ctx, p, held, cause)
}

// removeSecret deletes the order's Secret, and nothing else of that name.
func (r *OrderReconciler) removeSecret(ctx context.Context, order *v1alpha1.EsimOrder) error {
	var secret corev1.Secret
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: order.Namespace, Name: v1alpha1.ActivationSecretName(order.Name)}, &secret)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the activation Secret: %w", err)
	}
	if secret.Type != v1alpha1.ActivationSecretType || !metav1.IsControlledBy(&secret, order) {
		return nil
	}
	err = r.Writer.Delete(ctx, &secret, client.Preconditions{UID: &secret.UID})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the activation Secret: %w", err)
	}
	return nil
}

// release removes the finalizer from the very version of the order that was looked at.
func (r *OrderReconciler) release(ctx context.Context, p *pass) (*decision, error) {
	before := p.order.DeepCopy()
	controllerutil.RemoveFinalizer(p.order, v1alpha1.SettlementFinalizer)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Writer.Patch(ctx, p.order, lock); err != nil {
		return nil, fmt.Errorf("removing the finalizer: %w", err)
	}
	r.unwritten.forget(client.ObjectKeyFromObject(p.order))
	return &decision{silent: true}, nil
}
