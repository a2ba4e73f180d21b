package controllers

import (
	"context"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/instruments"
	"github.com/telcodev/esim-operator/internal/operators"
)

// balanceInterval is how often an operator is asked what is left in our account.
const balanceInterval = 5 * time.Minute

var operatorBalance = instruments.GaugeVec("esim_operator_balance",
	"What is left in our account at an operator, by EsimOperator and currency, in that currency. A float: for trends, not for books.",
	"operator", "currency")

// balances are what operators told last of our accounts.
type balances struct {
	mu     sync.Mutex
	byName map[string]operators.Balance
	asked  map[string]time.Time
}

// of is what is left in our account at an operator; nil where it does not tell. It is asked now
// and then; an answer that does not come leaves the last one.
func (b *balances) of(ctx context.Context, name string, driver operators.Driver, now time.Time) *operators.Balance {
	accountant, ok := driver.(operators.Accountant)
	if !ok {
		b.forget(name)
		return nil
	}
	b.mu.Lock()
	due := now.Sub(b.asked[name]) >= balanceInterval
	b.mu.Unlock()
	if due {
		balance, err := accountant.Balance(ctx)
		b.note(name, now, balance, err)
		if err != nil {
			ctrl.LoggerFrom(ctx).V(1).Info("The operator did not tell our balance", "cause", err.Error())
		} else {
			operatorBalance.WithLabelValues(name, balance.Currency).Set(inexact(v1alpha1.Amount(balance.Amount.String())))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.byName[name]; ok {
		return &known
	}
	return nil
}

func (b *balances) note(name string, at time.Time, balance operators.Balance, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.asked == nil {
		b.asked, b.byName = map[string]time.Time{}, map[string]operators.Balance{}
	}
	b.asked[name] = at
	if err == nil {
		b.byName[name] = balance
	}
}

func (b *balances) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.asked, name)
	if balance, ok := b.byName[name]; ok {
		operatorBalance.DeleteLabelValues(name, balance.Currency)
		delete(b.byName, name)
	}
}

// applyBalance says what is left, to a whole number, so that not every order costs a write; and
// whether that is nothing.
func applyBalance(operator *v1alpha1.EsimOperator, balance *operators.Balance, now time.Time) {
	conditions := (*[]metav1.Condition)(&operator.Status.Conditions)
	if balance == nil {
		operator.Status.Balance = nil
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionAccountEmpty)
		return
	}
	whole, _, _ := strings.Cut(balance.Amount.String(), ".")
	if whole == "-0" {
		whole = "0"
	}
	operator.Status.Balance = &v1alpha1.BalanceStatus{Amount: v1alpha1.Amount(whole), Currency: v1alpha1.Currency(balance.Currency)}
	empty := condition(v1alpha1.ConditionAccountEmpty, false, "Funded", "There is money in our account at the operator")
	if balance.Amount.Sign() <= 0 {
		empty = condition(v1alpha1.ConditionAccountEmpty, true, "Empty", "Our account at the operator is empty, and it refuses orders; top it up there")
	}
	empty.ObservedGeneration, empty.LastTransitionTime = operator.Generation, metav1.NewTime(now)
	meta.SetStatusCondition(conditions, empty)
}
