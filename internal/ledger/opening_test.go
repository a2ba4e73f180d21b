package ledger_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

// opening is a ledger that is opened while an order is settled.
type opening struct {
	t      *testing.T
	api    client.WithWatch
	ledger *ledger.Ledger
	wallet *v1alpha1.EsimWallet
	order  *v1alpha1.EsimOrder
}

func (o *opening) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// open makes a wallet with 1000 and an order that is deleted and paid 30 for. happens comes
// after each of the lists that the ledger is opened from.
func open(t *testing.T, happens func(o *opening, after string)) *opening {
	t.Helper()
	clock := testingclock.NewFakePassiveClock(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC))
	api, err := testdesk.NewAPI(clock)
	if err != nil {
		t.Fatal(err)
	}
	o := &opening{t: t, api: api}
	live := interceptor.NewClient(api, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			err := c.List(ctx, list, opts...)
			happens(o, fmt.Sprintf("%T", list))
			return err
		},
	})
	o.ledger = &ledger.Ledger{Cache: api, Live: live, Writer: api, Clock: clock}
	o.wallet = &v1alpha1.EsimWallet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "main"},
		Spec: v1alpha1.EsimWalletSpec{
			Currency: "USD", Deposits: []v1alpha1.WalletDeposit{{Reference: "first", Amount: "1000"}},
		},
	}
	o.must(api.Create(t.Context(), o.wallet))
	o.order = &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "order"}}
	o.must(api.Create(t.Context(), o.order))
	o.order.Status.Phase = v1alpha1.PhaseDelivered
	o.order.Status.Charge = &v1alpha1.OrderCharge{
		WalletRef: v1alpha1.WalletReference{Name: "main"}, WalletUID: o.wallet.UID, Amount: "30", Currency: "USD",
	}
	o.must(api.Status().Update(t.Context(), o.order))
	o.must(api.Delete(t.Context(), o.order))
	o.must(api.Get(t.Context(), client.ObjectKeyFromObject(o.order), o.order))
	return o
}

// count writes the order into the wallet's settled totals, as the settler of this process does,
// or of another.
func (o *opening) count(ours bool) {
	entry := v1alpha1.SettlingOrder{Name: o.order.Name, UID: o.order.UID, Debited: "30", Refunded: "0"}
	o.wallet.Status.Settled = v1alpha1.WalletSettled{Debited: "30", Refunded: "0", Orders: 1}
	o.wallet.Status.Settling = []v1alpha1.SettlingOrder{entry}
	o.must(o.api.Status().Update(context.Background(), o.wallet))
	if ours {
		o.must(o.ledger.Settled(o.wallet, []v1alpha1.SettlingOrder{entry}))
	}
}

// letGo removes the order's finalizer and drops it from the wallet, and has the cache tell.
func (o *opening) letGo() {
	controllerutil.RemoveFinalizer(o.order, v1alpha1.SettlementFinalizer)
	o.must(o.api.Update(context.Background(), o.order))
	o.wallet.Status.Settling = nil
	o.must(o.api.Status().Update(context.Background(), o.wallet))
	o.ledger.Gone(o.order)
}

func (o *opening) balance(want string) {
	o.t.Helper()
	totals, err := o.ledger.Totals(context.Background(), o.wallet)
	o.must(err)
	if got := totals.Balance.String(); got != want {
		o.t.Errorf("the balance is %s, want %s", got, want)
	}
}

func TestAnOrderThatIsSettledWhileTheLedgerIsOpenedCountsOnce(t *testing.T) {
	const orders, wallets = "*v1alpha1.EsimOrderList", "*v1alpha1.EsimWalletList"
	for name, tc := range map[string]struct {
		// counted and gone are after which list the order is.
		counted, gone string
		ours          bool
	}{
		"by another, between the lists":           {counted: orders, gone: orders},
		"by another, across the second list":      {counted: orders, gone: wallets},
		"by another, after the lists":             {counted: wallets, gone: wallets},
		"by this process, between the lists":      {counted: orders, gone: orders, ours: true},
		"by this process, across the second list": {counted: orders, gone: wallets, ours: true},
		"by this process, after the lists":        {counted: wallets, gone: wallets, ours: true},
	} {
		t.Run(name, func(t *testing.T) {
			done := map[string]bool{}
			o := open(t, func(o *opening, after string) {
				if after == tc.counted && !done["counted"] {
					done["counted"] = true
					o.count(tc.ours)
				}
				if after == tc.gone && done["counted"] && !done["gone"] {
					done["gone"] = true
					o.letGo()
				}
			})
			o.balance("970")
			// The settled totals that come with the next settlement are those that were written.
			next := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "next"}}
			next.Status.Phase, next.Status.Charge = v1alpha1.PhaseDelivered, o.order.Status.Charge
			next.UID, next.Finalizers = types.UID("next"), []string{v1alpha1.SettlementFinalizer}
			o.ledger.Observe(next)
			o.balance("940")
			o.wallet.Status.Settled = v1alpha1.WalletSettled{Debited: "60", Refunded: "0", Orders: 2}
			o.must(o.api.Status().Update(t.Context(), o.wallet))
			o.must(o.ledger.Settled(o.wallet, []v1alpha1.SettlingOrder{{Name: "next", UID: "next", Debited: "30", Refunded: "0"}}))
			o.balance("940")
		})
	}
}

func TestTotalsThatAnotherSettledAreNotTakenForOurs(t *testing.T) {
	o := open(t, func(*opening, string) {})
	o.balance("970")
	o.count(false) // another leader; the cache does not show it here yet
	next := v1alpha1.SettlingOrder{Name: "next", UID: "next", Debited: "0", Refunded: "0"}
	o.wallet.Status.Settling = append(o.wallet.Status.Settling, next)
	o.must(o.api.Status().Update(t.Context(), o.wallet))
	o.must(o.ledger.Settled(o.wallet, []v1alpha1.SettlingOrder{next}))
	o.balance("970")
}

func TestARefundThatIsWrittenWhileTheLedgerIsOpenedCounts(t *testing.T) {
	const orders, wallets = "*v1alpha1.EsimOrderList", "*v1alpha1.EsimWalletList"
	for _, when := range []string{orders, wallets} {
		done := false
		o := open(t, func(o *opening, after string) {
			if after != when || done {
				return
			}
			done = true
			o.order.Status.Phase = v1alpha1.PhaseCancelled
			o.order.Status.Charge.Refund = &v1alpha1.OrderRefund{Reason: "Cancelled"}
			o.must(o.api.Status().Update(context.Background(), o.order))
			o.ledger.Observe(o.order)
		})
		o.balance("1000")
	}
}
