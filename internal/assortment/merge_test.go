package assortment_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/assortment"
)

// listing is a plan on a shelf.
type listing struct {
	id, data, price string
	days            int32
	// cost is empty where the operator's list does not tell it.
	cost     string
	covers   []string
	inactive bool
}

func gigabyte(id, cost, price string) listing {
	return listing{id: id, data: "1", days: 7, cost: cost, price: price}
}

func shelf(operator string, listings ...listing) assortment.Shelf {
	costs := map[string]assortment.Cost{}
	s := assortment.Shelf{Operator: operator, Cost: func(id string) (assortment.Cost, bool) {
		cost, ok := costs[id]
		return cost, ok
	}}
	for _, l := range listings {
		if l.cost != "" {
			costs[l.id] = assortment.Cost{Amount: amount(l.cost), Countries: l.covers}
		}
		s.Variants = append(s.Variants, v1alpha1.EsimVariant{
			Name: assortment.VariantName(l.id), Amount: v1alpha1.Decimal(l.price), DataAmountGB: v1alpha1.Decimal(l.data), ValidityDays: l.days,
			Inactive: l.inactive, Sources: []v1alpha1.VariantSource{at(operator, l.id)},
		})
	}
	return s
}

func at(operator, plan string) v1alpha1.VariantSource {
	return v1alpha1.VariantSource{OperatorRef: v1alpha1.OperatorReference{Name: operator}, PlanID: plan}
}

func rule(change ...func(*v1alpha1.EsimProductSpec)) *v1alpha1.EsimProductSpec {
	product := &v1alpha1.EsimProductSpec{CountryCode: "JPN", Currency: "USD", Merge: &v1alpha1.ProductMerge{}}
	for _, c := range change {
		c(product)
	}
	return product
}

// sold writes what was made in few words.
func sold(made assortment.Merged) []string {
	var lines []string
	for _, v := range made.Variants {
		line := fmt.Sprintf("%s %s:", v.Name, v.Amount)
		for _, s := range v.Sources {
			line += " " + s.OperatorRef.Name + "/" + s.PlanID
		}
		lines = append(lines, line)
	}
	return lines
}

