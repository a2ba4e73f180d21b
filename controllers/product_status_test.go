package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

func plan(name string, amount v1alpha1.Decimal, operators ...string) v1alpha1.EsimVariant {
	variant := v1alpha1.EsimVariant{Name: name, Amount: amount}
	for _, operator := range operators {
		variant.Sources = append(variant.Sources, v1alpha1.VariantSource{
			OperatorRef: v1alpha1.OperatorReference{Name: operator}, PlanID: name,
		})
	}
	return variant
}

func inactive(variant v1alpha1.EsimVariant) v1alpha1.EsimVariant {
	variant.Inactive = true
	return variant
}

func TestProductTellsWhatCanBeSold(t *testing.T) {
	operators := map[string]operatorState{
		"good": operatorReady, "bad": operatorNotReady, "worse": operatorNotReady, "gone": operatorMissing,
	}
	type verdict struct {
		Sellable        int32
		Status          metav1.ConditionStatus
		Reason, Message string
	}
	tests := []struct {
		name     string
		variants []v1alpha1.EsimVariant
		taken    string
		want     verdict
	}{
		{
			name: "no variants",
			want: verdict{0, metav1.ConditionFalse, "NothingActive", "No variant is active"},
		}, {
			name:     "only inactive variants",
			variants: []v1alpha1.EsimVariant{inactive(plan("1gb", "1", "good"))},
			want:     verdict{0, metav1.ConditionFalse, "NothingActive", "No variant is active"},
		}, {
			name:     "no source, but for an inactive variant",
			variants: []v1alpha1.EsimVariant{plan("1gb", "1"), inactive(plan("3gb", "2", "good"))},
			want:     verdict{0, metav1.ConditionFalse, "NoSource", "No active variant names a source"},
		}, {
			name:     "an operator that does not exist",
			variants: []v1alpha1.EsimVariant{plan("1gb", "1", "gone")},
			want:     verdict{0, metav1.ConditionFalse, "OperatorMissing", "There is no EsimOperator gone"},
		}, {
			name:     "an operator that is not ready",
			variants: []v1alpha1.EsimVariant{plan("1gb", "1", "bad")},
			want:     verdict{0, metav1.ConditionFalse, "OperatorNotReady", "Not Ready: EsimOperator bad"},
		}, {
			name:     "operators that are not ready, and one that does not exist",
			variants: []v1alpha1.EsimVariant{plan("1gb", "1", "gone", "worse"), plan("3gb", "2", "bad", "worse")},
			want:     verdict{0, metav1.ConditionFalse, "OperatorNotReady", "Not Ready: EsimOperator bad and worse"},
		}, {
			name:     "the second source can sell",
			variants: []v1alpha1.EsimVariant{plan("1gb", "1", "bad", "good"), plan("3gb", "2", "bad")},
			want:     verdict{1, metav1.ConditionTrue, "Sellable", "At least one variant can be sold"},
		}, {
			name:     "inactive variants do not count",
			variants: []v1alpha1.EsimVariant{plan("1gb", "1", "good"), plan("3gb", "2", "good"), inactive(plan("5gb", "3", "good"))},
			want:     verdict{2, metav1.ConditionTrue, "Sellable", "At least one variant can be sold"},
		}, {
			name:     "an id that is another's comes first",
			variants: []v1alpha1.EsimVariant{plan("1gb", "1", "good")},
			taken:    "spec.id 42 is that of EsimProduct france",
			want:     verdict{1, metav1.ConditionFalse, "IDTaken", "spec.id 42 is that of EsimProduct france"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			product := &v1alpha1.EsimProduct{Spec: v1alpha1.EsimProductSpec{Variants: test.variants}}
			product.Generation = 7
			applyProductStatus(product, assignedIDs{product: 1, taken: test.taken}, operators, time.Unix(0, 0))
			ready := product.Status.Conditions[0]
			got := verdict{product.Status.SellableVariants, ready.Status, ready.Reason, ready.Message}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			if ready.ObservedGeneration != 7 || product.Status.ObservedGeneration != 7 {
				t.Errorf("observed generations %d and %d, want 7", ready.ObservedGeneration, product.Status.ObservedGeneration)
			}
		})
	}
}

func TestProductTellsWhetherAmountsAreDistinct(t *testing.T) {
	const all = "Each active variant has an amount of its own"
	tests := []struct {
		name     string
		variants []v1alpha1.EsimVariant
		want     string
	}{
		{name: "none", want: all},
		{name: "different ones", variants: []v1alpha1.EsimVariant{plan("a", "4.5"), plan("b", "45"), plan("c", "4.05")}, want: all},
		{name: "one that is inactive", variants: []v1alpha1.EsimVariant{inactive(plan("a", "4.5")), plan("b", "4.5")}, want: all},
		{
			name:     "one amount written in two ways",
			variants: []v1alpha1.EsimVariant{plan("a", "1"), plan("b", "4.5"), plan("c", "4.50")},
			want:     "Variants b and c have one amount, 4.5: an order by amount gets the first that has a source",
		},
		{
			name:     "a round amount with and without decimals",
			variants: []v1alpha1.EsimVariant{plan("a", "10.0000"), plan("b", "10")},
			want:     "Variants a and b have one amount, 10.0000: an order by amount gets the first that has a source",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			product := &v1alpha1.EsimProduct{Spec: v1alpha1.EsimProductSpec{Variants: test.variants}}
			applyProductStatus(product, assignedIDs{product: 1}, nil, time.Unix(0, 0))
			got := product.Status.Conditions[1]
			if got.Message != test.want || (got.Status == metav1.ConditionTrue) != (test.want == all) {
				t.Errorf("%s: %s, want %s", got.Status, got.Message, test.want)
			}
		})
	}
}

func TestMessageListsSomeNamesOnly(t *testing.T) {
	for want, names := range map[string][]string{
		"a":                         {"a"},
		"a or b":                    {"a", "b"},
		"a, b, c, d or e":           {"a", "b", "c", "d", "e"},
		"a, b, c, d, e or 2 others": {"a", "b", "c", "d", "e", "f", "g"},
	} {
		if got := enumerated(names, "or"); got != want {
			t.Errorf("enumerated(%v) = %q, want %q", names, got, want)
		}
	}
}

func TestAProductSaysWhichSourcesAreTooDear(t *testing.T) {
	pool := connections.NewPool(connections.DefaultConfig)
	product := &v1alpha1.EsimProduct{Spec: v1alpha1.EsimProductSpec{Currency: "USD", Variants: []v1alpha1.EsimVariant{{
		Name: "1gb", Amount: "4.50",
		Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: "vendor"}, PlanID: "JP-1"}},
	}}}}
	show := func(cost string) string {
		amount, err := money.Parse(cost)
		if err != nil {
			t.Fatal(err)
		}
		pool.For("vendor").Listed(map[string]connections.Cost{"JP-1": {Amount: amount, Currency: "USD"}})
		applyCosts(product, pool, noon)
		if c := meta.FindStatusCondition(product.Status.Conditions, v1alpha1.ConditionSourcesTooDear); c != nil {
			return c.Message
		}
		return ""
	}
	if got := show("4.51"); !strings.Contains(got, "1gb at EsimOperator vendor") {
		t.Errorf("at 4.51 it says %q", got)
	}
	if got := show("4.5"); got != "" {
		t.Errorf("at 4.5 it says %q", got)
	}
}
