package catalogue

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Assortment is what one client may buy, as it was when it was asked for. To the client,
// nothing else is there.
type Assortment struct {
	from     *snapshot
	selector labels.Selector
}

// Visible is what a client may buy; nil stands for a client without an EsimClient, which may
// buy all. With a productSelector that cannot be used it may buy nothing, as the controllers
// see it.
func (c *Catalogue) Visible(terms *v1alpha1.EsimClient) Assortment {
	a := Assortment{from: c.current.Load(), selector: labels.Everything()}
	if terms == nil || terms.Spec.ProductSelector == nil {
		return a
	}
	selector, err := metav1.LabelSelectorAsSelector(terms.Spec.ProductSelector)
	if err != nil {
		selector = labels.Nothing()
	}
	a.selector = selector
	return a
}

// Product finds one by its number.
func (a Assortment) Product(id int64) (*Product, bool) {
	p, ok := a.from.product(id)
	if !ok || !a.sells(p) {
		return nil, false
	}
	return p, true
}

// Variant finds an active one by its number.
func (a Assortment) Variant(id int64) (*Variant, bool) {
	v, ok := a.from.variant(id)
	if !ok || !a.sells(v.Product) {
		return nil, false
	}
	return v, true
}

func (a Assortment) sells(p *Product) bool { return a.selector.Matches(labels.Set(p.Object.Labels)) }

// Filter says which products are asked for; what is left empty is no condition.
type Filter struct {
	// CountryCode is exactly the product's own: alpha-3, GLO or a region.
	CountryCode v1alpha1.CountryCode
	// Search is a part of the name, in any case.
	Search string
	// Covers is a country (alpha-3) that the product works in.
	Covers v1alpha1.CountryCode
}

// Page is a part of a list.
type Page struct {
	// Products on the page, by their numbers. Nobody changes them.
	Products []*Product
	// Total is how many products the filter finds on all pages together.
	Total int

	text *pageText
}

// List answers a page of what the client may buy, sorted by number. Pages count from 1; one
// that is beyond the last is empty. One country or one covered country costs the page; a
// search, or several conditions, a look at each product that the others leave.
func (a Assortment) List(f Filter, number, size int) Page {
	v := a.view()
	if f == (Filter{}) {
		return v.page(number, size)
	}
	products := v.products
	switch {
	case f.Covers != "":
		products = v.covering()[f.Covers]
	case f.CountryCode != "":
		products = v.countries()[f.CountryCode]
	}
	if f.Search != "" || f.Covers != "" && f.CountryCode != "" {
		folded := fold(f.Search)
		products = slices.DeleteFunc(slices.Clone(products), func(p *Product) bool {
			return f.CountryCode != "" && p.Object.Spec.CountryCode != f.CountryCode || !strings.Contains(p.folded, folded)
		})
	}
	return pageOf(products, number, size)
}

func pageOf(products []*Product, number, size int) Page {
	page := Page{Total: len(products)}
	// Without multiplying: a page's number may be as large as its caller likes.
	if number < 1 || size < 1 || number-1 > len(products)/size {
		return page
	}
	start := min((number-1)*size, len(products))
	end := start + min(size, len(products)-start)
	page.Products = products[start:end:end]
	return page
}
