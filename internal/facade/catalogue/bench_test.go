package catalogue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
)

func filled(count int) *catalogue.Catalogue {
	c := catalogue.New()
	for i := range count {
		c.OnAdd(many(i), true)
	}
	return c
}

func many(i int) *v1alpha1.EsimProduct {
	return japan(func(p *v1alpha1.EsimProduct) {
		p.Name = fmt.Sprint("product-", i)
		p.Status.ID = int64(i + 1)
		for j := range p.Status.Variants {
			p.Status.Variants[j].ID = int64(10*i + j + 1)
		}
	})
}

// BenchmarkPage reports what a page costs in a catalogue of 10,000 products, as a multiple of
// one in a catalogue of 100.
func BenchmarkPage(b *testing.B) {
	few, large := filled(100), filled(10_000)
	for _, c := range []struct {
		name   string
		filter catalogue.Filter
	}{{"all", catalogue.Filter{}}, {"of a country", catalogue.Filter{CountryCode: "JPN"}}, {"covering", catalogue.Filter{Covers: "JPN"}}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			const rounds = 8
			best := map[*catalogue.Catalogue]time.Duration{few: time.Hour, large: time.Hour}
			each := b.N/(2*rounds) + 1
			for range rounds {
				for _, from := range []*catalogue.Catalogue{few, large} {
					from.Visible(nil).List(c.filter, 1, 50)
					began := time.Now()
					for i := range each {
						if page := from.Visible(nil).List(c.filter, 1+i%2, 50); len(page.Products) != 50 {
							b.Fatalf("%d products", len(page.Products))
						}
					}
					best[from] = min(best[from], time.Since(began)/time.Duration(each))
				}
			}
			b.ReportMetric(float64(best[large])/float64(best[few]), "ratio-10000:100")
		})
	}
}

// BenchmarkChange is what taking in one change costs in a catalogue of 10,000 products.
func BenchmarkChange(b *testing.B) {
	c := filled(10_000)
	changed := many(5_000)
	b.ReportAllocs()
	for b.Loop() {
		c.OnUpdate(changed, changed)
	}
}

// BenchmarkPageAfterChange is what the first page costs after a change of 10,000 products.
func BenchmarkPageAfterChange(b *testing.B) {
	c := filled(10_000)
	changed := many(5_000)
	b.ReportAllocs()
	for b.Loop() {
		c.OnUpdate(changed, changed)
		if page := c.Visible(nil).List(catalogue.Filter{}, 1, 50); page.Total != 10_000 {
			b.Fatalf("%d products", page.Total)
		}
	}
}
