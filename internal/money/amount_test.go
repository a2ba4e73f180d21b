package money_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/money"
)

// amount is one that the test's author wrote.
func amount(t testing.TB, text string) money.Amount {
	t.Helper()
	a, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestParseWritesOneNumberInOneWay(t *testing.T) {
	for text, want := range map[string]string{
		"0":                            "0",
		"0.00":                         "0",
		"-0":                           "0",
		"-0.000":                       "0",
		"4.50":                         "4.5",
		"-4.50":                        "-4.5",
		"10000":                        "10000",
		"650.00":                       "650",
		"0.00000001":                   "0.00000001",
		"007":                          "7",
		strings.Repeat("9", 64):        strings.Repeat("9", 64),
		"0." + strings.Repeat("1", 62): "0." + strings.Repeat("1", 62),
	} {
		if diff := cmp.Diff(want, amount(t, text).String()); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", text, diff)
		}
	}
}

func TestParseRefusesWhatIsNoDecimal(t *testing.T) {
	for text, want := range map[string]error{
		"":                      money.ErrNotDecimal,
		"-":                     money.ErrNotDecimal,
		".":                     money.ErrNotDecimal,
		"4.":                    money.ErrNotDecimal,
		".5":                    money.ErrNotDecimal,
		"+4.50":                 money.ErrNotDecimal,
		"--4.50":                money.ErrNotDecimal,
		" 4.50":                 money.ErrNotDecimal,
		"4,50":                  money.ErrNotDecimal,
		"4.5.0":                 money.ErrNotDecimal,
		"4.-5":                  money.ErrNotDecimal,
		"1e9":                   money.ErrNotDecimal,
		"NaN":                   money.ErrNotDecimal,
		"Infinity":              money.ErrNotDecimal,
		"0x10":                  money.ErrNotDecimal,
		"١٢":                    money.ErrNotDecimal,
		"1_000":                 money.ErrNotDecimal,
		strings.Repeat("9", 65): money.ErrTooLong,
		strings.Repeat("x", 65): money.ErrTooLong,
	} {
		if a, err := money.Parse(text); !errors.Is(err, want) {
			t.Errorf("Parse(%q) = %s, %v; want %v", text, a, err, want)
		}
	}
}

func TestTheZeroValueIsZero(t *testing.T) {
	var zero money.Amount
	if diff := cmp.Diff([]any{"0", 0, true}, []any{zero.String(), zero.Sign(), zero.Equal(amount(t, "0.00"))}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(amount(t, "4.50"), zero.Add(amount(t, "4.5"))); diff != "" {
		t.Error(diff)
	}
}

func TestRoundTo(t *testing.T) {
	for _, test := range []struct{ amount, currency, want string }{
		{"282.2625", "USD", "282.26"},
		{"0.005", "USD", "0"},
		{"0.015", "USD", "0.02"},
		{"0.0150000000000000001", "USD", "0.02"},
		{"0.025", "USD", "0.02"},
		{"0.02500000000000000001", "USD", "0.03"},
		{"-0.025", "USD", "-0.02"},
		{"-0.005", "USD", "0"},
		{"0.5", "JPY", "0"},
		{"1.5", "JPY", "2"},
		{"2.5", "JPY", "2"},
		{"9.5", "JPY", "10"},
		{"99.9999", "JPY", "100"},
		{"0.04", "JPY", "0"},
		{"650", "JPY", "650"},
		{"1.2345", "KWD", "1.234"},
		{"1.2355", "KWD", "1.236"},
		{"0.00005", "CLF", "0"},
		{"0.00015", "CLF", "0.0002"},
		{"4.5", "USD", "4.5"},
		{"0", "KWD", "0"},
		{"99999999999999999999999999999.995", "USD", "100000000000000000000000000000"},
	} {
		got, err := amount(t, test.amount).RoundTo(test.currency)
		if err != nil {
			t.Errorf("%s in %s: %v", test.amount, test.currency, err)
			continue
		}
		if diff := cmp.Diff(test.want, got.String()); diff != "" {
			t.Errorf("%s in %s (-want +got):\n%s", test.amount, test.currency, diff)
		}
	}
}

func TestRoundToRefusesCurrenciesThatAreNotInUse(t *testing.T) {
	for _, code := range []string{"", "usd", "EUX", "BGN", "XAU", "XXX"} {
		if a, err := amount(t, "1").RoundTo(code); !errors.Is(err, money.ErrUnknownCurrency) {
			t.Errorf("RoundTo(%q) = %s, %v", code, a, err)
		}
	}
}

// The digits of factors add up: multiplying on and on ends in an error, neither in rounding
// nor in a number that fills the memory.
func TestMulEndsWhereNoSumOfMoneyIs(t *testing.T) {
	for _, text := range []string{"0.0001", strings.Repeat("9", 64)} {
		a, rounds := amount(t, text), 0
		var err error
		for product := a; err == nil; rounds++ {
			if rounds > 100 {
				t.Fatalf("%s to the power of %d is still computed", text, rounds)
			}
			product, err = product.Mul(a)
		}
		if !errors.Is(err, money.ErrTooLong) {
			t.Errorf("%s to the power of %d: %v", text, rounds, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0", "-4.50", "1e9", "99999999999.9999", "-0.0", "..", "Inf"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := money.Parse(text)
		if err != nil {
			if !errors.Is(err, money.ErrNotDecimal) && !errors.Is(err, money.ErrTooLong) {
				t.Fatalf("Parse(%q): %v is an error without a name", text, err)
			}
			return
		}
		again, err := money.Parse(a.String())
		if err != nil || !again.Equal(a) || again.String() != a.String() {
			t.Fatalf("Parse(%q) is %s, which is read as %s, %v", text, a, again, err)
		}
	})
}
