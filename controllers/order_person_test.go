package controllers_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

func notBought(o *v1alpha1.EsimOrder) {
	o.Annotations = map[string]string{v1alpha1.ResolveAnnotation: v1alpha1.ResolveNotBought}
}

func TestAPersonDecidesOnlyAboutAnOrderThatWaitsForOne(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	d.fault(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.ConfirmOrder})
	d.order()
	d.until("PENDING OutcomeUnknown")
	d.edit(notBought)
	for range 3 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.look().Status.Provisioning.Attempt; got != 1 {
		t.Fatalf("attempt %d: bought anew while the first one's outcome could still be looked up", got)
	}
	if err := d.shop.SMDP.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	d.until("DELIVERED Delivered")
	if got := d.shop.Bought() + d.shop.Stranded(); got != 1 {
		t.Errorf("%d profiles for one order", got)
	}
}

// mystery has the SM-DP+ say of the order's profile that somebody else holds it: what became
// of it only its people can tell.
func (d *desk) mystery() {
	d.t.Helper()
	d.fault(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.1", ReasonCode: "3.9", Function: es2plus.ConfirmOrder, Times: 1})
	d.fault(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.6", ReasonCode: "3.10", Function: es2plus.CancelOrder})
	d.order()
	d.until("PENDING NeedsPerson")
}

func TestAnOrderThatNobodyCanTellAboutIsNotRefunded(t *testing.T) {
	t.Run("when it is cancelled, until a person has told", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.mystery()
		d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
		for range 3 {
			if err := d.pass(); err != nil {
				t.Fatal(err)
			}
		}
		if order := d.look(); order.Status.Charge.Refund != nil || summary(order) != "PENDING NeedsPerson" {
			t.Fatalf("%s, refund %v", summary(order), order.Status.Charge.Refund)
		}
		d.edit(notBought)
		refunded(t, d.until("CANCELLED Cancelled"))
	})

	t.Run("when it is deleted, until a person has told", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.mystery()
		if err := d.api.Delete(t.Context(), d.look()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := d.pass(); err != nil {
				t.Fatal(err)
			}
		}
		if order := d.look(); order == nil || order.Status.Charge.Refund != nil || summary(order) != "PENDING NeedsPerson" {
			t.Fatalf("the order is %+v", order)
		}
		d.edit(notBought)
		refunded(t, d.until("CANCELLED Cancelled"))
	})
}

func TestAProfileThatWasGivenBackAndSoldToAnotherIsNotAnsweredAgain(t *testing.T) {
	d := atDesk(t, testshop.Options{Stock: 1}, nil)
	d.connect()
	d.shop.SMDP.SetBehaviour(smdp.Behaviour{ReplayCalls: true})
	foreign := d.foreignSecret()
	d.order()
	d.until("PENDING SecretNotWritable")

	if _, err := d.shop.Order(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	key := types.NamespacedName{Namespace: d.shop.Name, Name: "another"}
	if _, err := d.Work(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	another, err := d.shop.Find(t.Context(), "another")
	if err != nil {
		t.Fatal(err)
	}
	if got := summary(another); got != "DELIVERED Delivered" {
		t.Fatal(got)
	}

	if err := d.shop.SMDP.SetStock(testshop.Plan, 1); err != nil {
		t.Fatal(err)
	}
	if err := d.api.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	if order := d.until("DELIVERED Delivered"); order.Status.Esim.ICCID == another.Status.Esim.ICCID {
		t.Error("two orders were delivered one profile")
	}
}
