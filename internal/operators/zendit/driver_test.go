package zendit

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
)

// in runs a test in a bubble, with a fake and a driver to it.
func in(t *testing.T, o zenditfake.Options, run func(t *testing.T, v *vendor, d *Driver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := startVendor(t, o)
		d := v.connect(t, Config{Timeout: 5 * time.Second})
		t.Cleanup(d.Close)
		run(t, v, d)
	})
}

func (v *vendor) inject(t testing.TB, f faults.Fault) {
	t.Helper()
	if _, err := v.Inject(f); err != nil {
		t.Fatal(err)
	}
}

// called is how often a function was called.
func (v *vendor) called(function string) int {
	count := 0
	for _, call := range v.Calls() {
		if call.Function == function {
			count++
		}
	}
	return count
}

func purchaseOf(plan string, fresh bool) operators.Purchase {
	return operators.Purchase{RequestID: "req-1", PlanID: plan, Fresh: fresh}
}

// provision is Provision without a journal, which the driver does not need.
func provision(t testing.TB, d *Driver, p operators.Purchase) (operators.Profile, *operators.Error) {
	t.Helper()
	profile, err := d.Provision(t.Context(), p, nil)
	if err == nil {
		return profile, nil
	}
	return profile, failureOf(t, err)
}

func failureOf(t testing.TB, err error) *operators.Error {
	t.Helper()
	var failure *operators.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want an *operators.Error", err)
	}
	return failure
}

func checkClass(t testing.TB, failure *operators.Error, want operators.Class) {
	t.Helper()
	if failure == nil || failure.Class != want {
		t.Fatalf("got %v, want the class %s", failure, want)
	}
}

func TestAPurchaseThatIsInTheBooksAlreadyIsAdoptedAtOnce(t *testing.T) {
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		v.inject(t, faults.Fault{Kind: faults.Drop, Function: functionBuy, Times: 1})
		_, failure := provision(t, d, purchaseOf(testPlan, true))
		checkClass(t, failure, operators.OutcomeUnknown)
		// Whoever takes the order for fresh, wrongly, is refused, and adopts what is there.
		profile, failure := provision(t, d, purchaseOf(testPlan, true))
		if failure != nil || !v.fake.HasMatchingID(profile.ICCID, profile.MatchingID) {
			t.Errorf("got %v, %v", profile.ICCID, failure)
		}
		if v.Bought() != 1 {
			t.Errorf("%d were bought", v.Bought())
		}
	})
}

func TestAFreshPurchaseIsNotLookedUpFirst(t *testing.T) {
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		if _, failure := provision(t, d, purchaseOf(testPlan, true)); failure != nil {
			t.Fatal(failure)
		}
		if first := v.Calls()[0].Function; first != functionBuy {
			t.Errorf("the first call is %s", first)
		}
	})
}

func TestAPurchaseThatIsKnownIsNotSentAgain(t *testing.T) {
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		for _, fresh := range []bool{true, false, false} {
			if _, failure := provision(t, d, purchaseOf(testPlan, fresh)); failure != nil {
				t.Fatal(failure)
			}
		}
		if sent := v.called(functionBuy); sent != 1 {
			t.Errorf("it was sent %d times", sent)
		}
	})
}

func TestNoOrderGoesElsewhereWhileItsRequestMayStillArrive(t *testing.T) {
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		v.inject(t, faults.Fault{Kind: faults.Late, Delay: 9 * time.Second, Function: functionBuy, Times: 1})
		_, failure := provision(t, d, purchaseOf(testPlan, true))
		checkClass(t, failure, operators.OutcomeUnknown)
		offer, _ := v.fake.Offer(testPlan)
		offer.Disabled = true
		v.fake.SetOffer(offer)
		_, failure = provision(t, d, purchaseOf(testPlan, false))
		checkClass(t, failure, operators.Busy)
		offer.Disabled = false
		v.fake.SetOffer(offer)
		time.Sleep(failure.RetryAfter)
		if _, failure = provision(t, d, purchaseOf(testPlan, false)); failure != nil {
			t.Errorf("what arrived late is not adopted: %v", failure)
		}
		if v.Bought() != 1 {
			t.Errorf("%d were bought", v.Bought())
		}
	})
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		v.inject(t, faults.Fault{Kind: faults.Drop, Execution: faults.Never, Function: functionBuy, Times: 1})
		_, failure := provision(t, d, purchaseOf("DISABLED", true))
		checkClass(t, failure, operators.OutcomeUnknown)
		for range 5 {
			if _, failure = provision(t, d, purchaseOf("DISABLED", false)); failure.Class != operators.Busy {
				break
			}
			time.Sleep(failure.RetryAfter)
		}
		checkClass(t, failure, operators.Rejected)
	})
}

func TestA404ThatIsNotZenditsSaysNothing(t *testing.T) {
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		v.inject(t, faults.Fault{Kind: faults.Status, Status: 404, Function: functionLookUp}) // with {} as its body
		_, failure := provision(t, d, purchaseOf(testPlan, false))
		checkClass(t, failure, operators.Transient)
		checkClass(t, failureOf(t, d.GiveBack(t.Context(), operators.Held{RequestID: "req-1"})), operators.Transient)
		if v.called(functionBuy) != 0 {
			t.Error("it was sent")
		}
	})
}

