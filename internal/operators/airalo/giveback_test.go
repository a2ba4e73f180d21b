package airalo

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
)

func TestGivingBack(t *testing.T) {
	for name, c := range map[string]struct {
		// arrange buys, or does not, and tells the ICCID where it is known.
		arrange func(t *testing.T, w *world, d *Driver) activation.ICCID
		want    error
		// within this time the answer is there.
		within time.Duration
	}{
		"what was bought stays so": {
			func(t *testing.T, _ *world, d *Driver) activation.ICCID {
				profile, _ := provision(t, d, true)
				return profile.ICCID
			}, operators.ErrNotReturnable, time.Second,
		},
		"what was bought and is not known stays so too": {
			func(t *testing.T, w *world, d *Driver) activation.ICCID {
				lose(t, w, d, faults.First)
				return ""
			}, operators.ErrNotReturnable, time.Minute,
		},
		"what never arrived is unknown, once that is proven": {
			func(t *testing.T, w *world, d *Driver) activation.ICCID {
				lose(t, w, d, faults.Never)
				return ""
			}, operators.ErrUnknownProfile, 12 * time.Minute,
		},
		"what was refused is unknown at once": {
			func(t *testing.T, w *world, d *Driver) activation.ICCID {
				w.airalo.Refuse(airalofake.SubmitOrder, codeMaintenance, 1)
				_, err := d.Provision(t.Context(), purchase(true), &operatortest.Journal{})
				failureOf(t, err)
				return ""
			}, operators.ErrUnknownProfile, 0,
		},
		"what Airalo did not execute is unknown": {
			func(t *testing.T, w *world, d *Driver) activation.ICCID {
				lose(t, w, d, faults.First)
				w.airalo.SetOrderStatus(testRequest, airalofake.OrderFailed)
				return ""
			}, operators.ErrUnknownProfile, time.Minute,
		},
		"what Airalo refunded is given back": {
			func(t *testing.T, w *world, d *Driver) activation.ICCID {
				profile, _ := provision(t, d, true)
				w.airalo.SetOrderStatus(testRequest, airalofake.OrderRefunded)
				time.Sleep(time.Minute)
				return profile.ICCID
			}, nil, time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				d := w.driver(t)
				held := operators.Held{RequestID: testRequest, ICCID: c.arrange(t, w, d)}
				began := time.Now()
				err := d.GiveBack(t.Context(), held)
				for failure := (*operators.Error)(nil); errors.As(err, &failure); err = d.GiveBack(t.Context(), held) {
					if failure.RetryAfter <= 0 || failure.Class != operators.OutcomeUnknown {
						t.Fatalf("undecided as %s: %v", failure.Class, err)
					}
					time.Sleep(failure.RetryAfter)
				}
				if !errors.Is(err, c.want) || time.Since(began) > c.within {
					t.Errorf("got %v after %v, want %v within %v", err, time.Since(began), c.want, c.within)
				}
			})
		})
	}
}

// lose buys, executed or not, and loses the answer.
func lose(t *testing.T, w *world, d *Driver, execution faults.Execution) {
	t.Helper()
	inject(t, w, faults.Fault{Kind: faults.Drop, Function: airalofake.SubmitOrder, Execution: execution, Times: 1})
	_, err := d.Provision(t.Context(), purchase(true), &operatortest.Journal{})
	if failure := failureOf(t, err); failure.Class != operators.OutcomeUnknown {
		t.Fatalf("a lost answer is %s", failure.Class)
	}
}
