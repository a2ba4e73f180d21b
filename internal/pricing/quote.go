// Package pricing says what an order costs and which wallet pays. It is arithmetic only:
// the quote that a client is shown and the charge that it pays come from the same place, so
// that they cannot differ.
package pricing

import (
	"fmt"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// Request says what is to be bought, and by whom.
type Request struct {
	// Amount is the plan's price before discounts, in Currency.
	Amount v1alpha1.Decimal
	// Currency of the price.
	Currency v1alpha1.Currency
	// Product is the EsimProduct's name.
	Product string
	// Client holds the terms on which the namespace buys; nil for none.
	Client *v1alpha1.EsimClient
	// Wallets are all those of the namespace, in any order.
	Wallets []v1alpha1.EsimWallet
	// Wallet is the one that was asked for; nil where the choice is free.
	Wallet *v1alpha1.WalletReference
}

// Quote is what an order costs. Price, Discount and Total are in the price's currency and
// exact; Payable is in the wallet's.
type Quote struct {
	// Price before discounts.
	Price money.Amount
	// DiscountPercent is the best of those that apply; 0 for none.
	DiscountPercent money.Amount
	// Discount is that part of Price.
	Discount money.Amount
	// Total is Price less Discount.
	Total money.Amount
	// Wallet that pays, one of the request's.
	Wallet *v1alpha1.EsimWallet
	// Rate from the price's currency to the wallet's; nil where they are the same.
	Rate *v1alpha1.Rate
	// Payable is what the wallet pays: Total as it is or, with a rate, Total × Rate rounded
	// half-even to the minor units of the wallet's currency.
	Payable money.Amount
}

// Quote computes what the request costs. An error that is a Refusal tells whoever wants to
// buy what to do. Any other is a field that its kind's schema would refuse.
func (r Request) Quote() (Quote, error) {
	quote, err := r.discounted()
	if err != nil {
		return Quote{}, err
	}
	if quote.Wallet, err = r.wallet(); err != nil {
		return Quote{}, err
	}
	quote.Payable = quote.Total
	if quote.Wallet.Spec.Currency == r.Currency {
		return quote, nil
	}
	if quote.Rate, err = rate(quote.Wallet, r.Currency); err != nil {
		return Quote{}, err
	}
	if quote.Payable, err = exchange(quote.Total, *quote.Rate, quote.Wallet.Spec.Currency); err != nil {
		return Quote{}, err
	}
	return quote, nil
}

// discounted is the part of a quote that is in the price's currency.
func (r Request) discounted() (Quote, error) {
	price, err := money.Parse(string(r.Amount))
	if err != nil {
		return Quote{}, fmt.Errorf("the price of product %s: %w", r.Product, err)
	}
	percent, err := DiscountPercent(r.Client, r.Product)
	if err != nil {
		return Quote{}, err
	}
	discount, err := price.Percent(percent)
	if err != nil {
		return Quote{}, fmt.Errorf("the discount on product %s: %w", r.Product, err)
	}
	return Quote{Price: price, DiscountPercent: percent, Discount: discount, Total: price.Sub(discount)}, nil
}

// DiscountPercent is the best discount that a client has on a product; 0 for none. The error is a
// field that its kind's schema would refuse.
func DiscountPercent(client *v1alpha1.EsimClient, product string) (money.Amount, error) {
	var best money.Amount
	if client == nil {
		return best, nil
	}
	percents := []v1alpha1.Percent{client.Spec.DiscountPercent}
	for _, discount := range client.Spec.ProductDiscounts {
		if discount.Product == product {
			percents = append(percents, discount.Percent)
		}
	}
	for _, text := range percents {
		if text == "" {
			continue
		}
		percent, err := money.Parse(string(text))
		if err != nil {
			return money.Amount{}, fmt.Errorf("the client's discount on product %s: %w", product, err)
		}
		if percent.Cmp(best) > 0 {
			best = percent
		}
	}
	return best, nil
}

// exchange is what an amount is at a rate, in whole minor units of the currency. This is the
// one place where a price is rounded.
func exchange(amount money.Amount, rate v1alpha1.Rate, to v1alpha1.Currency) (money.Amount, error) {
	factor, err := money.Parse(string(rate))
	if err != nil {
		return money.Amount{}, fmt.Errorf("the exchange rate to %s: %w", to, err)
	}
	exact, err := amount.Mul(factor)
	if err != nil {
		return money.Amount{}, fmt.Errorf("exchanging to %s: %w", to, err)
	}
	rounded, err := exact.RoundTo(string(to))
	if err != nil {
		return money.Amount{}, fmt.Errorf("exchanging to %s: %w", to, err)
	}
	return rounded, nil
}
