package ledger_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/ledger"
)

// refusal is what an error refuses; the zero Refusal for another error or none.
func refusal(err error) ledger.Refusal {
	if refusal := (*ledger.Refusal)(nil); errors.As(err, &refusal) {
		return *refusal
	}
	return ledger.Refusal{}
}

func isRefusal(err error) bool { return refusal(err).Code != "" }

// A refusal is for good, so the API server is asked before there is one.
func TestWhatTheCacheDoesNotShowYetIsPaidWith(t *testing.T) {
	euros := func(w *v1alpha1.EsimWallet) {
		w.Spec.Currency = "EUR"
		w.Spec.ExchangeRates = []v1alpha1.ExchangeRate{{From: "USD", Rate: "0.9"}}
	}
	for name, change := range map[string]func(a *acme){
		"a deposit": func(a *acme) {
			wallet := a.walletNow("main")
			wallet.Spec.Deposits = append(wallet.Spec.Deposits, v1alpha1.WalletDeposit{Reference: "second", Amount: "9"})
			a.must(a.api.Update(t.Context(), wallet))
		},
		"a wallet": func(a *acme) {
			wallet := a.walletNow("main")
			a.dropWallet(wallet)
			a.wallet("another", "10")
		},
		"a client's currency": func(a *acme) {
			a.dropWallet(a.walletNow("main"))
			a.wallet("euros", "9", euros)
			a.client(v1alpha1.EsimClientSpec{DefaultCurrency: "EUR"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, cache := newAcme(t), newAcme(t)
			a.wallet("main", "1")
			wallet := a.walletNow("main")
			wallet.ResourceVersion = ""
			a.must(cache.api.Create(t.Context(), wallet))
			change(a)
			books := a.ledger()
			books.Cache = cache.api
			a.charged(books, "order", "10")
		})
	}
}

func (a *acme) client(spec v1alpha1.EsimClientSpec) {
	a.t.Helper()
	a.must(a.api.Create(a.t.Context(), &v1alpha1.EsimClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: v1alpha1.ClientName}, Spec: spec,
	}))
}

