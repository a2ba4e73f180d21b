package webapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/money"
)

// mixed is an answer as vendors write it.
type mixed struct {
	Text   Text
	Number Number
	Int    Int
	Bool   Bool
	List   List[Text]
}

// plainly is what was read, in types that can be compared.
type plainly struct {
	Text, Number string
	Int          int64
	Bool         bool
	List         []string
}

func (m mixed) plainly() plainly {
	p := plainly{Text: string(m.Text), Int: int64(m.Int), Bool: bool(m.Bool)}
	if m.Number.Given {
		p.Number = m.Number.String()
	}
	for _, element := range m.List {
		p.List = append(p.List, string(element))
	}
	return p
}

func TestWhatVendorsMixUpIsReadAlike(t *testing.T) {
	want := plainly{Text: "7", Number: "1.5", Int: 3, Bool: true, List: []string{"a", "b"}}
	for name, body := range map[string]string{
		"as documented":    `{"text":"7","number":1.50,"int":3,"bool":true,"list":["a","b"]}`,
		"all as texts":     `{"text":"7","number":"1.50","int":"3","bool":"true","list":["a","b"]}`,
		"lists as objects": `{"text":7,"number":1.50,"int":3.0,"bool":1,"list":{"1":"b","0":"a"}}`,
		"with a mark":      "\xef\xbb\xbf" + `{"text":"7","number":1.50,"int":3,"bool":"TRUE","list":{"0":"a","10":"b"}}`,
		"with exponents":   `{"text":"7","number":150e-2,"int":0.3e1,"bool":"1","list":["a","b"]}`,
	} {
		var read mixed
		if err := Decode([]byte(body), &read); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, read.plainly()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestNullIsTheZeroValue(t *testing.T) {
	read := mixed{Text: "x", Int: 1, Bool: true, List: List[Text]{"x"}, Number: Number{Given: true}}
	if err := Decode([]byte(`{"text":null,"number":null,"int":null,"bool":null,"list":null}`), &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plainly{}, read.plainly()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatIsOfAnotherKindIsRefusedWithoutBeingRepeated(t *testing.T) {
	const secret = "SECRET1"
	for _, body := range []string{
		`{"text":["SECRET1"]}`, `{"text":{"SECRET1":1}}`, `{"number":"SECRET1"}`, `{"number":["SECRET1"]}`,
		`{"int":"SECRET1"}`, `{"int":1.5}`, `{"int":99999999999999999999}`, `{"bool":"SECRET1"}`, `{"bool":2}`,
		`{"list":"SECRET1"}`, `{"list":{"SECRET1":"a"}}`, `{"list":{"01":"a"}}`, `{"list":7}`, `SECRET1`, `{"text":"SECRET1`,
		`["SECRET1"]`, `"SECRET1"`, ``, `{"number":1e400}`, strings.Repeat(`{"list":[`, 50_000),
	} {
		var read mixed
		err := Decode([]byte(body), &read)
		if err == nil {
			t.Errorf("%.40s is taken for %+v", body, read.plainly())
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%.40s: the error repeats what was sent: %v", body, err)
		}
	}
}

func TestANumberKeepsItsValueHoweverItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?`).Draw(t, "number")
		shift := rapid.IntRange(-9, 9).Draw(t, "exponent")
		var written Number
		if err := Decode(fmt.Appendf(nil, "%se%d", digits, shift), &written); err != nil {
			t.Fatal(err)
		}
		want, err := money.Parse(digits)
		if err != nil {
			t.Fatal(err)
		}
		factor := "1" + strings.Repeat("0", max(shift, 0))
		if shift < 0 {
			factor = "0." + strings.Repeat("0", -shift-1) + "1"
		}
		by, err := money.Parse(factor)
		if err != nil {
			t.Fatal(err)
		}
		if want, err = want.Mul(by); err != nil {
			t.Fatal(err)
		}
		if !written.Equal(want) {
			t.Fatalf("%se%d is read as %s, want %s", digits, shift, written.Amount, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"text":7,"number":"1.5e3","int":"3","bool":"true","list":{"0":"a"}}`))
	f.Add([]byte(`{"number":1e-30,"list":[[]]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var read mixed
		if err := Decode(body, &read); err != nil {
			return
		}
		if !json.Valid(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))) {
			t.Errorf("%q was read", body)
		}
	})
}
