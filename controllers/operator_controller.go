package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/shard"
)

// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimoperators,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimoperators/status,verbs=update

// OperatorReconciler keeps a connection to each EsimOperator: a driver made from its spec and
// its Secret, made anew when either changes, and a Ready condition from a cheap probe and
// from what calls show.
type OperatorReconciler struct {
	// Client reads from the cache.
	Client client.Client
	// Live reads Secrets and lists orders from the API server.
	Live client.Reader
	// Writer writes with a short deadline.
	Writer client.Client
	// Connections that orders call through.
	Connections *connections.Pool
	// NewDriver makes a driver from the spec and its Secret.
	NewDriver DriverFactory
	// Recorder of events, when an operator turns bad or good.
	Recorder events.EventRecorder
	// Clock tells the time for conditions.
	Clock clock.PassiveClock
	// Shard of the managers: each connects to all operators, and one of them writes their status.
	Shard *shard.Shard
	// Jitter is a random number from 0 to 1, to spread probes.
	Jitter func() float64
	// Namespace is the manager's own, where the operators' Secrets are.
	Namespace string
	// ProbeInterval is how often an operator is probed; 0 for DefaultProbeInterval.
	ProbeInterval time.Duration

	mu       sync.Mutex
	made     map[string]madeFrom
	balances balances
	queue    wakeQueue
}

// DefaultProbeInterval is how often an operator is probed.
const DefaultProbeInterval = 30 * time.Second

// probeTimeout bounds a probe: a handshake, and nothing that an operator has to think about.
const probeTimeout = 5 * time.Second

// heldInterval is how often a deleted EsimOperator looks whether orders still name it.
const heldInterval = 5 * time.Second

// madeFrom tells what a driver was made from.
type madeFrom struct {
	uid           types.UID
	generation    int64
	secretVersion string
}

// Reconcile brings the connection and the status of one EsimOperator up to date.
func (r *OperatorReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var operator v1alpha1.EsimOperator
	if err := r.Client.Get(ctx, req.NamespacedName, &operator); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.Name)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	leave, ours := r.Shard.Enter(ctx, shard.ClusterScope)
	if !ours {
		_, err := r.connect(ctx, &operator)
		return ctrl.Result{RequeueAfter: r.nextLook(&operator)}, err
	}
	defer leave()
	if !operator.DeletionTimestamp.IsZero() {
		if released, err := r.release(ctx, &operator); released || err != nil {
			return ctrl.Result{RequeueAfter: conflictDelay}, ignoreConflict(err)
		}
	} else if err := r.hold(ctx, &operator); err != nil {
		return ctrl.Result{RequeueAfter: conflictDelay}, ignoreConflict(err)
	}
	ready, err := r.connect(ctx, &operator)
	if err != nil {
		return ctrl.Result{}, err
	}
	gaugeReady(operator.Name, ready)
	if err := r.writeStatus(ctx, &operator, ready); err != nil {
		return ctrl.Result{RequeueAfter: conflictDelay}, ignoreConflict(err)
	}
	return ctrl.Result{RequeueAfter: r.nextLook(&operator)}, nil
}

// nextLook is after how long an operator is looked at again.
func (r *OperatorReconciler) nextLook(operator *v1alpha1.EsimOperator) time.Duration {
	after := r.probeInterval()
	if !operator.DeletionTimestamp.IsZero() {
		after = min(after, heldInterval)
	}
	return after - time.Duration(r.Jitter()/5*float64(after))
}

func (r *OperatorReconciler) probeInterval() time.Duration {
	if r.ProbeInterval > 0 {
		return r.ProbeInterval
	}
	return DefaultProbeInterval
}

