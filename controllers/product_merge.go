package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/assortment"
)

// indexMerges holds the products with spec.merge by the products that they are made from.
const indexMerges = "spec.merge.operators.product"

// merging is what came of a product's rule.
type merging struct {
	// written tells that the product was changed; its next pass sees what it is now.
	written bool
	// condition is Merged; nil where it stays as it is.
	condition *metav1.Condition
}

// mergeProblem is what somebody has to mend before all operators of a rule are followed.
type mergeProblem struct{ reason, message string }

// merge brings the variants up to date that spec.merge makes of operators' lists. Before every
// list was read since the manager started it changes nothing: an order of sources by costs that
// are half known would change again at once.
func (r *ProductReconciler) merge(ctx context.Context, product *v1alpha1.EsimProduct) (merging, error) {
	if product.Spec.Merge == nil {
		return merging{}, nil
	}
	if operator, imported := product.Labels[v1alpha1.CatalogueOperatorLabel]; imported {
		return unmerged(mergeProblem{v1alpha1.MergeReasonImportedProduct, fmt.Sprintf(
			"This product is made from the list of EsimOperator %s: put spec.merge into a product of your own", operator)}), nil
	}
	shelves, waiting, problems, err := r.shelves(ctx, product)
	if err != nil {
		return merging{}, err
	}
	if len(waiting) > 0 {
		return r.awaitLists(product, waiting), nil
	}
	made, err := assortment.Merge(&product.Spec, shelves)
	if err != nil {
		return merging{}, fmt.Errorf("merging what EsimProduct %s sells: %w", product.Name, err)
	}
	written, err := r.writeMerged(ctx, product, made.Variants)
	if apierrors.IsInvalid(err) {
		return unmerged(mergeProblem{v1alpha1.MergeReasonRefused, "The API server refuses the merged variants: " + err.Error()}), nil
	}
	if err != nil {
		return merging{}, fmt.Errorf("writing the variants of EsimProduct %s: %w", product.Name, err)
	}
	return merging{written: written, condition: ptr.To(mergedCondition(product, &made, problems))}, nil
}

func unmerged(problems ...mergeProblem) merging {
	return merging{condition: ptr.To(mergedCondition(nil, nil, problems))}
}

// awaitLists says that lists were not read, where the rule is one that nobody has followed yet;
// else what was said last still holds.
func (r *ProductReconciler) awaitLists(product *v1alpha1.EsimProduct, waiting []string) merging {
	last := meta.FindStatusCondition(product.Status.Conditions, v1alpha1.ConditionMerged)
	if last != nil && last.ObservedGeneration == product.Generation {
		return merging{}
	}
	return merging{condition: &metav1.Condition{
		Type: v1alpha1.ConditionMerged, Status: metav1.ConditionUnknown, Reason: v1alpha1.MergeReasonListNotRead,
		Message: cut("Not read yet: the list of EsimOperator " + enumerated(waiting, "and") + "; until then nothing changes"),
	}}
}

// shelves are what the operators of a product's rule sell for its country or region. waiting are
// those whose list was read before, and not since the manager started.
func (r *ProductReconciler) shelves(ctx context.Context, product *v1alpha1.EsimProduct) (shelves []assortment.Shelf, waiting []string, problems []mergeProblem, err error) {
	for _, ref := range product.Spec.Merge.Operators {
		var operator v1alpha1.EsimOperator
		err := r.Client.Get(ctx, types.NamespacedName{Name: ref.Name}, &operator)
		if client.IgnoreNotFound(err) != nil {
			return nil, nil, nil, fmt.Errorf("reading EsimOperator %s: %w", ref.Name, err)
		}
		problem := func(reason, format string) {
			problems = append(problems, mergeProblem{reason, fmt.Sprintf(format, ref.Name)})
		}
		switch {
		case err != nil:
			problem(v1alpha1.MergeReasonOperatorMissing, "There is no EsimOperator %s: create it, or take it out of spec.merge.operators")
			continue
		case operator.Spec.Catalogue == nil:
			problem(v1alpha1.MergeReasonNoCatalogue, "EsimOperator %s has no spec.catalogue, so that its list is not read: set it")
			continue
		case !r.Connections.For(ref.Name).HasListed() && operator.Status.Catalogue == nil:
			problem(v1alpha1.MergeReasonListNotRead, "The list of EsimOperator %s was never read: see its condition CatalogueImported")
			continue
		case !r.Connections.For(ref.Name).HasListed():
			waiting = append(waiting, ref.Name)
			continue
		}
		imported, err := r.importedProduct(ctx, ref.Name, product.Spec.CountryCode)
		if err != nil {
			return nil, nil, nil, err
		}
		switch {
		case imported == nil: // it sells nothing for this country
		case imported.Spec.Currency != product.Spec.Currency:
			problems = append(problems, mergeProblem{v1alpha1.MergeReasonCurrencyMismatch, fmt.Sprintf(
				"EsimOperator %s is left out: EsimProduct %s, made from its list, is in %s and this product in %s",
				ref.Name, imported.Name, imported.Spec.Currency, product.Spec.Currency)})
		default:
			shelves = append(shelves, r.shelf(ref.Name, imported))
		}
	}
	return shelves, waiting, problems, nil
}

