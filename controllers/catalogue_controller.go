package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/assortment"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/shard"
)

// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimproducts,verbs=list;watch;create;patch

// CatalogueReconciler turns operators' lists into EsimProducts, by server-side apply with a field
// owner of its own: what a person edits stays edited.
type CatalogueReconciler struct {
	// Client reads from the cache.
	Client client.Client
	// Live reads the products that are there: what a cache does not show yet would be taken for
	// what was never sold, and go from its product.
	Live client.Reader
	// Writer writes with a short deadline.
	Writer client.Client
	// Connections to the mobile operators.
	Connections *connections.Pool
	// Clock tells the time for what is written down.
	Clock clock.PassiveClock
	// Shard of the managers; one of them does this for all.
	Shard *shard.Shard
	// Jitter is a random number from 0 to 1, to spread looks.
	Jitter func() float64
	// Retry is after how long a list is read again that could not be taken over; a minute where 0.
	Retry time.Duration
	// Listed, where set, is told that an operator's costs may have changed.
	Listed func(ctx context.Context, operator string)
}

const (
	// cataloguesAtOnce is how many lists are read in parallel.
	cataloguesAtOnce = 2
	// catalogueRetry is how long after a failure a list is read again.
	catalogueRetry = time.Minute
	// connectingAgain is how soon an operator is looked at again that is Ready and not connected
	// by this process yet, which has just begun to lead.
	connectingAgain = time.Second
	// listTimeout bounds the reading of one list.
	listTimeout = 4 * time.Minute
	// mostPlans bounds a list.
	mostPlans = 200_000
)

// SetupWithManager registers the controller and its watch.
func (r *CatalogueReconciler) SetupWithManager(_ context.Context, mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).
		Named("catalogue").
		For(&v1alpha1.EsimOperator{}, builder.WithPredicates(predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, turnedReady))).
		WatchesRawSource(takenOver(r.Shard, r.Client, func() client.ObjectList { return &v1alpha1.EsimOperatorList{} }, false)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: cataloguesAtOnce,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				errorBackoff.Initial.Duration, errorBackoff.Max.Duration),
		}).
		Complete(withinShard{shard: r.Shard, inner: r})
	if err != nil {
		return fmt.Errorf("setting up the catalogue controller: %w", err)
	}
	return nil
}

// Reconcile brings the products of one operator up to date, and comes back after the interval.
func (r *CatalogueReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var operator v1alpha1.EsimOperator
	if err := r.Client.Get(ctx, req.NamespacedName, &operator); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	terms := operator.Spec.Catalogue
	if terms == nil || !operator.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	made, changed, err := r.importList(ctx, &operator, terms)
	if errors.Is(err, errNotConnected) && operatorIsReady(&operator) {
		return ctrl.Result{RequeueAfter: connectingAgain}, nil
	}
	if errors.Is(err, errImportedMeanwhile) {
		return ctrl.Result{RequeueAfter: connectingAgain}, nil
	}
	if r.Listed != nil {
		r.Listed(ctx, operator.Name)
	}
	if statusErr := r.record(ctx, &operator, made, changed, err); statusErr != nil {
		return ctrl.Result{RequeueAfter: conflictDelay}, ignoreConflict(statusErr)
	}
	interval := terms.Interval.Duration
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("The operator's list could not be taken over", "cause", err.Error())
		interval = min(interval, cmp.Or(r.Retry, catalogueRetry))
	}
	return ctrl.Result{RequeueAfter: interval + time.Duration(r.Jitter()/10*float64(interval))}, nil
}

// errNoList: the operator has none, or none that this version of the manager can read.
var errNoList = errors.New("this kind of operator has no list of what it sells; write EsimProducts by hand")

// errNotConnected: the operator cannot be asked at present.
var errNotConnected = errors.New("the operator is not connected; see Ready")

// errImportedMeanwhile: another leader wrote products from a list that it may have read after ours.
var errImportedMeanwhile = errors.New("the operator's list was taken over by another manager meanwhile")

// errEmptyList: what looks like an outage must not take everything out of sale.
var errEmptyList = errors.New("the operator lists nothing that can be sold; what was sold before stays")

// importList reads the whole list, and writes what it changes. changed counts the products that
// were written.
func (r *CatalogueReconciler) importList(ctx context.Context, operator *v1alpha1.EsimOperator, terms *v1alpha1.OperatorCatalogue) (made assortment.Assortment, changed int, err error) {
	maker, err := assortment.NewMaker(operator.Name, terms)
	if err != nil {
		return made, 0, err
	}
	driver := r.Connections.For(operator.Name).Driver()
	if driver == nil {
		return made, 0, errNotConnected
	}
	cataloguer, ok := driver.(operators.Cataloguer)
	if !ok {
		return made, 0, errNoList
	}
	stood, err := r.hashes(ctx, operator.Name)
	if err != nil {
		return made, 0, err
	}
	plans, err := readList(ctx, cataloguer)
	if err != nil {
		return made, 0, err
	}
	before, err := r.products(ctx, operator.Name)
	if err != nil {
		return made, 0, err
	}
	for name, product := range before {
		if hashOf(product) != stood[name] {
			return made, 0, errImportedMeanwhile
		}
	}
	specs := map[string]*v1alpha1.EsimProductSpec{}
	for name := range before {
		specs[name] = &before[name].Spec
	}
	if made, err = maker.Make(plans, specs); err != nil {
		return made, 0, err
	}
	if made.Plans == 0 {
		return made, 0, errEmptyList
	}
	r.tellCosts(operator.Name, plans)
	for _, name := range slices.Sorted(maps.Keys(made.Products)) {
		written, err := r.apply(ctx, operator.Name, name, made.Products[name], before[name])
		if err != nil {
			return made, changed, fmt.Errorf("writing EsimProduct %s: %w", name, err)
		}
		if written {
			changed++
		}
	}
	return made, changed, nil
}