func TestPlansOfOneSizeBecomeOneVariant(t *testing.T) {
	region := func(p *v1alpha1.EsimProductSpec) {
		p.CountryCode, p.Coverage = "XEU", []v1alpha1.CountryCode{"FRA", "DEU"}
	}
	there := func(name, data string) func(*v1alpha1.EsimProductSpec) {
		return func(p *v1alpha1.EsimProductSpec) {
			p.Variants = []v1alpha1.EsimVariant{{Name: name, DataAmountGB: v1alpha1.Decimal(data), ValidityDays: 7}}
		}
	}
	europe := func(id string, covers ...string) listing {
		return listing{id: id, data: "1", days: 7, cost: "1", price: "2", covers: covers}
	}
	for name, tc := range map[string]struct {
		rule    *v1alpha1.EsimProductSpec
		shelves []assortment.Shelf
		want    []string
		also    assortment.Merged
	}{
		"the cheapest first, at its price": {
			rule:    rule(),
			shelves: []assortment.Shelf{shelf("a", gigabyte("a1", "3", "4")), shelf("b", gigabyte("b1", "2.5", "5")), shelf("c", gigabyte("c1", "10", "11"))},
			want:    []string{"1gb-7d 5: b/b1 a/a1 c/c1"},
		},
		"at the dearest's price, where the rule says so": {
			rule:    rule(func(p *v1alpha1.EsimProductSpec) { p.Merge.Price = v1alpha1.MergePriceDearest }),
			shelves: []assortment.Shelf{shelf("a", gigabyte("a1", "3", "11")), shelf("b", gigabyte("b1", "2", "9"))},
			want:    []string{"1gb-7d 11: b/b1 a/a1"},
		},
		"of two that take as much, the one that the rule names first": {
			rule:    rule(),
			shelves: []assortment.Shelf{shelf("z", gigabyte("z1", "2", "4")), shelf("a", gigabyte("a1", "2.00", "3"))},
			want:    []string{"1gb-7d 4: z/z1 a/a1"},
		},
		"of two plans of one operator, the cheaper": {
			rule:    rule(),
			shelves: []assortment.Shelf{shelf("a", gigabyte("a2", "3", "4"), gigabyte("a1", "2", "3")), shelf("b", gigabyte("b1", "2.5", "5"))},
			want:    []string{"1gb-7d 3: a/a1 b/b1"},
		},
		"one whose cost is not known last": {
			rule:    rule(),
			shelves: []assortment.Shelf{shelf("a", gigabyte("a1", "", "1")), shelf("b", gigabyte("b1", "2", "3"))},
			want:    []string{"1gb-7d 3: b/b1 a/a1"},
		},
		"not what is out of sale": {
			rule: rule(),
			shelves: []assortment.Shelf{
				shelf("a", listing{id: "a1", data: "1", days: 7, cost: "1", price: "2", inactive: true}), shelf("b", gigabyte("b1", "2", "3")),
			},
			want: []string{"1gb-7d 3: b/b1"},
		},
		"sizes apart, from small to large": {
			rule: rule(),
			shelves: []assortment.Shelf{
				shelf("a", listing{id: "a1", data: "10", days: 7, cost: "9", price: "10"}, listing{id: "a2", data: "0.5", days: 1, cost: "1", price: "2"}),
				shelf("b", listing{id: "b1", data: "0.50", days: 1, cost: "2", price: "3"}, listing{id: "b2", data: "10", days: 30, cost: "9", price: "10"}),
			},
			want: []string{"0-5gb-1d 2: a/a2 b/b1", "10gb-7d 10: a/a1", "10gb-30d 10: b/b2"},
		},
		"unlimited plans only where the rule says so": {
			rule:    rule(),
			shelves: []assortment.Shelf{shelf("a", listing{id: "a1", data: "0", days: 7, cost: "1", price: "2"})},
			also:    assortment.Merged{Unlimited: 1},
		},
		"unlimited plans last": {
			rule: rule(func(p *v1alpha1.EsimProductSpec) { p.Merge.IncludeUnlimited = true }),
			shelves: []assortment.Shelf{
				shelf("a", listing{id: "a1", data: "0", days: 7, cost: "1", price: "2"}, gigabyte("a2", "1", "2")),
				shelf("b", listing{id: "b1", data: "0.0", days: 7, cost: "2", price: "3"}),
			},
			want: []string{"1gb-7d 2: a/a2", "unlimited-7d 2: a/a1 b/b1"},
		},
		"a region's plans only where they work in all of it": {
			rule: rule(region),
			shelves: []assortment.Shelf{
				shelf("a", europe("a1", "FRA")), shelf("b", europe("b1", "DEU", "FRA", "ITA")), shelf("c", listing{id: "c1", data: "1", days: 7, price: "2"}),
			},
			want: []string{"1gb-7d 2: b/b1"},
			also: assortment.Merged{Uncovered: 2},
		},
		"an operator's dearer plan, where the cheaper does not work in all of the region": {
			rule:    rule(region),
			shelves: []assortment.Shelf{shelf("a", europe("a1", "FRA"), listing{id: "a2", data: "1", days: 7, cost: "5", price: "6", covers: []string{"DEU", "FRA"}})},
			want:    []string{"1gb-7d 6: a/a2"},
			also:    assortment.Merged{Uncovered: 1},
		},
		"into a variant that is there, of that size": {
			rule:    rule(there("1gb-7d", "1.0")),
			shelves: []assortment.Shelf{shelf("a", gigabyte("a1", "1", "2"))},
			want:    []string{"1gb-7d 2: a/a1"},
		},
		"not into a variant of another size": {
			rule:    rule(there("1gb-7d", "2")),
			shelves: []assortment.Shelf{shelf("a", gigabyte("a1", "1", "2"))},
			also:    assortment.Merged{Taken: []string{"1gb-7d"}},
		},
		"nothing of nothing": {rule: rule()},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := assortment.Merge(tc.rule, tc.shelves)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, sold(made)); diff != "" {
				t.Errorf("sold (-want +got):\n%s", diff)
			}
			made.Variants = nil
			if diff := cmp.Diff(tc.also, made); diff != "" {
				t.Errorf("left out (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOfTooManySizesTheCheapestAreMerged(t *testing.T) {
	var listings []listing
	for i := range assortment.MaxVariants + 3 {
		listings = append(listings, listing{id: fmt.Sprint(i), data: "1", days: int32(i + 1), cost: "1", price: fmt.Sprint(1000 - i)})
	}
	made, err := assortment.Merge(rule(), []assortment.Shelf{shelf("a", listings...)})
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Variants) != assortment.MaxVariants || made.Surplus != 3 || made.Variants[0].Name != "1gb-4d" {
		t.Errorf("%d are merged, %d are too much, the first is %s", len(made.Variants), made.Surplus, made.Variants[0].Name)
	}
}

func TestAnAmountOfDataThatIsNoneIsNamed(t *testing.T) {
	if _, err := assortment.Merge(rule(), []assortment.Shelf{shelf("a", listing{id: "a1", data: "much", days: 1, cost: "1", price: "1"})}); err == nil {
		t.Error("it was taken")
	}
}

func TestWhateverIsListedSourcesAreCheapestFirstAndOnePerOperator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var shelves []assortment.Shelf
		costs := map[v1alpha1.VariantSource]int{}
		for i := range rapid.IntRange(1, 8).Draw(t, "operators") {
			operator := fmt.Sprintf("operator-%d", i)
			var listings []listing
			for j, cost := range rapid.SliceOfN(rapid.IntRange(1, 5), 0, 12).Draw(t, "costs") {
				id := fmt.Sprintf("plan-%d", j)
				days := rapid.Int32Range(1, 3).Draw(t, "days")
				listings = append(listings, listing{id: id, data: fmt.Sprint(1 + j%2), days: days, cost: fmt.Sprint(cost), price: fmt.Sprint(cost + 1)})
				costs[at(operator, id)] = cost
			}
			shelves = append(shelves, shelf(operator, listings...))
		}
		made, err := assortment.Merge(rule(), shelves)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, v := range made.Variants {
			if names[v.Name] || !validName.MatchString(v.Name) || len(v.Sources) == 0 || len(v.Sources) > 8 {
				t.Fatalf("variant %s has %d sources", v.Name, len(v.Sources))
			}
			names[v.Name] = true
			operators := map[string]bool{}
			for i, s := range v.Sources {
				if operators[s.OperatorRef.Name] || i > 0 && costs[s] < costs[v.Sources[i-1]] {
					t.Fatalf("sources of %s: %+v", v.Name, v.Sources)
				}
				operators[s.OperatorRef.Name] = true
			}
		}
		for i := range shelves {
			slices.Reverse(shelves[i].Variants)
		}
		again, err := assortment.Merge(rule(), shelves)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(made, again); diff != "" {
			t.Fatalf("in another order of the lists (-first +second):\n%s", diff)
		}
	})
}
