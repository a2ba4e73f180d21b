package ledger_test

import (
	"context"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

// tester is what tests, benchmarks and rapid's runs have in common.
type tester interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// acme is a client: a namespace of an API server in memory, with wallets and orders.
type acme struct {
	t     tester
	api   client.WithWatch
	clock *testingclock.FakePassiveClock
	ids   int64
}

func newAcme(t tester) *acme {
	t.Helper()
	clock := testingclock.NewFakePassiveClock(time.Date(2036, 1, 17, 9, 0, 0, 0, time.UTC))
	api, err := testdesk.NewAPI(clock)
	if err != nil {
		t.Fatal(err)
	}
	return &acme{t: t, api: api, clock: clock}
}

func (a *acme) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// ledger of a process that reads and writes the API server itself.
func (a *acme) ledger() *ledger.Ledger {
	return &ledger.Ledger{Cache: a.api, Live: a.api, Writer: a.api, Clock: a.clock}
}

// wallet makes a wallet in USD.
func (a *acme) wallet(name string, deposit v1alpha1.SignedDecimal, change ...func(*v1alpha1.EsimWallet)) *v1alpha1.EsimWallet {
	a.t.Helper()
	wallet := &v1alpha1.EsimWallet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name},
		Spec: v1alpha1.EsimWalletSpec{
			Currency: "USD", Type: v1alpha1.WalletPrepaid,
			Deposits: []v1alpha1.WalletDeposit{{Reference: "first", Amount: deposit}},
		},
	}
	for _, c := range change {
		c(wallet)
	}
	a.must(a.api.Create(a.t.Context(), wallet))
	return wallet
}

// dropWallet deletes a wallet and lets it go.
func (a *acme) dropWallet(wallet *v1alpha1.EsimWallet) {
	a.t.Helper()
	a.must(a.api.Delete(a.t.Context(), wallet))
	last := a.walletNow(wallet.Name)
	controllerutil.RemoveFinalizer(last, v1alpha1.WalletFinalizer)
	a.must(a.api.Update(a.t.Context(), last))
}

// order places an order and returns it as a pass has it before the charge: with plan and id.
func (a *acme) order(name string, price v1alpha1.Decimal, change ...func(*v1alpha1.EsimOrder)) *v1alpha1.EsimOrder {
	a.t.Helper()
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name},
		Spec:       v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Amount: price},
	}
	for _, c := range change {
		c(order)
	}
	a.must(a.api.Create(a.t.Context(), order))
	return a.accept(order)
}

// accept gives an order what it has before its charge. Nothing is written.
func (a *acme) accept(order *v1alpha1.EsimOrder) *v1alpha1.EsimOrder {
	a.ids++
	order.Status.ID = a.ids
	order.Status.Plan = &v1alpha1.OrderPlan{
		Product: "japan", Variant: "1gb-7d", DisplayName: "Japan 1 GB, 7 days", Amount: order.Spec.Amount, Currency: "USD",
	}
	return order
}

