package pricing_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// wallet has rates by the currency that they are from.
func wallet(name string, currency v1alpha1.Currency, rates map[v1alpha1.Currency]v1alpha1.Rate) v1alpha1.EsimWallet {
	w := v1alpha1.EsimWallet{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "acme"},
		Spec:       v1alpha1.EsimWalletSpec{Currency: currency},
	}
	for from, rate := range rates {
		w.Spec.ExchangeRates = append(w.Spec.ExchangeRates, v1alpha1.ExchangeRate{From: from, Rate: rate})
	}
	return w
}

func deleted(w v1alpha1.EsimWallet) v1alpha1.EsimWallet {
	w.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	return w
}

func client(spec v1alpha1.EsimClientSpec) *v1alpha1.EsimClient {
	return &v1alpha1.EsimClient{Spec: spec}
}

type rates = map[v1alpha1.Currency]v1alpha1.Rate

// told is a quote as a client is told it.
type told struct{ Price, Percent, Discount, Total, Wallet, Rate, Payable string }

func tell(q pricing.Quote) told {
	t := told{
		Price: q.Price.String(), Percent: q.DiscountPercent.String(), Discount: q.Discount.String(),
		Total: q.Total.String(), Wallet: q.Wallet.Name, Payable: q.Payable.String(),
	}
	if q.Rate != nil {
		t.Rate = string(*q.Rate)
	}
	return t
}

