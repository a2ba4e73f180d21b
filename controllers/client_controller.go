package controllers

import (
	"context"
	"fmt"
	"time"

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
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/shard"
)

// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimclients,verbs=list;watch
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimclients/status,verbs=update

// ClientReconciler gives each EsimClient the id that REST clients know it by, and tells
// whether its terms can be used.
type ClientReconciler struct {
	// Client reads from the cache.
	Client client.Client
	// Writer writes with a short deadline.
	Writer client.Client
	// Health is what is known of the clients' endpoints.
	Health *EndpointHealth
	// Shard is the clients that this process works for.
	Shard *shard.Shard
	// Clock tells the time for conditions.
	Clock clock.PassiveClock

	queue wakeQueue
}

// healthDelay gathers what becomes of a client's endpoints into one write.
const healthDelay = time.Second

// clientsAtOnce is how many clients are worked on in parallel: a write each, after the start.
const clientsAtOnce = 4

// SetupWithManager registers the controller and its watch.
func (r *ClientReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	r.Health.onChange(func(terms types.NamespacedName) { r.queue.addAfter(terms, healthDelay) })
	if err := gaugeEndpoints(ctx, mgr.GetCache(), r.Clock); err != nil {
		return err
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("client").
		For(&v1alpha1.EsimClient{}, builder.WithPredicates(predicate.Or[client.Object](
			// The controller's own writes ask nothing of it.
			predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, madeAnew,
		))).
		WatchesRawSource(r.queue.source()).
		WatchesRawSource(takenOver(r.Shard, r.Client, func() client.ObjectList { return &v1alpha1.EsimClientList{} }, true)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: clientsAtOnce,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				errorBackoff.Initial.Duration, errorBackoff.Max.Duration),
		}).
		Complete(withinShard{shard: r.Shard, inner: r})
	if err != nil {
		return fmt.Errorf("setting up the client controller: %w", err)
	}
	return nil
}

// Reconcile brings the status of one EsimClient up to date.
func (r *ClientReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var terms v1alpha1.EsimClient
	if err := r.Client.Get(ctx, req.NamespacedName, &terms); err != nil {
		if apierrors.IsNotFound(err) {
			r.Health.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !terms.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	updated := terms.DeepCopy()
	updated.Status.ID, updated.Status.ObservedGeneration = ids.Client(terms.Namespace), terms.Generation
	ready := clientReady(&terms)
	ready.ObservedGeneration, ready.LastTransitionTime = terms.Generation, metav1.NewTime(r.Clock.Now())
	meta.SetStatusCondition((*[]metav1.Condition)(&updated.Status.Conditions), ready)
	r.setWebhooks(updated)
	if equality.Semantic.DeepEqual(updated.Status, terms.Status) {
		return ctrl.Result{}, nil
	}
	if err := r.Writer.Status().Update(ctx, updated); err != nil {
		err = fmt.Errorf("writing the status of EsimClient %s: %w", req, err)
		return ctrl.Result{RequeueAfter: conflictDelay}, ignoreConflict(client.IgnoreNotFound(err))
	}
	return ctrl.Result{}, nil
}

// setWebhooks says how the client's endpoints stand.
func (r *ClientReconciler) setWebhooks(terms *v1alpha1.EsimClient) {
	conditions := (*[]metav1.Condition)(&terms.Status.Conditions)
	bad, webhooks, told := r.Health.webhooksStatus(terms)
	terms.Status.Webhooks = bad
	if !told {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionWebhooksReady)
		return
	}
	webhooks.ObservedGeneration, webhooks.LastTransitionTime = terms.Generation, metav1.NewTime(r.Clock.Now())
	meta.SetStatusCondition(conditions, webhooks)
}

// clientReady is what Ready says. The schema refuses what it can see of a bad selector; this
// is for the rest.
func clientReady(terms *v1alpha1.EsimClient) metav1.Condition {
	if _, err := metav1.LabelSelectorAsSelector(terms.Spec.ProductSelector); err != nil {
		return condition(v1alpha1.ConditionReady, false, v1alpha1.ClientReasonInvalidSelector,
			cut("Nothing can be bought: spec.productSelector cannot be used; mend it, or leave it out to sell everything: "+err.Error()))
	}
	return condition(v1alpha1.ConditionReady, true, v1alpha1.ClientReasonInForce, "The namespace buys on these terms")
}
