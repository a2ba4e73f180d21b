package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/telcodev/esim-operator/api/rest/decimal"
	"github.com/telcodev/esim-operator/api/v1alpha1"
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
		c.NetAmount, c.HandlingFeeAmount = &c.TotalPayable, orAbsent(decimal.Number("0"))
		c.ChargesDetails.ForexRate = orAbsent(decimal.Number(*quote.Rate))
		c.ChargesDetails.ConversionFee = orAbsent(decimal.Number("0"))
	}
	return c
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
		list = append(list, wire.Wallet{
			ID: ids.Wallet(wallet.UID), CurrencyID: int64(currency.Numeric), Currency: currency.Code,
			Amount: decimal.Number(cmp.Or(wallet.Status.Balance, "0")),
			Type:   wire.WalletType(cmp.Or(wallet.Spec.Type, v1alpha1.WalletPrepaid)),
		})
	}
	slices.SortFunc(list, func(a, b wire.Wallet) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// ListTransactions lists what became of the caller's money, newest first.
func (s *Server) ListTransactions(ctx context.Context, r wire.ListTransactionsRequestObject) (wire.ListTransactionsResponseObject, error) {
	who, err := identity(ctx)
	if err != nil {
		return nil, err
	}
	wallets, err := s.wallets(ctx, who.Namespace)
	if err != nil {
		return nil, err
	}
	var lines []wire.Transaction
	for i := range wallets {
		if r.Params.WalletID != nil && ids.Wallet(wallets[i].UID) != *r.Params.WalletID {
			continue
		}
		of, err := s.transactions(&wallets[i])
		if err != nil {
			return nil, err
		}
		lines = append(lines, of...)
	}
	slices.SortStableFunc(lines, func(a, b wire.Transaction) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID), cmp.Compare(a.WalletID, b.WalletID))
	})
	page, size := paging(r.Params.Page, r.Params.PerPage, r.Params.Limit)
	shown := cut(lines, page, size)
	return wire.ListTransactions200JSONResponse{
		Body: shown, Headers: wire.ListTransactions200ResponseHeaders(pageHeaders(page, size, len(shown), len(lines))),
	}, nil
}

// transactions are a wallet's statement.
func (s *Server) transactions(wallet *v1alpha1.EsimWallet) ([]wire.Transaction, error) {
	var charged []v1alpha1.EsimOrder
	for order := range s.Desk.Index.All(wallet.Namespace) {
		if order.Status.Charge != nil && order.Status.Charge.WalletUID == wallet.UID {
			charged = append(charged, *order)
		}
	}
	statement, err := ledger.StatementOf(wallet, charged)
	if err != nil {
		return nil, err
	}
	lines := make([]wire.Transaction, 0, len(statement.Transactions))
	for _, t := range statement.Transactions {
		line := wire.Transaction{
			ID: t.ID, WalletID: ids.Wallet(wallet.UID), Amount: number(t.Amount),
			TransactionType: wire.TransactionTransactionType(t.Direction), Status: wire.TransactionStatusCOMPLETED,
			OrderID: orAbsent(t.OrderID), Remarks: t.Remarks, CreatedAt: t.Time.UTC(),
		}
		if t.SourceCurrency != "" {
			line.SourceCurrency = orAbsent(string(t.SourceCurrency))
			line.DestinationCurrency = orAbsent(string(wallet.Spec.Currency))
			line.ForexRate = orAbsent(decimal.Number(t.Rate))
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// cut is a page of a list; empty, not nil, where it is beyond the last.
func cut[T any](list []T, number, size int) []T {
	// Without multiplying: a page's number may be as large as its caller likes.
	if number-1 > len(list)/size {
		return []T{}
	}
	start := min((number-1)*size, len(list))
	return append([]T{}, list[start:start+min(size, len(list)-start)]...)
}
