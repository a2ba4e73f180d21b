package decimal_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/rest/decimal"
)

// A client must get back the digits that were meant, and nothing that is no number.
func TestNumbersAreReadAsJSONHasThem(t *testing.T) {
	for text, want := range map[string]struct {
		number decimal.Number
		err    error
	}{
		"4.50":                           {number: "4.50"},
		"-3":                             {number: "-3"},
		"0":                              {number: "0"},
		"0.1":                            {number: "0.1"},
		"123456789012345678.12345678":    {number: "123456789012345678.12345678"},
		"1e2":                            {number: "100"},
		"1.5E+2":                         {number: "150"},
		"1.2345e2":                       {number: "123.45"},
		"450e-2":                         {number: "4.50"},
		"-5e-3":                          {number: "-0.005"},
		"1e0":                            {number: "1"},
		"0e5":                            {number: "0"},
		"":                               {err: decimal.ErrNotNumber},
		"null":                           {err: decimal.ErrNotNumber},
		"true":                           {err: decimal.ErrNotNumber},
		`"4.50"`:                         {err: decimal.ErrNotNumber},
		"+1":                             {err: decimal.ErrNotNumber},
		"04.5":                           {err: decimal.ErrNotNumber},
		".5":                             {err: decimal.ErrNotNumber},
		"4,5":                            {err: decimal.ErrNotNumber},
		" 4":                             {err: decimal.ErrNotNumber},
		"4 ":                             {err: decimal.ErrNotNumber},
		"NaN":                            {err: decimal.ErrNotNumber},
		"-":                              {err: decimal.ErrNotNumber},
		"1e400":                          {err: decimal.ErrTooLong},
		"1e-400":                         {err: decimal.ErrTooLong},
		"1e64":                           {err: decimal.ErrTooLong},
		"1e99999999999999999999":         {err: decimal.ErrTooLong},
		"1" + strings.Repeat("0", 64):    {err: decimal.ErrTooLong},
		"0." + strings.Repeat("1", 1000): {err: decimal.ErrTooLong},
	} {
		got, err := decimal.Parse(text)
		if got != want.number || !errors.Is(err, want.err) {
			t.Errorf("Parse(%q) = %q, %v; want %q, %v", text, got, err, want.number, want.err)
		}
	}
}

// Digits must survive the way through a document, where a float would lose them.
func TestDigitsSurviveJSON(t *testing.T) {
	type priced struct {
		Amount decimal.Number  `json:"amount"`
		Rate   *decimal.Number `json:"rate,omitempty"`
	}
	const text = `{"amount":4.50,"rate":1.17000000000000000001}`
	var got priced
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	rate := decimal.Number("1.17000000000000000001")
	if diff := cmp.Diff(priced{Amount: "4.50", Rate: &rate}, got); diff != "" {
		t.Errorf("what was read (-want +got):\n%s", diff)
	}
	again, err := json.Marshal(got)
	if err != nil || string(again) != text {
		t.Errorf("written again: %s, %v; want %s", again, err, text)
	}
}

// A field that was left out must not be written as a number that nobody meant.
func TestWhatIsNoNumberIsNotWritten(t *testing.T) {
	for _, number := range []decimal.Number{"", "4,5", "NaN", "1}", "\"1\""} {
		if text, err := json.Marshal(number); err == nil {
			t.Errorf("%q was written as %s", number, text)
		}
	}
}

// Writing out an exponent must not change the number.
func TestAnExponentIsWrittenOutExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		number, err := decimal.Parse(text)
		if errors.Is(err, decimal.ErrTooLong) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(number.String(), "eE") {
			t.Fatalf("%s still has an exponent", number)
		}
		want, _, err := apd.NewFromString(text)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := apd.NewFromString(number.String())
		if err != nil {
			t.Fatal(err)
		}
		if got.Cmp(want) != 0 {
			t.Errorf("%s became %s", text, number)
		}
	})
}

// Whatever is sent, it is refused or it is a number that JSON takes as it is.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"4.50", "-1e-3", "1e400", "null", `"1"`, "0.", "1 2", "1}{"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		number, err := decimal.Parse(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(number)
		if err != nil || string(written) != number.String() {
			t.Errorf("Parse(%q) = %q, written as %q, %v", text, number, written, err)
		}
	})
}
