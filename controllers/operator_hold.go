package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// hold keeps an EsimOperator from vanishing while orders need it to find out what they hold.
func (r *OperatorReconciler) hold(ctx context.Context, operator *v1alpha1.EsimOperator) error {
	if controllerutil.ContainsFinalizer(operator, v1alpha1.OperatorFinalizer) {
		return nil
	}
	before := operator.DeepCopy()
	controllerutil.AddFinalizer(operator, v1alpha1.OperatorFinalizer)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Writer.Patch(ctx, operator, lock); err != nil {
		return fmt.Errorf("adding the finalizer of EsimOperator %s: %w", operator.Name, err)
	}
	return nil
}

// release lets a deleted EsimOperator go once no unfinished order names it. The cache may be
// old, so its word that none does is checked with the API server, while no order can get in:
// one that has just been given to the operator would be missed otherwise.
func (r *OperatorReconciler) release(ctx context.Context, operator *v1alpha1.EsimOperator) (bool, error) {
	if !controllerutil.ContainsFinalizer(operator, v1alpha1.OperatorFinalizer) {
		return true, nil
	}
	var orders v1alpha1.EsimOrderList
	err := r.Client.List(ctx, &orders, client.MatchingFields{indexUnfinished: operator.Name}, client.Limit(1), client.UnsafeDisableDeepCopy)
	if err != nil {
		return false, fmt.Errorf("looking for orders at EsimOperator %s: %w", operator.Name, err)
	}
	if len(orders.Items) > 0 {
		return false, nil
	}
	connection := r.Connections.For(operator.Name)
	if !connection.Shut() {
		return false, nil
	}
	if held, err := r.releaseUnused(ctx, operator); held || err != nil {
		connection.Reopen()
		return false, err
	}
	r.forget(operator.Name)
	return true, nil
}

// releaseUnused removes the finalizer, unless an order holds the operator.
func (r *OperatorReconciler) releaseUnused(ctx context.Context, operator *v1alpha1.EsimOperator) (held bool, err error) {
	held, err = r.heldByOrders(ctx, operator.Name)
	if held || err != nil {
		return held, err
	}
	before := operator.DeepCopy()
	controllerutil.RemoveFinalizer(operator, v1alpha1.OperatorFinalizer)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Writer.Patch(ctx, operator, lock); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("removing the finalizer of EsimOperator %s: %w", operator.Name, err)
	}
	return false, nil
}

// heldByOrders asks the API server: about orders that are PENDING, and about those that are
// DELIVERED and may be half undone.
func (r *OperatorReconciler) heldByOrders(ctx context.Context, operator string) (bool, error) {
	for _, phase := range []v1alpha1.OrderPhase{v1alpha1.PhasePending, v1alpha1.PhaseDelivered} {
		if held, err := r.heldByOrdersThatAre(ctx, phase, operator); held || err != nil {
			return held, err
		}
	}
	return false, nil
}

func (r *OperatorReconciler) heldByOrdersThatAre(ctx context.Context, phase v1alpha1.OrderPhase, operator string) (bool, error) {
	const page = 500
	var next string
	for {
		var orders v1alpha1.EsimOrderList
		err := r.Live.List(ctx, &orders, client.MatchingFields{"status.phase": string(phase)}, client.Limit(page), client.Continue(next))
		if err != nil {
			return false, fmt.Errorf("listing unfinished orders: %w", err)
		}
		for i := range orders.Items {
			for _, name := range byOperatorUntilFinished(&orders.Items[i]) {
				if name == operator {
					return true, nil
				}
			}
		}
		if next = orders.Continue; next == "" {
			return false, nil
		}
	}
}
