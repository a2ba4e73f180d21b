package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/test/stand"
)

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestVariablesSayHowLongAndHowHard(t *testing.T) {
	got, err := readSettings(environment(map[string]string{
		"SOAK_ORDERS": "10", "SOAK_MINUTES": "0.5", "SOAK_FAULTS": "0", "SOAK_KILL": "0", "SOAK_CALM": "1m", "SOAK_SEED": "7", "SOAK_KEEP": "logs",
	}), time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := settings{orders: 10, storm: 30 * time.Second, calm: time.Minute, seed: 7, keep: "logs", sampled: 30 * time.Second}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{})); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	usual, err := readSettings(environment(nil), time.Unix(1, 0))
	if err != nil || usual.orders != 2000 || usual.faults != 0.2 || usual.seed != 1e9 {
		t.Errorf("without variables: %+v, %v", usual, err)
	}
	steady, err := readSettings(environment(map[string]string{"SOAK_STEADY": "500"}), time.Unix(1, 0))
	if err != nil || steady.steady != 500 || steady.orders != 6000 || steady.storm != 30*time.Minute || steady.kill != 0 {
		t.Errorf("a steady soak: %+v, %v", steady, err)
	}
}

func TestAWrongVariableIsNamed(t *testing.T) {
	for name, text := range map[string]string{
		"SOAK_ORDERS": "0", "SOAK_MINUTES": "-1", "SOAK_FAULTS": "1", "SOAK_KILL": "8", "SOAK_CALM": "0s", "SOAK_SEED": "x", "SOAK_STEADY": "-1",
	} {
		if _, err := readSettings(environment(map[string]string{name: text}), time.Unix(1, 0)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, text, err)
		}
	}
}

// A call takes the first fault that is drawn for it: what each is drawn with must leave the
// share that was asked for, evenly.
func TestFaultsShareTheCallsEvenly(t *testing.T) {
	for _, share := range []float64{0.2, 0.9} {
		const kinds = 20
		left := 1.0
		for i := range kinds {
			hit := left * fraction(share, i, kinds)
			if math.Abs(hit-share/kinds) > 1e-9 {
				t.Errorf("fault %d of %.1f hits %f of all calls, want %f", i, share, hit, share/kinds)
			}
			left -= hit
		}
	}
}

func TestOffersAreAHundredInAHundred(t *testing.T) {
	sum := 0
	for _, offered := range offers {
		sum += offered.weight
		for _, operator := range offered.sources {
			if stand.Plan(operator) == "" {
				t.Errorf("%s is to come from %q, which is no operator", offered.name, operator)
			}
		}
	}
	if sum != 100 {
		t.Errorf("%d of 100 orders are for something", sum)
	}
}

func TestWritesAreToldByTheirVerb(t *testing.T) {
	if !isWrite(`verb="POST",x="y z"`) || isWrite(`verb="GET"`) {
		t.Error("a POST is a write, and a GET is none")
	}
}
