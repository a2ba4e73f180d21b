package esimaccess_test

import (
	"testing"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess/esimaccessfake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

func TestThirtyThousandPlansAreListedOnceEach(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.vendor.Fill(30_000)
		seen := make(map[string]bool)
		regions := make(map[string]int)
		for plan, err := range o.driver.Plans(o.Context()) {
			if err != nil {
				o.Fatal(err)
			}
			if seen[plan.ID] {
				o.Fatalf("%s is listed twice", plan.ID)
			}
			seen[plan.ID] = true
			regions[plan.Region]++
		}
		if len(seen) != 30_001 || regions["GLO"] != 3_000 || regions["XEU"] != 3_000 || regions[""] != 24_001 {
			o.Errorf("%d plans; by region %v", len(seen), regions)
		}
	})
}

func TestACatalogueThatIsNotReadToItsEndEndsWithAnError(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.vendor.Fill(20) // some of each kind
		for _, kind := range []faults.Kind{faults.Drop, faults.HTML, faults.Truncated, faults.Malformed, faults.Huge, faults.Deep, faults.WrongTypes, faults.Empty} {
			for call := range 3 {
				o.vendor.Injector.Clear()
				o.inject(faults.Fault{Kind: kind, Skip: call, Times: 1}, esimaccessfake.PackageList)
				var last error
				for _, err := range o.driver.Plans(o.Context()) {
					last = err
				}
				if class, _ := operators.ClassOf(last); class != operators.Transient {
					o.Errorf("call %d, %s: got %v, want an error of class Transient", call+1, kind, last)
				}
			}
		}
	})
}

func TestACatalogueInAnotherStyleIsReadAlike(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.vendor.Fill(100)
		for _, kind := range []faults.Kind{faults.NumbersAsStrings, faults.ObjectsForLists, faults.BooleansAsStrings} {
			o.vendor.Injector.Clear()
			o.inject(faults.Fault{Kind: kind}, esimaccessfake.PackageList)
			count := 0
			for plan, err := range o.driver.Plans(o.Context()) {
				if err != nil {
					o.Fatalf("%s: %v", kind, err)
				}
				if plan.Cost.Sign() <= 0 || plan.DataGB.Sign() <= 0 {
					o.Errorf("%s: %+v", kind, plan)
				}
				count++
			}
			if count != 101 {
				o.Errorf("%s: %d plans", kind, count)
			}
		}
	})
}

func TestAReaderOfPlansMayStop(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.vendor.Fill(100)
		for _, err := range o.driver.Plans(o.Context()) {
			if err != nil {
				o.Fatal(err)
			}
			break
		}
		if asked := o.vendor.Executed(esimaccessfake.PackageList); asked != 1 {
			o.Errorf("%d lists were asked for", asked)
		}
	})
}
