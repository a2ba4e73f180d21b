package controllers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testdesk"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// through has a desk with two sources write through another client.
func (d *desk) through(writer client.Client, wholesaler *vendor) {
	d.t.Helper()
	d.writer = writer
	d.restart()
	d.Pool.For("wholesaler").Connect(wholesaler, 50)
	d.connect()
}

func TestWhatIsStillBeingMadeIsGivenBackBeforeAnOrderIsGivenUp(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.busy = true })
	d.order()
	if err := d.pass(); err != nil {
		t.Fatal(err)
	}
	if wholesaler.bought() != 1 {
		t.Fatal("nothing was bought yet")
	}
	d.clock.SetTime(d.clock.Now().Add(v1alpha1.DefaultGiveUpAfter))
	order := d.reaches(v1alpha1.PhaseFailed, time.Hour)
	if wholesaler.bought() != 0 {
		t.Errorf("the order FAILED, refunded %t, and %d profile is left in the books", order.Status.Charge.Refund != nil, wholesaler.bought())
	}
}

func TestAWriteThatFailsDoesNotKeepAnOrderFromTheNextSource(t *testing.T) {
	d, wholesaler := twoSources(t)
	failures := 0
	d.through(testdesk.BeforeStatusWrite(d.api, func(_ context.Context, order *v1alpha1.EsimOrder) error {
		if p := order.Status.Provisioning; p != nil && p.Attempt == 2 && failures == 0 {
			failures++
			return errors.New("the API server did not answer")
		}
		return nil
	}), wholesaler)
	wholesaler.set(func(v *vendor) { v.away = true })
	d.order()
	for range 40 {
		if err := d.pass(); err != nil {
			d.clock.SetTime(d.clock.Now().Add(time.Second))
		}
	}
	if failures != 1 {
		t.Fatal("no write failed")
	}
	if order := d.look(); order.Status.Phase != v1alpha1.PhaseDelivered || d.shop.Bought() != 1 {
		t.Errorf("the order is %s at %s", order.Status.Phase, order.Status.Provisioning.OperatorRef.Name)
	}
}

func TestWhatTurnsOutToBeInstalledWhenItIsGivenBackIsDeliveredUnderItsICCID(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.busy, v.installed = true, true })
	d.order()
	if err := d.pass(); err != nil {
		t.Fatal(err)
	}
	d.edit(wantsCancel)
	wholesaler.set(func(v *vendor) { v.busy = false })
	order := d.reaches(v1alpha1.PhaseDelivered, time.Hour)
	if order.Status.Esim.ICCID != string(vendorICCID) || order.Status.Charge.Refund != nil {
		t.Errorf("the order is about %q, refund %+v", order.Status.Esim.ICCID, order.Status.Charge.Refund)
	}
	if got := condition(order, v1alpha1.ConditionCancelRefused); got == "" {
		t.Error("nothing says that the cancellation is refused")
	}
}

func TestAPersonsWordDoesNotMakeARequestIDAnICCID(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.busy, v.foreign = true, true })
	d.order()
	if err := d.pass(); err != nil {
		t.Fatal(err)
	}
	d.edit(wantsCancel)
	for range 3 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.look().Status.Provisioning; got.Closing != got.RequestID {
		t.Fatalf("closing is %q", got.Closing)
	}
	d.edit(told(v1alpha1.ResolveDelivered))
	order := d.reaches(v1alpha1.PhaseDelivered, time.Hour)
	if order.Status.Esim.ICCID == order.Status.Provisioning.RequestID {
		t.Error("the order is about its request ID as if that were an ICCID")
	}
}

func TestAnOrderIsLetGoInATerminatingNamespaceAlthoughItsVendorTakesNothingBack(t *testing.T) {
	d, wholesaler := twoSources(t)
	d.through(interceptor.NewClient(d.api, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if _, ok := o.(*corev1.Secret); ok {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, o.GetName(), errors.New("the namespace is being terminated"))
			}
			return c.Create(ctx, o, opts...)
		},
	}), wholesaler)
	wholesaler.set(func(v *vendor) { v.busy, v.keeps = true, true })
	d.order()
	if err := d.pass(); err != nil {
		t.Fatal(err)
	}
	if err := d.api.Delete(t.Context(), d.look()); err != nil {
		t.Fatal(err)
	}
	wholesaler.set(func(v *vendor) { v.busy = false })
	d.passes(60)
	if order := d.look(); order != nil {
		t.Errorf("the order is still there: %s, %v", summary(order), order.Finalizers)
	}
}

