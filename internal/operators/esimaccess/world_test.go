package esimaccess_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess/esimaccessfake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
)

// order is one order at the fake: what the pipeline would do with it.
type order struct {
	*testing.T
	vendor  *vendor
	driver  *esimaccess.Driver
	journal *operatortest.Journal
	asked   operators.Purchase
}

// requestID of every order.
const requestID = "5f0c3a2e-1"

// inBubble runs a test about one order in a bubble where time passes at once.
func inBubble(t *testing.T, options esimaccessfake.Options, run func(o *order)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &order{
			T: t, vendor: newVendor(t, options), journal: &operatortest.Journal{},
			asked: operators.Purchase{RequestID: requestID, PlanID: plan, Fresh: true, Since: time.Now()},
		}
		o.restart()
		run(o)
	})
}

// restart is the end of the process and the begin of another.
func (o *order) restart() {
	if o.driver != nil {
		o.asked.Fresh = false // who begins does not know what was sent
	}
	o.driver = o.vendor.driver(o.T, o.vendor.config())
}

// provision asks once. As in the pipeline, an order stays fresh while each error proves that
// nothing was bought.
func (o *order) provision() (operators.Profile, error) {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.Context(), time.Minute)
	defer cancel()
	fresh := o.asked.Fresh
	profile, err := o.driver.Provision(ctx, o.asked, o.journal)
	o.asked.Fresh = fresh && nothingBought(err)
	for _, sold := range o.vendor.Profiles() {
		if o.asked.Fresh && sold.TransactionID == o.asked.RequestID {
			o.Errorf("a profile was bought, and the error says that none was: %v", err)
		}
	}
	return profile, err
}

// nothingBought tells of the error of a fresh order whether it proves that nothing was bought.
func nothingBought(err error) bool {
	var failure *operators.Error
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Class {
	case operators.Transient, operators.Misconfigured, operators.Rejected, operators.OutOfStock:
		return true
	case operators.Busy:
		return !failure.Pending
	default:
		return false
	}
}

// deliver asks until the profile is there, and waits as it is told.
func (o *order) deliver() operators.Profile {
	o.Helper()
	var failure *operators.Error
	for range 100 {
		profile, err := o.provision()
		if err == nil {
			return profile
		}
		if !errors.As(err, &failure) {
			o.Fatal(err)
		}
		o.wait(failure)
	}
	o.Fatalf("no profile after 100 passes: %v", failure)
	return operators.Profile{}
}

// giveBack asks until there is a final answer.
func (o *order) giveBack() error {
	o.Helper()
	var failure *operators.Error
	for range 100 {
		err := o.driver.GiveBack(o.Context(), o.held())
		if !errors.As(err, &failure) {
			return err
		}
		o.wait(failure)
	}
	o.Fatalf("no answer after 100 passes: %v", failure)
	return nil
}

func (o *order) held() operators.Held {
	held := operators.Held{RequestID: requestID, Since: o.asked.Since}
	if entry, ok := o.journal.Profile(); ok {
		held.ICCID, held.MatchingID = entry.ICCID, entry.MatchingID
	}
	return held
}

// wait as long as the driver says; a while where it does not.
func (o *order) wait(failure *operators.Error) {
	pause := failure.RetryAfter
	if pause == 0 {
		pause = 10 * time.Second
	}
	time.Sleep(pause) // in a bubble: no time passes outside of it
}

// fails asks once and wants an error of a class.
func (o *order) fails(want operators.Class) *operators.Error {
	o.Helper()
	_, err := o.provision()
	return o.is(err, want)
}

func (o *order) is(err error, want operators.Class) *operators.Error {
	o.Helper()
	var failure *operators.Error
	if !errors.As(err, &failure) || failure.Class != want {
		o.Fatalf("got %v, want an error of class %s", err, want)
	}
	return failure
}

// inject makes calls of a function go wrong.
func (o *order) inject(f faults.Fault, function esimaccessfake.Function) {
	o.Helper()
	f.Function = string(function)
	if _, err := o.vendor.Inject(f); err != nil {
		o.Fatal(err)
	}
}

// books holds the vendor's books against what is wanted.
func (o *order) books(bought, givenBack int) {
	o.Helper()
	if o.vendor.Bought() != bought || o.vendor.GivenBack() != givenBack {
		o.Errorf("%d profiles were bought and %d given back, want %d and %d; ledger: %v",
			o.vendor.Bought(), o.vendor.GivenBack(), bought, givenBack, o.vendor.Ledger())
	}
}

func amount(t testing.TB, text string) money.Amount {
	t.Helper()
	parsed, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
