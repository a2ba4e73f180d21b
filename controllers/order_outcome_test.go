package controllers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

// lookUpFailures are errors by which a wholesaler does not tell what became of an order.
var lookUpFailures = map[string]*operators.Error{
	"not answered":       {Class: operators.Transient, Function: "LookUp", Message: "it did not answer"},
	"cannot be reached":  {Class: operators.Transient, Function: "LookUp", Message: "it cannot be reached", Unsent: true},
	"refuses the key":    {Class: operators.Misconfigured, Function: "LookUp", Message: "it refuses our credentials"},
	"is asked too often": {Class: operators.Busy, Function: "LookUp", Message: "it is asked too often", RetryAfter: time.Second},
}

// inDoubt says that an order shows that its outcome is unknown, and why that is still so.
func (d *desk) inDoubt(why string) *v1alpha1.EsimOrder {
	d.t.Helper()
	order := d.look()
	ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Reason != v1alpha1.ConditionOutcomeUnknown || !strings.Contains(ready.Message, why) {
		d.t.Errorf("Ready says %+v", ready)
	}
	if !meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionOutcomeUnknown) {
		d.t.Error("the condition OutcomeUnknown does not hold")
	}
	if last := order.Status.Provisioning.LastError; last == nil || !strings.Contains(last.Message, why) {
		d.t.Errorf("the last error is %+v", last)
	}
	return order
}

func TestAnOutcomeStaysUnknownUntilTheBooksTell(t *testing.T) {
	for name, failure := range lookUpFailures {
		t.Run(name, func(t *testing.T) {
			d, wholesaler := twoSources(t)
			wholesaler.set(func(v *vendor) { v.deaf = true })
			d.order()
			d.passes(1)
			wholesaler.set(func(v *vendor) { v.failing = failure })
			d.passes(3)
			order := d.inDoubt(failure.Message)
			if last := order.Status.Provisioning.LastError; last.Class != string(failure.Class) {
				t.Errorf("the last error is of class %s", last.Class)
			}
			wholesaler.set(func(v *vendor) { v.failing, v.busy = nil, true })
			d.passes(2)
			order = d.look()
			if got := condition(order, v1alpha1.ConditionOutcomeUnknown); got != "" {
				t.Errorf("the books have told, and the condition is still %s", got)
			}
			wholesaler.set(func(v *vendor) { v.busy = false })
			d.reaches(v1alpha1.PhaseDelivered, time.Hour)
			if wholesaler.bought() != 1 || d.shop.Bought() != 0 {
				t.Errorf("bought %d and %d", wholesaler.bought(), d.shop.Bought())
			}
		})
	}
}

func TestACrashInTheCallThatBuysLeavesTheOutcomeUnknown(t *testing.T) {
	d, wholesaler := twoSources(t)
	died := false
	d.through(testdesk.BeforeStatusWrite(d.api, func(_ context.Context, order *v1alpha1.EsimOrder) error {
		if order.Status.Provisioning != nil && order.Status.Provisioning.LastError != nil && !died {
			died = true
			return errors.New("the process died")
		}
		return nil
	}), wholesaler)
	wholesaler.set(func(v *vendor) { v.deaf = true })
	d.order()
	if err := d.pass(); err == nil {
		t.Fatal("nothing failed")
	}
	d.restart()
	d.Pool.For("wholesaler").Connect(wholesaler, 50)
	d.connect()
	failure := lookUpFailures["not answered"]
	wholesaler.set(func(v *vendor) { v.failing = failure })
	d.passes(2)
	d.inDoubt(failure.Message)
}

func TestAnOrderOfUnknownOutcomeIsNeverGivenUp(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.deaf = true })
	d.order()
	d.passes(1)
	failure := lookUpFailures["not answered"]
	wholesaler.set(func(v *vendor) { v.failing = failure })
	d.passes(2)
	d.clock.SetTime(d.clock.Now().Add(2 * v1alpha1.DefaultGiveUpAfter))
	d.passes(3)
	if order := d.inDoubt(failure.Message); order.Status.Provisioning.Closing != "" {
		t.Error("the order is being given up")
	}
	wholesaler.set(func(v *vendor) { v.failing, v.deaf = nil, false })
	d.reaches(v1alpha1.PhaseDelivered, time.Hour)
}

func TestACancelledOrderOfUnknownOutcomeSaysSoWhileTheBooksAreSilent(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.deaf = true })
	d.order()
	d.passes(1)
	wholesaler.set(func(v *vendor) { v.failing = lookUpFailures["not answered"] })
	d.edit(wantsCancel)
	d.passes(4)
	if got := condition(d.look(), v1alpha1.ConditionOutcomeUnknown); got == "" {
		t.Error("the condition OutcomeUnknown does not hold")
	}
	wholesaler.set(func(v *vendor) { v.failing = nil })
	d.reaches(v1alpha1.PhaseCancelled, time.Hour)
	if got := condition(d.look(), v1alpha1.ConditionOutcomeUnknown); got != "" || wholesaler.bought() != 0 {
		t.Errorf("%d bought, the condition is %q", wholesaler.bought(), got)
	}
}

func TestWhatTheBooksDoNotKnowIsGivenUpInTime(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.deaf = true })
	d.order()
	d.passes(1)
	wholesaler.set(func(v *vendor) { v.books, v.picky = nil, true }) // the request was lost, not the answer
	d.passes(2)
	if got := condition(d.look(), v1alpha1.ConditionOutcomeUnknown); got != "" {
		t.Errorf("the books have told, and the condition is still %s", got)
	}
	d.clock.SetTime(d.clock.Now().Add(2 * v1alpha1.DefaultGiveUpAfter))
	order := d.reaches(v1alpha1.PhaseFailed, time.Hour)
	if order.Status.Charge.Refund == nil {
		t.Error("it is not refunded")
	}
}

func TestWhatIsGivenBackKeepsItsPaceAfterTheClockWasSetBack(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.deaf = true })
	d.order()
	d.passes(1)
	wholesaler.set(func(v *vendor) { v.failing = lookUpFailures["not answered"] })
	d.edit(wantsCancel)
	d.passes(6)
	before := d.look().Status.Provisioning
	d.clock.SetTime(before.LastError.Time.Add(-time.Hour))
	for range 4 { // somebody edits the order each second
		if _, err := d.Work(t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"}); err != nil {
			t.Fatal(err)
		}
		d.clock.SetTime(d.clock.Now().Add(time.Second))
	}
	if tries := d.look().Status.Provisioning.Tries - before.Tries; tries != 1 {
		t.Errorf("it was tried %d times within 4 seconds, want once", tries)
	}
}
