package controllers_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// until makes passes until the order is as wanted.
func (d *desk) until(wanted string) *v1alpha1.EsimOrder {
	d.t.Helper()
	for range 50 {
		if err := d.pass(); err != nil {
			d.t.Fatal(err)
		}
		if order := d.look(); order != nil && summary(order) == wanted {
			return order
		}
	}
	d.t.Fatalf("the order is %s, want %s", summary(d.look()), wanted)
	return nil
}

func (d *desk) edit(change func(*v1alpha1.EsimOrder)) {
	d.t.Helper()
	order := d.look()
	change(order)
	if err := d.api.Update(d.t.Context(), order); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) fault(f smdp.Fault) {
	d.t.Helper()
	if err := d.shop.SMDP.Inject(f); err != nil {
		d.t.Fatal(err)
	}
}

func condition(order *v1alpha1.EsimOrder, name string) string {
	for _, c := range order.Status.Conditions {
		if c.Type == name {
			return string(c.Status) + " " + c.Reason
		}
	}
	return ""
}

func wallet(change func(*v1alpha1.EsimWallet)) testshop.Options {
	return testshop.Options{Wallet: change}
}

func pays(amount v1alpha1.SignedDecimal) testshop.Options {
	return wallet(func(w *v1alpha1.EsimWallet) { w.Spec.Deposits[0].Amount = amount })
}

func TestADeliveredOrderIsCharged(t *testing.T) {
	d := atDesk(t, pays("4.50"), nil)
	d.connect()
	d.order()
	order := d.until("DELIVERED Delivered")
	paid, err := d.shop.Wallet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := &v1alpha1.OrderCharge{
		WalletRef: v1alpha1.WalletReference{Name: paid.Name}, WalletUID: paid.UID, Amount: "4.5", Currency: "USD",
		TransactionID: 4 * order.Status.ID, Time: metav1.NewTime(d.clock.Now()),
	}
	if diff := cmp.Diff(want, order.Status.Charge, cmpopts.EquateApproxTime(time.Second)); diff != "" {
		t.Errorf("charge (-want +got):\n%s", diff)
	}
	if got := condition(order, v1alpha1.ConditionCharged); got != "True Charged" {
		t.Errorf("Charged is %q", got)
	}
}

func TestAnOrderThatCannotBePaidFailsUncharged(t *testing.T) {
	nowhere := func(o *v1alpha1.EsimOrder) { o.Spec.WalletRef = &v1alpha1.WalletReference{Name: "nowhere"} }
	for _, tc := range []struct {
		name    string
		options testshop.Options
		change  func(*v1alpha1.EsimOrder)
		want    string
		reason  string
	}{
		{
			name: "too little in the wallet", options: pays("4.49"), want: "FAILED INSUFFICIENT_FUNDS",
			reason: "the order costs 4.5 USD, and wallet main has 4.49 USD to spend; have a deposit added, or order something cheaper",
		}, {
			name: "a wallet that is not there", options: pays("10"), change: nowhere, want: "FAILED INVALID_WALLET",
			reason: `there is no wallet "nowhere"; name one that exists in walletRef, or leave it out`,
		}, {
			name: "no wallet in the plan's currency", want: "FAILED INVALID_WALLET",
			options: wallet(func(w *v1alpha1.EsimWallet) { w.Spec.Currency = "JPY" }),
			reason:  "there is no wallet in USD; have one set up, or name in walletRef a wallet with an exchange rate from USD",
		}, {
			name: "a wallet without a rate from the plan's currency", want: "FAILED NO_EXCHANGE_RATE",
			options: wallet(func(w *v1alpha1.EsimWallet) { w.Spec.Currency = "JPY" }),
			change:  func(o *v1alpha1.EsimOrder) { o.Spec.WalletRef = &v1alpha1.WalletReference{Name: testshop.WalletName} },
			reason: `the wallet "main", in JPY, has no exchange rate from USD; have one set up, or name in walletRef ` +
				`a wallet in USD`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := atDesk(t, tc.options, nil)
			d.connect()
			if tc.change == nil {
				tc.change = func(*v1alpha1.EsimOrder) {}
			}
			d.order(tc.change)
			order := d.until(tc.want)
			if diff := cmp.Diff(tc.reason, order.Status.Failure.Reason); diff != "" {
				t.Errorf("reason (-want +got):\n%s", diff)
			}
			if order.Status.Charge != nil || !order.Status.Failure.UserFixable {
				t.Errorf("charged %v, fixable %v", order.Status.Charge, order.Status.Failure.UserFixable)
			}
			if got := len(d.shop.SMDP.Ledger()); got != 0 {
				t.Errorf("%d calls were made", got)
			}
		})
	}
}

// refunded checks that an order's charge was given back whole, once.
func refunded(t *testing.T, order *v1alpha1.EsimOrder) {
	t.Helper()
	charge := order.Status.Charge
	if charge == nil || charge.Refund == nil {
		t.Fatalf("charge is %+v, want a refunded one", charge)
	}
	if charge.Refund.TransactionID != charge.TransactionID+1 {
		t.Errorf("refund %d of debit %d", charge.Refund.TransactionID, charge.TransactionID)
	}
	if got := condition(order, v1alpha1.ConditionCharged); got != "False Refunded" {
		t.Errorf("Charged is %q", got)
	}
}

