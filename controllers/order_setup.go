package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/fairqueue"
)

// errorBackoff is how long an order waits after an error of our own API server.
var errorBackoff = backoff(50*time.Millisecond, 30*time.Second)

// SetupWithManager registers the controller, the orders' indexes and its watches.
func (r *OrderReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	if err := addOrderIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if err := gaugeOrders(ctx, mgr.GetCache(), r.Clock); err != nil {
		return err
	}
	// The ledger reads the terms on which a client buys from the cache.
	if _, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.EsimClient{}); err != nil {
		return fmt.Errorf("watching clients: %w", err)
	}
	if err := r.feedLedger(ctx, mgr.GetCache()); err != nil {
		return err
	}
	r.Connections.OnWake(r.queue.call)
	err := ctrl.NewControllerManagedBy(mgr).
		Named("order").
		For(&v1alpha1.EsimOrder{}, builder.WithPredicates(orderChanged, orderUnfinished)).
		Watches(&v1alpha1.EsimProduct{}, handler.EnqueueRequestsFromMapFunc(r.ordersWaitingFor)).
		WatchesRawSource(r.queue.source()).
		WatchesRawSource(takenOver(r.Shard, r.Client, func() client.ObjectList { return &v1alpha1.EsimOrderList{} }, true)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: r.Workers,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				errorBackoff.Initial.Duration, errorBackoff.Max.Duration),
			NewQueue: fairqueue.New,
		}).
		Complete(withinShard{shard: r.Shard, inner: r, turnedAway: func(order types.NamespacedName) { r.Connections.Called(order)() }})
	if err != nil {
		return fmt.Errorf("setting up the order controller: %w", err)
	}
	return nil
}

// orderChanged lets through what asks something of the controller: a new order, a changed
// spec, a deletion, an annotation, a report of the operator. The controller's own status writes
// ask nothing.
var orderChanged = predicate.Or[client.Object](
	predicate.GenerationChangedPredicate{},
	predicate.AnnotationChangedPredicate{},
	predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
			e.ObjectOld.GetUID() != e.ObjectNew.GetUID() || reported(e.ObjectNew)
	}},
)

// orderUnfinished leaves out, of the orders that a manager finds as it starts, those for which a pass
// would do nothing: most of all that were ever sold. What asks something of one of them comes later,
// as a change.
var orderUnfinished = predicate.Funcs{CreateFunc: func(e event.CreateEvent) bool {
	order, ok := e.Object.(*v1alpha1.EsimOrder)
	return !ok || !atRest(order)
}}

// atRest tells whether nothing is left to do for an order, and no time will come when something is.
func atRest(order *v1alpha1.EsimOrder) bool {
	status := &order.Status
	switch {
	case !order.DeletionTimestamp.IsZero(), !order.Terminal(), status.ObservedGeneration != order.Generation,
		len(status.Reports) > 0, annotationValue(order, v1alpha1.ReplayAnnotation) != status.Replayed,
		status.Provisioning != nil && status.Provisioning.Closing != "":
		return false
	case status.Phase != v1alpha1.PhaseDelivered:
		return true
	}
	life := status.Activation
	return status.Esim != nil && life != nil && life.CodeRemoved == life.Installed && !trackable(order) && !undoing(order) &&
		(life.Status != v1alpha1.ActivationActive || life.ExpiryTime == nil)
}

// ordersWaitingFor are the orders that could not be accepted for want of this product.
func (r *OrderReconciler) ordersWaitingFor(ctx context.Context, product client.Object) []reconcile.Request {
	var orders v1alpha1.EsimOrderList
	err := r.Client.List(ctx, &orders, client.MatchingFields{indexUnaccepted: product.GetName()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Looking for orders that wait for a product", "product", product.GetName())
		return nil
	}
	requests := make([]reconcile.Request, len(orders.Items))
	for i := range orders.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&orders.Items[i])
	}
	return requests
}

// reported tells whether an operator's report waits to be worked into an order.
func reported(o client.Object) bool {
	order, ok := o.(*v1alpha1.EsimOrder)
	return ok && len(order.Status.Reports) > 0
}
