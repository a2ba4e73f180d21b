package controllers_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

// newTill opens a till in an API server of its own, and a process.
func newTill(t *testing.T) (*till, *process) {
	t.Helper()
	clock := testingclock.NewFakePassiveClock(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC))
	api, err := testdesk.NewAPI(clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "client"}}); err != nil {
		t.Fatal(err)
	}
	tl := openTill(t, api, clock, "client")
	return tl, tl.start(0)
}

func TestManyDeletionsCostAGetAndAPatchEachAndFewWrites(t *testing.T) {
	const orders = 10_000 // twenty batches
	tl, p := newTill(t)
	for i := range orders {
		tl.charged(fmt.Sprintf("order-%04d", i), "0.05")
	}
	p.rest()
	for i := range orders {
		name := fmt.Sprintf("order-%04d", i)
		p.settle(tl.order(name))
		tl.remove(name)
	}
	maps.DeleteFunc(p.calls, func(string, int) bool { return true })
	p.rest()
	want := map[string]int{
		"GET *v1alpha1.EsimOrder":     orders,
		"PATCH *v1alpha1.EsimOrder":   orders,
		"UPDATE *v1alpha1.EsimWallet": 21, // twenty batches, and the last one's answers
	}
	if diff := cmp.Diff(want, p.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	status := tl.wallet().Status
	got := []any{status.Balance, status.Debited, status.Settled, len(status.Settling), len(tl.orders())}
	settled := v1alpha1.WalletSettled{Debited: "500", Refunded: "0", Orders: orders}
	if diff := cmp.Diff([]any{v1alpha1.Amount("500"), v1alpha1.Amount("500"), settled, 0, 0}, got); diff != "" {
		t.Errorf("the wallet (-want +got):\n%s", diff)
	}
}

func TestSumsAreWrittenAtOnceAndThenAtMostOncePerInterval(t *testing.T) {
	tl, p := newTill(t)
	p.rest()
	tl.clock.SetTime(tl.clock.Now().Add(time.Minute))
	shown := func(want v1alpha1.Amount) {
		t.Helper()
		if got := tl.wallet().Status.Balance; got != want {
			t.Errorf("the balance is shown as %s, want %s", got, want)
		}
	}
	tl.charged("first", "1")
	p.sync(9, 9)
	if _, err := p.pass(); err != nil {
		t.Fatal(err)
	}
	shown("999")
	for i := range 10 {
		tl.charged(fmt.Sprintf("later-%d", i), "1")
	}
	p.sync(99, 99)
	after, err := p.pass()
	if err != nil {
		t.Fatal(err)
	}
	shown("999")
	if after <= 0 || after >= time.Second {
		t.Fatalf("the next pass is due after %s, want less than the second within which sums are right", after)
	}
	tl.clock.SetTime(tl.clock.Now().Add(after))
	before := p.calls["UPDATE *v1alpha1.EsimWallet"]
	p.rest()
	shown("989")
	if writes := p.calls["UPDATE *v1alpha1.EsimWallet"] - before; writes != 1 {
		t.Errorf("%d writes for ten orders", writes)
	}
}

func TestARefundBetweenCountAndRelease(t *testing.T) {
	tl, p := newTill(t)
	p.rest()
	tl.clock.SetTime(tl.clock.Now().Add(time.Minute))
	order := tl.charged("late", "30")
	tl.remove("late")
	p.settle(order)
	p.stepwise = true
	// GET the order, UPDATE the wallet, PATCH the order: the refund comes before the last.
	for p.begin(); p.running && p.calls["PATCH *v1alpha1.EsimOrder"] == 0; {
		p.step(through)
	}
	if got := tl.wallet().Status.Settled.Debited; got != "30" || !p.running {
		t.Fatalf("settled %q; the pass runs: %t", got, p.running)
	}
	tl.refund("late")
	for p.running {
		p.step(through)
	}
	if tl.order("late") == nil {
		t.Fatal("the order was let go with a refund that nobody counted")
	}
	p.stepwise = false
	p.rest()
	status := tl.wallet().Status
	want := v1alpha1.WalletSettled{Debited: "30", Refunded: "30", Orders: 1}
	if status.Settled != want || status.Balance != "1000" || tl.order("late") != nil {
		t.Errorf("settled %+v, balance %s, the order is there: %t", status.Settled, status.Balance, tl.order("late") != nil)
	}
}

func TestAnOrderIsSettledOnlyWhereItsMoneyIsKnownForGood(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.EsimOrder){
		"not at its end":      func(o *v1alpha1.EsimOrder) { o.Status.Phase = v1alpha1.PhasePending },
		"of another wallet":   func(o *v1alpha1.EsimOrder) { o.Status.Charge.WalletUID = "another" },
		"that is not deleted": func(*v1alpha1.EsimOrder) {},
	} {
		tl, p := newTill(t)
		order := tl.charged("order", "30")
		change(order)
		if err := tl.api.Status().Update(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		if name != "that is not deleted" {
			tl.remove("order")
		}
		p.settle(order)
		p.rest()
		if settled := tl.wallet().Status.Settled; settled.Orders != 0 || tl.order("order") == nil || !has(tl.order("order"), v1alpha1.SettlementFinalizer) {
			t.Errorf("an order %s was settled: %+v", name, settled)
		}
	}
}

func TestADeletedWalletStaysAsLongAsOrdersCountAgainstIt(t *testing.T) {
	tl, p := newTill(t)
	order := tl.charged("kept", "30")
	p.rest()
	if err := tl.api.Delete(t.Context(), tl.wallet()); err != nil {
		t.Fatal(err)
	}
	p.sync(99, 99)
	for range 3 { // it looks again and again
		tl.clock.SetTime(tl.clock.Now().Add(time.Minute))
		after, err := p.pass()
		if err != nil || after == 0 {
			t.Fatalf("the next pass is due after %s, %v", after, err)
		}
		p.sync(99, 99)
	}
	ready := meta.FindStatusCondition(tl.wallet().Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.WalletReasonInUse {
		t.Errorf("Ready is %+v", ready)
	}
	tl.remove("kept")
	p.settle(order)
	p.rest()
	if tl.wallet() != nil || tl.order("kept") != nil {
		t.Error("the wallet or the order is still there")
	}
}

func TestADeletedWalletWithoutOrdersGoes(t *testing.T) {
	tl, p := newTill(t)
	p.rest()
	if err := tl.api.Delete(t.Context(), tl.wallet()); err != nil {
		t.Fatal(err)
	}
	p.rest()
	if tl.wallet() != nil {
		t.Error("the wallet is still there")
	}
}

func TestAWalletGoesWithItsNamespace(t *testing.T) {
	tl, p := newTill(t)
	tl.charged("kept", "30")
	p.rest()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ending", Finalizers: []string{"kubernetes"}}}
	if err := tl.api.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	if err := tl.api.Delete(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	if err := tl.api.Delete(t.Context(), tl.wallet()); err != nil {
		t.Fatal(err)
	}
	p.namespace = namespace.Name
	p.rest()
	if tl.wallet() != nil {
		t.Error("the wallet holds up the end of its namespace")
	}
}

func TestAWalletSaysWhatItHas(t *testing.T) {
	for name, tc := range map[string]struct {
		spec   func(*v1alpha1.EsimWalletSpec)
		prices []string
		want   v1alpha1.EsimWalletStatus
		ready  string
		low    string
	}{
		"full": {
			want:  v1alpha1.EsimWalletStatus{Balance: "1000", Available: "1000", Deposited: "1000", Debited: "0", Refunded: "0"},
			ready: "Open", low: "Enough",
		},
		"a little more than a tenth": {
			prices: []string{"899.99"},
			want:   v1alpha1.EsimWalletStatus{Balance: "100.01", Available: "100.01", Deposited: "1000", Debited: "899.99", Refunded: "0"},
			ready:  "Open", low: "Enough",
		},
		"a tenth": {
			prices: []string{"450", "450"},
			want:   v1alpha1.EsimWalletStatus{Balance: "100", Available: "100", Deposited: "1000", Debited: "900", Refunded: "0"},
			ready:  "Open", low: "Low",
		},
		"nothing": {
			prices: []string{"1000"},
			want:   v1alpha1.EsimWalletStatus{Balance: "0", Available: "0", Deposited: "1000", Debited: "1000", Refunded: "0"},
			ready:  "Open", low: "Empty",
		},
		"overdrawn": {
			prices: []string{"1000", "0.5"},
			want:   v1alpha1.EsimWalletStatus{Balance: "-0.5", Available: "-0.5", Deposited: "1000", Debited: "1000.5", Refunded: "0"},
			ready:  "Open", low: "Overdrawn",
		},
		"on credit": {
			spec:   func(s *v1alpha1.EsimWalletSpec) { s.Type, s.CreditLimit = v1alpha1.WalletPostpaid, "500" },
			prices: []string{"1200"},
			want:   v1alpha1.EsimWalletStatus{Balance: "-200", Available: "300", Deposited: "1000", Debited: "1200", Refunded: "0"},
			ready:  "Open", low: "Enough",
		},
		"many deposits, the last just made": {
			spec: func(s *v1alpha1.EsimWalletSpec) {
				for i := range 20 {
					s.Deposits = append(s.Deposits, v1alpha1.WalletDeposit{Reference: fmt.Sprintf("more-%d", i), Amount: "1000"})
				}
			},
			prices: []string{"20000"},
			want:   v1alpha1.EsimWalletStatus{Balance: "1000", Available: "1000", Deposited: "21000", Debited: "20000", Refunded: "0"},
			ready:  "Open", low: "Enough",
		},
		"a rate that the schema should have refused": {
			spec: func(s *v1alpha1.EsimWalletSpec) {
				s.ExchangeRates = []v1alpha1.ExchangeRate{{From: "EUR", Rate: "0"}}
			},
			ready: "InvalidSpec",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tl, p := newTill(t)
			wallet := tl.wallet()
			if tc.spec != nil {
				tc.spec(&wallet.Spec)
				if err := tl.api.Update(t.Context(), wallet); err != nil {
					t.Fatal(err)
				}
			}
			for i, price := range tc.prices {
				tl.charged(fmt.Sprintf("order-%d", i), price)
			}
			tl.versions = append(tl.versions, tl.wallet())
			p.rest()
			wallet = tl.wallet()
			if tc.want.ID, tc.want.FirstUID = ids.Wallet(wallet.UID), wallet.UID; tc.ready == "" {
				t.Fatal("the case names no reason")
			}
			got := wallet.Status
			reasons := map[string]string{}
			for _, c := range got.Conditions {
				reasons[c.Type] = c.Reason
			}
			wantReasons := map[string]string{v1alpha1.ConditionReady: tc.ready}
			if tc.low != "" {
				wantReasons[v1alpha1.ConditionLowFunds] = tc.low
			}
			got.Conditions, tc.want.ObservedGeneration = nil, wallet.Generation
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantReasons, reasons); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}
