package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/shard"
)

// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimwallets,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimwallets/status,verbs=update
// +kubebuilder:rbac:groups=esim.telco.dev,resources=esimorders,verbs=get;list;patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get

// WalletReconciler shows what a wallet has, settles the orders that are deleted, and holds a
// wallet while orders count against it.
//
// It is the one settler of a wallet: a pass works on one wallet, and no two passes work on the
// same. How deleting orders changes no balance, whatever dies or lags meanwhile, is told in
// wallet_settle.go.
type WalletReconciler struct {
	// Client reads from the cache.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Writer writes with a short deadline.
	Writer client.Client
	// Ledger holds the wallets' accounts.
	Ledger *ledger.Ledger
	// Recorder of events: when a wallet runs low, and when it has enough again.
	Recorder events.EventRecorder
	// Clock tells the time for conditions, and when a status may be written again.
	Clock clock.PassiveClock
	// Shard is the clients that this process works for.
	Shard *shard.Shard
	// CallsAtOnce is how many orders are settled in parallel; 0 for 16.
	CallsAtOnce int

	memories walletMemories
	gauges   walletGauges
	queue    wakeQueue
}

const (
	// walletsAtOnce is how many wallets are worked on in parallel.
	walletsAtOnce = 16
	// settledAtOnce is how many orders of one wallet are settled in parallel.
	settledAtOnce = 16
	// walletWriteInterval is how far apart the writes of one wallet's status are, however many
	// orders change its sums: a little less than the second within which they must be right.
	walletWriteInterval = 800 * time.Millisecond
	// walletOpeningInterval is how often a wallet asks whether its client's book can be opened now.
	walletOpeningInterval = 250 * time.Millisecond
	// walletHeldInterval is how often a deleted wallet looks whether orders still count
	// against it. Most often it is told before.
	walletHeldInterval = 5 * time.Second
)

// Settle takes over the money of a deleted order that is terminal: its net goes into the
// settled totals of the wallet, and its finalizer goes then. It is remembered in this process
// only: a process that starts must be told again, and may be told as often as one likes.
func (r *WalletReconciler) Settle(wallet types.NamespacedName, _ types.UID, order types.NamespacedName, orderUID types.UID) {
	r.memories.of(wallet).hand(orderUID, order.Name)
	r.queue.add(wallet)
}

// Reconcile makes one pass over a wallet.
func (r *WalletReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if ctx.Err() != nil {
		return ctrl.Result{}, nil //nolint:nilerr // the manager stops: nothing was begun
	}
	ctx = context.WithoutCancel(ctx) // a write that has left is waited for
	memory := r.memories.of(req.NamespacedName)
	wallet, err := r.newest(ctx, req.NamespacedName, memory)
	if err != nil {
		return ctrl.Result{}, err
	}
	if wallet == nil {
		r.forget(req.NamespacedName, memory)
		return ctrl.Result{}, nil
	}
	r.meet(wallet, memory)
	after, err := r.work(ctx, wallet, memory)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		ctrl.LoggerFrom(ctx).V(1).Info("The wallet changed meanwhile, starting over", "cause", err.Error())
		return ctrl.Result{RequeueAfter: conflictDelay}, r.reread(ctx, wallet, memory)
	}
	return ctrl.Result{RequeueAfter: after}, err
}

// work is one pass over a wallet that is there. It returns after how long the next one is due;
// 0 for when something changes.
func (r *WalletReconciler) work(ctx context.Context, wallet *v1alpha1.EsimWallet, memory *walletMemory) (time.Duration, error) {
	if wallet.DeletionTimestamp.IsZero() {
		if err := r.hold(ctx, wallet, memory); err != nil {
			return 0, err
		}
	}
	// What cannot be let go keeps nothing else from being settled: it is tried again.
	change, trouble := r.finish(ctx, wallet, memory)
	wait := memory.wait(r.Clock.Now())
	if wait == 0 {
		batch, err := r.gather(ctx, wallet, memory)
		change.batch, trouble = batch, errors.Join(trouble, err)
	}
	status, err := r.statusOf(ctx, wallet, change)
	if errors.Is(err, ledger.ErrOpening) {
		return walletOpeningInterval, trouble
	}
	if err != nil {
		return 0, errors.Join(trouble, err)
	}
	switch differs := !equality.Semantic.DeepEqual(status, &wallet.Status); {
	case wait > 0 && (differs || memory.waiting() > 0):
		return wait, trouble
	case !differs:
		after, err := r.release(ctx, wallet, memory)
		return after, errors.Join(trouble, err)
	}
	written, err := r.write(ctx, wallet, status, memory, change)
	if err != nil {
		return 0, errors.Join(trouble, err)
	}
	trouble = errors.Join(trouble, r.letGo(ctx, change.batch, memory))
	return memory.after(written), trouble
}

// newest is the newest copy of the wallet that this process has: the cache's, or the answer to
// what it wrote or read since. Its resourceVersion is the lock of what is written next, so an
// old one costs a conflict, and no more. nil where the wallet is gone.
func (r *WalletReconciler) newest(ctx context.Context, name types.NamespacedName, memory *walletMemory) (*v1alpha1.EsimWallet, error) {
	var cached v1alpha1.EsimWallet
	err := r.Client.Get(ctx, name, &cached)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading EsimWallet %s: %w", name, err)
	case newer(memory.latest, &cached):
		return memory.latest.DeepCopy(), nil
	}
	memory.latest = nil
	return &cached, nil
}

// newer tells whether a copy is of a later version than the cache's. Where versions cannot be
// compared, the cache's counts.
func newer(known, cached *v1alpha1.EsimWallet) bool {
	if known == nil || known.UID != cached.UID {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(known.ResourceVersion, cached.ResourceVersion)
	return err == nil && order > 0
}

// reread asks the API server for the wallet, after an answer that says that the copy was old,
// or none at all.
func (r *WalletReconciler) reread(ctx context.Context, wallet *v1alpha1.EsimWallet, memory *walletMemory) error {
	var now v1alpha1.EsimWallet
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(wallet), &now); err != nil {
		if apierrors.IsNotFound(err) {
			return nil // the cache will tell
		}
		return fmt.Errorf("reading EsimWallet %s/%s again: %w", wallet.Namespace, wallet.Name, err)
	}
	memory.latest = &now
	return nil
}

// meet compares the wallet with what this process knows of it. Settled totals that it did not
// write are those of another leader: the book does not know which orders are in them.
func (r *WalletReconciler) meet(wallet *v1alpha1.EsimWallet, memory *walletMemory) {
	if memory.uid != wallet.FirstUID() {
		if memory.uid != "" {
			r.Ledger.WalletGone(wallet.Namespace, memory.uid)
		}
		memory.begin(wallet.FirstUID())
	}
	if memory.settled != nil && *memory.settled != wallet.Status.Settled {
		r.Ledger.Distrust(wallet.Namespace)
	}
	settled := wallet.Status.Settled
	memory.settled = &settled
	memory.prune(wallet.Status.Settling)
}

// forget drops what is known of a wallet that does not exist any more.
func (r *WalletReconciler) forget(name types.NamespacedName, memory *walletMemory) {
	if memory.uid != "" {
		r.Ledger.WalletGone(name.Namespace, memory.uid)
	}
	r.gauges.remove(name)
	r.memories.forget(name)
}
