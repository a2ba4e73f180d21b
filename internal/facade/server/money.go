package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/telcodev/esim-operator/api/rest/decimal"
	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/present"
	"github.com/telcodev/esim-operator/internal/facade/wire"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// number is an amount with exactly its digits.
func number(amount money.Amount) decimal.Number { return decimal.Number(amount.String()) }

// charges is a quote as REST clients see it. What is about exchange is there only with it.
func charges(quote *pricing.Quote, currency v1alpha1.Currency) wire.Charges {
	c := wire.Charges{
		NonDiscountedTotal: number(quote.Price), DiscountAmount: number(quote.Discount),
		TotalAmount: number(quote.Total), Discount: number(quote.DiscountPercent), TotalPayable: number(quote.Payable),
		ChargesDetails: wire.ChargesDetails{
			SourceCurrency: string(currency), DestinationCurrency: string(quote.Wallet.Spec.Currency),
		},
	}
	if quote.Rate != nil {
		c.NetAmount, c.HandlingFeeAmount = &c.TotalPayable, present.OrAbsent(decimal.Number("0"))
		c.ChargesDetails.ForexRate = present.OrAbsent(decimal.Number(*quote.Rate))
		c.ChargesDetails.ConversionFee = present.OrAbsent(decimal.Number("0"))
	}
	return c
}

// balanceOf is the sum of a wallet's statement. It is not status.balance, which is written a
// moment after the orders that change it: a client would see its debit and not what is left.
func balanceOf(wallet *v1alpha1.EsimWallet, entries *orders.Entries) (money.Amount, error) {
	sum, err := entries.Net()
	if err != nil {
		return sum, fmt.Errorf("the balance of wallet %s: %w", wallet.Name, err)
	}
	own, err := ledger.WalletLines(wallet)
	if err != nil {
		return sum, err
	}
	for i := range own {
		if own[i].Direction == ledger.Debit {
			sum = sum.Sub(own[i].Amount)
		} else {
			sum = sum.Add(own[i].Amount)
		}
	}
	return sum, nil
}

// ListWallets lists the caller's wallets, by id.
func (s *Server) ListWallets(ctx context.Context, _ wire.ListWalletsRequestObject) (wire.ListWalletsResponseObject, error) {
	who, err := identity(ctx)
	if err != nil {
		return nil, err
	}
	wallets, err := s.wallets(ctx, who.Namespace)
	if err != nil {
		return nil, err
	}
	list := make(wire.ListWallets200JSONResponse, 0, len(wallets))
	for i := range wallets {
		wallet := &wallets[i]
		currency, ok := money.Lookup(string(wallet.Spec.Currency))
		if !ok {
			return nil, fmt.Errorf("wallet %s: %w", wallet.Name, money.ErrUnknownCurrency)
		}
		balance, err := balanceOf(wallet, s.Desk.Index.Entries(wallet))
		if err != nil {
			return nil, err
		}
		list = append(list, wire.Wallet{
			ID: ids.Wallet(wallet.FirstUID()), CurrencyID: int64(currency.Numeric), Currency: currency.Code,
			Amount: number(balance),
			Type:   wire.WalletType(cmp.Or(wallet.Spec.Type, v1alpha1.WalletPrepaid)),
		})
	}
	slices.SortFunc(list, func(a, b wire.Wallet) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}
