package esimaccess_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess/esimaccessfake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// schedules is how many random lives of an order are tried with each kind of duplicate.
const schedules = 60

// Whatever goes wrong, and however often the process ends: an order that is delivered has bought
// one profile, and one that is given up has bought none that was not given back.
func TestNoOrderBuysTwiceWhateverGoesWrong(t *testing.T) {
	for _, duplicate := range duplicates {
		for seed := range uint64(schedules) {
			t.Run(fmt.Sprintf("%s %d", duplicate, seed), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				options := esimaccessfake.Options{
					Duplicate: duplicate, ListDelay: upTo(random, settleAfter-time.Minute), AllocationDelay: upTo(random, 45*time.Second),
				}
				inBubble(t, options, func(o *order) { o.live(random) })
			})
		}
	}
}

func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}

// live asks for the profile through all that goes wrong, and either gets it or, after some time,
// gives up on it.
func (o *order) live(random *rand.Rand) {
	o.Helper()
	kinds := []faults.Kind{
		faults.Drop, faults.Status, faults.HTML, faults.Empty, faults.Truncated, faults.Malformed, faults.WrongTypes, faults.Redirect, faults.Hang,
		faults.Late, faults.NumbersAsStrings, faults.ObjectsForLists,
	}
	for range random.IntN(12) {
		f := faults.Fault{Kind: kinds[random.IntN(len(kinds))], Skip: random.IntN(3), Times: 1 + random.IntN(2)}
		switch f.Kind {
		case faults.Status:
			f.Status = []int{429, 500, 503}[random.IntN(3)]
		case faults.Late:
			f.Delay = upTo(random, 2*time.Minute) + time.Second
		case faults.Drop, faults.HTML, faults.Empty:
			f.Execution = []faults.Execution{faults.First, faults.Never}[random.IntN(2)]
		}
		o.inject(f, []esimaccessfake.Function{esimaccessfake.Order, esimaccessfake.Query, esimaccessfake.Cancel, ""}[random.IntN(4)])
	}
	patience := random.IntN(40)
	for pass := 0; ; pass++ {
		if random.IntN(4) == 0 {
			o.restart()
		}
		if pass > patience {
			o.giveUp(random)
			return
		}
		profile, err := o.provision()
		var failure *operators.Error
		switch {
		case err == nil:
			o.settle()
			o.books(1, 0)
			if got := o.vendor.Profiles()[0].ICCID; got != string(profile.ICCID) {
				o.Errorf("%s is delivered, %s was bought", profile.ICCID, got)
			}
			return
		case !errors.As(err, &failure):
			o.Fatal(err)
		case slices.Contains([]operators.Class{operators.Rejected, operators.OutOfStock, operators.Restart}, failure.Class):
			o.Fatalf("the order ends with %v", err)
		}
		o.wait(failure)
	}
}

// giveUp gives back what the order may hold, through restarts.
func (o *order) giveUp(random *rand.Rand) {
	o.Helper()
	for pass := range 200 {
		// What a process has not waited for it does not know: for ever restarted, it never would.
		if pass < 20 && random.IntN(6) == 0 {
			o.restart()
		}
		err := o.driver.GiveBack(o.Context(), o.held())
		var failure *operators.Error
		switch {
		case errors.As(err, &failure):
			o.wait(failure)
			continue
		case err != nil && !errors.Is(err, operators.ErrUnknownProfile):
			o.Fatal(err)
		}
		o.settle()
		if bought, back := o.vendor.Bought(), o.vendor.GivenBack(); bought != back || bought > 1 {
			o.Errorf("%d profiles were bought and %d given back; ledger: %v", bought, back, o.vendor.Ledger())
		}
		return
	}
	o.Fatal("nothing is given back after 200 passes")
}

// settle lets arrive what is late.
func (o *order) settle() { time.Sleep(time.Hour) } // in a bubble
