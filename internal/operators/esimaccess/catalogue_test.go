package esimaccess

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
)

func TestVolumesAreWhatTheVendorPrints(t *testing.T) {
	for volume, want := range map[int64]string{
		1 << 30: "1", 5 << 30: "5", 3 << 29: "1.5", 100 << 20: "0.1", 300 << 20: "0.3", 500 << 20: "0.5", 512 << 20: "0.5",
		10 << 20: "0.0098", 1: "0", 1500 << 20: "1.5", 1 << 40: "1024",
	} {
		got, err := gigabytes(volume)
		if err != nil || got.String() != want {
			t.Errorf("%d bytes are %s GB (%v), want %s", volume, got, err, want)
		}
	}
}

func TestVolumesAreNeverFarOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		volume := rapid.Int64Range(1<<20, 1<<50).Draw(t, "volume")
		got, err := gigabytes(volume)
		if err != nil {
			t.Fatal(err)
		}
		tenThousandths, err := scaled(got)
		if err != nil {
			t.Fatal(err)
		}
		// A round hundred of MB is printed as if GB had 1000 of them: 2.4 % more.
		exact := float64(volume) / gibibyte * 10_000
		if off := float64(tenThousandths) - exact; off < -0.51 || off > exact*0.0241+0.51 {
			t.Fatalf("%d bytes are %s GB", volume, got)
		}
	})
}

func TestAPlanIsToldInOurUnits(t *testing.T) {
	japan := plan{
		PackageCode: "CKH101", Slug: "JP_1_7", Name: "Japan 1GB 7Days", Price: 15_000, Currency: "USD",
		Volume: 1 << 30, DataType: 1, Duration: 7, DurationUnit: "DAY", Location: "JP",
	}
	want := operators.Plan{
		ID: "JP_1_7", Name: "Japan 1GB 7Days", Countries: []string{"JPN"}, DataGB: must("1"), Days: 7, Cost: must("1.5"), Currency: "USD",
	}
	for _, tc := range []struct {
		name   string
		by     string
		change func(*plan)
		want   func(*operators.Plan)
	}{
		{"of one country", all, func(*plan) {}, func(*operators.Plan) {}},
		{"without a slug", all, func(p *plan) { p.Slug = "" }, func(p *operators.Plan) { p.ID = "CKH101" }},
		{"by the day without an end", all, func(p *plan) { p.DataType, p.Volume = 4, 0 }, func(p *operators.Plan) { p.DataGB = money.Amount{} }},
		{"by the month", all, func(p *plan) { p.Duration, p.DurationUnit = 2, "MONTH" }, func(p *operators.Plan) { p.Days = 60 }},
		{"by days", all, func(p *plan) { p.DurationUnit = "days" }, func(*operators.Plan) {}},
		{"at a fraction of a cent", all, func(p *plan) { p.Price = 1 }, func(p *operators.Plan) { p.Cost = must("0.0001") }},
		{"of a region by its slug", regional, func(p *plan) { p.Slug, p.Location = "EU-30_1_7", "DE,FR,UA,XX" }, func(p *operators.Plan) {
			p.ID, p.Region, p.Countries = "EU-30_1_7", "XEU", []string{"DEU", "FRA", "UKR"}
		}},
		{"of a region by its countries", regional, func(p *plan) { p.Slug, p.Location = "", "BR, AR,CL" }, func(p *operators.Plan) {
			p.ID, p.Region, p.Countries = "CKH101", "XSA", []string{"ARG", "BRA", "CHL"}
		}},
		{"of all the world", global, func(p *plan) { p.Slug, p.Location = "GL-2_1_7", "JP,US" }, func(p *operators.Plan) {
			p.ID, p.Region, p.Countries = "GL-2_1_7", "GLO", []string{"JPN", "USA"}
		}},
		{"of all the world without countries", all, func(p *plan) { p.Location = "!GL" }, func(p *operators.Plan) {
			p.Region, p.Countries = "GLO", []string{}
		}},
		{"of several countries without a filter", all, func(p *plan) { p.Slug, p.Location = "AS-2_1_7", "JP,KR" }, func(p *operators.Plan) {
			p.ID, p.Region, p.Countries = "AS-2_1_7", "XAS", []string{"JPN", "KOR"}
		}},
		{"of American Samoa, which is no region", all, func(p *plan) { p.Slug, p.Location = "AS_1_7", "AS" }, func(p *operators.Plan) {
			p.ID, p.Countries = "AS_1_7", []string{"ASM"}
		}},
	} {
		have, normal := japan, want
		tc.change(&have)
		tc.want(&normal)
		got, err := have.normalise(tc.by)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(normal, got, cmp.Comparer(money.Amount.Equal), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	for name, spoil := range map[string]func(*plan){
		"no name to order it by": func(p *plan) { p.Slug, p.PackageCode = "", "" },
		"no price":               func(p *plan) { p.Price = 0 },
		"a price below nothing":  func(p *plan) { p.Price = -1 },
		"no volume":              func(p *plan) { p.Volume = 0 },
		"another currency":       func(p *plan) { p.Currency = "EUR" },
		"hours":                  func(p *plan) { p.DurationUnit = "HOUR" },
		"no duration":            func(p *plan) { p.Duration = 0 },
		"no country":             func(p *plan) { p.Location = "" },
		"an unknown country":     func(p *plan) { p.Location = "ZZ" },
	} {
		have := japan
		spoil(&have)
		if got, err := have.normalise(all); err == nil {
			t.Errorf("a plan with %s is told as %+v", name, got)
		}
	}
}

func must(text string) money.Amount { return mustParse(text) }

func TestAPlanThatCannotBeReadCostsItselfOnly(t *testing.T) {
	for _, tc := range []struct {
		name, obj string
		want      int
	}{
		{"a list", `{"packageList":[{"slug":"A"},{"slug":["B"]},{"slug":"C","price":"10"}]}`, 3},
		{"an object for a list", `{"packageList":{"0":{"slug":"A"},"1":{"slug":"B"}}}`, 2},
		{"an empty list", `{"packageList":[]}`, 0},
		{"an empty object", `{"packageList":{}}`, 0},
	} {
		got, err := readPlans([]byte(tc.obj))
		if err != nil || len(got) != tc.want {
			t.Errorf("%s: %d plans, %v", tc.name, len(got), err)
		}
	}
	for _, obj := range []string{``, `null`, `{}`, `{"packageList":null}`, `{"packageList":7}`, `{"packageList":"x"}`, `[]`, `{"packageList":[{"slug":[]},{"slug":[]},{"slug":"A"}]}`, `{"packageList":[1`} {
		if got, err := readPlans([]byte(obj)); err == nil {
			t.Errorf("%s is read as %v", obj, got)
		}
	}
}

func FuzzReadPlans(f *testing.F) {
	for _, seed := range []string{
		`{"packageList":[{"packageCode":"CKH101","slug":"JP_1_7","price":"15000","volume":1073741824,"duration":7,"durationUnit":"DAY","location":"JP,KR"}]}`,
		`{"packageList":{"0":{"slug":"EU-3_1_7"}}}`, `{"packageList":[[]]}`, `{"packageList":[{"price":1e30}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, obj []byte) {
		plans, err := readPlans(obj)
		if err != nil {
			return
		}
		for _, p := range plans {
			normal, err := p.normalise(all)
			if err != nil {
				continue
			}
			if normal.ID == "" || normal.Cost.Sign() <= 0 || normal.DataGB.Sign() < 0 || normal.Days < 1 || (normal.Region == "" && len(normal.Countries) != 1) {
				t.Errorf("%+v became %+v", p, normal)
			}
		}
	})
}