// tellCosts tells the connection what each plan costs us, and what a region's plan covers.
func (r *CatalogueReconciler) tellCosts(operator string, plans []operators.Plan) {
	costs := make(map[string]connections.Cost, len(plans))
	for i := range plans {
		cost := connections.Cost{Amount: plans[i].Cost, Currency: plans[i].Currency}
		if plans[i].Region != "" {
			cost.Countries = plans[i].Countries
		}
		costs[plans[i].ID] = cost
	}
	r.Connections.For(operator).Listed(costs)
}

// readList reads all of a list: a part of it would take the rest out of sale.
func readList(ctx context.Context, cataloguer operators.Cataloguer) ([]operators.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var plans []operators.Plan
	for plan, err := range cataloguer.Plans(ctx) {
		if err != nil {
			return nil, err
		}
		if plans = append(plans, plan); len(plans) > mostPlans {
			return nil, fmt.Errorf("the list has more than %d plans; set spec.catalogue.countries or planFilter", mostPlans)
		}
	}
	return plans, nil
}

// hashes are by which the products stand that were made from an operator's list.
func (r *CatalogueReconciler) hashes(ctx context.Context, operator string) (map[string]string, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("EsimProductList"))
	if err := r.Live.List(ctx, list, client.MatchingLabels{v1alpha1.CatalogueOperatorLabel: operator}); err != nil {
		return nil, fmt.Errorf("listing EsimProducts: %w", err)
	}
	found := make(map[string]string, len(list.Items))
	for i := range list.Items {
		found[list.Items[i].Name] = hashOf(&list.Items[i])
	}
	return found, nil
}

// hashOf what a product was made from.
func hashOf(product client.Object) string {
	return product.GetAnnotations()[v1alpha1.CatalogueHashAnnotation]
}

// products that were made from an operator's list, by name.
func (r *CatalogueReconciler) products(ctx context.Context, operator string) (map[string]*v1alpha1.EsimProduct, error) {
	var list v1alpha1.EsimProductList
	err := r.Live.List(ctx, &list, client.MatchingLabels{v1alpha1.CatalogueOperatorLabel: operator})
	if err != nil {
		return nil, fmt.Errorf("listing EsimProducts: %w", err)
	}
	found := make(map[string]*v1alpha1.EsimProduct, len(list.Items))
	for i := range list.Items {
		found[list.Items[i].Name] = &list.Items[i]
	}
	return found, nil
}

// record says how it went. Where nothing changed, nothing is written.
func (r *CatalogueReconciler) record(ctx context.Context, operator *v1alpha1.EsimOperator, made assortment.Assortment, changed int, failed error) error {
	updated := operator.DeepCopy()
	now := metav1.NewTime(r.Clock.Now())
	imported := condition(v1alpha1.ConditionCatalogueImported, true, "Imported", "The operator's list is in EsimProducts")
	if failed != nil {
		imported = condition(v1alpha1.ConditionCatalogueImported, false, "Failed", cut(failed.Error()))
	} else {
		counts := v1alpha1.CatalogueStatus{Plans: made.Plans, Products: int32(len(made.Products)), LeftOut: made.LeftOut, Time: now}
		if last := updated.Status.Catalogue; changed > 0 || last == nil || !sameCounts(*last, counts) {
			updated.Status.Catalogue = &counts
		}
	}
	imported.ObservedGeneration, imported.LastTransitionTime = operator.Generation, now
	meta.SetStatusCondition((*[]metav1.Condition)(&updated.Status.Conditions), imported)
	if equality.Semantic.DeepEqual(updated.Status, operator.Status) {
		return nil
	}
	if err := r.Writer.Status().Update(ctx, updated); err != nil {
		return fmt.Errorf("writing the status of EsimOperator %s: %w", operator.Name, err)
	}
	return nil
}

func sameCounts(a, b v1alpha1.CatalogueStatus) bool {
	return a.Plans == b.Plans && a.Products == b.Products && a.LeftOut == b.LeftOut
}

// turnedReady lets through that an operator became Ready: its list may be read now.
var turnedReady = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return true },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool { return !operatorIsReady(e.ObjectOld) && operatorIsReady(e.ObjectNew) },
}

func operatorIsReady(o client.Object) bool {
	operator, ok := o.(*v1alpha1.EsimOperator)
	return ok && meta.IsStatusConditionTrue(operator.Status.Conditions, v1alpha1.ConditionReady)
}
