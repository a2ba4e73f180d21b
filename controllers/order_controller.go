package controllers

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/fairqueue"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/shard"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimorders,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimorders/status,verbs=update
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimoperators;esimwallets,verbs=get;list;watch
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimproducts;esimclients,verbs=get;list;watch
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimoperators/status,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// OrderReconciler takes an EsimOrder from its creation to its end: accept, charge and intend
// in one write, provision, deliver; or cancel; and at last settle.
//
// Between any two of its lines that leave the process, the process can die, the cache can
// be old and another leader can be alive. What keeps that harmless: the intent is in etcd
// before the first call, what a call bought is in the journal before the next one, and
// every status write carries the resourceVersion that its decision was made from.
type OrderReconciler struct {
	// Client reads from the cache.
	Client client.Client
	// Live reads Secrets, and whatever a cache may not answer, from the API server.
	Live client.Reader
	// Writer writes with a short deadline, so that no write arrives after the leader's fence
	// has closed.
	Writer client.Client
	// Fence lets purchases through only while this process leads.
	Fence *leader.Fence
	// Ledger holds the wallets' accounts.
	Ledger *ledger.Ledger
	// Wallets take over a deleted order once nothing but its money is left to settle.
	Wallets Settler
	// Connections to the mobile operators.
	Connections *connections.Pool
	// Recorder of events: for exceptions only, never for an order that goes well.
	Recorder events.EventRecorder
	// Clock tells the time for decisions that are written down.
	Clock clock.PassiveClock
	// Overlap is for how long after this process began to lead what a former leader asked an
	// operator may be answered and written down; nil where there is no former leader.
	Overlap func(*v1alpha1.EsimOperator) time.Duration
	// Receipts tells that receipts are sent by e-mail.
	Receipts bool
	// Shard is the clients that this process works for.
	Shard *shard.Shard
	// Jitter is a random number from 0 to 1, to spread retries.
	Jitter func() float64
	// Pace is how long retries wait.
	Pace Pace
	// Workers is how many orders are worked on at one time. It must exceed what slow
	// operators can hold: the sum of their limits.inFlight.
	Workers int
	// Tracer follows orders; nil follows none.
	Tracer *tracing.Tracer
	// AfterPass, where set, sees each order after a pass that wrote it. Tests check its
	// conditions there.
	AfterPass func(*v1alpha1.EsimOrder)

	unwritten unwrittenProfiles
	addresses learnedAddresses
	looks     looks
	unsent    unsentRequests
	reign     reign
	queue     wakeQueue
	turns     writeTurns
}

// Settler moves the money of a deleted order into its wallet's settled totals, and lets the
// order go then. It may be told of an order more than once.
type Settler interface {
	Settle(wallet types.NamespacedName, walletUID types.UID, order types.NamespacedName, orderUID types.UID)
}

// step is a part of the pipeline. It returns what it decided; nil goes on to the next step.
type step func(context.Context, *pass) (*decision, error)

// Reconcile makes one pass over an order.
func (r *OrderReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	defer r.Connections.Called(req.NamespacedName)()
	var order v1alpha1.EsimOrder
	if err := r.Client.Get(ctx, req.NamespacedName, &order); err != nil {
		if apierrors.IsNotFound(err) {
			r.unwritten.forget(req.NamespacedName)
			r.looks.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p := newPass(&order, r.Clock.Now())
	r.reign.begin(p.now)
	r.find(&order, p.now)
	defer p.leave()

	if !order.DeletionTimestamp.IsZero() {
		return r.run(ctx, p, r.settle)
	}
	if order.Terminal() {
		return r.run(ctx, p, r.tidy, r.undo, r.follow)
	}
	return r.run(ctx, p, r.hold, r.cancel, r.accept, r.enter, r.intend, r.provision, r.deliver)
}

// run makes the steps until one of them decides, and writes what was decided.
func (r *OrderReconciler) run(ctx context.Context, p *pass, steps ...step) (ctrl.Result, error) {
	// A pass that has begun is finished: what an operator has executed must be recorded, also
	// while the manager stops. Every call and every write has its own deadline.
	if err := ctx.Err(); err != nil {
		return ctrl.Result{}, nil //nolint:nilerr // the manager stops: nothing was begun
	}
	ctx = fairqueue.WithClient(context.WithoutCancel(ctx), p.order.Namespace)
	ctx = traced(ctx, r.Tracer, p.order)
	for _, do := range steps {
		decided, err := do(ctx, p)
		if err != nil {
			return r.stopped(ctx, p, err)
		}
		if decided != nil {
			return r.conclude(ctx, p, decided)
		}
	}
	return ctrl.Result{}, nil
}

// stopped ends a pass on an error of our own API server. A conflict is everyday: the cache
// was old, or somebody edited the order; the next pass sees what is there now.
func (r *OrderReconciler) stopped(ctx context.Context, p *pass, err error) (ctrl.Result, error) {
	if errors.Is(err, leader.ErrNotLeading) {
		// Who leads now finds the intent and the journal; what is written here may be late.
		return ctrl.Result{RequeueAfter: notLeadingDelay, Priority: &retryPriority}, nil
	}
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		ctrl.LoggerFrom(ctx).V(1).Info("The order changed meanwhile, starting over", "cause", err.Error())
		r.noteHeldNow(ctx, p)
		if p.called {
			return ctrl.Result{Priority: &retryPriority}, err
		}
		return ctrl.Result{RequeueAfter: conflictDelay, Priority: &retryPriority}, nil
	}
	return ctrl.Result{Priority: &retryPriority}, errors.Join(err, r.noteHeld(ctx, p))
}

// notLeadingDelay is how long an order waits while it is not known who leads.
const notLeadingDelay = time.Second

// conflictDelay lets the cache catch up with what was written.
const conflictDelay = 50 * time.Millisecond
