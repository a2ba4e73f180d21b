package instruments

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Tell gives the value of a gauge, with the values of its labels in their order.
type Tell func(gauge Definition, value float64, labels ...string)

// Live are gauges whose values are asked for at each scrape, from whoever is attached then.
// Between scrapes they cost nothing, and what they name can be the worst few of many.
type Live struct {
	descriptions map[string]*prometheus.Desc

	mu      sync.Mutex
	sources map[*source]struct{}
}

type source struct{ collect func(Tell) }

var _ prometheus.Collector = (*Live)(nil)

// NewLive makes a collector of these gauges, registered nowhere.
func NewLive(gauges ...Definition) *Live {
	live := &Live{descriptions: map[string]*prometheus.Desc{}, sources: map[*source]struct{}{}}
	for _, gauge := range gauges {
		live.descriptions[gauge.Name] = prometheus.NewDesc(gauge.Name, gauge.Help, gauge.Labels, nil)
	}
	return live
}

// Attach has collect asked at each scrape until ctx ends. It must be quick, and safe for
// concurrent use.
func (l *Live) Attach(ctx context.Context, collect func(Tell)) {
	attached := &source{collect}
	l.mu.Lock()
	l.sources[attached] = struct{}{}
	l.mu.Unlock()
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.sources, attached)
	})
}

// Describe implements prometheus.Collector.
func (l *Live) Describe(to chan<- *prometheus.Desc) {
	for _, description := range l.descriptions {
		to <- description
	}
}

// told is the value of one series.
type told struct {
	gauge  string
	value  float64
	labels []string
}

// Collect implements prometheus.Collector. Where two sources tell of one series, as two managers
// in one process do, the greater value is shown.
func (l *Live) Collect(to chan<- prometheus.Metric) {
	l.mu.Lock()
	sources := slices.Collect(maps.Keys(l.sources))
	l.mu.Unlock()
	series := map[string]told{}
	for _, source := range sources {
		source.collect(func(gauge Definition, value float64, labels ...string) {
			key := gauge.Name + "\xff" + strings.Join(labels, "\xff")
			if before, known := series[key]; !known || value > before.value {
				series[key] = told{gauge.Name, value, labels}
			}
		})
	}
	for _, one := range series {
		metric, err := prometheus.NewConstMetric(l.descriptions[one.gauge], prometheus.GaugeValue, one.value, one.labels...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(l.descriptions[one.gauge], err)
		}
		to <- metric
	}
}

// Worst are the n first of all by an order of badness, first the worst: so many series name what
// is wrong, however much is.
func Worst[T any](n int, all iter.Seq[T], compare func(a, b T) int) []T {
	worst := make([]T, 0, n+1)
	for one := range all {
		if len(worst) == n && compare(one, worst[n-1]) >= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(worst, one, compare)
		worst = slices.Insert(worst, at, one)
		if len(worst) > n {
			worst = worst[:n]
		}
	}
	return worst
}
