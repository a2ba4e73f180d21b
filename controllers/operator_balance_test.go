package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
)

// account is a driver whose operator tells what is left.
type account struct {
	operators.Driver
	left  string
	err   error
	asked int
}

func (a *account) Balance(context.Context) (operators.Balance, error) {
	a.asked++
	amount, err := money.Parse(a.left)
	return operators.Balance{Amount: amount, Currency: "USD"}, errors.Join(err, a.err)
}

func TestABalanceIsShownRoundedAndAskedForNowAndThen(t *testing.T) {
	var b balances
	a := &account{left: "12.99"}
	operator := &v1alpha1.EsimOperator{}
	show := func(at time.Time) string {
		applyBalance(operator, b.of(t.Context(), "vendor", a, at), at)
		if operator.Status.Balance == nil {
			return ""
		}
		return string(operator.Status.Balance.Amount)
	}
	if got := show(noon); got != "12" {
		t.Errorf("12.99 is shown as %q", got)
	}
	a.left = "0"
	if got := show(noon.Add(time.Minute)); got != "12" || a.asked != 1 {
		t.Errorf("a minute later it is %q, and the operator was asked %d times", got, a.asked)
	}
	if got := show(noon.Add(balanceInterval)); got != "0" || !meta.IsStatusConditionTrue(operator.Status.Conditions, v1alpha1.ConditionAccountEmpty) {
		t.Errorf("an empty account is shown as %q with %+v", got, operator.Status.Conditions)
	}
	a.left, a.err = "50", errors.New("away")
	if got := show(noon.Add(2 * balanceInterval)); got != "0" {
		t.Errorf("an answer that did not come is shown as %q", got)
	}
	a.err = nil
	if got := show(noon.Add(3 * balanceInterval)); got != "50" || meta.IsStatusConditionTrue(operator.Status.Conditions, v1alpha1.ConditionAccountEmpty) {
		t.Errorf("after a top-up it is %q with %+v", got, operator.Status.Conditions)
	}
}

func TestAnOperatorThatTellsNoBalanceHasNone(t *testing.T) {
	var b balances
	operator := &v1alpha1.EsimOperator{Status: v1alpha1.EsimOperatorStatus{Balance: &v1alpha1.BalanceStatus{Amount: "1", Currency: "USD"}}}
	applyBalance(operator, b.of(t.Context(), "telco", struct{ operators.Driver }{}, noon), noon)
	if operator.Status.Balance != nil {
		t.Errorf("it has %+v", operator.Status.Balance)
	}
}
