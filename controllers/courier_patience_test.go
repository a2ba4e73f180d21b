package controllers_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
	"github.com/telcodev/esim-operator/internal/smdp"
)

// slowHooks does not answer for one endpoint until the test lets it.
type slowHooks struct {
	hooks
	slow           string
	begun, through chan struct{}
}

func (o *office) slowHook() slowHooks {
	slow := slowHooks{hooks{o.world}, shopHook, make(chan struct{}, 100), make(chan struct{})}
	o.courier.Webhooks = slow
	return slow
}

func (s slowHooks) Send(ctx context.Context, url string, secrets []webhook.Secret, e webhook.Event) error {
	if url == s.slow {
		s.begun <- struct{}{}
		<-s.through
	}
	return s.hooks.Send(ctx, url, secrets, e)
}

// bothWantAll has each endpoint of the client hear of every event.
func (o *office) bothWantAll() {
	o.t.Helper()
	var terms v1alpha1.EsimClient
	if err := o.api.Get(o.t.Context(), types.NamespacedName{Namespace: o.shop.Name, Name: v1alpha1.ClientName}, &terms); err != nil {
		o.t.Fatal(err)
	}
	for i := range terms.Spec.Webhooks {
		terms.Spec.Webhooks[i].Events = nil
	}
	if err := o.api.Update(o.t.Context(), &terms); err != nil {
		o.t.Fatal(err)
	}
}

// pending makes an order that is charged and waits for its operator.
func (o *office) pending() {
	o.t.Helper()
	o.fault(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.5", ReasonCode: "3.7", Function: es2plus.DownloadOrder})
	o.desk.order(func(order *v1alpha1.EsimOrder) { order.Spec.NotificationEmail = ann })
	o.work()
	if order := o.look(); order.Terminal() || len(order.Status.Notifications) == 0 {
		o.t.Fatalf("the order is %s, its outbox holds %+v", order.Status.Phase, order.Status.Notifications)
	}
}

func TestAnOrderThatWaitsDoesNotAskAfterASlowEndpointEachSecond(t *testing.T) {
	o := openOffice(t)
	o.bothWantAll()
	slow := o.slowHook()
	t.Cleanup(func() { close(slow.through) })
	o.pending()
	o.hand("order")
	for len(o.world.arrived()) == 0 { // until the other endpoint has its event
		o.hand("order")
	}
	var wait time.Duration
	for range 100 {
		result, err := o.courier.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: o.shop.Name, Name: "order"}})
		if err != nil {
			t.Fatal(err)
		}
		wait = max(wait, result.RequeueAfter)
	}
	if wait != 0 || o.writes != 0 {
		t.Errorf("while an endpoint does not answer, the order is looked at every %s, with %d writes", wait, o.writes)
	}
}

func TestADeletedOrderHasItsLastWords(t *testing.T) {
	for name, dead := range map[string]bool{"to an endpoint that hears": false, "and not for ever to one that does not": true} {
		t.Run(name, func(t *testing.T) {
			o := openOffice(t)
			o.pending()
			if err := o.api.Delete(t.Context(), o.look()); err != nil {
				t.Fatal(err)
			}
			o.passes(3) // the courier is busy meanwhile
			if o.look() == nil {
				t.Fatal("the order is gone with what was to be told of it")
			}
			if dead {
				o.world.fail(shopHook, &webhook.Failed{Status: 500, Reason: "it answered 500"})
			}
			o.carry()
			if heard := slices.Contains(o.world.arrived(), shopHook+" wallet.credited"); heard == dead {
				t.Errorf("arrived: %v", o.world.arrived())
			}
			if !slices.Contains(o.world.arrived(), ann+" receipt.cancelled") {
				t.Errorf("the customer does not hear of the refund: %v", o.world.arrived())
			}
			if dead {
				o.clock.SetTime(o.clock.Now().Add(time.Minute))
			}
			o.passes(6)
			if order := o.look(); order != nil {
				t.Errorf("the order is still there: %s, %+v", summary(order), order.Status.Notifications)
			}
		})
	}
}

func TestALateAnswerDoesNotEnableAnEndpointThatIsGone(t *testing.T) {
	for name, late := range map[string]error{"a failure": &webhook.Failed{Reason: "there was no answer in time"}, "a success": nil} {
		t.Run(name, func(t *testing.T) {
			o := openOffice(t)
			slow := o.slowHook()
			o.deliver()
			o.hand("order")
			for range 2 { // both events are on their way to the endpoint
				<-slow.begun
			}
			o.world.fail(shopHook, &webhook.Gone{})
			slow.through <- struct{}{}
			for _, reason := o.health(); reason != v1alpha1.WebhooksReasonDisabled; {
				_, reason = o.health() // until the answer 410 is known
			}
			o.world.fail(shopHook, late)
			slow.through <- struct{}{}
			o.carry()
			if terms, reason := o.health(); reason != v1alpha1.WebhooksReasonDisabled {
				t.Errorf("the client's webhooks are %s: %+v", reason, terms.Status.Webhooks)
			}
		})
	}
}

func TestAnOrderThatWasLongOnItsWayCostsOneWriteToo(t *testing.T) {
	o := openOffice(t)
	o.pending()
	o.hand("order") // its charge is told while it waits
	for len(o.world.arrived()) == 0 {
		o.hand("order")
	}
	if err := o.shop.SMDP.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	o.until("DELIVERED Delivered")
	slow := o.slowMail()
	o.hand("order")
	<-slow.begun
	for range 100 { // the webhook is done, the mail is on its way
		o.hand("order")
	}
	slow.through <- struct{}{}
	o.carry()
	if got := o.world.arrived(); o.writes != 1 || len(got) != 4 {
		t.Errorf("%d writes for %v", o.writes, got)
	}
}
