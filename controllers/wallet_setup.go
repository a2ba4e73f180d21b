package controllers

import (
	"context"
	"fmt"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// SetupWithManager registers the controller and its watch. It becomes the one who hears of
// changes in the ledger.
func (r *WalletReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	r.Ledger.OnChange(r.queue.add)
	lowWallets.Attach(ctx, r.gauges.tellLow)
	err := ctrl.NewControllerManagedBy(mgr).
		Named("wallet").
		For(&v1alpha1.EsimWallet{}, builder.WithPredicates(predicate.Or[client.Object](
			// The controller's own writes ask nothing of it.
			predicate.GenerationChangedPredicate{}, madeAnew, deletionBegan,
		))).
		WatchesRawSource(r.queue.source()).
		WatchesRawSource(takenOver(r.Shard, r.Client, func() client.ObjectList { return &v1alpha1.EsimWalletList{} }, true)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: walletsAtOnce,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				errorBackoff.Initial.Duration, errorBackoff.Max.Duration),
		}).
		Complete(withinShard{shard: r.Shard, inner: r})
	if err != nil {
		return fmt.Errorf("setting up the wallet controller: %w", err)
	}
	return nil
}

// deletionBegan lets through an object whose deletion began.
var deletionBegan = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
}}