func TestAWrongPathIsNotTakenForAnswersAboutOrders(t *testing.T) {
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, _ *Driver) {
		d, err := New(Config{BaseURL: v.URL + "/v2", APIKey: activation.NewCredential(testKey), CAPEM: v.CA, Dial: v.Dial})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		for _, fresh := range []bool{true, false} {
			_, failure := provision(t, d, purchaseOf(testPlan, fresh))
			checkClass(t, failure, operators.Misconfigured)
		}
		checkClass(t, failureOf(t, d.GiveBack(t.Context(), operators.Held{RequestID: "req-1"})), operators.Misconfigured)
	})
}

func TestAProbeShowsAKeyThatIsNotTaken(t *testing.T) {
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		if err := d.Probe(t.Context()); err != nil {
			t.Error(err)
		}
		v.fake.Change(func(o *zenditfake.Options) { o.APIKey = "another" })
		checkClass(t, failureOf(t, d.Probe(t.Context())), operators.Misconfigured)
	})
}

func TestAnEmptyAccountCostsNoOrder(t *testing.T) {
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		v.fake.SetBalance(474)
		_, failure := provision(t, d, purchaseOf(testPlan, true))
		checkClass(t, failure, operators.Restart)
		if err := d.GiveBack(t.Context(), operators.Held{RequestID: "req-1"}); !errors.Is(err, operators.ErrUnknownProfile) {
			t.Fatalf("a purchase that failed is given back as %v", err)
		}
		next := operators.Purchase{RequestID: "req-2", PlanID: testPlan, Fresh: true}
		_, failure = provision(t, d, next)
		checkClass(t, failure, operators.Misconfigured)
		if failure.OneOrder {
			t.Error("it is taken for one order's trouble")
		}
		if sent := v.called(functionBuy); sent != 1 {
			t.Errorf("%d purchases were sent, though there was no money", sent)
		}
		v.fake.SetBalance(475)
		if _, failure = provision(t, d, next); failure != nil {
			t.Errorf("with money again: %v", failure)
		}
	})
}

func TestARefundThatZenditRefusesIsNoneAndSaysSo(t *testing.T) {
	in(t, zenditfake.Options{Refunding: time.Minute}, func(t *testing.T, v *vendor, d *Driver) {
		profile, failure := provision(t, d, purchaseOf(testPlan, true))
		if failure != nil {
			t.Fatal(failure)
		}
		if err := v.fake.RefuseRefund(profile.ICCID); err != nil {
			t.Fatal(err)
		}
		held := operators.Held{RequestID: "req-1", ICCID: profile.ICCID}
		checkClass(t, failureOf(t, d.GiveBack(t.Context(), held)), operators.Busy)
		time.Sleep(time.Minute)
		if err := d.GiveBack(t.Context(), held); !errors.Is(err, operators.ErrNotReturnable) {
			t.Errorf("got %v, want ErrNotReturnable", err)
		}
	})
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		profile, failure := provision(t, d, purchaseOf(testPlan, true))
		if failure != nil {
			t.Fatal(failure)
		}
		v.inject(t, faults.Fault{Kind: faults.Echo, Function: functionRefund, Times: 1})
		failure = failureOf(t, d.GiveBack(t.Context(), operators.Held{RequestID: "req-1", ICCID: profile.ICCID}))
		checkClass(t, failure, operators.Misconfigured)
		if !failure.OneOrder || failure.ICCID != profile.ICCID {
			t.Errorf("the error is about ICCID %q, one order's: %v", failure.ICCID, failure.OneOrder)
		}
	})
}

func TestASlotIsNotHeldForLong(t *testing.T) {
	in(t, zenditfake.Options{Delivery: time.Hour}, func(t *testing.T, _ *vendor, d *Driver) {
		began := time.Now()
		_, failure := provision(t, d, purchaseOf(testPlan, true))
		checkClass(t, failure, operators.Busy)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Minute)
		_, failure = provision(t, d, purchaseOf(testPlan, false))
		checkClass(t, failure, operators.Busy)
		if failure.RetryAfter != 30*time.Second {
			t.Errorf("a purchase of a minute is looked at again after %v", failure.RetryAfter)
		}
	})
}

func TestASecretOrSpecThatCannotBeUsedIsNamed(t *testing.T) {
	key := activation.NewCredential("secret-key-1")
	for name, tc := range map[string]struct {
		config Config
		want   string
	}{
		"no key":           {Config{}, KeyAPIKey},
		"blank key":        {Config{APIKey: activation.NewCredential(" \n")}, KeyAPIKey},
		"key of two lines": {Config{APIKey: activation.NewCredential("secret-key-1\r\nX-Other: 1")}, KeyAPIKey},
		"plain HTTP":       {Config{APIKey: key, BaseURL: "http://api.zendit.io/v1"}, "spec.zendit.url"},
		"a user":           {Config{APIKey: key, BaseURL: "https://user@api.zendit.io/v1"}, "spec.zendit.url"},
		"a query":          {Config{APIKey: key, BaseURL: "https://api.zendit.io/v1?a=b"}, "spec.zendit.url"},
		"no certificates":  {Config{APIKey: key, CAPEM: []byte("none")}, KeyCA},
	} {
		_, err := New(tc.config)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret-key-1") {
			t.Errorf("%s: got %v, want an error that names %s", name, err, tc.want)
		}
	}
	if _, err := New(Config{APIKey: activation.NewCredential("secret-key-1\n")}); err != nil {
		t.Errorf("a line break at the end of the key: %v", err)
	}
}
