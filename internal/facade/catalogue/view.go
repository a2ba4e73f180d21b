package catalogue

import (
	"sync"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// view is what a selector leaves of a snapshot.
type view struct {
	products            []*Product
	countries, covering func() map[v1alpha1.CountryCode][]*Product

	mu sync.Mutex
	// pages are those that were asked for, without a filter.
	pages map[pageKey]*pageText
}

type pageKey struct{ number, size int }

// maxPages bounds how many pages of a view are remembered, of 60 KiB each at most.
const maxPages = 16

// page is one of all that is in the view.
func (v *view) page(number, size int) Page {
	page := pageOf(v.products, number, size)
	if len(page.Products) == 0 {
		return page
	}
	key := pageKey{number: number, size: size}
	v.mu.Lock()
	defer v.mu.Unlock()
	page.text = v.pages[key]
	if page.text == nil && len(v.pages) < maxPages {
		page.text = &pageText{}
		v.pages[key] = page.text
	}
	return page
}

// pageText is a page as it was written once.
type pageText struct {
	once sync.Once
	text []byte
	err  error
}

// Text is the page as write makes it the first time: clients ask for the same few pages, and
// those change with the catalogue only. What a filter finds is written each time.
func (p Page) Text(write func([]*Product) ([]byte, error)) ([]byte, error) {
	if p.text == nil {
		return write(p.Products)
	}
	p.text.once.Do(func() { p.text.text, p.text.err = write(p.Products) })
	return p.text.text, p.text.err
}

// view is worked out once for each snapshot and selector.
func (a Assortment) view() *view {
	if labels.MatchesNothing(a.selector) {
		return newView(nil)
	}
	key := a.selector.String()
	if made, ok := a.from.views.Load(key); ok {
		if build, ok := made.(func() *view); ok {
			return build()
		}
	}
	build := sync.OnceValue(func() *view {
		var products []*Product
		a.from.numbers.Scan(func(p *Product) bool {
			if a.sells(p) {
				products = append(products, p)
			}
			return true
		})
		return newView(products)
	})
	made, _ := a.from.views.LoadOrStore(key, build)
	if earlier, ok := made.(func() *view); ok {
		build = earlier
	}
	return build()
}

func newView(products []*Product) *view {
	return &view{
		products: products, pages: map[pageKey]*pageText{},
		countries: sync.OnceValue(func() map[v1alpha1.CountryCode][]*Product {
			found := map[v1alpha1.CountryCode][]*Product{}
			for _, p := range products {
				found[p.Object.Spec.CountryCode] = append(found[p.Object.Spec.CountryCode], p)
			}
			return found
		}),
		covering: sync.OnceValue(func() map[v1alpha1.CountryCode][]*Product {
			found := map[v1alpha1.CountryCode][]*Product{}
			for _, p := range products {
				for _, country := range p.Coverage() {
					found[country] = append(found[country], p)
				}
			}
			return found
		}),
	}
}
