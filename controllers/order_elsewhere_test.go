package controllers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

// sentTo is a desk whose order was sent to a vendor that did not answer, and another vendor.
func sentTo(t *testing.T) (d *desk, here, elsewhere *vendor) {
	t.Helper()
	d, here = twoSources(t)
	here.set(func(v *vendor) { v.account, v.deaf = "first", true })
	d.order()
	d.passes(1)
	if here.bought() != 1 {
		t.Fatal("nothing was bought yet")
	}
	return d, here, &vendor{account: "second"}
}

func (d *desk) connectedTo(v *vendor) { d.Pool.For("wholesaler").Connect(v, 50) }

// waitsForItsBooks says that an order waits, and that its conditions say for what.
func (d *desk) waitsForItsBooks() {
	d.t.Helper()
	order := d.look()
	ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady)
	if ready.Reason != "ConnectedElsewhere" || !strings.Contains(ready.Message, v1alpha1.ResolveAnnotation) || !strings.Contains(ready.Message, "wholesaler") {
		d.t.Errorf("Ready says %+v", ready)
	}
	if !meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionOutcomeUnknown) {
		d.t.Error("the condition OutcomeUnknown does not hold")
	}
	if order.Status.Phase != v1alpha1.PhasePending || order.Status.Charge.Refund != nil {
		d.t.Errorf("the order is %s, refund %+v", order.Status.Phase, order.Status.Charge.Refund)
	}
}

func TestAnOrderIsNotBoughtAgainWhereItsOperatorIsConnectedElsewhere(t *testing.T) {
	d, here, elsewhere := sentTo(t)
	d.connectedTo(elsewhere)
	d.passes(5)
	d.waitsForItsBooks()
	writes := d.look().ResourceVersion
	d.clock.SetTime(d.clock.Now().Add(2 * v1alpha1.DefaultGiveUpAfter))
	d.passes(5)
	d.waitsForItsBooks()
	if now := d.look().ResourceVersion; now != writes {
		t.Error("it writes while it waits")
	}
	if elsewhere.bought() != 0 || d.shop.Bought() != 0 || len(elsewhere.fresh) != 0 {
		t.Fatalf("it was bought again: %d and %d", elsewhere.bought(), d.shop.Bought())
	}
	d.connectedTo(here)
	d.reaches(v1alpha1.PhaseDelivered, time.Hour)
	if here.bought() != 1 || elsewhere.bought() != 0 || d.shop.Bought() != 0 {
		t.Errorf("bought %d, %d and %d", here.bought(), elsewhere.bought(), d.shop.Bought())
	}
}

func TestAfterARestartAnOrderStillKnowsWhereItWasSent(t *testing.T) {
	d, _, elsewhere := sentTo(t)
	d.restart()
	d.connectedTo(elsewhere)
	d.connect()
	d.passes(5)
	d.waitsForItsBooks()
	if elsewhere.bought() != 0 {
		t.Error("it was bought again")
	}
}

func TestAPersonTellsOfAnOrderWhoseOperatorIsConnectedElsewhere(t *testing.T) {
	d, here, elsewhere := sentTo(t)
	here.set(func(v *vendor) { v.books = nil }) // it was not bought after all
	d.connectedTo(elsewhere)
	d.passes(3)
	d.edit(told(v1alpha1.ResolveNotBought))
	order := d.reaches(v1alpha1.PhaseDelivered, time.Hour)
	if elsewhere.bought() != 1 || order.Status.Provisioning.Attempt != 2 {
		t.Errorf("bought %d by attempt %d", elsewhere.bought(), order.Status.Provisioning.Attempt)
	}
}

func TestCredentialsAreRotatedUnderAnOrder(t *testing.T) {
	d, here, _ := sentTo(t)
	rotated := &vendor{account: here.account, books: here.books, refund: here.refund}
	d.connectedTo(rotated)
	d.reaches(v1alpha1.PhaseDelivered, time.Hour)
}

