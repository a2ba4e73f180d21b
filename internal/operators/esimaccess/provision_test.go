package esimaccess_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess/esimaccessfake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// duplicates are all that the vendor may do with a second order under one transactionId.
var duplicates = []esimaccessfake.Duplicate{esimaccessfake.DuplicateSame, esimaccessfake.DuplicateRefused, esimaccessfake.DuplicateBuys}

func TestALostAnswerIsFoundInTheList(t *testing.T) {
	for _, duplicate := range duplicates {
		for _, crash := range []bool{false, true} {
			inBubble(t, esimaccessfake.Options{Duplicate: duplicate, ListDelay: 4 * time.Minute}, func(o *order) {
				o.inject(faults.Fault{Kind: faults.Drop, Times: 1}, esimaccessfake.Order)
				o.fails(operators.OutcomeUnknown)
				if crash {
					o.restart()
				}
				began := time.Now()
				profile := o.deliver()
				if took := time.Since(began); took < 4*time.Minute-time.Minute || took > settleAfter {
					o.Errorf("found after %v, though it shows after 4 minutes", took)
				}
				if !o.vendor.HasMatchingID(string(profile.ICCID), profile.MatchingID.Reveal()) || profile.SMDPAddress != "rsp.example.com" {
					o.Errorf("the code for %s does not download it", profile.ICCID)
				}
				o.books(1, 0)
			})
		}
	}
}

func TestAnOrderThatNeverArrivedIsSentAgainOnceThatIsProven(t *testing.T) {
	for _, duplicate := range duplicates {
		for _, crash := range []bool{false, true} {
			inBubble(t, esimaccessfake.Options{Duplicate: duplicate}, func(o *order) {
				o.inject(faults.Fault{Kind: faults.Drop, Times: 1, Execution: faults.Never}, esimaccessfake.Order)
				began := time.Now()
				o.fails(operators.OutcomeUnknown)
				if crash {
					o.restart()
				}
				o.deliver()
				if took := time.Since(began); took < settleAfter || took > settleAfter+2*time.Minute {
					o.Errorf("sent again after %v, with %v to settle", took, settleAfter)
				}
				o.books(1, 0)
			})
		}
	}
}

// The worst that the documentation does not exclude: the list shows an order only after
// settleAfter, and the order is sent again.
func TestADuplicateThatTheListHidIsNotSoldTwice(t *testing.T) {
	for _, duplicate := range duplicates {
		inBubble(t, esimaccessfake.Options{Duplicate: duplicate, ListDelay: 30 * time.Minute}, func(o *order) {
			o.inject(faults.Fault{Kind: faults.Drop, Times: 1}, esimaccessfake.Order)
			o.fails(operators.OutcomeUnknown)
			profile := o.deliver()
			if duplicate != esimaccessfake.DuplicateBuys {
				o.books(1, 0)
				return
			}
			o.books(2, 0)
			if _, err := o.journal.Write(o.Context(), profile); err != nil {
				o.Fatal(err)
			}
			time.Sleep(time.Hour) // in a bubble
			o.restart()
			if again := o.deliver(); again.ICCID != profile.ICCID {
				o.Errorf("the code that is out is of %s, and %s is delivered", profile.ICCID, again.ICCID)
			}
			o.books(2, 1)
		})
	}
}

func TestAProfileThatTakesItsTimeIsAskedForByItsOrder(t *testing.T) {
	inBubble(t, esimaccessfake.Options{AllocationDelay: 25 * time.Second, ListDelay: time.Hour}, func(o *order) {
		began := time.Now()
		failure := o.fails(operators.Busy)
		if held := time.Since(began); held > 5*time.Second || failure.RetryAfter == 0 || failure.RetryAfter > 5*time.Second {
			o.Errorf("the slot was held for %v, to come again after %v", held, failure.RetryAfter)
		}
		o.deliver()
		if took := time.Since(began); took > 31*time.Second {
			o.Errorf("delivered after %v, though it was there after 25 s", took)
		}
		if asked := o.vendor.Executed(esimaccessfake.Query); asked > 8 {
			o.Errorf("asked %d times", asked)
		}
		o.books(1, 0)
	})
}

