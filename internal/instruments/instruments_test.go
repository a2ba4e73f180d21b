package instruments_test

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/instruments"
)

var (
	age   = instruments.Define(instruments.Controllers, instruments.Gauge, "test_age_seconds", "How old it is, in seconds.", "client", "order")
	count = instruments.Define(instruments.Controllers, instruments.Gauge, "test_orders", "How many there are.")
)

func TestANameIsDefinedOnce(t *testing.T) {
	defer func() {
		if got := recover(); got != "the metric test_orders is defined twice" {
			t.Errorf("it says %v", got)
		}
	}()
	instruments.Define(instruments.Facade, instruments.Counter, "test_orders", "Something else.")
}

func TestLiveGaugesShowWhatIsAttachedNow(t *testing.T) {
	live := instruments.NewLive(age, count)
	first, endFirst := context.WithCancel(t.Context())
	live.Attach(first, func(tell instruments.Tell) {
		tell(age, 7, "acme", "a")
		tell(count, 1)
	})
	live.Attach(t.Context(), func(tell instruments.Tell) {
		tell(age, 5, "acme", "a")
		tell(age, 3, "acme", "b")
		tell(count, 2)
	})
	want := map[string]float64{"test_age_seconds{acme,a}": 7, "test_age_seconds{acme,b}": 3, "test_orders{}": 2}
	if diff := gocmp.Diff(want, shown(t, live)); diff != "" {
		t.Errorf("of two (-want +got):\n%s", diff)
	}
	endFirst()
	want["test_age_seconds{acme,a}"] = 5
	for end := time.Now().Add(10 * time.Second); !gocmp.Equal(want, shown(t, live)); runtime.Gosched() { // AfterFunc's function runs beside us
		if time.Now().After(end) {
			t.Fatalf("once the first has ended: %v", shown(t, live))
		}
	}
}

// shown is what a collector shows, as name{labels} → value.
func shown(t *testing.T, collector prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, one := range family.GetMetric() {
			var labels []string
			for _, label := range one.GetLabel() {
				labels = append(labels, label.GetValue())
			}
			values[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = one.GetGauge().GetValue()
		}
	}
	return values
}

func TestALiveGaugeWithAWrongLabelFailsTheScrape(t *testing.T) {
	live := instruments.NewLive(age)
	live.Attach(t.Context(), func(tell instruments.Tell) { tell(age, 7, "acme") })
	registry := prometheus.NewRegistry()
	registry.MustRegister(live)
	if _, err := registry.Gather(); err == nil {
		t.Error("it is shown without its second label")
	}
}

func TestTheWorstAreTheFirstOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOf(rapid.IntRange(0, 50)).Draw(t, "all")
		n := rapid.IntRange(1, 12).Draw(t, "n")
		want := slices.Sorted(slices.Values(all))
		want = append([]int{}, want[:min(n, len(want))]...)
		if diff := gocmp.Diff(want, instruments.Worst(n, slices.Values(all), cmp.Compare[int])); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
