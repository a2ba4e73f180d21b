package esimaccess_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess/esimaccessfake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

func TestAProfileIsTakenBackForItsPriceUntilADeviceHasIt(t *testing.T) {
	for _, tc := range []struct {
		name    string
		arrange func(v *vendor, iccid string) error
		want    error
		class   operators.Class
		back    int
	}{
		{"nobody touched it", func(*vendor, string) error { return nil }, nil, "", 1},
		{"it is downloaded", func(v *vendor, iccid string) error { return v.Download(iccid) }, operators.ErrInstalled, "", 0},
		{"it is installed", func(v *vendor, iccid string) error { return v.Vendor.Install(iccid) }, operators.ErrInstalled, "", 0},
		{"it is used", func(v *vendor, iccid string) error {
			return errors.Join(v.Vendor.Install(iccid), v.Use(iccid))
		}, operators.ErrInstalled, "", 0},
		{"it was deleted", func(v *vendor, iccid string) error {
			return errors.Join(v.Vendor.Install(iccid), v.Delete(iccid))
		}, operators.ErrInstalled, "", 0},
		{"it was cancelled at the console", func(v *vendor, iccid string) error { return v.SetStatus(iccid, "CANCEL") }, nil, "", 1},
		{"it was revoked", func(v *vendor, iccid string) error { return v.SetStatus(iccid, "REVOKE") }, nil, "", 0},
		{"nobody can download it any more", func(v *vendor, iccid string) error { return v.SetStatus(iccid, "UNUSED_EXPIRED") }, nil, "", 0},
		{"it is suspended", func(v *vendor, iccid string) error { return v.SetStatus(iccid, "SUSPENDED") }, nil, operators.Transient, 0},
	} {
		inBubble(t, esimaccessfake.Options{ListDelay: time.Hour}, func(o *order) {
			before := o.vendor.Balance()
			profile := o.deliver()
			if err := tc.arrange(o.vendor, string(profile.ICCID)); err != nil {
				o.Fatal(err)
			}
			o.restart() // its order number is forgotten: the ICCID finds it
			held := operators.Held{RequestID: requestID, ICCID: profile.ICCID}
			err := o.driver.GiveBack(o.Context(), held)
			if tc.class != "" {
				o.is(err, tc.class)
			} else if !errors.Is(err, tc.want) {
				o.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
			}
			o.books(1, tc.back)
			if tc.name == "nobody touched it" && o.vendor.Balance() != before {
				o.Errorf("%d of %d are refunded", o.vendor.Balance(), before)
			}
			if again := o.driver.GiveBack(o.Context(), held); tc.class == "" && !errors.Is(again, tc.want) {
				o.Errorf("%s: asked again, the answer is %v, after %v", tc.name, again, err)
			}
		})
	}
}

func TestThatNothingWasBoughtIsSaidOnlyWhenItIsProven(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.inject(faults.Fault{Kind: faults.Drop, Times: 1, Execution: faults.Never}, esimaccessfake.Order)
		o.fails(operators.OutcomeUnknown)
		began := time.Now()
		if err := o.giveBack(); !errors.Is(err, operators.ErrUnknownProfile) {
			o.Fatalf("got %v, want ErrUnknownProfile", err)
		}
		if took := time.Since(began); took < settleAfter {
			o.Errorf("said after %v, with %v to settle", took, settleAfter)
		}
		o.books(0, 0)
	})
}

func TestAnOrderThatShowsLateIsGivenBack(t *testing.T) {
	for _, duplicate := range duplicates {
		inBubble(t, esimaccessfake.Options{ListDelay: 5 * time.Minute, Duplicate: duplicate}, func(o *order) {
			o.inject(faults.Fault{Kind: faults.Drop, Times: 1}, esimaccessfake.Order)
			o.fails(operators.OutcomeUnknown)
			o.restart()
			if err := o.giveBack(); err != nil {
				o.Errorf("giving back ends with %v", err)
			}
			o.books(1, 1)
		})
	}
}

func TestAProfileThatIsNotMadeYetIsGivenBackOnceItIs(t *testing.T) {
	inBubble(t, esimaccessfake.Options{AllocationDelay: time.Minute}, func(o *order) {
		o.fails(operators.Busy)
		o.is(o.driver.GiveBack(o.Context(), o.held()), operators.Busy)
		o.restart()
		o.is(o.driver.GiveBack(o.Context(), o.held()), operators.Busy)
		if err := o.giveBack(); err != nil {
			o.Errorf("giving back ends with %v", err)
		}
		o.books(1, 1)
	})
}

func TestARefundWhoseAnswerIsLostIsAskedFor(t *testing.T) {
	for _, execution := range []faults.Execution{faults.First, faults.Never} {
		inBubble(t, esimaccessfake.Options{}, func(o *order) {
			o.deliver()
			o.inject(faults.Fault{Kind: faults.Drop, Times: 1, Execution: execution}, esimaccessfake.Cancel)
			o.is(o.driver.GiveBack(o.Context(), o.held()), operators.OutcomeUnknown)
			if err := o.giveBack(); err != nil {
				o.Errorf("giving back ends with %v", err)
			}
			o.books(1, 1)
		})
	}
}

func TestADeviceThatComesFirstKeepsItsProfile(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		profile := o.deliver()
		o.inject(faults.Fault{Kind: faults.Watch, Times: 1, Then: func() {
			if err := o.vendor.Download(string(profile.ICCID)); err != nil {
				o.Error(err)
			}
		}}, esimaccessfake.Query)
		o.is(o.driver.GiveBack(o.Context(), o.held()), operators.Transient)
		if err := o.giveBack(); !errors.Is(err, operators.ErrInstalled) {
			o.Errorf("giving back ends with %v, want ErrInstalled", err)
		}
		o.books(1, 0)
	})
}

func TestAnICCIDThatWasSoldAgainIsNotTakenFromItsNewOwner(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		profile := o.deliver()
		if err := o.vendor.SetStatus(string(profile.ICCID), "CANCEL"); err != nil {
			o.Fatal(err)
		}
		if err := o.vendor.SellAgain(string(profile.ICCID)); err != nil {
			o.Fatal(err)
		}
		o.restart()
		if err := o.driver.GiveBack(o.Context(), operators.Held{RequestID: requestID, ICCID: profile.ICCID}); err != nil {
			o.Errorf("giving back ends with %v", err)
		}
		_, err := o.driver.Track(o.Context(), operators.Tracked{RequestID: "another-order", ICCID: profile.ICCID})
		o.is(err, operators.Transient)
	})
}

func TestNothingIsGivenBackWithoutTheGuard(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.deliver()
		fenced := errors.New("another process leads")
		config := o.vendor.config()
		config.Guard = func() (func(), error) { return nil, fenced }
		o.driver = o.vendor.driver(o.T, config)
		if err := o.driver.GiveBack(o.Context(), o.held()); !errors.Is(err, fenced) {
			o.Errorf("got %v, want the guard's error", err)
		}
		o.books(1, 0)
	})
}

func TestACallerThatGivesUpLeavesNothingOpen(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		ctx, cancel := context.WithCancel(o.Context())
		o.inject(faults.Fault{Kind: faults.Drop, Times: 1, Then: cancel}, esimaccessfake.Order)
		_, err := o.driver.Provision(ctx, o.asked, o.journal)
		o.is(err, operators.OutcomeUnknown)
		o.asked.Fresh = false
		o.deliver()
		o.books(1, 0)
	})
}