func TestAnOrderThatFailsAfterItsChargeIsRefunded(t *testing.T) {
	d := atDesk(t, testshop.Options{Product: func(p *v1alpha1.EsimProduct) { p.Spec.Variants[0].Sources[0].PlanID = "NO-SUCH-PLAN" }}, nil)
	d.connect()
	d.order()
	refunded(t, d.until("FAILED PLAN_UNAVAILABLE"))
}

func TestACancelledOrder(t *testing.T) {
	t.Run("that was not bought yet costs nothing", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.order(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
		if order := d.until("CANCELLED Cancelled"); order.Status.Charge != nil {
			t.Errorf("charged: %+v", order.Status.Charge)
		}
	})

	t.Run("that waits for stock is refunded", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		if err := d.shop.SMDP.SetStock(testshop.Plan, 0); err != nil {
			t.Fatal(err)
		}
		d.order()
		d.until("PENDING OutOfStock")
		d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
		refunded(t, d.until("CANCELLED Cancelled"))
	})

	t.Run("that holds a profile gives it back first, and keeps no Secret", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.fault(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.ConfirmOrder})
		d.order()
		d.until("PENDING OutcomeUnknown")
		d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
		d.fault(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.CancelOrder, Times: 1})
		if order := d.until("PENDING GivingBack"); order.Status.Charge.Refund != nil {
			t.Error("refunded before the operator has answered")
		}
		refunded(t, d.until("CANCELLED Cancelled"))
		d.gaveBack()
	})

	t.Run("that was delivered is taken back, and keeps no Secret", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.order()
		d.until("DELIVERED Delivered")
		d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
		refunded(t, d.until("CANCELLED Cancelled"))
		d.gaveBack()
	})

	t.Run("that was delivered stays so while the operator does not answer", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.order()
		d.until("DELIVERED Delivered")
		d.fault(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: es2plus.CancelOrder, Times: 1})
		d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
		order := d.look()
		if got := condition(order, v1alpha1.ConditionOutcomeUnknown); got != "True Cancelling" || summary(order) != "DELIVERED Delivered" {
			t.Errorf("%s, OutcomeUnknown %q", summary(order), got)
		}
		if order.Status.Charge.Refund != nil {
			t.Error("refunded before the operator has answered")
		}
		refunded(t, d.until("CANCELLED Cancelled"))
		d.gaveBack()
	})

	t.Run("whose profile is on a device stays DELIVERED, and is not refunded", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.order()
		iccid := activation.ICCID(d.until("DELIVERED Delivered").Status.Esim.ICCID)
		if err := d.shop.SMDP.Install(iccid); err != nil {
			t.Fatal(err)
		}
		d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
		for range 3 {
			if err := d.pass(); err != nil {
				t.Fatal(err)
			}
		}
		order := d.look()
		if got := condition(order, v1alpha1.ConditionCancelRefused); got != "True TooLate" || summary(order) != "DELIVERED Delivered" {
			t.Errorf("%s, CancelRefused %q", summary(order), got)
		}
		if order.Status.Charge.Refund != nil || order.Status.Activation == nil || !order.Status.Activation.Installed {
			t.Errorf("refund %v, activation %+v", order.Status.Charge.Refund, order.Status.Activation)
		}
		if calls := len(d.shop.SMDP.Ledger()); calls != 3 {
			t.Errorf("%d calls, want DownloadOrder, ConfirmOrder and one CancelOrder", calls)
		}
	})

	t.Run("that the operator does not take back stays DELIVERED", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.order()
		d.until("DELIVERED Delivered")
		d.fault(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.1", ReasonCode: "3.10", Function: es2plus.CancelOrder})
		d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
		if got := condition(d.look(), v1alpha1.ConditionCancelRefused); got != "True OperatorRefused" {
			t.Errorf("CancelRefused is %q", got)
		}
	})
}

// gaveBack checks that nothing is left of the order's profile.
func (d *desk) gaveBack() {
	d.t.Helper()
	if held := d.shop.Bought() + d.shop.Stranded(); held != 0 {
		d.t.Errorf("%d profiles are left", held)
	}
	secret, err := d.shop.Secret(d.t.Context(), "order")
	if err != nil {
		d.t.Fatal(err)
	}
	if secret != nil {
		d.t.Error("the Secret is left")
	}
	if closing := d.look().Status.Provisioning.Closing; closing != "" {
		d.t.Errorf("closing is left: %s", closing)
	}
}

func TestAWalletPaysOnceItIsHeld(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	key := types.NamespacedName{Namespace: d.shop.Name, Name: testshop.WalletName}
	wallet, err := d.shop.Wallet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wallet.Finalizers = nil // as it is at first, before the wallet controller has seen it
	if err := d.api.Update(t.Context(), wallet); err != nil {
		t.Fatal(err)
	}
	d.order()
	if err := d.pass(); err != nil {
		t.Fatal(err)
	}
	if order := d.look(); order.Status.Charge != nil || order.Terminal() {
		t.Fatalf("%s, charge %+v, from a wallet that could vanish", summary(order), order.Status.Charge)
	}
	if _, err := d.WorkWallet(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	d.until("DELIVERED Delivered")
}
