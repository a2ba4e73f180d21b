package catalogue

import (
	"sync"

	"golang.org/x/text/cases"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// Product is an EsimProduct as REST clients see it. Nothing that can be seen of it changes.
type Product struct {
	// ID is the number that REST clients know it by; 0 where it has none yet.
	ID int64
	// Object is the EsimProduct. Nobody changes it.
	Object *v1alpha1.EsimProduct
	// Variants are the active ones that have a number, in the catalogue's order.
	Variants []Variant

	// name of the Object, which it is looked up by.
	name string
	// numbers of all variants, the inactive and those that left too.
	numbers map[string]int64
	// folded is the name as it is searched in.
	folded string

	listed struct {
		once sync.Once
		text []byte
		err  error
	}
}

// Listed is how the product looks in a list, as render makes it the first time: whoever lists
// products makes the same of one each time, and thousands of times a second.
func (p *Product) Listed(render func(*Product) ([]byte, error)) ([]byte, error) {
	p.listed.once.Do(func() { p.listed.text, p.listed.err = render(p) })
	return p.listed.text, p.listed.err
}

// Variant is a data plan that is on sale. It never changes.
type Variant struct {
	// ID is the number that REST clients know it by.
	ID int64
	// Product that it belongs to.
	Product *Product
	// Object is the variant as the EsimProduct has it. Nobody changes it.
	Object *v1alpha1.EsimVariant

	amount money.Amount
	// priced is false where the amount is no number, which the schema refuses.
	priced bool
}

func newProduct(object *v1alpha1.EsimProduct) *Product {
	p := &Product{
		ID: object.Status.ID, Object: object, name: object.Name, folded: fold(object.Spec.DisplayName),
		numbers: make(map[string]int64, len(object.Status.Variants)),
	}
	for _, status := range object.Status.Variants {
		p.numbers[status.Name] = status.ID
	}
	p.Variants = make([]Variant, 0, len(object.Spec.Variants))
	for i := range object.Spec.Variants {
		variant := &object.Spec.Variants[i]
		id := p.numbers[variant.Name]
		if variant.Inactive || id == 0 {
			continue
		}
		amount, err := money.Parse(string(variant.Amount))
		p.Variants = append(p.Variants, Variant{ID: id, Product: p, Object: variant, amount: amount, priced: err == nil})
	}
	return p
}

// fold makes a text such that one that differs in case only becomes the same, in any language.
func fold(text string) string { return cases.Fold().String(text) }

// onOffer tells whether clients can see it: it has a number, and is not being deleted.
func (p *Product) onOffer() bool { return p.ID > 0 && p.Object.DeletionTimestamp.IsZero() }

// Coverage are the countries that the product works in: those that it lists, else its own.
func (p *Product) Coverage() []v1alpha1.CountryCode {
	if spec := &p.Object.Spec; len(spec.Coverage) == 0 {
		return []v1alpha1.CountryCode{spec.CountryCode}
	}
	return p.Object.Spec.Coverage
}

// VariantID is the number of a variant by its name, whether it is on sale or not; 0 where none
// has the name.
func (p *Product) VariantID(name string) int64 { return p.numbers[name] }

// Match finds the variant that an order by amount gets: of those with exactly this amount (4.5
// is 4.50) the first that is sellable, else the first. False where none has it.
func (p *Product) Match(amount money.Amount) (*Variant, bool) {
	var first *Variant
	for i := range p.Variants {
		v := &p.Variants[i]
		if !v.Costs(amount) {
			continue
		}
		if v.Sellable() {
			return v, true
		}
		if first == nil {
			first = v
		}
	}
	return first, first != nil
}

// Costs tells whether an amount is exactly the variant's price before discounts.
func (v *Variant) Costs(amount money.Amount) bool { return v.priced && v.amount.Equal(amount) }

// Sellable tells whether there is a source that could fill the variant.
func (v *Variant) Sellable() bool { return len(v.Object.Sources) > 0 }
