package controllers_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
)

// drawnEnd changes an order that was delivered into what it may have become, sooner or later.
func drawnEnd(rt *rapid.T, order *v1alpha1.EsimOrder, now time.Time) {
	yes := func(what string) bool { return rapid.Bool().Draw(rt, what) }
	seldom := func(what string) bool { return rapid.IntRange(0, 9).Draw(rt, what) == 9 }
	status := &order.Status
	life := status.Activation
	life.Status = rapid.SampledFrom([]v1alpha1.ActivationStatus{
		v1alpha1.ActivationNotInstalled, v1alpha1.ActivationActive, v1alpha1.ActivationExpired,
	}).Draw(rt, "status")
	life.Installed, life.CodeRemoved, life.Used = yes("installed"), yes("code removed"), yes("used")
	if yes("expires") {
		at := metav1.NewTime(now.Add(time.Duration(rapid.IntRange(-2, 2).Draw(rt, "expiry")) * time.Hour))
		life.ExpiryTime = &at
	}
	if yes("trackable") {
		life.RefreshInterval = &metav1.Duration{Duration: 10 * time.Second}
	}
	order.Annotations = map[string]string{}
	for _, annotation := range []string{v1alpha1.RefreshAnnotation, v1alpha1.ReplayAnnotation, v1alpha1.ResolveAnnotation} {
		if seldom(annotation) {
			order.Annotations[annotation] = v1alpha1.ResolveNotBought
		}
	}
	if yes("replayed") {
		status.Replayed = v1alpha1.ResolveNotBought
	}
	if order.Spec.Cancel = yes("cancel"); order.Spec.Cancel && yes("refused") {
		meta.SetStatusCondition((*[]metav1.Condition)(&status.Conditions), metav1.Condition{
			Type: v1alpha1.ConditionCancelRefused, Status: metav1.ConditionTrue, Reason: "TooLate", LastTransitionTime: metav1.NewTime(now),
		})
	}
	if seldom("closing") {
		status.Provisioning.Closing = status.Esim.ICCID
	}
	if seldom("report") {
		status.Reports = []v1alpha1.DeviceReport{{Event: v1alpha1.DeviceInstalled, ICCID: status.Esim.ICCID, Time: metav1.NewTime(now)}}
	}
	if seldom("edited") {
		status.ObservedGeneration--
	}
	if phase := rapid.SampledFrom([]v1alpha1.OrderPhase{
		v1alpha1.PhaseDelivered, v1alpha1.PhaseDelivered, v1alpha1.PhaseDelivered, v1alpha1.PhaseCancelled, v1alpha1.PhaseFailed,
	}).Draw(rt, "phase"); phase != v1alpha1.PhaseDelivered {
		status.Phase, status.Esim, status.Activation = phase, nil, nil
	}
}

func TestAManagerThatStartsHasNothingToDoForAnOrderAtRest(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	delivered, key := d.look(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"}
	resting, others, began := 0, 0, d.clock.Now()
	rapid.Check(t, func(rt *rapid.T) {
		d.clock.SetTime(began)
		order := d.look()
		order.Spec, order.Status = *delivered.Spec.DeepCopy(), *delivered.Status.DeepCopy()
		drawnEnd(rt, order, d.clock.Now())
		status := order.Status
		if err := d.api.Update(t.Context(), order); err != nil {
			rt.Fatal(err)
		}
		order.Status = status
		if err := d.api.Status().Update(t.Context(), order); err != nil {
			rt.Fatal(err)
		}
		if !controllers.AtRest(order) {
			others++
			return
		}
		resting++
		for range 2 {
			d.restart()
			d.connect()
			again, err := d.Work(t.Context(), key)
			if now := d.look(); err != nil || again != 0 || now.ResourceVersion != order.ResourceVersion {
				rt.Fatalf("a pass wrote %+v, and comes again after %s: %v", now.Status, again, err)
			}
			d.clock.SetTime(d.clock.Now().Add(24 * time.Hour))
		}
	})
	if resting == 0 || others == 0 {
		t.Errorf("%d orders were at rest, %d not", resting, others)
	}
}

func TestMostOrdersAreAtRest(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	for name, change := range map[string]func(*v1alpha1.EsimOrder){
		"delivered by an SM-DP+": func(*v1alpha1.EsimOrder) {},
		"on its device": func(o *v1alpha1.EsimOrder) {
			o.Status.Activation.Status, o.Status.Activation.Installed, o.Status.Activation.CodeRemoved = v1alpha1.ActivationActive, true, true
		},
		"expired": func(o *v1alpha1.EsimOrder) {
			o.Status.Activation.Status, o.Status.Activation.ExpiryTime = v1alpha1.ActivationExpired, &metav1.Time{Time: d.clock.Now()}
		},
		"cancelled": func(o *v1alpha1.EsimOrder) {
			o.Status.Phase, o.Status.Esim, o.Status.Activation = v1alpha1.PhaseCancelled, nil, nil
		},
	} {
		order := d.look()
		change(order)
		if !controllers.AtRest(order) {
			t.Errorf("%s: each start looks at it", name)
		}
	}
}
