package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// edit is what the owner of an order may do at any time, in a loop.
func edit() func(d *desk, order *v1alpha1.EsimOrder) error {
	edits := 0
	return func(d *desk, order *v1alpha1.EsimOrder) error {
		if order.Status.Provisioning == nil || order.Status.Provisioning.LastError == nil {
			return nil // the intent: a conflict there costs nothing
		}
		standing := d.look()
		edits++
		standing.Spec.NotificationEmail = fmt.Sprintf("ann%d@example.com", edits)
		if edits%3 == 0 {
			return nil // nobody edits between any two of our requests
		}
		return d.api.Update(d.t.Context(), standing)
	}
}

func TestAnOrderThatIsEditedInALoopIsNotTriedFasterThanAnyOther(t *testing.T) {
	d := atDesk(t, testshop.Options{}, edit())
	d.connect()
	if err := d.shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: es2plus.DownloadOrder}); err != nil {
		t.Fatal(err)
	}
	d.order()
	for range 5 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	provisioning := d.look().Status.Provisioning
	if provisioning.Tries != 5 || provisioning.LostAnswers != 5 {
		t.Errorf("%d tries and %d lost answers are noted, want 5 and 5", provisioning.Tries, provisioning.LostAnswers)
	}
	if calls := len(d.shop.SMDP.Ledger()); calls != 5 {
		t.Errorf("%d calls were made in 5 passes", calls)
	}
}

func givesUpAfter(wait time.Duration) testshop.Options {
	return testshop.Options{Operator: func(o *v1alpha1.EsimOperator) {
		o.Spec.Recovery.GiveUpAfter = metav1.Duration{Duration: wait}
	}}
}

func TestAnOrderWhoseOperatorIsAwayIsGivenUpInTime(t *testing.T) {
	d := atDesk(t, givesUpAfter(time.Hour), nil)
	d.order()
	for range 500 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
		order := d.look()
		age := d.clock.Now().Sub(order.CreationTimestamp.Time)
		switch {
		case order.Terminal() && age < time.Hour:
			t.Fatalf("given up after %s: %s", age, summary(order))
		case order.Terminal():
			if summary(order) != "FAILED RECOVERY_EXHAUSTED" {
				t.Fatal(summary(order))
			}
			return
		}
	}
	t.Fatalf("after %s: %s", d.clock.Now().Sub(d.look().CreationTimestamp.Time), summary(d.look()))
}

func TestAnOrderThatWasTriedSaysThatItWaitsForItsOperator(t *testing.T) {
	d := atDesk(t, givesUpAfter(time.Hour), nil)
	d.connect()
	if err := d.shop.SMDP.SetStock(testshop.Plan, 0); err != nil {
		t.Fatal(err)
	}
	d.order()
	for range 2 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	d.Pool.For(d.shop.Name).Disconnect()
	var seen []string
	for !d.look().Terminal() && len(seen) < 500 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
		if now := summary(d.look()); len(seen) == 0 || seen[len(seen)-1] != now {
			seen = append(seen, now)
		}
	}
	want := "[PENDING OutOfStock PENDING WaitingForOperator FAILED RECOVERY_EXHAUSTED]"
	if got := fmt.Sprint(seen); got != want {
		t.Errorf("the order went through %s, want %s", got, want)
	}
}

// Each order of a backlog would need a write more, to say for some seconds that it waits.
func TestAnOrderThatWaitsForAFullOperatorSaysSoAfterAMinute(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	connection := d.Pool.For(d.shop.Name)
	for i := 0; ; i++ {
		if _, err := connection.Enter(types.NamespacedName{Namespace: "others", Name: fmt.Sprint(i)}, false); err != nil {
			break
		}
	}
	d.order()
	began := d.clock.Now()
	for d.look().Status.Conditions == nil {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
		if d.clock.Now().Sub(began) > 10*time.Minute {
			t.Fatal("after ten minutes the order has not said that it waits")
		}
	}
	if got := summary(d.look()); got != "PENDING WaitingForOperator" {
		t.Error(got)
	}
	said := meta.FindStatusCondition(d.look().Status.Conditions, v1alpha1.ConditionReady).LastTransitionTime
	if waited := said.Sub(began); waited < time.Minute || waited > 90*time.Second {
		t.Errorf("the order says that it waits after %s, want a minute", waited)
	}
}

func TestAnAcceptedOrderOutlivesItsProduct(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.order()
	for d.look().Status.Plan == nil {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	if got := summary(d.look()); got != "PENDING WaitingForOperator" {
		t.Fatal(got)
	}
	var product v1alpha1.EsimProduct
	if err := d.api.Get(t.Context(), types.NamespacedName{Name: d.shop.Name}, &product); err != nil {
		t.Fatal(err)
	}
	if err := d.api.Delete(t.Context(), &product); err != nil {
		t.Fatal(err)
	}
	d.connect()
	if err := d.pass(); err != nil {
		t.Fatal(err)
	}
	if got := summary(d.look()); got != "DELIVERED Delivered" {
		t.Error(got)
	}
}

func TestARetryYieldsToNewOrders(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	if err := d.shop.SMDP.SetStock(testshop.Plan, 0); err != nil {
		t.Fatal(err)
	}
	d.order()
	result, err := d.Orders.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: d.shop.Name, Name: "order"}})
	if err != nil {
		t.Fatal(err)
	}
	// The queue takes a new order with priority 0.
	if result.Priority == nil || *result.Priority >= 0 || result.RequeueAfter <= 0 {
		t.Errorf("the retry comes after %s with priority %v", result.RequeueAfter, result.Priority)
	}
}