func TestAnOrderIsFoundAmongManyOthers(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.inject(faults.Fault{Kind: faults.Drop, Times: 1}, esimaccessfake.Order)
		o.vendor.SellOthers(plan, 350)
		o.fails(operators.OutcomeUnknown)
		o.vendor.SellOthers(plan, 350)
		o.restart()
		o.deliver()
		if pages := o.vendor.Executed(esimaccessfake.Query); pages != 4 {
			o.Errorf("701 orders were read on %d pages of 200", pages)
		}
		if bought := o.vendor.Bought(); bought != 701 {
			o.Errorf("%d profiles were bought, want the 700 of others and one", bought)
		}
	})
}

func TestOnlyOrdersSinceTheAttemptBeganAreRead(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.vendor.SellOthers(plan, 1_000)
		time.Sleep(2 * time.Hour) // in a bubble
		o.asked.Since = time.Now()
		o.inject(faults.Fault{Kind: faults.Drop, Times: 1}, esimaccessfake.Order)
		o.fails(operators.OutcomeUnknown)
		o.restart()
		o.deliver()
		if pages := o.vendor.Executed(esimaccessfake.Query); pages != 1 {
			o.Errorf("one order was read on %d pages", pages)
		}
	})
}

func TestTwoPassesAtOnceBuyOnce(t *testing.T) {
	for _, fresh := range []bool{true, false} {
		inBubble(t, esimaccessfake.Options{Duplicate: esimaccessfake.DuplicateBuys, ListDelay: time.Minute}, func(o *order) {
			time.Sleep(time.Hour) // in a bubble
			asked := o.asked
			asked.Fresh = fresh
			profiles := make(chan activation.ICCID, 2)
			for range cap(profiles) {
				go func() {
					for {
						profile, err := o.driver.Provision(o.Context(), asked, nil)
						if err == nil {
							profiles <- profile.ICCID
							return
						}
						time.Sleep(10 * time.Second) // in a bubble
					}
				}()
			}
			if first, second := <-profiles, <-profiles; first != second {
				o.Errorf("one order got %s and %s", first, second)
			}
			o.books(1, 0)
		})
	}
}

func TestAPriceThatWentUpIsNotPaid(t *testing.T) {
	for _, tc := range []struct {
		name, bound   string
		listed, today int64
		want          operators.Class
		lists         int
	}{
		{"nothing was listed yet", "1.5", 0, 15_000, "", 1},
		{"the price is as it was listed", "2", 15_000, 15_000, "", 0},
		{"it went down since", "2", 15_000, 14_000, "", 1},
		{"it went up since, within the bound", "2", 15_000, 20_000, "", 1},
		{"it went up beyond the bound", "2", 15_000, 20_001, operators.Rejected, 1},
		{"it was beyond the bound and came down", "2", 30_000, 20_000, "", 1},
		{"it was beyond the bound and is", "2", 30_000, 30_000, operators.Rejected, 1},
		{"the bound is between two prices", "1.50009", 0, 15_000, "", 1},
		{"there is no bound", "0", 0, 99_000, "", 0},
	} {
		inBubble(t, esimaccessfake.Options{}, func(o *order) {
			if tc.listed > 0 {
				o.vendor.SetPrice(plan, tc.listed)
				for _, err := range o.driver.Plans(o.Context()) {
					if err != nil {
						o.Fatal(err)
					}
				}
			}
			o.vendor.SetPrice(plan, tc.today)
			o.asked.MaxCost = amount(o, tc.bound)
			before, lists := o.vendor.Balance(), o.vendor.Executed(esimaccessfake.PackageList)
			_, err := o.provision()
			switch {
			case tc.want != "":
				o.is(err, tc.want)
				o.books(0, 0)
			case err != nil:
				o.Errorf("%s: %v", tc.name, err)
			default:
				o.books(1, 0)
				if paid := before - o.vendor.Balance(); paid != tc.today {
					o.Errorf("%s: %d was paid, want %d", tc.name, paid, tc.today)
				}
			}
			if asked := o.vendor.Executed(esimaccessfake.PackageList) - lists; asked != tc.lists {
				o.Errorf("%s: %d lists were asked for, want %d", tc.name, asked, tc.lists)
			}
		})
	}
}

func TestTheCostOfAPlanThatIsNamedByItsCodeIsKnown(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.asked.PlanID, o.asked.MaxCost = "CKH101", amount(o, "1.5")
		o.deliver()
		o.books(1, 0)
		o.asked = operators.Purchase{RequestID: "another", PlanID: "XX_1_7", MaxCost: amount(o, "1.5"), Fresh: true}
		o.fails(operators.Rejected)
		o.books(1, 0)
	})
}

