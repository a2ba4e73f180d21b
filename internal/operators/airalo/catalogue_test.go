package airalo

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// plansOf reads a whole catalogue; the error that ended it, where one did.
func plansOf(t *testing.T, d *Driver) (plans []operators.Plan, failure error) {
	t.Helper()
	for plan, err := range d.Plans(t.Context()) {
		if err != nil {
			return plans, err
		}
		plans = append(plans, plan)
	}
	return plans, nil
}

var compareMoney = cmp.Comparer(func(a, b money.Amount) bool { return a.Equal(b) })

func TestTheCatalogueInOurUnits(t *testing.T) {
	want := []operators.Plan{
		{ID: testPlan, Name: "1 GB - 7 Days", Countries: []string{"JPN"}, DataGB: mustParse("1"), Days: 7, Cost: mustParse("3.6"), Currency: "USD"},
		{ID: "eurolink-30days-unlimited", Name: "Unlimited - 30 Days", Countries: []string{"DEU", "FRA", "GBR"}, Region: "XEU", Days: 30, Cost: mustParse("49"), Currency: "USD"},
		{ID: "discover-365days-20gb", Name: "20 GB - 365 Days", Countries: []string{"FRA", "JPN", "USA"}, Region: "GLO", DataGB: mustParse("20.5"), Days: 365, Cost: mustParse("62.1"), Currency: "USD"},
	}
	for name, kind := range map[string]faults.Kind{
		"as documented": "", "numbers as texts": faults.NumbersAsStrings, "lists as objects": faults.ObjectsForLists, "booleans as texts": faults.BooleansAsStrings,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if kind != "" {
					inject(t, w, faults.Fault{Kind: kind})
				}
				plans, err := plansOf(t, w.driver(t))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, plans, compareMoney); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
	t.Run("in another currency, where it is told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			plans, err := plansOf(t, newWorld(t).driver(t, func(c *Config) { c.Currency = "EUR" }))
			if err != nil || len(plans) != 2 || plans[0].Cost.String() != "3.31" || plans[0].Currency != "EUR" || plans[1].Cost.String() != "45.08" {
				t.Errorf("%v, %+v", err, plans)
			}
		})
	})
}

func TestWhatCannotBeSoldIsLeftOut(t *testing.T) {
	const good = `{"id":"p","type":"sim","title":"T","amount":1000,"day":7,"net_price":3.6,"prices":{"net_price":[]}}`
	for name, c := range map[string]struct {
		old, replacement string
		want             bool
	}{
		"as it should be":             {"", "", true},
		"without a price":             {`"net_price":3.6,`, ``, false},
		"a price below nothing":       {`3.6`, `-3.6`, false},
		"no data":                     {`"amount":1000`, `"amount":0`, false},
		"no data, because it is free": {`"amount":1000`, `"amount":null,"is_unlimited":"1"`, true},
		"no days":                     {`"day":7`, `"day":0`, false},
		"days without end":            {`"day":7`, `"day":9999999999`, false},
		"an ID that cannot be signed": {`"id":"p"`, `"id":"pä"`, false},
		"a price with an exponent":    {`3.6`, `3.6e0`, true},
	} {
		t.Run(name, func(t *testing.T) {
			var p pack
			if err := webapi.Decode([]byte(strings.Replace(good, c.old, c.replacement, 1)), &p); err != nil {
				t.Fatal(err)
			}
			if _, ok := p.plan("USD"); ok != c.want {
				t.Errorf("got %t, want %t", ok, c.want)
			}
		})
	}
}

func TestALargeCatalogueComesWholeOrWithAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.airalo.Grow(30_000)
		d := w.driver(t)
		plans, err := plansOf(t, d)
		if err != nil || len(plans) != 30_000-1 {
			t.Fatalf("%d plans, %v", len(plans), err)
		}
		seen := make(map[string]bool, len(plans))
		for _, plan := range plans {
			if seen[plan.ID] {
				t.Fatalf("%s came twice", plan.ID)
			}
			seen[plan.ID] = true
		}
		pages := w.executed(airalofake.GetPackages)
		inject(t, w, faults.Fault{Kind: faults.Truncated, Function: airalofake.GetPackages, Skip: pages - 1, Times: 1})
		some, err := plansOf(t, d)
		if failure := failureOf(t, err); failure.Class != operators.Transient {
			t.Errorf("a page that broke off is %s: %v", failure.Class, failure)
		}
		if len(some) == 0 || len(some) >= len(plans) {
			t.Errorf("%d plans came before the page that broke off", len(some))
		}
	})
}