func (r *ProductReconciler) shelf(operator string, imported *v1alpha1.EsimProduct) assortment.Shelf {
	return assortment.Shelf{
		Operator: operator, Variants: imported.Spec.Variants,
		Cost: func(planID string) (assortment.Cost, bool) {
			cost, listed := r.Connections.For(operator).Cost(planID)
			if !listed || cost.Currency != string(imported.Spec.Currency) {
				return assortment.Cost{}, false
			}
			return assortment.Cost{Amount: cost.Amount, Countries: cost.Countries}, true
		},
	}
}

// importedProduct is what was made from an operator's list for a country or region; nil where
// nothing was.
func (r *ProductReconciler) importedProduct(ctx context.Context, operator string, country v1alpha1.CountryCode) (*v1alpha1.EsimProduct, error) {
	name := assortment.ProductName(operator, string(country))
	var product v1alpha1.EsimProduct
	err := r.Client.Get(ctx, types.NamespacedName{Name: name}, &product)
	if apierrors.IsNotFound(err) || err == nil && product.Labels[v1alpha1.CatalogueOperatorLabel] != operator {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading EsimProduct %s: %w", name, err)
	}
	return &product, nil
}

// applyMerged says in the status what came of the rule.
func applyMerged(product *v1alpha1.EsimProduct, merged merging, now time.Time) {
	conditions := (*[]metav1.Condition)(&product.Status.Conditions)
	if product.Spec.Merge == nil {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionMerged)
	}
	if c := merged.condition; c != nil {
		c.ObservedGeneration, c.LastTransitionTime = product.Generation, metav1.NewTime(now)
		meta.SetStatusCondition(conditions, *c)
	}
}

// mergedCondition says what came of a rule.
func mergedCondition(product *v1alpha1.EsimProduct, made *assortment.Merged, problems []mergeProblem) metav1.Condition {
	if made != nil && len(made.Taken) > 0 {
		problems = append(problems, mergeProblem{v1alpha1.MergeReasonVariantTaken, "Not of the data and days that its name says, and so left alone: variant " +
			enumerated(made.Taken, "and") + "; give it another name, or mend dataAmountGB and validityDays"})
	}
	if len(problems) > 0 {
		var messages []string
		for _, problem := range problems {
			messages = append(messages, problem.message)
		}
		return condition(v1alpha1.ConditionMerged, false, problems[0].reason, cut(strings.Join(messages, "; ")))
	}
	if len(made.Variants) == 0 {
		return condition(v1alpha1.ConditionMerged, false, v1alpha1.MergeReasonNothingListed, fmt.Sprintf(
			"No operator of spec.merge lists a plan for %s that fits", product.Spec.CountryCode)+leftOut(product, made))
	}
	return condition(v1alpha1.ConditionMerged, true, v1alpha1.MergeReasonMerged,
		"The variants are what the operators of spec.merge list"+leftOut(product, made))
}

// leftOut says what of the operators' lists is not sold.
func leftOut(product *v1alpha1.EsimProduct, made *assortment.Merged) string {
	var texts []string
	say := func(count int, format string) {
		if count > 0 {
			texts = append(texts, fmt.Sprintf(format, count))
		}
	}
	say(made.Unlimited, "%d unlimited (spec.merge.includeUnlimited takes them in)")
	say(made.Uncovered, "%d that do not work in all of spec.coverage")
	say(made.Surplus+len(missing(product, made.Variants)), fmt.Sprintf("%%d more than the %d variants that a product holds", assortment.MaxVariants))
	if len(texts) == 0 {
		return ""
	}
	return "; plans left out: " + strings.Join(texts, ", ")
}

// mergesOf are the products whose rule takes in what an imported product sells.
func (r *ProductReconciler) mergesOf(ctx context.Context, imported client.Object) []reconcile.Request {
	if imported.GetLabels()[v1alpha1.CatalogueOperatorLabel] == "" {
		return nil
	}
	var products v1alpha1.EsimProductList
	err := r.Client.List(ctx, &products, client.MatchingFields{indexMerges: imported.GetName()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Looking for products that merge another", "product", imported.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(products.Items))
	for i := range products.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&products.Items[i])})
	}
	return requests
}

// byMerged are the names of the products that a product is made from.
func byMerged(object client.Object) []string {
	product, ok := object.(*v1alpha1.EsimProduct)
	if !ok || product.Spec.Merge == nil {
		return nil
	}
	var names []string
	for _, operator := range product.Spec.Merge.Operators {
		names = append(names, assortment.ProductName(operator.Name, string(product.Spec.CountryCode)))
	}
	return names
}

// byOperator are the EsimOperators that a product names, each once.
func byOperator(object client.Object) []string {
	product, ok := object.(*v1alpha1.EsimProduct)
	if !ok {
		return nil
	}
	names := operatorNames(product.Spec.Variants)
	if product.Spec.Merge != nil {
		for _, operator := range product.Spec.Merge.Operators {
			names = append(names, operator.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
