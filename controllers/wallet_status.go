package controllers

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// lowFundsPercent is how much of what a wallet can hold is little: a tenth of its largest
// deposit and its credit limit leaves time to have another deposit made. It is not measured by
// the sum of all deposits, which grows for as long as the wallet lives.
const lowFundsPercent = "10"

// statusOf is the status that the wallet has once a settlement is made.
func (r *WalletReconciler) statusOf(ctx context.Context, wallet *v1alpha1.EsimWallet, change settlement) (*v1alpha1.EsimWalletStatus, error) {
	updated := wallet.DeepCopy()
	status := &updated.Status
	status.ObservedGeneration, status.FirstUID, status.ID = wallet.Generation, wallet.FirstUID(), ids.Wallet(wallet.FirstUID())
	if err := change.apply(status); err != nil {
		return nil, fmt.Errorf("the settled totals of EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
	}
	funds, problem := fundsOf(wallet)
	if problem != nil {
		r.setWalletConditions(updated, condition(v1alpha1.ConditionReady, false, v1alpha1.WalletReasonInvalidSpec, cut(problem.Error())))
		return status, nil
	}
	totals, err := r.Ledger.Totals(ctx, wallet)
	if err != nil {
		return nil, fmt.Errorf("summing up EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
	}
	funds.available = totals.Balance.Add(funds.credit)
	status.Balance, status.Available = amountText(totals.Balance), amountText(funds.available)
	status.Deposited, status.Debited, status.Refunded = amountText(totals.Deposited), amountText(totals.Debited), amountText(totals.Refunded)
	status.OpenOrders = int32(min(totals.Open, 1<<31-1))

	low := funds.condition()
	conditions := []metav1.Condition{low}
	ready, err := r.walletReady(ctx, updated)
	if err != nil {
		return nil, err
	}
	if ready != nil {
		conditions = append(conditions, *ready)
	}
	r.setWalletConditions(updated, conditions...)
	r.gauges.set(wallet, funds, low.Status == metav1.ConditionTrue)
	return status, nil
}

func amountText(a money.Amount) v1alpha1.Amount { return v1alpha1.Amount(a.String()) }

// walletReady is what Ready says; nil where nothing holds a deleted wallet any more.
func (r *WalletReconciler) walletReady(ctx context.Context, wallet *v1alpha1.EsimWallet) (*metav1.Condition, error) {
	if wallet.DeletionTimestamp.IsZero() {
		ready := condition(v1alpha1.ConditionReady, true, v1alpha1.WalletReasonOpen, "Orders can pay with it")
		return &ready, nil
	}
	charged, err := r.Ledger.Charges(ctx, wallet)
	if err != nil {
		return nil, fmt.Errorf("counting the orders of EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
	}
	if charged == 0 {
		return nil, nil
	}
	held := condition(v1alpha1.ConditionReady, false, v1alpha1.WalletReasonInUse, fmt.Sprintf(
		"It is being deleted, and %d orders that it paid for are still there; it goes when they are deleted", charged))
	return &held, nil
}

func (r *WalletReconciler) setWalletConditions(wallet *v1alpha1.EsimWallet, conditions ...metav1.Condition) {
	for _, c := range conditions {
		c.ObservedGeneration, c.LastTransitionTime = wallet.Generation, metav1.NewTime(r.Clock.Now())
		meta.SetStatusCondition((*[]metav1.Condition)(&wallet.Status.Conditions), c)
	}
}

// funds are what a wallet has, and by what that is little.
type funds struct {
	// credit limit; 0 for a PREPAID wallet.
	credit money.Amount
	// largest single deposit.
	largest money.Amount
	// available is the balance and the credit limit.
	available money.Amount
}

// fundsOf reads the spec. The error names the field that cannot be used.
func fundsOf(wallet *v1alpha1.EsimWallet) (funds, error) {
	var f funds
	var err error
	if _, known := money.Lookup(string(wallet.Spec.Currency)); !known {
		return f, fmt.Errorf("spec.currency %q is not the ISO 4217 code of a currency in use; make a wallet in another one", wallet.Spec.Currency)
	}
	if f.credit, err = pricing.Credit(wallet); err != nil {
		return f, fmt.Errorf("spec.creditLimit cannot be used: %w", err)
	}
	for i, deposit := range wallet.Spec.Deposits {
		amount, err := money.Parse(string(deposit.Amount))
		if err != nil {
			return f, fmt.Errorf("spec.deposits[%d].amount cannot be used: %w", i, err)
		}
		if amount.Cmp(f.largest) > 0 {
			f.largest = amount
		}
	}
	for i, exchange := range wallet.Spec.ExchangeRates {
		rate, err := money.Parse(string(exchange.Rate))
		if err == nil && rate.Sign() <= 0 {
			err = errors.New("it must be greater than 0")
		}
		if err != nil {
			return f, fmt.Errorf("spec.exchangeRates[%d].rate cannot be used: %w", i, err)
		}
	}
	return f, nil
}

// condition is LowFunds.
func (f funds) condition() metav1.Condition {
	percent, err := money.Parse(lowFundsPercent)
	little := money.Amount{}
	if err == nil {
		little, err = f.largest.Add(f.credit).Percent(percent)
	}
	switch {
	case err != nil || f.available.Cmp(little) > 0: // no sum of money has too many digits
		return condition(v1alpha1.ConditionLowFunds, false, v1alpha1.WalletReasonEnough, "There is enough to buy with")
	case f.available.Sign() < 0:
		return condition(v1alpha1.ConditionLowFunds, true, v1alpha1.WalletReasonOverdrawn,
			"More was taken than there was; have a deposit added before anything else is bought")
	case f.available.Sign() == 0:
		return condition(v1alpha1.ConditionLowFunds, true, v1alpha1.WalletReasonEmpty, "Nothing is left; have a deposit added")
	default:
		return condition(v1alpha1.ConditionLowFunds, true, v1alpha1.WalletReasonLow,
			"A tenth or less is left of what the largest deposit and the credit limit give; have a deposit added")
	}
}

// apply makes the settlement in a wallet's status.
func (s settlement) apply(status *v1alpha1.EsimWalletStatus) error {
	totals, err := parseSettled(status.Settled)
	if err != nil {
		return err
	}
	var settling []v1alpha1.SettlingOrder
	for _, entry := range status.Settling {
		if _, answered := s.answered[entry.UID]; answered {
			continue
		}
		if corrected, wrong := s.corrections[entry.UID]; wrong {
			if err := totals.count(entry, -1); err != nil {
				return err
			}
			if err := totals.count(corrected, 1); err != nil {
				return err
			}
			entry = corrected
		}
		settling = append(settling, entry)
	}
	for _, counted := range s.batch {
		if err := totals.count(counted.entry, 1); err != nil {
			return err
		}
		settling = append(settling, counted.entry)
	}
	status.Settling = settling
	if totals.orders > 0 {
		status.Settled = v1alpha1.WalletSettled{
			Debited: amountText(totals.debited), Refunded: amountText(totals.refunded), Orders: totals.orders,
		}
	}
	return nil
}

// settledTotals are WalletSettled, to compute with.
type settledTotals struct {
	debited, refunded money.Amount
	orders            int64
}

func parseSettled(settled v1alpha1.WalletSettled) (settledTotals, error) {
	totals := settledTotals{orders: settled.Orders}
	for _, field := range []struct {
		text v1alpha1.Amount
		into *money.Amount
	}{{settled.Debited, &totals.debited}, {settled.Refunded, &totals.refunded}} {
		if field.text == "" {
			continue
		}
		amount, err := money.Parse(string(field.text))
		if err != nil {
			return totals, err
		}
		*field.into = amount
	}
	return totals, nil
}

// count adds an order, or with sign -1 takes it out.
func (t *settledTotals) count(entry v1alpha1.SettlingOrder, sign int) error {
	debited, err := money.Parse(string(entry.Debited))
	if err != nil {
		return fmt.Errorf("settling EsimOrder %s: %w", entry.Name, err)
	}
	refunded, err := money.Parse(string(entry.Refunded))
	if err != nil {
		return fmt.Errorf("settling EsimOrder %s: %w", entry.Name, err)
	}
	if sign < 0 {
		debited, refunded = debited.Neg(), refunded.Neg()
	}
	t.debited, t.refunded, t.orders = t.debited.Add(debited), t.refunded.Add(refunded), t.orders+int64(sign)
	return nil
}