func TestABoughtProfileThatCannotBeReadIsNotBoughtElsewhere(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.garbled = true })
	d.order()
	for range 40 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	if order := d.look(); wholesaler.bought()+d.shop.Bought() != 1 {
		t.Errorf("bought %d and %d; the order is %s", wholesaler.bought(), d.shop.Bought(), summary(order))
	}
}

func TestAnOrderMovesOnOnlyToSourcesWithinItsPrice(t *testing.T) {
	for name, tc := range map[string]struct {
		refuses bool
		costs   map[string]string
		want    v1alpha1.OrderPhase
	}{
		"all went above it after the charge":              {costs: map[string]string{"wholesaler": "1000", "shop": "1000"}, want: v1alpha1.PhaseFailed},
		"the one without stock did, and the next did not": {refuses: true, costs: map[string]string{"wholesaler": "1000", "shop": "1"}, want: v1alpha1.PhaseDelivered},
	} {
		t.Run(name, func(t *testing.T) {
			d, wholesaler := twoSources(t)
			wholesaler.set(func(v *vendor) { v.away = true })
			d.order()
			if err := d.pass(); err != nil {
				t.Fatal(err)
			}
			d.costs("wholesaler", "JP-1", tc.costs["wholesaler"], "USD")
			d.costs("shop", testshop.Plan, tc.costs["shop"], "USD")
			wholesaler.set(func(v *vendor) { v.away, v.soldOut, v.rejects = false, tc.refuses, !tc.refuses })
			d.reaches(tc.want, time.Hour)
			if sold := d.shop.Bought() == 1; sold != (tc.want == v1alpha1.PhaseDelivered) {
				t.Errorf("the next source sold %d", d.shop.Bought())
			}
		})
	}
}

func TestAnOrderThatNobodyFillsAtItsPriceIsGivenUpAtLast(t *testing.T) {
	d, _ := twoSources(t)
	d.costs("wholesaler", "JP-1", "1000", "USD")
	d.costs("shop", testshop.Plan, "1000", "USD")
	d.order()
	if err := d.pass(); err != nil {
		t.Fatal(err)
	}
	d.clock.SetTime(d.clock.Now().Add(v1alpha1.DefaultGiveUpAfter))
	if order := d.reaches(v1alpha1.PhaseFailed, time.Hour); order.Status.Charge != nil {
		t.Errorf("it was charged: %+v", order.Status.Charge)
	}
}

func TestAnOrderAtAWholesalerCostsFourWritesAlthoughItHasManySMDPs(t *testing.T) {
	d, wholesaler := twoSources(t)
	var operators int
	d.through(interceptor.NewClient(d.api, interceptor.Funcs{
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			if _, ok := o.(*v1alpha1.EsimOperator); ok {
				operators++
			}
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
	}), wholesaler)
	d.order()
	d.reaches(v1alpha1.PhaseDelivered, time.Minute)
	if operators != 0 {
		t.Errorf("the order cost %d writes of an EsimOperator's status", operators)
	}
}

func TestACancellationThatAVendorRefusesForGoodNeedsNobodyAlthoughTheFirstAnswerWasLost(t *testing.T) {
	d, wholesaler := twoSources(t)
	lost := false
	d.through(testdesk.BeforeStatusWrite(d.api, func(_ context.Context, order *v1alpha1.EsimOrder) error {
		if condition(order, v1alpha1.ConditionCancelRefused) != "" && !lost {
			lost = true
			return errors.New("the process died")
		}
		return nil
	}), wholesaler)
	wholesaler.set(func(v *vendor) { v.keeps = true })
	d.order()
	d.reaches(v1alpha1.PhaseDelivered, time.Minute)
	d.edit(wantsCancel)
	for range 4 {
		if err := d.pass(); err != nil && !lost {
			t.Fatal(err)
		}
	}
	d.staysPaid("it takes nothing back")
	if got := condition(d.look(), v1alpha1.ConditionOutcomeUnknown); got != "" || !lost {
		t.Errorf("it waits for a person: %s", got)
	}
}