func TestWhatWasNeverSentIsBoughtWhereverItsOperatorIsConnected(t *testing.T) {
	d, here := twoSources(t)
	here.set(func(v *vendor) { v.account, v.away = "first", true })
	d.order()
	d.passes(2)
	elsewhere := &vendor{account: "second", deaf: true}
	d.connectedTo(elsewhere)
	d.passes(1)
	d.connectedTo(here) // what was sent to the second one is not looked for at the first
	here.set(func(v *vendor) { v.away = false })
	d.passes(3)
	d.waitsForItsBooks()
	d.connectedTo(elsewhere)
	d.reaches(v1alpha1.PhaseDelivered, time.Hour)
	if here.bought() != 0 || elsewhere.bought() != 1 {
		t.Errorf("bought %d and %d", here.bought(), elsewhere.bought())
	}
}

func TestACancelledOrderIsNotRefundedWhileItsOperatorIsConnectedElsewhere(t *testing.T) {
	for name, undo := range map[string]func(*desk){
		"cancelled": func(d *desk) { d.edit(wantsCancel) },
		"deleted": func(d *desk) {
			if err := d.api.Delete(d.t.Context(), d.look()); err != nil {
				d.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, here, elsewhere := sentTo(t)
			d.connectedTo(elsewhere)
			undo(d)
			d.passes(4)
			d.waitsForItsBooks()
			d.connectedTo(here)
			d.passes(6)
			if here.bought() != 0 {
				t.Errorf("%d are left in the books", here.bought())
			}
		})
	}
}

func TestADeliveredOrderIsNotTakenBackAtAnotherAccount(t *testing.T) {
	d, here := twoSources(t)
	here.set(func(v *vendor) { v.account = "first" })
	d.order()
	d.reaches(v1alpha1.PhaseDelivered, time.Minute)
	d.connectedTo(&vendor{account: "second"})
	d.edit(wantsCancel)
	d.passes(4)
	order := d.look()
	if order.Status.Phase != v1alpha1.PhaseDelivered || order.Status.Charge.Refund != nil {
		t.Errorf("the order is %s, refund %+v", order.Status.Phase, order.Status.Charge.Refund)
	}
	if got := condition(order, v1alpha1.ConditionCancelling); got != "True ConnectedElsewhere" {
		t.Errorf("Cancelling is %q", got)
	}
	d.connectedTo(here)
	d.reaches(v1alpha1.PhaseCancelled, time.Hour)
	if here.bought() != 0 {
		t.Errorf("%d are left in the books", here.bought())
	}
}

func TestWhereAnOrderIsSentCostsNoWrite(t *testing.T) {
	d, here := twoSources(t)
	here.set(func(v *vendor) { v.account = "first" })
	writes := 0
	d.through(testdesk.BeforeStatusWrite(d.api, func(context.Context, *v1alpha1.EsimOrder) error {
		writes++
		return nil
	}), here)
	d.order()
	order := d.reaches(v1alpha1.PhaseDelivered, time.Minute)
	if writes != 2 || order.Status.Provisioning.Books == "" || strings.Contains(order.Status.Provisioning.Books, "first") {
		t.Errorf("%d writes of status, books %q", writes, order.Status.Provisioning.Books)
	}
}

func TestAPersonIsHeardOfAnOrderWhoseOperatorCannotBeCalled(t *testing.T) {
	d, _, elsewhere := sentTo(t)
	d.connectedTo(elsewhere)
	d.passes(3)
	d.Pool.For("wholesaler").Disconnect()
	for range 5 {
		d.clock.SetTime(d.clock.Now().Add(controllers.DefaultPace.Waiting.Duration))
		d.passes(1)
	}
	d.waitsForItsBooks()
	d.edit(told(v1alpha1.ResolveDelivered))
	d.reaches(v1alpha1.PhaseDelivered, time.Minute)
}
