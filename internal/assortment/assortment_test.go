package assortment_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/assortment"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
)

func amount(text string) money.Amount {
	parsed, err := money.Parse(text)
	if err != nil {
		panic(err)
	}
	return parsed
}

func plan(id, country, cost string) operators.Plan {
	return operators.Plan{ID: id, Name: id, Countries: []string{country}, DataGB: amount("1"), Days: 7, Cost: amount(cost), Currency: "USD"}
}

func maker(t *testing.T, change ...func(*v1alpha1.OperatorCatalogue)) *assortment.Maker {
	t.Helper()
	terms := &v1alpha1.OperatorCatalogue{Currency: "USD", MarkupPercent: "30"}
	for _, c := range change {
		c(terms)
	}
	m, err := assortment.NewMaker("vendor", terms)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAListMakesAProductForEachCountryAndRegion(t *testing.T) {
	europe := operators.Plan{
		ID: "EU 5GB", Countries: []string{"DEU", "FRA"}, Region: "XEU", DataGB: amount("0"), Days: 1, Cost: amount("9.99"), Currency: "USD",
	}
	made, err := maker(t).Make([]operators.Plan{plan("jp-1", "JPN", "3.333"), europe}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*v1alpha1.EsimProductSpec{
		"vendor-jpn": {
			DisplayName: "Japan", CountryCode: "JPN", Currency: "USD",
			Variants: []v1alpha1.EsimVariant{{
				Name: "jp-1", DisplayName: "1 GB / 7 days", Amount: "4.33", DataAmountGB: "1", ValidityDays: 7,
				Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: "vendor"}, PlanID: "jp-1"}},
			}},
		},
		"vendor-xeu": {
			DisplayName: "Europe", CountryCode: "XEU", Currency: "USD", Coverage: []v1alpha1.CountryCode{"DEU", "FRA"},
			Variants: []v1alpha1.EsimVariant{{
				Name: assortment.VariantName("EU 5GB"), DisplayName: "Unlimited / 1 day", Amount: "12.99", DataAmountGB: "0", ValidityDays: 1,
				Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: "vendor"}, PlanID: "EU 5GB"}},
			}},
		},
	}
	if diff := cmp.Diff(want, made.Products); diff != "" {
		t.Errorf("products (-want +got):\n%s", diff)
	}
	if made.Plans != 2 || made.LeftOut != 0 {
		t.Errorf("%d plans are sold, %d left out", made.Plans, made.LeftOut)
	}
}

func TestWhatIsNotSoldIsLeftOutAndCounted(t *testing.T) {
	nowhere, inactive, dear, foreign := plan("a", "JPN", "1"), plan("b", "JPN", "1"), plan("c", "JPN", "0"), plan("d", "JPN", "1")
	nowhere.Countries, inactive.Inactive, foreign.Currency = nil, true, "EUR"
	list := []operators.Plan{nowhere, inactive, dear, foreign, plan("e", "FRA", "1"), plan("topup-1", "JPN", "1"), plan("jp-1", "JPN", "1")}
	made, err := maker(t, func(c *v1alpha1.OperatorCatalogue) {
		c.Countries, c.PlanFilter = []v1alpha1.CountryCode{"JPN"}, "^jp-"
	}).Make(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	if made.Plans != 1 || made.LeftOut != 6 || len(made.Products["vendor-jpn"].Variants) != 1 {
		t.Errorf("%d plans are sold, %d left out: %+v", made.Plans, made.LeftOut, made.Products)
	}
}

func TestAPlanThatVanishesStaysInactiveAndComesBack(t *testing.T) {
	m := maker(t)
	first, err := m.Make([]operators.Plan{plan("jp-1", "JPN", "1"), plan("jp-2", "JPN", "2"), plan("fr-1", "FRA", "1")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	byHand := v1alpha1.EsimVariant{Name: "by-hand", DisplayName: "Special", Amount: "1", DataAmountGB: "1", ValidityDays: 1}
	first.Products["vendor-jpn"].Variants = append(first.Products["vendor-jpn"].Variants, byHand)
	second, err := m.Make([]operators.Plan{plan("jp-2", "JPN", "2")}, first.Products)
	if err != nil {
		t.Fatal(err)
	}
	inactive := map[string]bool{}
	for name, product := range second.Products {
		for _, v := range product.Variants {
			inactive[name+"/"+v.Name] = v.Inactive
		}
	}
	want := map[string]bool{"vendor-jpn/jp-1": true, "vendor-jpn/jp-2": false, "vendor-fra/fr-1": true}
	if diff := cmp.Diff(want, inactive); diff != "" {
		t.Errorf("inactive (-want +got):\n%s", diff)
	}
	third, err := m.Make([]operators.Plan{plan("jp-1", "JPN", "1"), plan("jp-2", "JPN", "2")}, second.Products)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range third.Products["vendor-jpn"].Variants {
		if v.Inactive {
			t.Errorf("%s is listed again and still inactive", v.Name)
		}
	}
}

func TestOfTooManyPlansTheCheapestAreSold(t *testing.T) {
	var list []operators.Plan
	for i := range assortment.MaxVariants + 50 {
		list = append(list, plan(fmt.Sprintf("jp-%d", i), "JPN", fmt.Sprintf("%d", 1000-i)))
	}
	made, err := maker(t).Make(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(made.Products["vendor-jpn"].Variants); got != assortment.MaxVariants || made.LeftOut != 50 {
		t.Errorf("%d are sold, %d left out", got, made.LeftOut)
	}
	for _, v := range made.Products["vendor-jpn"].Variants {
		if v.Name == "jp-0" {
			t.Error("the dearest is sold")
		}
	}
}

func TestTheSameListMakesTheSameProducts(t *testing.T) {
	list := []operators.Plan{plan("b", "JPN", "1"), plan("a", "JPN", "1"), plan("c", "FRA", "1")}
	hashes := func(list []operators.Plan) map[string]string {
		made, err := maker(t).Make(list, nil)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for name, product := range made.Products {
			if out[name], err = assortment.Hash(product); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	if diff := cmp.Diff(hashes(list), hashes([]operators.Plan{list[2], list[1], list[0]})); diff != "" {
		t.Errorf("in another order (-first +second):\n%s", diff)
	}
}

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func TestEveryPlanIDMakesAValidNameOfItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[!-~]([ -~]{0,100}[!-~])?`).Draw(t, "a")
		b := rapid.StringMatching(`[!-~]([ -~]{0,100}[!-~])?`).Draw(t, "b")
		if name := assortment.VariantName(a); !validName.MatchString(name) {
			t.Fatalf("%q makes %q", a, name)
		}
		if a != b && !equalFold(a, b) && assortment.VariantName(a) == assortment.VariantName(b) {
			t.Fatalf("%q and %q make one name", a, b)
		}
	})
}

func equalFold(a, b string) bool {
	return len(a) == len(b) && regexp.MustCompile(`(?i)^`+regexp.QuoteMeta(a)+`$`).MatchString(b)
}

func TestABadFilterIsNamed(t *testing.T) {
	if _, err := assortment.NewMaker("vendor", &v1alpha1.OperatorCatalogue{Currency: "USD", PlanFilter: "("}); err == nil {
		t.Error("it was taken")
	}
}
