package airalo

import (
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
)

// TestConformance holds the driver against what every driver must show.
func TestConformance(t *testing.T) {
	operatortest.Run(t, operatortest.Subject{
		Start:         func(t *testing.T) operatortest.Vendor { return newWorld(t) },
		Plan:          testPlan,
		Buys:          []string{airalofake.SubmitOrder},
		NotReturnable: true,
		Tolerates:     []faults.Kind{faults.NumbersAsStrings, faults.ObjectsForLists, faults.BooleansAsStrings},
		Refusals: []operatortest.Refusal{
			{Name: "a package that is not sold", Plan: "no-such-package", Want: operators.Rejected, OneOrder: true},
			{Name: "what cannot be a package's ID", Plan: "ein Päckchen", Want: operators.Rejected, OneOrder: true},
			{Name: "nothing left of the package", Arrange: func(t testing.TB, v operatortest.Vendor) {
				if err := v.(*world).airalo.SetStock(testPlan, 0); err != nil {
					t.Fatal(err)
				}
			}, Want: operators.OutOfStock, Code: "Airalo 34", OneOrder: true},
			{Name: "our account is empty", Arrange: func(t testing.TB, v operatortest.Vendor) {
				if err := v.(*world).airalo.SetCredit("3.59"); err != nil {
					t.Fatal(err)
				}
			}, Want: operators.Misconfigured, Code: "Airalo 11"},
			refusedWith("too few eSIMs", 33, operators.OutOfStock, true),
			refusedWith("maintenance", 13, operators.Transient, false),
			refusedWith("our signature", 14, operators.Misconfigured, false),
			refusedWith("our request", 43, operators.Misconfigured, false),
			refusedWith("something unexpected", 53, operators.OutcomeUnknown, false),
			refusedWith("a recycled SIM", 73, operators.Rejected, true),
			refusedWith("a code that nobody knows", 4711, operators.OutcomeUnknown, false),
			{Name: "our address", Arrange: func(_ testing.TB, v operatortest.Vendor) {
				v.(*world).airalo.RefuseAddress(airalofake.SubmitOrder, 1)
			}, Want: operators.Misconfigured, Code: "Airalo 89"},
			{Name: "asked too often", Arrange: func(t testing.TB, v operatortest.Vendor) {
				inject(t, v, faults.Fault{Kind: faults.Status, Function: airalofake.SubmitOrder, Status: 429, RetryAfter: "17", Times: 1})
			}, Want: operators.Busy, Code: "HTTP 429", RetryAfter: 17 * time.Second},
			{Name: "credentials of nobody", Arrange: func(t testing.TB, v operatortest.Vendor) {
				inject(t, v, faults.Fault{Kind: faults.Status, Function: airalofake.RequestToken, Status: 401, Times: 1})
			}, Want: operators.Misconfigured, Code: "HTTP 401"},
		},
	})
}

func refusedWith(name string, code int, want operators.Class, oneOrder bool) operatortest.Refusal {
	return operatortest.Refusal{
		Name: name, Want: want, Code: codeText(code), OneOrder: oneOrder,
		Arrange: func(_ testing.TB, v operatortest.Vendor) { v.(*world).airalo.Refuse(airalofake.SubmitOrder, code, 1) },
	}
}

func inject(t testing.TB, v operatortest.Vendor, f faults.Fault) {
	t.Helper()
	if _, err := v.Inject(f); err != nil {
		t.Fatal(err)
	}
}