func TestWhyAnOrderCannotBeCharged(t *testing.T) {
	named := func(name string) func(*v1alpha1.EsimOrder) {
		return func(o *v1alpha1.EsimOrder) { o.Spec.WalletRef = &v1alpha1.WalletReference{Name: name} }
	}
	for name, tc := range map[string]struct {
		order func(*v1alpha1.EsimOrder)
		want  ledger.Refusal
	}{
		"there is too little": {
			func(o *v1alpha1.EsimOrder) { o.Spec.Amount = "10.01" },
			ledger.Refusal{Code: v1alpha1.FailureInsufficientFunds, Reason: "the order costs 10.01 USD, and wallet main has 10 USD to spend; " +
				"have a deposit added, or order something cheaper"},
		},
		"there is no such wallet": {
			named("nowhere"),
			ledger.Refusal{Code: v1alpha1.FailureInvalidWallet, Reason: `there is no wallet "nowhere"; name one that exists in walletRef, or leave it out`},
		},
		"it has no rate": {
			named("yen"),
			ledger.Refusal{Code: v1alpha1.FailureNoExchangeRate, Reason: `the wallet "yen", in JPY, has no exchange rate from USD; ` +
				`have one set up, or name in walletRef a wallet in USD`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			main := a.wallet("main", "10")
			a.wallet("yen", "100000", func(w *v1alpha1.EsimWallet) { w.Spec.Currency = "JPY" })
			books := a.ledger()
			_, err := books.Reserve(t.Context(), a.order("order", "4", tc.order))
			if diff := cmp.Diff(tc.want, refusal(err)); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(sums{"10", "10", 0}, a.sums(books, main)); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithoutAnyWalletInTheCurrencyAnOrderIsRefused(t *testing.T) {
	a := newAcme(t)
	_, err := a.ledger().Reserve(t.Context(), a.order("order", "4"))
	want := ledger.Refusal{Code: v1alpha1.FailureInvalidWallet, Reason: "there is no wallet in USD; have one set up, " +
		"or name in walletRef a wallet with an exchange rate from USD"}
	if diff := cmp.Diff(want, refusal(err)); diff != "" {
		t.Errorf("refusal (-want +got):\n%s", diff)
	}
}

// A postpaid wallet is charged down to its limit, and not below.
func TestACreditLimitIsSpentToTheLastCent(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "1", func(w *v1alpha1.EsimWallet) {
		w.Spec.Type, w.Spec.CreditLimit = v1alpha1.WalletPostpaid, "9"
	})
	books := a.ledger()
	a.charged(books, "order", "10")
	if diff := cmp.Diff(sums{"-9", "0", 1}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if err := a.charge(books, a.order("another", "0.01")); refusal(err).Code != v1alpha1.FailureInsufficientFunds {
		t.Errorf("another cent: %v, want INSUFFICIENT_FUNDS", err)
	}
}

// What is written into the order says how its price came about.
func TestACharge(t *testing.T) {
	for name, tc := range map[string]struct {
		terms v1alpha1.EsimClientSpec
		order func(*v1alpha1.EsimOrder)
		want  v1alpha1.OrderCharge
	}{
		"at the plan's price": {
			want: v1alpha1.OrderCharge{WalletRef: v1alpha1.WalletReference{Name: "main"}, Amount: "4.5", Currency: "USD"},
		},
		"with a discount": {
			terms: v1alpha1.EsimClientSpec{DiscountPercent: "5"},
			want:  v1alpha1.OrderCharge{WalletRef: v1alpha1.WalletReference{Name: "main"}, Amount: "4.275", Currency: "USD", DiscountPercent: "5"},
		},
		"with a discount of everything": {
			terms: v1alpha1.EsimClientSpec{DiscountPercent: "100"},
			want:  v1alpha1.OrderCharge{WalletRef: v1alpha1.WalletReference{Name: "main"}, Amount: "0", Currency: "USD", DiscountPercent: "100"},
		},
		"in another currency, with a discount": {
			terms: v1alpha1.EsimClientSpec{DiscountPercent: "5"},
			order: func(o *v1alpha1.EsimOrder) { o.Spec.WalletRef = &v1alpha1.WalletReference{Name: "yen"} },
			want: v1alpha1.OrderCharge{
				WalletRef: v1alpha1.WalletReference{Name: "yen"}, Amount: "641", Currency: "JPY", DiscountPercent: "5", ExchangeRate: "150",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			a.wallet("main", "4.5")
			a.wallet("yen", "1000", func(w *v1alpha1.EsimWallet) {
				w.Spec.Currency = "JPY"
				w.Spec.ExchangeRates = []v1alpha1.ExchangeRate{{From: "USD", Rate: "150"}}
			})
			a.client(tc.terms)
			if tc.order == nil {
				tc.order = func(*v1alpha1.EsimOrder) {}
			}
			order := a.order("order", "4.50", tc.order)
			reservation, err := a.ledger().Reserve(t.Context(), order)
			a.must(err)
			defer reservation.Unused()
			tc.want.WalletUID = a.walletNow(tc.want.WalletRef.Name).UID
			tc.want.TransactionID, tc.want.Time = ids.Debit(order.Status.ID), metav1.NewTime(a.clock.Now())
			if diff := cmp.Diff(&tc.want, reservation.Charge); diff != "" {
				t.Errorf("charge (-want +got):\n%s", diff)
			}
		})
	}
}

// An order that costs nothing is paid from an empty wallet.
func TestAnOrderThatCostsNothingNeedsNoMoney(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "0")
	a.client(v1alpha1.EsimClientSpec{DiscountPercent: "100"})
	books := a.ledger()
	a.charged(books, "order", "4.50")
	if diff := cmp.Diff(sums{"0", "0", 1}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}