func TestAPriceThatCannotBeAskedForBuysNothing(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.asked.MaxCost = amount(o, "1.5")
		o.inject(faults.Fault{Kind: faults.Drop, Times: 1}, esimaccessfake.PackageList)
		o.fails(operators.Transient)
		o.books(0, 0)
		o.deliver()
		o.books(1, 0)
	})
}

func TestAProfileThatTheVendorCancelledIsBoughtAnew(t *testing.T) {
	for _, status := range []string{"CANCEL", "REVOKE", "UNUSED_EXPIRED"} {
		inBubble(t, esimaccessfake.Options{}, func(o *order) {
			profile := o.deliver()
			if err := o.vendor.SetStatus(string(profile.ICCID), status); err != nil {
				o.Fatal(err)
			}
			if failure := o.fails(operators.Restart); failure.ICCID != profile.ICCID {
				o.Errorf("%s: the error names %q", status, failure.ICCID)
			}
			if err := o.giveBack(); err != nil {
				o.Errorf("%s: giving back ends with %v", status, err)
			}
		})
	}
}

func TestWhatTheVendorCannotTakeIsNotSent(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		for name, asked := range map[string]operators.Purchase{
			"no plan":               {RequestID: requestID},
			"no request ID":         {PlanID: plan},
			"a request ID too long": {PlanID: plan, RequestID: string(make([]byte, 51))},
		} {
			if _, err := o.driver.Provision(o.Context(), asked, o.journal); err == nil {
				o.Errorf("%s: taken", name)
			}
		}
		if calls := o.vendor.Server.Calls(); len(calls) != 0 {
			o.Errorf("calls arrived: %v", calls)
		}
	})
}

func TestAnAccessCodeAloneWillDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, esimaccessfake.Options{Unsigned: true})
		config := v.config()
		config.SecretKey = activation.Credential{}
		driver := v.driver(t, config)
		if _, err := driver.Provision(t.Context(), operators.Purchase{RequestID: requestID, PlanID: "CKH101", Fresh: true}, nil); err != nil {
			t.Error(err)
		}
		if err := driver.Probe(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What the order's error says decides whether the attempt may go elsewhere without giving back.
func TestAnOrderThatWasTakenIsPendingWhateverBecomesOfTheQuestion(t *testing.T) {
	for _, code := range []string{"", "000001", "000101", "101001", "101003", "200008", "200010", "310272", "900001", "777777"} {
		inBubble(t, esimaccessfake.Options{AllocationDelay: 10 * time.Second, ListDelay: time.Minute}, func(o *order) {
			if code == "" {
				o.inject(faults.Fault{Kind: faults.Drop, Times: 4}, esimaccessfake.Query)
			}
			for range 4 {
				if code != "" {
					o.vendor.Vendor.Refuse(esimaccessfake.Query, code)
				}
			}
			if failure := o.fails(operators.Busy); !failure.Pending || failure.RetryAfter == 0 {
				o.Errorf("%q: pending is %v, to come again after %v: %v", code, failure.Pending, failure.RetryAfter, failure)
			}
			o.vendor.ForgetRefusals()
			o.deliver()
			o.books(1, 0)
		})
	}
}

func TestAVendorThatRefusedAnOrderHoldsNothing(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		o.vendor.Vendor.Refuse(esimaccessfake.Order, "900001")
		if failure := o.fails(operators.Busy); failure.Pending {
			o.Errorf("a refused order is pending: %v", failure)
		}
		o.books(0, 0)
	})
}

func TestAnActivationCodeThatCannotBeUsedIsNotDeliveredAndCanBeGivenBack(t *testing.T) {
	inBubble(t, esimaccessfake.Options{SMDPAddress: "10.0.0.1"}, func(o *order) {
		if failure := o.fails(operators.Busy); !failure.Pending || failure.ICCID == "" {
			o.Errorf("pending is %v, of %q: %v", failure.Pending, failure.ICCID, failure)
		}
		o.fails(operators.Busy)
		if err := o.giveBack(); err != nil {
			o.Errorf("giving back ends with %v", err)
		}
		o.books(1, 1)
	})
}