func TestQuote(t *testing.T) {
	usd := []v1alpha1.EsimWallet{wallet("main", "USD", nil)}
	for name, test := range map[string]struct {
		request pricing.Request
		want    told
	}{
		"4.50 at 5 % costs 4.275: nothing is rounded without an exchange": {
			pricing.Request{
				Amount: "4.50", Currency: "USD", Product: "japan", Wallets: usd,
				Client: client(v1alpha1.EsimClientSpec{DiscountPercent: "5"}),
			},
			told{"4.5", "5", "0.225", "4.275", "main", "", "4.275"},
		},
		"241.25 at a rate of 1.17 costs 282.26": {
			pricing.Request{
				Amount: "241.25", Currency: "EUR", Product: "japan",
				Wallets: []v1alpha1.EsimWallet{wallet("main", "USD", rates{"EUR": "1.17"})},
				Client:  client(v1alpha1.EsimClientSpec{DefaultCurrency: "USD"}),
			},
			told{"241.25", "0", "0", "241.25", "main", "1.17", "282.26"},
		},
		"a client without terms pays the price": {
			pricing.Request{Amount: "4.50", Currency: "USD", Product: "japan", Wallets: usd},
			told{"4.5", "0", "0", "4.5", "main", "", "4.5"},
		},
		"discount and exchange are rounded once, at the end": {
			// 4.55 less 9 % is 4.1405; × 1600 that is 6624.8. Cents first would make 6624.
			pricing.Request{
				Amount: "4.55", Currency: "EUR", Product: "japan",
				Wallets: []v1alpha1.EsimWallet{wallet("main", "KRW", rates{"EUR": "1600"})},
				Wallet:  &v1alpha1.WalletReference{Name: "main"},
				Client:  client(v1alpha1.EsimClientSpec{DiscountPercent: "9"}),
			},
			told{"4.55", "9", "0.4095", "4.1405", "main", "1600", "6625"},
		},
		"an exchange to yen has no decimals": {
			pricing.Request{
				Amount: "4.50", Currency: "USD", Product: "japan",
				Wallets: []v1alpha1.EsimWallet{wallet("main", "JPY", rates{"USD": "151.67"})},
				Wallet:  &v1alpha1.WalletReference{Name: "main"},
			},
			told{"4.5", "0", "0", "4.5", "main", "151.67", "683"}, // 682.515
		},
		"the product's discount wins where it is better": {
			pricing.Request{
				Amount: "100", Currency: "USD", Product: "japan", Wallets: usd,
				Client: client(v1alpha1.EsimClientSpec{DiscountPercent: "9.5", ProductDiscounts: []v1alpha1.ProductDiscount{
					{Product: "france", Percent: "50"}, {Product: "japan", Percent: "10"},
				}}),
			},
			told{"100", "10", "10", "90", "main", "", "90"},
		},
		"the general discount wins where it is better": {
			pricing.Request{
				Amount: "100", Currency: "USD", Product: "japan", Wallets: usd,
				Client: client(v1alpha1.EsimClientSpec{DiscountPercent: "10.25", ProductDiscounts: []v1alpha1.ProductDiscount{
					{Product: "japan", Percent: "9.99"},
				}}),
			},
			told{"100", "10.25", "10.25", "89.75", "main", "", "89.75"},
		},
		"the whole price may be given away": {
			pricing.Request{
				Amount: "4.50", Currency: "USD", Product: "japan", Wallets: usd,
				Client: client(v1alpha1.EsimClientSpec{DiscountPercent: "100"}),
			},
			told{"4.5", "100", "4.5", "0", "main", "", "0"},
		},
		"the wallet that was asked for pays, also with an exchange that another would not need": {
			pricing.Request{
				Amount: "10", Currency: "USD", Product: "japan",
				Wallets: []v1alpha1.EsimWallet{wallet("dollars", "USD", nil), wallet("euros", "EUR", rates{"USD": "0.9"})},
				Wallet:  &v1alpha1.WalletReference{Name: "euros"},
			},
			told{"10", "0", "0", "10", "euros", "0.9", "9"},
		},
		"of several wallets in the price's currency the first by name pays": {
			pricing.Request{
				Amount: "10", Currency: "USD", Product: "japan",
				Wallets: []v1alpha1.EsimWallet{
					wallet("c", "USD", nil), wallet("b", "USD", nil), deleted(wallet("a", "USD", nil)), wallet("aa", "EUR", nil),
				},
				Client: client(v1alpha1.EsimClientSpec{DefaultCurrency: "EUR"}),
			},
			told{"10", "0", "0", "10", "b", "", "10"},
		},
		"the wallet in the default currency pays where none has the price's": {
			pricing.Request{
				Amount: "10", Currency: "USD", Product: "japan",
				Wallets: []v1alpha1.EsimWallet{
					deleted(wallet("dollars", "USD", nil)), wallet("pounds", "GBP", rates{"USD": "0.8"}), wallet("euros", "EUR", rates{"USD": "0.9"}),
				},
				Client: client(v1alpha1.EsimClientSpec{DefaultCurrency: "EUR"}),
			},
			told{"10", "0", "0", "10", "euros", "0.9", "9"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.request.Quote()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, tell(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestQuoteRefuses(t *testing.T) {
	euros := wallet("euros", "EUR", rates{"GBP": "1.15"})
	for name, test := range map[string]struct {
		wallets  []v1alpha1.EsimWallet
		asked    string
		currency v1alpha1.Currency
		kind     error
		reason   string
	}{
		"a wallet that is not there": {
			wallets: []v1alpha1.EsimWallet{euros}, asked: "other", kind: pricing.ErrUnknownWallet,
			reason: `there is no wallet "other"; name one that exists in walletRef, or leave it out`,
		},
		"a wallet that is being deleted": {
			wallets: []v1alpha1.EsimWallet{deleted(euros)}, asked: "euros", kind: pricing.ErrUnknownWallet,
			reason: `the wallet "euros" is being deleted; name another in walletRef, or leave it out`,
		},
		"to choose among no wallets": {
			kind: pricing.ErrNoWallet,
			reason: `there is no wallet in USD; have one set up, ` +
				`or name in walletRef a wallet with an exchange rate from USD`,
		},
		"to take a wallet in any other currency": {
			wallets: []v1alpha1.EsimWallet{euros}, kind: pricing.ErrNoWallet,
			reason: `there is no wallet in USD; have one set up, ` +
				`or name in walletRef a wallet with an exchange rate from USD`,
		},
		"to name a currency twice": {
			wallets: []v1alpha1.EsimWallet{euros}, currency: "USD", kind: pricing.ErrNoWallet,
			reason: `there is no wallet in USD; have one set up, ` +
				`or name in walletRef a wallet with an exchange rate from USD`,
		},
		"a default currency that no wallet has": {
			wallets: []v1alpha1.EsimWallet{euros}, currency: "JPY", kind: pricing.ErrNoWallet,
			reason: `there is no wallet in USD, nor in the default currency JPY; have one set up, ` +
				`or name in walletRef a wallet with an exchange rate from USD`,
		},
		"a wallet without a rate, asked for": {
			wallets: []v1alpha1.EsimWallet{euros}, asked: "euros", kind: pricing.ErrNoRate,
			reason: `the wallet "euros", in EUR, has no exchange rate from USD; have one set up, ` +
				`or name in walletRef a wallet in USD`,
		},
		"a wallet without a rate, by default": {
			wallets: []v1alpha1.EsimWallet{euros}, currency: "EUR", kind: pricing.ErrNoRate,
			reason: `the wallet "euros", in EUR, has no exchange rate from USD; have one set up, ` +
				`or name in walletRef a wallet in USD`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			request := pricing.Request{
				Amount: "4.50", Currency: "USD", Product: "japan", Wallets: test.wallets,
				Client: client(v1alpha1.EsimClientSpec{DefaultCurrency: test.currency}),
			}
			if test.asked != "" {
				request.Wallet = &v1alpha1.WalletReference{Name: test.asked}
			}
			_, err := request.Quote()
			if !errors.Is(err, test.kind) {
				t.Fatalf("%v, want %v", err, test.kind)
			}
			if diff := cmp.Diff(test.reason, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Objects may be older than the schema: what it would refuse now is an error, never a price.
func TestQuoteRefusesWhatNoSchemaTakes(t *testing.T) {
	good := pricing.Request{
		Amount: "4.50", Currency: "USD", Product: "japan", Wallet: &v1alpha1.WalletReference{Name: "main"},
		Wallets: []v1alpha1.EsimWallet{wallet("main", "EUR", rates{"USD": "0.9"})},
		Client:  client(v1alpha1.EsimClientSpec{DiscountPercent: "5"}),
	}
	if _, err := good.Quote(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		spoil func(*pricing.Request)
		want  error
	}{
		"price":    {func(r *pricing.Request) { r.Amount = "4,50" }, money.ErrNotDecimal},
		"discount": {func(r *pricing.Request) { r.Client.Spec.DiscountPercent = "five" }, money.ErrNotDecimal},
		"rate": {func(r *pricing.Request) {
			r.Wallets = []v1alpha1.EsimWallet{wallet("main", "EUR", rates{"USD": "1e2"})}
		}, money.ErrNotDecimal},
		"currency": {func(r *pricing.Request) {
			r.Wallets = []v1alpha1.EsimWallet{wallet("main", "BGN", rates{"USD": "1.7"})}
		}, money.ErrUnknownCurrency},
	} {
		t.Run(name, func(t *testing.T) {
			request := good
			request.Client = good.Client.DeepCopy()
			test.spoil(&request)
			quote, err := request.Quote()
			var refusal *pricing.Refusal
			if !errors.Is(err, test.want) || errors.As(err, &refusal) {
				t.Errorf("%v, %v; want %v", quote, err, test.want)
			}
		})
	}
}

func BenchmarkQuote(b *testing.B) {
	request := pricing.Request{
		Amount: "241.25", Currency: "EUR", Product: "japan",
		Wallets: []v1alpha1.EsimWallet{wallet("main", "USD", rates{"EUR": "1.17"})},
		Client:  client(v1alpha1.EsimClientSpec{DiscountPercent: "5", DefaultCurrency: "USD"}),
	}
	for b.Loop() {
		if _, err := request.Quote(); err != nil {
			b.Fatal(err)
		}
	}
}