func ignoreConflict(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// connect makes sure that orders can call the operator, and returns what Ready should say.
func (r *OperatorReconciler) connect(ctx context.Context, operator *v1alpha1.EsimOperator) (readiness, error) {
	connection := r.Connections.For(operator.Name)
	secret, err := r.credentials(ctx, operator)
	if err != nil {
		return readiness{}, err
	}
	if secret == nil {
		connection.Disconnect()
		r.forgetDriver(operator.Name)
		return readiness{reason: v1alpha1.OperatorReasonCredentialsMissing,
			message: fmt.Sprintf("there is no Secret %s in namespace %s", secretName(operator), r.Namespace)}, nil
	}
	gaugeCertificates(operator.Name, secret)
	driver, err := r.driver(operator, secret, connection)
	if err != nil {
		connection.Disconnect()
		r.forgetDriver(operator.Name)
		return driverUnusable(err), nil
	}
	probed, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	found := probe(probed, connection, driver)
	connection.Probed(found)
	ready := judge(found, connection.State())
	if found == nil {
		ready.balance = r.balances.of(probed, operator.Name, driver, r.Clock.Now())
	}
	return ready, nil
}

// probe connects to an operator. Where calls have paused long enough, it finds out too whether
// they are answered again: an operator that nobody orders from would be unfit for ever.
func probe(ctx context.Context, connection *connections.Connection, driver operators.Driver) error {
	trial := connection.TryAgain()
	err := driver.Probe(ctx)
	answered := err == nil
	if trier, ok := driver.(operators.Trier); ok && answered && trial != nil {
		answered = trier.Try(ctx) == nil
	}
	trial.End(answered)
	return err
}

// credentials is the operator's Secret; nil where it does not exist.
func (r *OperatorReconciler) credentials(ctx context.Context, operator *v1alpha1.EsimOperator) (*corev1.Secret, error) {
	var secret corev1.Secret
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: r.Namespace, Name: secretName(operator)}, &secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the Secret of EsimOperator %s: %w", operator.Name, err)
	}
	return &secret, nil
}

// driver is the connection's driver, made anew where spec or Secret changed.
func (r *OperatorReconciler) driver(operator *v1alpha1.EsimOperator, secret *corev1.Secret, connection *connections.Connection) (operators.Driver, error) {
	from := madeFrom{operator.UID, operator.Generation, secret.ResourceVersion}
	r.mu.Lock()
	defer r.mu.Unlock()
	if driver := connection.Driver(); driver != nil && r.made[operator.Name] == from {
		return driver, nil
	}
	driver, err := r.NewDriver(operator, secret, func(call operators.Call) {
		countCall(operator.Name, call)
		connection.Observe(call)
	})
	if err != nil {
		return nil, err
	}
	if r.made == nil {
		r.made = map[string]madeFrom{}
	}
	r.made[operator.Name] = from
	connection.Connect(driver, int(operator.Spec.Limits.InFlight))
	return driver, nil
}

func (r *OperatorReconciler) forgetDriver(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.made, name)
}

func (r *OperatorReconciler) forget(name string) {
	r.Connections.Remove(name)
	r.balances.forget(name)
	r.forgetDriver(name)
	forgetGauges(name)
}

// writeStatus writes the status if it changed, with an optimistic lock: the order controller
// writes the SM-DP+ address into the same status.
func (r *OperatorReconciler) writeStatus(ctx context.Context, operator *v1alpha1.EsimOperator, ready readiness) error {
	updated := operator.DeepCopy()
	updated.Status.ObservedGeneration = operator.Generation
	turned := ready.apply(updated, r.Clock.Now())
	if equality.Semantic.DeepEqual(updated.Status, operator.Status) {
		return nil
	}
	if err := r.Writer.Status().Update(ctx, updated); err != nil {
		return fmt.Errorf("writing the status of EsimOperator %s: %w", operator.Name, err)
	}
	if turned {
		kind := corev1.EventTypeNormal
		if !ready.ok {
			kind = corev1.EventTypeWarning
		}
		r.Recorder.Eventf(updated, nil, kind, ready.reason, "Probe", "%s", ready.message)
	}
	return nil
}

// wake has an operator looked at again: its connection's state changed.
func (r *OperatorReconciler) wake(operator string) {
	r.queue.add(types.NamespacedName{Name: operator})
}
