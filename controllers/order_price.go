package controllers

import (
	"context"
	"fmt"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// reasonSourcesTooDear: every source takes more than the plan's price.
const reasonSourcesTooDear = "SourcesTooDear"

// tooDear tells whether a source is known to take more than the price before discounts: selling
// it would lose money on each order. What is not known is not too dear.
func tooDear(pool *connections.Pool, source v1alpha1.VariantSource, price v1alpha1.Decimal, currency v1alpha1.Currency) bool {
	cost, known := pool.For(source.OperatorRef.Name).Cost(source.PlanID)
	if !known {
		return false
	}
	amount, err := money.Parse(string(price))
	return err == nil && cost.Above(amount, string(currency))
}

// affordable are the sources that do not take more than the order's plan costs.
func (r *OrderReconciler) affordable(plan *v1alpha1.OrderPlan, sources []v1alpha1.VariantSource) []v1alpha1.VariantSource {
	var kept []v1alpha1.VariantSource
	for _, source := range sources {
		if !tooDear(r.Connections, source, plan.Amount, plan.Currency) {
			kept = append(kept, source)
		}
	}
	return kept
}

// maxCost is the most that a source may take for the order's profile; zero where the operator
// counts in another currency, or has not told in which.
func (r *OrderReconciler) maxCost(p *pass) money.Amount {
	plan := p.order.Status.Plan
	provisioning := p.provisioning()
	cost, known := r.Connections.For(provisioning.OperatorRef.Name).Cost(provisioning.PlanID)
	if plan == nil || !known || cost.Currency != string(plan.Currency) {
		return money.Amount{}
	}
	price, err := money.Parse(string(plan.Amount))
	if err != nil {
		return money.Amount{} // the schema refuses what is no number
	}
	return price
}

// waitForPrice keeps an order that nobody can fill at its price until that changes, or
// the order has waited for as long as its first operator's recovery.giveUpAfter. Nothing was charged
// yet.
func (r *OrderReconciler) waitForPrice(ctx context.Context, p *pass, operator string) (*decision, error) {
	plan := p.order.Status.Plan
	giveUpAfter, err := r.giveUpAfter(ctx, operator)
	if err != nil {
		return nil, err
	}
	message := fmt.Sprintf("Every source of variant %s takes more than its price of %s %s", plan.Variant, plan.Amount, plan.Currency)
	if p.now.Sub(p.order.CreationTimestamp.Time) >= giveUpAfter {
		return orderFailed(v1alpha1.FailureRecoveryExhausted, message), nil
	}
	return &decision{
		reason:  reasonSourcesTooDear,
		message: message + "; the platform team has to change the sources, or the price for new orders",
		after:   r.Pace.Scarce.delay(1, r.Jitter()),
	}, nil
}
