package assortment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// Cost is what an operator takes for a plan.
type Cost struct {
	Amount money.Amount
	// Countries that it buys, of a plan that is sold for a region.
	Countries []string
}

// Shelf is what one operator sells for the country or region of a product.
type Shelf struct {
	Operator string
	// Variants of the product that was made from the operator's list.
	Variants []v1alpha1.EsimVariant
	// Cost of a plan, in the product's currency; false where the operator's list does not have it.
	Cost func(planID string) (Cost, bool)
}

// Merged is what a rule makes.
type Merged struct {
	// Variants, from the least data to the most; unlimited ones last.
	Variants []v1alpha1.EsimVariant
	// Taken are the names of plans that are not merged, as the product has a variant of that name
	// with other data or days.
	Taken []string
	// Unlimited, Uncovered and Surplus count what else is left out: unlimited plans that the rule
	// does not include; plans that do not work in all countries of the product; and variants
	// beyond what a product holds, of which the cheapest are sold.
	Unlimited, Uncovered, Surplus int
}

// Merge makes one variant of all plans of a size: a source at each operator that sells it,
// cheapest first, and between two that take as much in the order of the shelves. What
// somebody made of a variant's name, price or sources before does not count; its size does.
func Merge(product *v1alpha1.EsimProductSpec, shelves []Shelf) (Merged, error) {
	m := merger{product: product, bySize: map[planSize][]offer{}}
	for i := range shelves {
		if err := m.take(i, &shelves[i]); err != nil {
			return Merged{}, err
		}
	}
	for size, offers := range m.bySize {
		slices.SortFunc(offers, cheapestFirst)
		if variant := m.variant(size, offers); m.fits(size, variant.Name) {
			m.made.Variants = append(m.made.Variants, variant)
		} else {
			m.made.Taken = append(m.made.Taken, variant.Name)
		}
	}
	slices.Sort(m.made.Taken)
	m.order()
	return m.made, nil
}

// planSize is what makes plans of different operators one variant.
type planSize struct {
	// data in gigabytes, as money.Amount writes it; "0" is unlimited.
	data string
	days int32
}

// offer is a plan of an operator.
type offer struct {
	shelf  int
	source v1alpha1.VariantSource
	cost   Cost
	// listed tells that the cost is known.
	listed bool
	price  v1alpha1.Decimal
}

// cheapestFirst sorts offers by what the operators take. What is not known comes last.
func cheapestFirst(a, b offer) int {
	switch {
	case a.listed && !b.listed:
		return -1
	case b.listed && !a.listed:
		return 1
	default:
		return cmp.Or(a.cost.Amount.Cmp(b.cost.Amount), cmp.Compare(a.shelf, b.shelf), strings.Compare(a.source.PlanID, b.source.PlanID))
	}
}

type merger struct {
	product *v1alpha1.EsimProductSpec
	bySize  map[planSize][]offer
	made    Merged
}

// take takes in what an operator sells: of each size the cheapest plan.
func (m *merger) take(number int, shelf *Shelf) error {
	best := map[planSize]offer{}
	for i := range shelf.Variants {
		variant := &shelf.Variants[i]
		if variant.Inactive {
			continue
		}
		data, err := money.Parse(string(variant.DataAmountGB))
		if err != nil {
			return fmt.Errorf("dataAmountGB of variant %s from EsimOperator %s: %w", variant.Name, shelf.Operator, err)
		}
		size := planSize{data: data.String(), days: variant.ValidityDays}
		for _, source := range variant.Sources {
			if source.OperatorRef.Name != shelf.Operator {
				continue
			}
			cost, listed := shelf.Cost(source.PlanID)
			found := offer{shelf: number, source: source, cost: cost, listed: listed, price: variant.Amount}
			if !m.wants(size, &found) {
				continue
			}
			if known, ok := best[size]; !ok || cheapestFirst(found, known) < 0 {
				best[size] = found
			}
		}
	}
	for size, found := range best {
		m.bySize[size] = append(m.bySize[size], found)
	}
	return nil
}

// wants tells whether a plan may be merged, and counts it where not.
func (m *merger) wants(size planSize, found *offer) bool {
	if size.data == "0" && !m.product.Merge.IncludeUnlimited {
		m.made.Unlimited++
		return false
	}
	for _, country := range m.product.Coverage {
		if !slices.Contains(found.cost.Countries, string(country)) {
			m.made.Uncovered++
			return false
		}
	}
	return true
}

func (m *merger) variant(size planSize, offers []offer) v1alpha1.EsimVariant {
	data, err := money.Parse(size.data)
	if err != nil {
		data = money.Amount{} // it was written by us
	}
	variant := v1alpha1.EsimVariant{
		Name: mergedName(size), DisplayName: sizeName(data, size.days), Amount: offers[0].price,
		DataAmountGB: v1alpha1.Decimal(size.data), ValidityDays: size.days,
	}
	for _, found := range offers {
		variant.Sources = append(variant.Sources, found.source)
		dearer := amount(v1alpha1.EsimVariant{Amount: found.price}).Cmp(amount(variant)) > 0
		if m.product.Merge.Price == v1alpha1.MergePriceDearest && dearer {
			variant.Amount = found.price
		}
	}
	return variant
}

// mergedName is that of a variant: 1gb-7d, 0-5gb-1d, unlimited-30d.
func mergedName(size planSize) string {
	data := "unlimited"
	if size.data != "0" {
		data = strings.ReplaceAll(size.data, ".", "-") + "gb"
	}
	return fmt.Sprintf("%s-%dd", data, size.days)
}

// fits tells whether the product's variant of that name, where there is one, is of that size.
func (m *merger) fits(size planSize, name string) bool {
	for i := range m.product.Variants {
		if there := &m.product.Variants[i]; there.Name == name {
			return there.ValidityDays == size.days && there.DataAmountGB.Equal(v1alpha1.Decimal(size.data))
		}
	}
	return true
}

// order leaves out what is too much, and sorts the rest by size.
func (m *merger) order() {
	made := m.made.Variants
	if extra := len(made) - MaxVariants; extra > 0 {
		slices.SortFunc(made, func(a, b v1alpha1.EsimVariant) int {
			return cmp.Or(amount(a).Cmp(amount(b)), strings.Compare(a.Name, b.Name))
		})
		made, m.made.Surplus = made[:MaxVariants], extra
	}
	slices.SortFunc(made, func(a, b v1alpha1.EsimVariant) int {
		x, y := gigabytes(a), gigabytes(b)
		return cmp.Or(cmp.Compare(y.Sign(), x.Sign()), x.Cmp(y), cmp.Compare(a.ValidityDays, b.ValidityDays))
	})
	m.made.Variants = made
}

func gigabytes(v v1alpha1.EsimVariant) money.Amount {
	return amount(v1alpha1.EsimVariant{Amount: v.DataAmountGB})
}
