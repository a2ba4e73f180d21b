package controllers

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/shard"
)

// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimproducts,verbs=get;list;watch
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimproducts/status,verbs=update
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimoperators,verbs=list;watch

// ProductReconciler gives each EsimProduct and each of its variants the id that REST clients
// know them by, follows the rule by which it merges what operators list, and tells what of it
// can be sold now.
//
// The work for one product does not grow with the number of products.
type ProductReconciler struct {
	// Client reads from the cache.
	Client client.Client
	// Live reads from the API server: all products, once after the start, and who owns the
	// fields of one whose rule writes it.
	Live client.Reader
	// Writer writes with a short deadline.
	Writer client.Client
	// Clock tells the time for conditions.
	Clock clock.PassiveClock
	// Connections know what operators take for their plans.
	Connections *connections.Pool
	// Shard of the managers; one of them does this for all.
	Shard *shard.Shard
	// Hash makes an id from a name: 31 bits. Nil for HashName.
	Hash func(name string) int64

	ids   productIDs
	queue wakeQueue
}

const (
	// indexOperators holds products by the EsimOperators that they name, in sources and in rules.
	indexOperators = "operatorRefs.name"
	// productsAtOnce is how many products are worked on in parallel: a write each, after the
	// start of a large catalogue.
	productsAtOnce = 4
)

// SetupWithManager registers the controller, its index and its watches.
func (r *ProductReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	for field, extract := range map[string]client.IndexerFunc{indexOperators: byOperator, indexMerges: byMerged} {
		if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.EsimProduct{}, field, extract); err != nil {
			return fmt.Errorf("indexing products by %s: %w", field, err)
		}
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("product").
		For(&v1alpha1.EsimProduct{}, builder.WithPredicates(predicate.Or[client.Object](
			// The controller's own writes ask nothing of it.
			predicate.GenerationChangedPredicate{}, madeAnew,
		))).
		Watches(&v1alpha1.EsimOperator{}, handler.EnqueueRequestsFromMapFunc(r.productsOf),
			builder.WithPredicates(operatorTurned)).
		Watches(&v1alpha1.EsimProduct{}, handler.EnqueueRequestsFromMapFunc(r.mergesOf),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(r.queue.source()).
		WatchesRawSource(takenOver(r.Shard, r.Client, func() client.ObjectList { return &v1alpha1.EsimProductList{} }, false)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: productsAtOnce,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				errorBackoff.Initial.Duration, errorBackoff.Max.Duration),
		}).
		Complete(withinShard{shard: r.Shard, inner: r})
	if err != nil {
		return fmt.Errorf("setting up the product controller: %w", err)
	}
	return nil
}

// madeAnew lets through an object that was deleted and made anew between two looks.
var madeAnew = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return e.ObjectOld.GetUID() != e.ObjectNew.GetUID()
}}

// operatorTurned lets through an EsimOperator that comes, goes, whose Ready turned, or whose list
// is read from now on or no more: nothing else about it matters to a product.
var operatorTurned = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, isOperator := e.ObjectOld.(*v1alpha1.EsimOperator)
	after, stillIs := e.ObjectNew.(*v1alpha1.EsimOperator)
	return isOperator && stillIs &&
		(stateOf(before) != stateOf(after) || (before.Spec.Catalogue == nil) != (after.Spec.Catalogue == nil))
}}

// stateOf is the state of an EsimOperator that exists.
func stateOf(operator *v1alpha1.EsimOperator) operatorState {
	if meta.IsStatusConditionTrue(operator.Status.Conditions, v1alpha1.ConditionReady) {
		return operatorReady
	}
	return operatorNotReady
}

// WakeOperator has the products of an operator looked at again.
func (r *ProductReconciler) WakeOperator(ctx context.Context, operator string) {
	named := &v1alpha1.EsimOperator{ObjectMeta: metav1.ObjectMeta{Name: operator}}
	for _, request := range r.productsOf(ctx, named) {
		r.queue.add(request.NamespacedName)
	}
}

// productsOf are the products that name an EsimOperator.
func (r *ProductReconciler) productsOf(ctx context.Context, operator client.Object) []reconcile.Request {
	var products v1alpha1.EsimProductList
	err := r.Client.List(ctx, &products, client.MatchingFields{indexOperators: operator.GetName()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Looking for the products of an operator", "operator", operator.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(products.Items))
	for i := range products.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&products.Items[i])})
	}
	return requests
}

// Reconcile brings the status of one EsimProduct up to date.
func (r *ProductReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if err := r.fillIDs(ctx); err != nil {
		return ctrl.Result{}, err
	}
	var product v1alpha1.EsimProduct
	if err := r.Client.Get(ctx, req.NamespacedName, &product); err != nil {
		if apierrors.IsNotFound(err) {
			r.wake(r.ids.forget(req.Name))
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	operators, err := r.operatorsOf(ctx, &product)
	if err != nil {
		return ctrl.Result{}, err
	}
	merged, err := r.merge(ctx, &product)
	if err != nil || merged.written {
		return ctrl.Result{}, err
	}
	updated := product.DeepCopy()
	ids := r.ids.assign(&product)
	r.wake(ids.served)
	applyProductStatus(updated, ids, operators, r.Clock.Now())
	applyCosts(updated, r.Connections, r.Clock.Now())
	applyMerged(updated, merged, r.Clock.Now())
	if equality.Semantic.DeepEqual(updated.Status, product.Status) {
		return ctrl.Result{}, nil
	}
	if err := r.Writer.Status().Update(ctx, updated); err != nil {
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return ctrl.Result{RequeueAfter: conflictDelay}, nil
		}
		return ctrl.Result{}, fmt.Errorf("writing the status of EsimProduct %s: %w", product.Name, err)
	}
	r.wake(r.ids.assign(updated).served)
	return ctrl.Result{}, nil
}

// fillIDs learns, once, which ids are given. The list is the API server's own, as a cache may
// lag behind what an earlier leader gave out.
func (r *ProductReconciler) fillIDs(ctx context.Context) error {
	r.ids.mu.Lock()
	defer r.ids.mu.Unlock()
	if r.ids.uids != nil {
		return nil
	}
	var all v1alpha1.EsimProductList
	if err := r.Live.List(ctx, &all); err != nil {
		return fmt.Errorf("listing all products to learn their ids: %w", err)
	}
	hash := r.Hash
	if hash == nil {
		hash = HashName
	}
	r.ids.fill(hash, all.Items)
	return nil
}

// operatorsOf is the state of each EsimOperator that a product names.
func (r *ProductReconciler) operatorsOf(ctx context.Context, product *v1alpha1.EsimProduct) (map[string]operatorState, error) {
	states := map[string]operatorState{}
	for _, name := range operatorNames(product.Spec.Variants) {
		var operator v1alpha1.EsimOperator
		err := r.Client.Get(ctx, types.NamespacedName{Name: name}, &operator)
		switch {
		case apierrors.IsNotFound(err):
			states[name] = operatorMissing
		case err != nil:
			return nil, fmt.Errorf("reading EsimOperator %s: %w", name, err)
		default:
			states[name] = stateOf(&operator)
		}
	}
	return states, nil
}

// wake has products looked at again.
func (r *ProductReconciler) wake(products []string) {
	for _, product := range products {
		r.queue.add(types.NamespacedName{Name: product})
	}
}
