package airalo

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
)

const testRequest = "req-8d1f-1"

func purchase(fresh bool) operators.Purchase {
	return operators.Purchase{RequestID: testRequest, PlanID: testPlan, Fresh: fresh}
}

// provision asks a driver until the profile is there, as the pipeline does, and tells how long
// that took.
func provision(t *testing.T, d *Driver, fresh bool) (operators.Profile, time.Duration) {
	t.Helper()
	began := time.Now()
	for range 60 {
		profile, err := d.Provision(t.Context(), purchase(fresh), &operatortest.Journal{})
		if err == nil {
			return profile, time.Since(began)
		}
		time.Sleep(max(failureOf(t, err).RetryAfter, time.Second)) // in a bubble: at once
		fresh = false
	}
	t.Fatal("there is no profile after 60 passes")
	return operators.Profile{}, 0
}

func failureOf(t *testing.T, err error) *operators.Error {
	t.Helper()
	var failure *operators.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v (%T), want an *operators.Error", err, err)
	}
	return failure
}

// executed counts the calls of a function that Airalo executed.
func (w *world) executed(function string) int {
	n := 0
	for _, entry := range w.airalo.Ledger() {
		if entry.Call == function {
			n++
		}
	}
	return n
}

func TestAnOrderWhoseAnswerWasLostIsFoundAsSoonAsTheListShowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		inject(t, w, faults.Fault{Kind: faults.Drop, Function: airalofake.SubmitOrder, Times: 1})
		profile, took := provision(t, w.driver(t), true)
		if sold := w.airalo.Purchases(); len(sold) != 1 || sold[0].ICCID != profile.ICCID || sold[0].RequestID != testRequest {
			t.Errorf("sold: %+v, delivered: %s", sold, profile.ICCID)
		}
		if took < 30*time.Second || took > time.Minute {
			t.Errorf("found after %v; the list shows it after 30 s", took)
		}
	})
}

func TestAnOrderThatNeverArrivedIsSentAgainOnceTheListProvesIt(t *testing.T) {
	for name, restart := range map[string]bool{"in the same process": false, "in another process": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				inject(t, w, faults.Fault{Kind: faults.Drop, Function: airalofake.SubmitOrder, Execution: faults.Never, Times: 1})
				d := w.driver(t)
				_, err := d.Provision(t.Context(), purchase(true), &operatortest.Journal{})
				if failure := failureOf(t, err); failure.Class != operators.OutcomeUnknown {
					t.Fatalf("a lost answer is %s", failure.Class)
				}
				if restart {
					d = w.driver(t)
				}
				_, took := provision(t, d, false)
				if took < 10*time.Minute || took > 12*time.Minute {
					t.Errorf("sent again after %v; settleAfter is 10 minutes", took)
				}
				if w.Bought() != 1 {
					t.Errorf("%d profiles were sold", w.Bought())
				}
				if looks := w.executed(airalofake.GetOrderList); looks < 3 || looks > 40 {
					t.Errorf("%d look-ups", looks)
				}
			})
		})
	}
}

func TestWhatAiraloRefusedIsSentAgainWithoutALookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.airalo.Refuse(airalofake.SubmitOrder, codeMaintenance, 3)
		_, took := provision(t, w.driver(t), true)
		if took > 10*time.Second || w.executed(airalofake.GetOrderList) != 0 || w.Bought() != 1 {
			t.Errorf("took %v, %d look-ups, %d sold", took, w.executed(airalofake.GetOrderList), w.Bought())
		}
	})
}

