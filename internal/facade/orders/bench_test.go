package orders

import (
	"testing"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// BenchmarkPage reports what a page costs at 100,000 orders, as a multiple of one at 1,000.
// Each is the least of several rounds, which take turns, so that what else the machine does
// counts for neither.
func BenchmarkPage(b *testing.B) {
	few, many := filled(1_000), filled(100_000)
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"all", Query{}},
		{"by status", Query{Status: v1alpha1.PhaseDelivered}},
		{"by reference", Query{ClientReference: "trip-7"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			const rounds = 8
			best := map[*Index]time.Duration{few: time.Hour, many: time.Hour}
			each := b.N/(2*rounds) + 1
			for range rounds {
				for _, index := range []*Index{few, many} {
					began := time.Now()
					for i := range each {
						// The first pages, which are in both and which most clients look at.
						if page := index.List("acme", c.q, 1+i%9, 50); page.Total == 0 {
							b.Fatal("an empty list")
						}
					}
					best[index] = min(best[index], time.Since(began)/time.Duration(each))
				}
			}
			b.ReportMetric(float64(best[many].Nanoseconds()), "ns/page-of-100000")
			b.ReportMetric(float64(best[many])/float64(best[few]), "ratio-100000:1000")
		})
	}
}

// BenchmarkFarPage is what a page anywhere in the list of 100,000 orders costs.
func BenchmarkFarPage(b *testing.B) {
	index := filled(100_000)
	b.ReportAllocs()
	number := 0
	for b.Loop() {
		number = (number + 797) % 2000
		if page := index.List("acme", Query{}, number+1, 50); len(page.Orders) != 50 {
			b.Fatalf("page %d has %d orders", number+1, len(page.Orders))
		}
	}
}

// BenchmarkEvent is what taking in one change of an order costs at 100,000 orders.
func BenchmarkEvent(b *testing.B) {
	index := filled(100_000)
	order := numbered(50_000)
	b.ReportAllocs()
	for b.Loop() {
		index.OnUpdate(order, order)
	}
}
