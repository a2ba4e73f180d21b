package money_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/money"
)

func TestMinorUnitsAreThoseOfISO4217(t *testing.T) {
	want := map[int32][]string{
		0: {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"},
		3: {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"},
		4: {"CLF", "UYW"},
	}
	got := map[int32][]string{}
	two := 0
	for _, currency := range money.Currencies() {
		if currency.MinorUnits == 2 {
			two++
			continue
		}
		got[currency.MinorUnits] = append(got[currency.MinorUnits], currency.Code)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("currencies without two decimals (-want +got):\n%s", diff)
	}
	if two != 139 {
		t.Errorf("%d currencies have two decimals", two)
	}
}

func TestLookup(t *testing.T) {
	for code, want := range map[string]money.Currency{
		"AED": {Code: "AED", Numeric: 784, MinorUnits: 2},
		"JPY": {Code: "JPY", Numeric: 392, MinorUnits: 0},
		"KWD": {Code: "KWD", Numeric: 414, MinorUnits: 3},
		"HKD": {Code: "HKD", Numeric: 344, MinorUnits: 2},
		"ALL": {Code: "ALL", Numeric: 8, MinorUnits: 2},
		"XCG": {Code: "XCG", Numeric: 532, MinorUnits: 2},
		"ZWG": {Code: "ZWG", Numeric: 924, MinorUnits: 2},
	} {
		got, known := money.Lookup(code)
		if diff := cmp.Diff(want, got); diff != "" || !known {
			t.Errorf("%s, known %t (-want +got):\n%s", code, known, diff)
		}
	}
	for _, code := range []string{"", "usd", "EUX", "BGN", "HRK", "ZWL", "ANG", "XAU", "XTS", "XXX", "ZZZ", "AAA"} {
		if got, known := money.Lookup(code); known {
			t.Errorf("%q is %v", code, got)
		}
	}
}

func TestEveryCurrencyIsFoundOnce(t *testing.T) {
	form := regexp.MustCompile(`^[A-Z]{3}$`)
	byNumber := map[int32]string{}
	for _, currency := range money.Currencies() {
		if found, known := money.Lookup(currency.Code); !known || found != currency {
			t.Errorf("%s is looked up as %v, known %t", currency.Code, found, known)
		}
		if other, taken := byNumber[currency.Numeric]; taken {
			t.Errorf("%s and %s are both %d", other, currency.Code, currency.Numeric)
		}
		if !form.MatchString(currency.Code) || currency.Numeric < 1 || currency.Numeric > 999 {
			t.Errorf("%v has no form of ISO 4217", currency)
		}
		byNumber[currency.Numeric] = currency.Code
	}
}
