package controllers

import (
	"context"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/es2plus"
	"github.com/telcodev/esim-operator/internal/operators/tunnel"
)

// probesAtOnce is how many operators are looked at in parallel: one that hangs must not keep
// another's status old.
const probesAtOnce = 8

// SetupWithManager registers the controller and its watches. Of Secrets only the
// metadata is watched, and only in the manager's own namespace.
func (r *OperatorReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	r.Connections.OnChange(r.wake)
	operatorLoads.Attach(ctx, tellLoads(r.Connections))
	secrets := &metav1.PartialObjectMetadata{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := ctrl.NewControllerManagedBy(mgr).
		Named("operator").
		For(&v1alpha1.EsimOperator{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesMetadata(secrets, handler.EnqueueRequestsFromMapFunc(r.operatorsOfSecret),
			builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WatchesRawSource(r.queue.source()).
		WatchesRawSource(takenOver(r.Shard, r.Client, func() client.ObjectList { return &v1alpha1.EsimOperatorList{} }, false)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: probesAtOnce,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				errorBackoff.Initial.Duration, errorBackoff.Max.Duration),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the operator controller: %w", err)
	}
	return nil
}

// operatorsOfSecret are the EsimOperators that name a Secret of the manager's namespace.
func (r *OperatorReconciler) operatorsOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	if secret.GetNamespace() != r.Namespace {
		return nil
	}
	var all v1alpha1.EsimOperatorList
	if err := r.Client.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Looking for the operators of a Secret", "secret", secret.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		if secretName(&all.Items[i]) == secret.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&all.Items[i])})
		}
	}
	return requests
}

// secretName is the Secret with the operator's credentials.
func secretName(operator *v1alpha1.EsimOperator) string {
	spec := &operator.Spec
	switch {
	case spec.ES2Plus != nil:
		return spec.ES2Plus.TLSSecretRef.Name
	case spec.Zendit != nil:
		return spec.Zendit.CredentialsSecretRef.Name
	case spec.EsimAccess != nil:
		return spec.EsimAccess.CredentialsSecretRef.Name
	case spec.Airalo != nil:
		return spec.Airalo.CredentialsSecretRef.Name
	default:
		return ""
	}
}

// DriverFactory makes a driver for an EsimOperator. onCall hears of each call.
type DriverFactory func(operator *v1alpha1.EsimOperator, secret *corev1.Secret, onCall func(operators.Call)) (operators.Driver, error)

// drivers makes the drivers of this version of the manager, one function a kind of operator.
type drivers struct {
	fence *leader.Fence
	wrap  func(http.RoundTripper) http.RoundTripper
	dial  tunnel.Dial
}

// NewDrivers is the DriverFactory of this version of the manager. fence is asked before each
// call that buys or gives back. wrap, where set, wraps what carries the calls.
func NewDrivers(fence *leader.Fence, wrap func(http.RoundTripper) http.RoundTripper) DriverFactory {
	return NewDriversThrough(nil, fence, wrap)
}

// NewDriversThrough is NewDrivers for operators that are connected to by dial, such as through a
// proxy; directly where it is nil.
func NewDriversThrough(dial tunnel.Dial, fence *leader.Fence, wrap func(http.RoundTripper) http.RoundTripper) DriverFactory {
	d := drivers{fence, wrap, dial}
	return func(operator *v1alpha1.EsimOperator, secret *corev1.Secret, onCall func(operators.Call)) (operators.Driver, error) {
		switch {
		case operator.Spec.ES2Plus != nil:
			return d.es2plus(operator, secret, onCall)
		case operator.Spec.Zendit != nil:
			return d.zendit(operator, secret, onCall)
		case operator.Spec.Airalo != nil:
			return d.airalo(operator, secret, onCall)
		case operator.Spec.EsimAccess != nil:
			return d.esimAccess(operator, secret, onCall)
		default:
			return nil, fmt.Errorf("EsimOperator %s names no driver, which its schema refuses", operator.Name)
		}
	}
}

func (d drivers) es2plus(operator *v1alpha1.EsimOperator, secret *corev1.Secret, onCall func(operators.Call)) (operators.Driver, error) {
	config, err := es2plusConfig(operator, secret)
	if err != nil {
		return nil, err
	}
	config.Guard, config.OnCall, config.WrapTransport, config.Dial = d.fence.Enter, onCall, d.wrap, d.dial
	driver, err := es2plus.New(config)
	if err != nil {
		return nil, unusable(secret, err)
	}
	return driver, nil
}

// unusable says that no driver can be made from a Secret, or from the spec.
func unusable(secret *corev1.Secret, err error) error {
	return fmt.Errorf("Secret %s or the spec cannot be used: %w", secret.Name, err) //nolint:staticcheck // a kind's name
}

func es2plusConfig(operator *v1alpha1.EsimOperator, secret *corev1.Secret) (es2plus.Config, error) {
	spec := operator.Spec.ES2Plus
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, corev1.ServiceAccountRootCAKey} {
		if len(secret.Data[key]) == 0 {
			return es2plus.Config{}, fmt.Errorf("Secret %s has no %s", secret.Name, key) //nolint:staticcheck // a kind's name
		}
	}
	return es2plus.Config{
		BaseURL:                     spec.URL,
		FunctionRequesterIdentifier: spec.FunctionRequesterIdentifier,
		ProtocolVersion:             spec.ProtocolVersion,
		ServerName:                  spec.ServerName,
		CertificatePEM:              secret.Data[corev1.TLSCertKey],
		KeyPEM:                      secret.Data[corev1.TLSPrivateKeyKey],
		CAPEM:                       secret.Data[corev1.ServiceAccountRootCAKey],
		Timeout:                     operator.Spec.Timeout.Duration,
		RequestsPerSecond:           int(operator.Spec.Limits.RequestsPerSecond),
		InFlight:                    int(operator.Spec.Limits.InFlight),
	}, nil
}
