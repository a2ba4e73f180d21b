package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/money"
)

// Direction of a transaction, in the words of the REST contract.
type Direction string

// The directions of a transaction.
const (
	Credit Direction = "CREDIT"
	Debit  Direction = "DEBIT"
)

// Transaction is one line of a statement.
type Transaction struct {
	// ID as DebitID, RefundID and DepositID make it; 0 for the line that carries forward the
	// orders that are gone.
	ID        int64
	Direction Direction
	// Amount is never negative, and in the wallet's currency.
	Amount money.Amount
	// Order that the line is about, by name and id; empty for deposits and the line that carries
	// forward.
	Order   string
	OrderID int64
	// SourceCurrency and Rate, where the price was in another currency.
	SourceCurrency v1alpha1.Currency
	Rate           v1alpha1.Rate
	// Remarks say in plain words what the line is.
	Remarks string
	// Time of the entry. A deposit has none of its own: it has its wallet's creation time. So
	// has the line that carries forward.
	Time time.Time
}

// signed is the amount as it changes the balance.
func (t Transaction) signed() money.Amount {
	if t.Direction == Debit {
		return t.Amount.Neg()
	}
	return t.Amount
}

// Statement is what became of a wallet's money, newest first.
type Statement struct {
	Transactions []Transaction
	// Balance is the sum of all lines, and the balance of the wallet.
	Balance money.Amount
}

// StatementOf makes a wallet's statement from its orders, of which others are passed over.
// Orders that are gone are one line, carried forward. Of wallet and orders that were read at
// one moment it sums to the balance at that moment.
func StatementOf(wallet *v1alpha1.EsimWallet, orders []v1alpha1.EsimOrder) (Statement, error) {
	lines, err := WalletLines(wallet)
	if err != nil {
		return Statement{}, err
	}
	settling := settlingNow([]v1alpha1.EsimWallet{*wallet})
	for i := range orders {
		order := &orders[i]
		if _, settled := settling[order.FirstUID()]; settled || !counts(order) || order.Status.Charge.WalletUID != wallet.FirstUID() {
			continue
		}
		of, err := OrderLines(order)
		if err != nil {
			return Statement{}, err
		}
		lines = append(lines, of...)
	}
	newestFirst(lines)
	statement := Statement{Transactions: lines}
	for _, line := range lines {
		statement.Balance = statement.Balance.Add(line.signed())
	}
	return statement, nil
}

// WalletLines are a wallet's deposits, and the line that carries forward the orders that are
// gone, newest first.
func WalletLines(wallet *v1alpha1.EsimWallet) ([]Transaction, error) {
	var lines []Transaction
	for _, deposit := range wallet.Spec.Deposits {
		amount, err := money.Parse(string(deposit.Amount))
		if err != nil {
			return nil, fmt.Errorf("the deposit %q of wallet %s: %w", deposit.Reference, wallet.Name, err)
		}
		lines = append(lines, line(Transaction{
			ID: ids.Deposit(wallet.FirstUID(), deposit.Reference), Amount: amount,
			Remarks: "Deposit " + deposit.Reference, Time: wallet.CreationTimestamp.Time,
		}))
	}
	var a account
	if err := a.adopt(wallet); err != nil {
		return nil, err
	}
	if orders := wallet.Status.Settled.Orders; orders > 0 {
		lines = append(lines, line(Transaction{
			Amount:  a.settledRefunded.Sub(a.settledDebited),
			Remarks: fmt.Sprintf("Carried forward from orders that are gone: %d", orders), Time: wallet.CreationTimestamp.Time,
		}))
	}
	newestFirst(lines)
	return lines, nil
}

func newestFirst(lines []Transaction) {
	slices.SortStableFunc(lines, func(a, b Transaction) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID))
	})
}

// Counts tells whether an order has a charge that is one of a live order: that of an order
// that is deleted and lacks the finalizer is settled, or its wallet is gone.
func Counts(order *v1alpha1.EsimOrder) bool { return counts(order) }

// OrderLines are an order's charge and then, where there is one, its refund. They are lines of
// its wallet's statement while Counts is true of it, and the wallet is not settling it.
func OrderLines(order *v1alpha1.EsimOrder) ([]Transaction, error) {
	charge := order.Status.Charge
	amount, err := money.Parse(string(charge.Amount))
	if err != nil {
		return nil, fmt.Errorf("the charge of EsimOrder %s: %w", order.Name, err)
	}
	debit := Transaction{
		ID: charge.TransactionID, Direction: Debit, Amount: amount, Order: order.Name, OrderID: order.Status.ID,
		Remarks: "Order " + order.Name, Time: charge.Time.Time,
	}
	if plan := order.Status.Plan; plan != nil {
		debit.Remarks = plan.DisplayName
		if plan.Currency != charge.Currency {
			debit.SourceCurrency, debit.Rate = plan.Currency, charge.ExchangeRate
		}
	}
	if charge.Refund == nil {
		return []Transaction{debit}, nil
	}
	refund := debit
	refund.ID, refund.Direction, refund.Time = charge.Refund.TransactionID, Credit, charge.Refund.Time.Time
	refund.Remarks = "Refund: " + charge.Refund.Reason
	return []Transaction{debit, refund}, nil
}

// line gives an amount with a sign its direction.
func line(t Transaction) Transaction {
	t.Direction = Credit
	if t.Amount.Sign() < 0 {
		t.Direction, t.Amount = Debit, t.Amount.Neg()
	}
	return t
}
