package pricing_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// What the schema takes of prices, percents and rates. Halves of a minor unit, which are
// what rounding is about, come more often than by chance.
var (
	prices = rapid.OneOf(
		rapid.StringMatching(`(0|[1-9][0-9]{0,10})([.][0-9]{1,4})?`),
		rapid.StringMatching(`[0-9][.][0-9]{0,3}5`),
	)
	percents = rapid.OneOf(
		rapid.SampledFrom([]string{"", "0", "5", "50", "100", "100.00", "0.01", "99.99"}),
		rapid.StringMatching(`[1-9]?[0-9]([.][0-9]{1,2})?`),
	)
	exchangeRates = rapid.OneOf(
		rapid.SampledFrom([]string{"1", "0.5", "0.1", "1.5", "0.05", "0.00000001", "999999999.99999999"}),
		rapid.StringMatching(`[1-9][0-9]{0,8}([.][0-9]{1,8})?`),
	)
)

// drawn is a request whose wallet has the currency, and a rate from the price's.
func drawn(t *rapid.T) pricing.Request {
	return pricing.Request{
		Amount:   v1alpha1.Decimal(prices.Draw(t, "price")),
		Currency: "EUR",
		Product:  "japan",
		Wallet:   &v1alpha1.WalletReference{Name: "main"},
		Wallets: []v1alpha1.EsimWallet{wallet("main",
			v1alpha1.Currency(rapid.SampledFrom([]string{"EUR", "JPY", "USD", "KWD", "CLF", "UGX", "AFN"}).Draw(t, "currency")),
			rates{"EUR": v1alpha1.Rate(exchangeRates.Draw(t, "rate"))})},
		Client: client(v1alpha1.EsimClientSpec{
			DiscountPercent: v1alpha1.Percent(percents.Draw(t, "discount")),
			ProductDiscounts: []v1alpha1.ProductDiscount{
				{Product: "japan", Percent: v1alpha1.Percent(percents.Filter(func(s string) bool { return s != "" }).Draw(t, "product's discount"))},
			},
		}),
	}
}

func TestTotalIsPriceLessDiscountToTheLastDigit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := drawn(t)
		quote, err := request.Quote()
		if err != nil {
			t.Fatal(err)
		}
		price := fraction(t, string(request.Amount))
		best := fraction(t, string(request.Client.Spec.ProductDiscounts[0].Percent))
		if text := request.Client.Spec.DiscountPercent; text != "" && fraction(t, string(text)).Cmp(best) > 0 {
			best = fraction(t, string(text))
		}
		discount := new(big.Rat).Quo(new(big.Rat).Mul(price, best), big.NewRat(100, 1))
		equal(t, "percent", quote.DiscountPercent, best)
		equal(t, "price", quote.Price, price)
		equal(t, "discount", quote.Discount, discount)
		equal(t, "total", quote.Total, new(big.Rat).Sub(price, discount))
	})
}

func TestNothingIsEverNegative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quote, err := drawn(t).Quote()
		if err != nil {
			t.Fatal(err)
		}
		for what, amount := range map[string]money.Amount{
			"price": quote.Price, "discount": quote.Discount, "total": quote.Total, "payable": quote.Payable,
		} {
			if amount.Sign() < 0 {
				t.Fatalf("the %s is %s", what, amount)
			}
		}
	})
}

func TestPayableIsTotalOrRoundedOnceHalfEven(t *testing.T) {
	decimals := map[v1alpha1.Currency]int64{"JPY": 0, "UGX": 0, "USD": 2, "AFN": 2, "KWD": 3, "CLF": 4}
	rapid.Check(t, func(t *rapid.T) {
		request := drawn(t)
		quote, err := request.Quote()
		if err != nil {
			t.Fatal(err)
		}
		total := fraction(t, quote.Total.String())
		if request.Wallets[0].Spec.Currency == "EUR" {
			if quote.Rate != nil {
				t.Fatalf("a rate of %s from EUR to EUR", *quote.Rate)
			}
			equal(t, "payable", quote.Payable, total)
			return
		}
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(decimals[request.Wallets[0].Spec.Currency]), nil)
		units := new(big.Rat).Mul(fraction(t, quote.Payable.String()), new(big.Rat).SetInt(unit))
		if !units.IsInt() {
			t.Fatalf("%s %s is not whole minor units", quote.Payable, request.Wallets[0].Spec.Currency)
		}
		exact := new(big.Rat).Mul(total, fraction(t, string(*quote.Rate)))
		off := new(big.Rat).Sub(units, exact.Mul(exact, new(big.Rat).SetInt(unit)))
		half := off.Abs(off).Cmp(big.NewRat(1, 2))
		if half > 0 || half == 0 && units.Num().Bit(0) == 1 {
			t.Fatalf("%s × %s is not %s %s", quote.Total, *quote.Rate, quote.Payable, request.Wallets[0].Spec.Currency)
		}
	})
}

// Whatever the schema takes, the quote's amounts fit into the status that they are written to.
func TestAmountsFitIntoStatus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quote, err := drawn(t).Quote()
		if err != nil {
			t.Fatal(err)
		}
		for what, amount := range map[string]money.Amount{"total": quote.Total, "payable": quote.Payable} {
			scaled := new(big.Rat).Mul(fraction(t, amount.String()), big.NewRat(100_000_000, 1))
			if !scaled.IsInt() || len(amount.String()) > 40 {
				t.Fatalf("the %s is %s: more than 8 decimals, or 40 characters", what, amount)
			}
		}
	})
}

func fraction(t *rapid.T, text string) *big.Rat {
	t.Helper()
	rat, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is not a number", text)
	}
	return rat
}

func equal(t *rapid.T, what string, got money.Amount, want *big.Rat) {
	t.Helper()
	if fraction(t, got.String()).Cmp(want) != 0 {
		t.Fatalf("the %s is %s, want %s", what, got, want.RatString())
	}
}
