package esimaccess

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/operators"
)

func TestACodeMeansWhatTheCallMakesOfIt(t *testing.T) {
	const (
		unknown       = operators.OutcomeUnknown
		transient     = operators.Transient
		rejected      = operators.Rejected
		misconfigured = operators.Misconfigured
		busy          = operators.Busy
	)
	for _, tc := range []struct {
		code                              string
		firstOrder, again, cancel, listed operators.Class
	}{
		{"000001", unknown, unknown, unknown, transient},
		{"000103", misconfigured, misconfigured, misconfigured, misconfigured},
		{"101001", transient, transient, transient, transient},
		{"101003", misconfigured, misconfigured, misconfigured, misconfigured},
		{"200002", rejected, unknown, rejected, rejected},
		{"200005", rejected, rejected, rejected, rejected},
		{"200007", misconfigured, misconfigured, misconfigured, misconfigured},
		{"200008", misconfigured, unknown, misconfigured, misconfigured},
		{"200009", rejected, unknown, rejected, rejected},
		{"200010", unknown, unknown, busy, busy},
		{"200011", operators.OutOfStock, operators.OutOfStock, operators.OutOfStock, operators.OutOfStock},
		{"310241", rejected, rejected, rejected, rejected},
		{"900001", busy, busy, busy, busy},
		{"777777", unknown, unknown, unknown, transient},
		{"", unknown, unknown, unknown, transient},
	} {
		for what, got := range map[string]struct{ got, want operators.Class }{
			"a first order":            {classify(order, tc.code, false).Class, tc.firstOrder},
			"an order sent once more":  {classify(order, tc.code, true).Class, tc.again},
			"a profile given back":     {classify(cancel, tc.code, false).Class, tc.cancel},
			"a list that is asked for": {classify(queryOrder, tc.code, false).Class, tc.listed},
		} {
			if got.got != got.want {
				t.Errorf("%q to %s means %s, want %s", tc.code, what, got.got, got.want)
			}
		}
	}
}

func TestOnlyCodesAreShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "errorCode")
		failure := classify(order, text, false)
		if failure.Code != "" && (failure.Code != text || len(text) > 8) {
			t.Fatalf("%q is shown as %q", text, failure.Code)
		}
		for _, c := range failure.Code {
			if c < '0' || c > '9' {
				t.Fatalf("%q is shown", text)
			}
		}
	})
}
