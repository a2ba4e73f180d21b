package controllers_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// costs has an operator list one plan.
func (d *desk) costs(operator, plan, amount, currency string) {
	d.t.Helper()
	cost, err := money.Parse(amount)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Pool.For(operator).Listed(map[string]connections.Cost{plan: {Amount: cost, Currency: currency}})
}

func TestASourceThatTakesMoreThanThePriceIsSkipped(t *testing.T) {
	for name, tc := range map[string]struct {
		amount, currency, from string
	}{
		"more":                           {"1000", "USD", "shop"},
		"as much":                        {string(testshop.Amount), "USD", "wholesaler"},
		"more, in a currency of its own": {"1000", "JPY", "wholesaler"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := twoSources(t)
			d.costs("wholesaler", "JP-1", tc.amount, tc.currency)
			d.order()
			if order := d.reaches(v1alpha1.PhaseDelivered, time.Minute); order.Status.Provisioning.OperatorRef.Name != tc.from {
				t.Errorf("it was bought from %s", order.Status.Provisioning.OperatorRef.Name)
			}
		})
	}
}

func TestAnOrderThatNobodyFillsAtItsPriceWaitsUncharged(t *testing.T) {
	d, wholesaler := twoSources(t)
	d.costs("wholesaler", "JP-1", "1000", "USD")
	d.costs("shop", testshop.Plan, "1000", "USD")
	d.order()
	for range 5 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	order := d.look()
	ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady)
	if order.Status.Charge != nil || ready == nil || ready.Reason != "SourcesTooDear" {
		t.Fatalf("charge %+v, Ready %+v", order.Status.Charge, ready)
	}
	d.costs("wholesaler", "JP-1", "1", "USD")
	d.reaches(v1alpha1.PhaseDelivered, time.Hour)
	if wholesaler.bought() != 1 {
		t.Errorf("%d were bought", wholesaler.bought())
	}
}