// look reads an order as it is now; nil where it is gone.
func (a *acme) look(order *v1alpha1.EsimOrder) *v1alpha1.EsimOrder {
	a.t.Helper()
	var now v1alpha1.EsimOrder
	err := a.api.Get(a.t.Context(), client.ObjectKeyFromObject(order), &now)
	if client.IgnoreNotFound(err) != nil {
		a.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return &now
}

func (a *acme) orders() []v1alpha1.EsimOrder {
	a.t.Helper()
	var orders v1alpha1.EsimOrderList
	a.must(a.api.List(a.t.Context(), &orders, client.InNamespace("acme")))
	return orders.Items
}

func (a *acme) walletNow(name string) *v1alpha1.EsimWallet {
	a.t.Helper()
	var wallet v1alpha1.EsimWallet
	a.must(a.api.Get(a.t.Context(), types.NamespacedName{Namespace: "acme", Name: name}, &wallet))
	return &wallet
}

// soon passes so much time that the API server may be asked for the wallets again.
func (a *acme) soon() { a.clock.SetTime(a.clock.Now().Add(time.Second)) }

// charge makes the pass that charges an order: what the reservation says is written, and the
// ledger hears of the answer.
func (a *acme) charge(l *ledger.Ledger, order *v1alpha1.EsimOrder) error {
	a.t.Helper()
	reservation, err := l.Reserve(a.t.Context(), order)
	if err != nil {
		return err
	}
	order.Status.Charge = reservation.Charge
	err = a.api.Status().Update(a.t.Context(), order)
	reservation.Written(a.t.Context(), order, err)
	return err
}

// charged places an order and charges it.
func (a *acme) charged(l *ledger.Ledger, name string, price v1alpha1.Decimal) *v1alpha1.EsimOrder {
	a.t.Helper()
	order := a.order(name, price)
	a.must(a.charge(l, order))
	return order
}

// written is an order with a charge that another leader wrote: no ledger hears of it.
func (a *acme) written(name string, wallet *v1alpha1.EsimWallet, amount v1alpha1.Amount) *v1alpha1.EsimOrder {
	a.t.Helper()
	order := a.order(name, v1alpha1.Decimal(amount))
	a.chargedBy(order, wallet)
	return order
}

// chargedBy writes a charge as another leader does.
func (a *acme) chargedBy(order *v1alpha1.EsimOrder, wallet *v1alpha1.EsimWallet) {
	a.t.Helper()
	order.Status.Charge = &v1alpha1.OrderCharge{
		WalletRef: v1alpha1.WalletReference{Name: wallet.Name}, WalletUID: wallet.UID,
		Amount: v1alpha1.Amount(order.Spec.Amount), Currency: wallet.Spec.Currency,
		TransactionID: ids.Debit(order.Status.ID), Time: metav1.NewTime(a.clock.Now()),
	}
	a.must(a.api.Status().Update(a.t.Context(), order))
}

// end writes an order's last phase, with a refund where it is not DELIVERED.
func (a *acme) end(order *v1alpha1.EsimOrder, phase v1alpha1.OrderPhase) *v1alpha1.EsimOrder {
	a.t.Helper()
	order = a.look(order)
	order.Status.Phase = phase
	if phase != v1alpha1.PhaseDelivered && order.Status.Charge != nil {
		order.Status.Charge.Refund = &v1alpha1.OrderRefund{
			TransactionID: ids.Refund(order.Status.ID), Time: metav1.NewTime(a.clock.Now()), Reason: "the order was cancelled",
		}
	}
	a.must(a.api.Status().Update(a.t.Context(), order))
	return order
}

// sums are a wallet's totals as texts, for comparison.
type sums struct {
	Balance, Available string
	Open               int
}

func (a *acme) sums(l *ledger.Ledger, wallet *v1alpha1.EsimWallet) sums {
	a.t.Helper()
	totals, err := l.Totals(a.t.Context(), wallet)
	a.must(err)
	return sums{totals.Balance.String(), totals.Available.String(), totals.Open}
}

// balance is a wallet's, by what the API server holds and by nothing else.
func (a *acme) balance(wallet string) string {
	a.t.Helper()
	statement, err := ledger.StatementOf(a.walletNow(wallet), a.orders())
	a.must(err)
	return statement.Balance.String()
}

// onStatusWrite has write stand in for each status write of an order.
func onStatusWrite(api client.WithWatch, write func(ctx context.Context, send func() error, order *v1alpha1.EsimOrder) error) client.WithWatch {
	return interceptor.NewClient(api, interceptor.Funcs{
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			send := func() error { return c.SubResource(sub).Update(ctx, o, opts...) }
			order, ok := o.(*v1alpha1.EsimOrder)
			if !ok {
				return send()
			}
			return write(ctx, send, order)
		},
	})
}

// onList has list stand in for each list.
func onList(api client.WithWatch, list func(ctx context.Context, send func() error, list client.ObjectList) error) client.WithWatch {
	return interceptor.NewClient(api, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			return list(ctx, func() error { return c.List(ctx, l, opts...) }, l)
		},
	})
}

// listWithout lists all orders but the one of a name.
func listWithout(api client.WithWatch, but string) client.WithWatch {
	return onList(api, func(_ context.Context, send func() error, list client.ObjectList) error {
		err := send()
		if orders, ok := list.(*v1alpha1.EsimOrderList); ok {
			orders.Items = slices.DeleteFunc(orders.Items, func(o v1alpha1.EsimOrder) bool { return o.Name == but })
		}
		return err
	})
}

// failingGet has each Get fail.
func failingGet(api client.WithWatch, err error) client.WithWatch {
	return interceptor.NewClient(api, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return err
		},
	})
}

// named is an order to be looked up.
func (a *acme) named(name string) *v1alpha1.EsimOrder {
	return &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
}

// number reads an amount, for comparison only.
func (a *acme) number(text string) float64 {
	a.t.Helper()
	number, err := strconv.ParseFloat(text, 64)
	a.must(err)
	return number
}