func TestAnAcceptedOrderIsAwaitedAndNotRepeated(t *testing.T) {
	for name, after := range map[string]time.Duration{"soon": 0, "later": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.airalo.SetListDelay(time.Second)
				w.airalo.AcceptOrders(after)
				d := w.driver(t)
				_, err := d.Provision(t.Context(), purchase(true), &operatortest.Journal{})
				if after == 0 {
					if err != nil {
						t.Errorf("an order that is there after a second: %v", err)
					}
					return
				}
				if failure := failureOf(t, err); failure.Class != operators.Busy || failure.RetryAfter != comeAgain {
					t.Errorf("got %s after %v: %v", failure.Class, failure.RetryAfter, err)
				}
				if _, took := provision(t, d, false); took > 40*time.Second || w.executed(airalofake.SubmitOrder) != 1 {
					t.Errorf("took %v, ordered %d times", took, w.executed(airalofake.SubmitOrder))
				}
			})
		})
	}
}

func TestOnlyAnEqualDescriptionIsOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.driver(t)
		p := purchase(true)
		p.RequestID += "0" // contains the other's request ID
		other, err := d.Provision(t.Context(), p, &operatortest.Journal{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		profile, _ := provision(t, d, false)
		if profile.ICCID == other.ICCID || w.Bought() != 2 {
			t.Errorf("the order got %s, the other has %s; %d were sold", profile.ICCID, other.ICCID, w.Bought())
		}
	})
}

func TestTwoWorkersBuyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.driver(t)
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				if _, err := d.Provision(t.Context(), purchase(true), &operatortest.Journal{}); err != nil {
					if class, _ := operators.ClassOf(err); class != operators.Busy && class != operators.OutcomeUnknown {
						t.Errorf("the loser gets %v", err)
					}
				}
			})
		}
		workers.Wait()
		if w.Bought() != 1 {
			t.Errorf("%d profiles were sold", w.Bought())
		}
	})
}

func TestWhatTheJournalHoldsIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, _ := provision(t, w.driver(t), true)
		journal := &operatortest.Journal{}
		if _, err := journal.Write(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		again, err := w.driver(t).Provision(t.Context(), purchase(false), journal)
		if err != nil || again.ICCID != first.ICCID || w.Bought() != 1 {
			t.Errorf("got %s, %v; %d sold", again.ICCID, err, w.Bought())
		}
	})
}

func TestAnOrderThatAiraloDidNotFillIsRejected(t *testing.T) {
	for _, status := range []airalofake.OrderStatus{airalofake.OrderFailed, airalofake.OrderRefunded} {
		t.Run(string(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				inject(t, w, faults.Fault{Kind: faults.Drop, Function: airalofake.SubmitOrder, Times: 1})
				d := w.driver(t)
				_, err := d.Provision(t.Context(), purchase(true), &operatortest.Journal{})
				failureOf(t, err)
				w.airalo.SetOrderStatus(testRequest, status)
				time.Sleep(time.Minute)
				_, err = d.Provision(t.Context(), purchase(false), &operatortest.Journal{})
				if failure := failureOf(t, err); failure.Class != operators.Rejected || !failure.OneOrder {
					t.Errorf("got %s: %v", failure.Class, err)
				}
			})
		})
	}
}

func TestASlowListDoesNotKeepTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.airalo.AcceptOrders(0)
		inject(t, w, faults.Fault{Kind: faults.Slow, Function: airalofake.GetOrderList, Delay: time.Minute})
		began := time.Now()
		_, err := w.driver(t, func(c *Config) { c.Timeout = 30 * time.Second }).Provision(t.Context(), purchase(true), &operatortest.Journal{})
		if failure := failureOf(t, err); failure.Class != operators.Busy || time.Since(began) > patience {
			t.Errorf("got %s after %v: %v", failure.Class, time.Since(began), err)
		}
	})
}

// A caller that gives up while an accepted order is awaited must not take it for lost.
func TestAnAwaitedOrderIsKnownWhenTheCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.airalo.AcceptOrders(0)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		_, err := w.driver(t).Provision(ctx, purchase(true), &operatortest.Journal{})
		if failure := failureOf(t, err); failure.Class != operators.Busy {
			t.Errorf("got %s: %v", failure.Class, err)
		}
	})
}
