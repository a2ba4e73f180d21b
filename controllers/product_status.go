package controllers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// Reasons of AmountsDistinct.
const (
	reasonDistinct   = "Distinct"
	reasonSameAmount = "SameAmount"
)

// operatorState is what a product needs to know of an EsimOperator.
type operatorState int

const (
	operatorMissing operatorState = iota
	operatorNotReady
	operatorReady
)

// operatorNames are the EsimOperators that variants name, each once, in alphabetical order.
func operatorNames(variants []v1alpha1.EsimVariant) []string {
	var names []string
	for i := range variants {
		for _, source := range variants[i].Sources {
			names = append(names, source.OperatorRef.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// applyProductStatus makes the status that a product has: its ids, what of it can be sold now,
// and conditions.
func applyProductStatus(product *v1alpha1.EsimProduct, ids assignedIDs, operators map[string]operatorState, now time.Time) {
	status := &product.Status
	status.ObservedGeneration = product.Generation
	status.ID, status.Variants = ids.product, ids.variants
	active := slices.DeleteFunc(slices.Clone(product.Spec.Variants), func(v v1alpha1.EsimVariant) bool { return v.Inactive })
	status.SellableVariants = sellable(active, operators)
	status.Sellers = sellers(active, operators)

	ready := saleCondition(active, operators, status.SellableVariants)
	if ids.taken != "" {
		ready = condition(v1alpha1.ConditionReady, false, v1alpha1.ProductReasonIDTaken, ids.taken)
	}
	for _, c := range []metav1.Condition{ready, amountsCondition(active)} {
		c.ObservedGeneration = product.Generation
		c.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition((*[]metav1.Condition)(&status.Conditions), c)
	}
}

// sellable counts the variants with a source whose operator is ready.
func sellable(active []v1alpha1.EsimVariant, operators map[string]operatorState) int32 {
	var count int32
	for i := range active {
		if slices.ContainsFunc(active[i].Sources, func(s v1alpha1.VariantSource) bool {
			return operators[s.OperatorRef.Name] == operatorReady
		}) {
			count++
		}
	}
	return count
}

// mostSellers is how many operators a status names.
const mostSellers = 64

// sellers are the operators that are ready to sell something, in alphabetical order.
func sellers(active []v1alpha1.EsimVariant, operators map[string]operatorState) []string {
	var ready []string
	for _, name := range operatorNames(active) {
		if operators[name] == operatorReady && len(ready) < mostSellers {
			ready = append(ready, name)
		}
	}
	return ready
}

// applyCosts says which sources are not used because they take more than the variant's price.
func applyCosts(product *v1alpha1.EsimProduct, pool *connections.Pool, now time.Time) {
	conditions := (*[]metav1.Condition)(&product.Status.Conditions)
	var dear []string
	for i := range product.Spec.Variants {
		variant := &product.Spec.Variants[i]
		for _, source := range variant.Sources {
			if !variant.Inactive && pool != nil && tooDear(pool, source, variant.Amount, product.Spec.Currency) {
				dear = append(dear, variant.Name+" at EsimOperator "+source.OperatorRef.Name)
			}
		}
	}
	if len(dear) == 0 {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionSourcesTooDear)
		return
	}
	c := condition(v1alpha1.ConditionSourcesTooDear, true, "CostAbovePrice",
		cut("These sources take more than the variant's price and are skipped: "+enumerated(dear, "and")))
	c.ObservedGeneration, c.LastTransitionTime = product.Generation, metav1.NewTime(now)
	meta.SetStatusCondition(conditions, c)
}

// saleCondition is Ready as far as selling goes: the reason is what somebody has to mend first.
func saleCondition(active []v1alpha1.EsimVariant, operators map[string]operatorState, sellable int32) metav1.Condition {
	no := func(reason, format string, args ...any) metav1.Condition {
		return condition(v1alpha1.ConditionReady, false, reason, fmt.Sprintf(format, args...))
	}
	if sellable > 0 {
		return condition(v1alpha1.ConditionReady, true, v1alpha1.ProductReasonSellable, "At least one variant can be sold")
	}
	if len(active) == 0 {
		return no(v1alpha1.ProductReasonNothingActive, "No variant is active")
	}
	names := operatorNames(active)
	if len(names) == 0 {
		return no(v1alpha1.ProductReasonNoSource, "No active variant names a source")
	}
	existing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return operators[name] == operatorMissing })
	if len(existing) == 0 {
		return no(v1alpha1.ProductReasonOperatorMissing, "There is no EsimOperator %s", enumerated(names, "or"))
	}
	return no(v1alpha1.ProductReasonOperatorNotReady, "Not Ready: EsimOperator %s", enumerated(existing, "and"))
}

// amountsCondition is AmountsDistinct: an order by amount means one variant, or may mean several.
func amountsCondition(active []v1alpha1.EsimVariant) metav1.Condition {
	for i := range active {
		for j := range i {
			if active[j].Amount.Equal(active[i].Amount) {
				return condition(v1alpha1.ConditionAmountsDistinct, false, reasonSameAmount, fmt.Sprintf(
					"Variants %s and %s have one amount, %s: an order by amount gets the first that has a source",
					active[j].Name, active[i].Name, active[j].Amount))
			}
		}
	}
	return condition(v1alpha1.ConditionAmountsDistinct, true, reasonDistinct, "Each active variant has an amount of its own")
}

func condition(kind string, ok bool, reason, message string) metav1.Condition {
	status := metav1.ConditionFalse
	if ok {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}

// mostNames is how many names a message lists.
const mostNames = 5

// enumerated joins names as people do, and does not go on for ever.
func enumerated(names []string, conjunction string) string {
	if len(names) > mostNames {
		return fmt.Sprintf("%s %s %d others", strings.Join(names[:mostNames], ", "), conjunction, len(names)-mostNames)
	}
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " " + conjunction + " " + names[last]
}
