package controllers_test

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/money"
)

// testing.TB and *rapid.T are both.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// otherFinalizer outlives ours on some orders: they stay there, settled.
const otherFinalizer = "example.com/other"

// till is a wallet and its orders on an API server in memory, worked on by processes each of
// which has caches of its own that lag. It knows what the balance must be.
type till struct {
	t     tb
	api   client.WithWatch
	clock *testingclock.FakePassiveClock
	key   types.NamespacedName
	// versions of the wallet, and what happened to orders, in the order that caches show it.
	versions []*v1alpha1.EsimWallet
	events   []func(*ledger.Ledger)
	truth    money.Amount
	writes   int
	created  []*v1alpha1.EsimOrder
}

func amount(text string) money.Amount {
	a, err := money.Parse(text)
	if err != nil {
		panic(err)
	}
	return a
}

// openTill makes a wallet with 1000 USD in a namespace of its own.
func openTill(t tb, api client.WithWatch, clock *testingclock.FakePassiveClock, namespace string) *till {
	t.Helper()
	tl := &till{t: t, clock: clock, key: types.NamespacedName{Namespace: namespace, Name: "main"}, truth: amount("1000")}
	tl.api = interceptor.NewClient(api, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return tl.follow(o, c.Create(ctx, o, opts...))
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return tl.follow(o, c.Delete(ctx, o, opts...))
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return tl.follow(o, c.Patch(ctx, o, p, opts...))
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return tl.follow(o, c.SubResource(sub).Update(ctx, o, opts...))
		},
	})
	tl.must(tl.api.Create(context.Background(), &v1alpha1.EsimWallet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "main"},
		Spec: v1alpha1.EsimWalletSpec{
			Currency: "USD", Type: v1alpha1.WalletPrepaid,
			Deposits: []v1alpha1.WalletDeposit{{Reference: "first", Amount: "1000"}},
		},
	}))
	return tl
}

func (tl *till) must(err error) {
	tl.t.Helper()
	if err != nil {
		tl.t.Fatal(err)
	}
}

// follow takes down, after a write, what a watch would show.
func (tl *till) follow(o client.Object, err error) error {
	if err != nil {
		return err
	}
	tl.writes++
	switch o.(type) {
	case *v1alpha1.EsimWallet:
		tl.versions = append(tl.versions, tl.wallet())
	case *v1alpha1.EsimOrder:
		if now := tl.order(o.GetName()); now != nil && now.UID == o.GetUID() {
			tl.events = append(tl.events, func(l *ledger.Ledger) { l.Observe(now.DeepCopy()) })
			break
		}
		last, _ := o.DeepCopyObject().(*v1alpha1.EsimOrder)
		tl.events = append(tl.events, func(l *ledger.Ledger) { l.Gone(last.DeepCopy()) })
	}
	return nil
}

// wallet as the API server has it; nil where it is gone.
func (tl *till) wallet() *v1alpha1.EsimWallet {
	var wallet v1alpha1.EsimWallet
	if err := tl.api.Get(context.Background(), tl.key, &wallet); client.IgnoreNotFound(err) != nil {
		tl.t.Fatal(err)
	} else if err != nil {
		return nil
	}
	return &wallet
}

func (tl *till) order(name string) *v1alpha1.EsimOrder {
	var order v1alpha1.EsimOrder
	if err := tl.api.Get(context.Background(), types.NamespacedName{Namespace: tl.key.Namespace, Name: name}, &order); client.IgnoreNotFound(err) != nil {
		tl.t.Fatal(err)
	} else if err != nil {
		return nil
	}
	return &order
}

func (tl *till) orders() []v1alpha1.EsimOrder {
	var orders v1alpha1.EsimOrderList
	tl.must(tl.api.List(context.Background(), &orders, client.InNamespace(tl.key.Namespace)))
	return orders.Items
}

// charged makes an order that is DELIVERED and paid for by the wallet.
func (tl *till) charged(name, price string, finalizers ...string) *v1alpha1.EsimOrder {
	tl.t.Helper()
	wallet := tl.wallet()
	order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: tl.key.Namespace, Name: name, Finalizers: finalizers}}
	tl.must(tl.api.Create(context.Background(), order))
	order.Status.Phase = v1alpha1.PhaseDelivered
	order.Status.Charge = &v1alpha1.OrderCharge{
		WalletRef: v1alpha1.WalletReference{Name: wallet.Name}, WalletUID: wallet.UID,
		Amount: v1alpha1.Amount(price), Currency: "USD", TransactionID: 4, Time: metav1.NewTime(tl.clock.Now()),
	}
	tl.must(tl.api.Status().Update(context.Background(), order))
	tl.truth = tl.truth.Sub(amount(price))
	tl.created = append(tl.created, order)
	return order
}

// refund undoes an order, also one that is deleted meanwhile.
func (tl *till) refund(name string) {
	tl.t.Helper()
	order := tl.order(name)
	order.Status.Phase = v1alpha1.PhaseCancelled
	order.Status.Charge.Refund = &v1alpha1.OrderRefund{TransactionID: 5, Time: metav1.NewTime(tl.clock.Now()), Reason: "Cancelled"}
	tl.must(tl.api.Status().Update(context.Background(), order))
	tl.truth = tl.truth.Add(amount(string(order.Status.Charge.Amount)))
}

func (tl *till) remove(name string) {
	tl.t.Helper()
	order := tl.order(name)
	tl.must(tl.api.Delete(context.Background(), order))
}

func (tl *till) dropOther(name string) {
	tl.t.Helper()
	order := tl.order(name)
	before := order.DeepCopy()
	controllerutil.RemoveFinalizer(order, otherFinalizer)
	tl.must(tl.api.Patch(context.Background(), order, client.MergeFrom(before)))
}

// balances holds the promise: whatever was deleted, wallet and orders together say what was
// paid in, less the charges, plus the refunds. An order that is refunded after it was counted
// is the one exception: as long as the finalizer holds it, the difference is still due.
func (tl *till) balances() error {
	wallet := tl.wallet()
	if wallet == nil {
		return nil
	}
	orders := tl.orders()
	statement, err := ledger.StatementOf(wallet, orders)
	if err != nil {
		return err
	}
	balance := statement.Balance
	for _, entry := range wallet.Status.Settling {
		for i := range orders {
			if o := &orders[i]; o.UID == entry.UID && controllerutil.ContainsFinalizer(o, v1alpha1.SettlementFinalizer) && o.Status.Charge.Refund != nil {
				balance = balance.Add(amount(string(o.Status.Charge.Amount))).Sub(amount(string(entry.Refunded)))
			}
		}
	}
	if !balance.Equal(tl.truth) {
		return fmt.Errorf("wallet and orders come to %s, and should to %s: settled %+v, settling %+v",
			balance, tl.truth, wallet.Status.Settled, wallet.Status.Settling)
	}
	return nil
}
