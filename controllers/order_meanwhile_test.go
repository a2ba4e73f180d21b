package controllers_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// courierSays changes the condition that the courier writes, as it does between a pass' read and
// its write.
func (d *desk) courierSays(status metav1.ConditionStatus) {
	d.t.Helper()
	d.status(func(o *v1alpha1.EsimOrder) {
		meta.SetStatusCondition((*[]metav1.Condition)(&o.Status.Conditions), metav1.Condition{
			Type: v1alpha1.ConditionReceiptSent, Status: status, Reason: "Delayed",
		})
	})
}

func TestWhatTheCourierSaysOfAReceiptDoesNotUndoARefund(t *testing.T) {
	said := false
	d := atDesk(t, testshop.Options{}, func(d *desk, order *v1alpha1.EsimOrder) error {
		if order.Status.Phase == v1alpha1.PhaseCancelled && !said {
			said = true
			d.courierSays(metav1.ConditionFalse)
		}
		return nil
	})
	d.connect()
	d.order()
	d.until("DELIVERED Delivered")
	d.edit(wantsCancel)
	d.passes(1)
	order := d.look()
	if !said || order.Status.Phase != v1alpha1.PhaseCancelled || order.Status.Charge.Refund == nil {
		t.Errorf("after the operator took the profile back the order is %s, refund %+v", summary(order), order.Status.Charge.Refund)
	}
	if condition(order, v1alpha1.ConditionReceiptSent) == "" {
		t.Error("what the courier said is lost")
	}
	asked := 0
	for _, call := range d.shop.SMDP.Ledger() {
		if call.Function == es2plus.CancelOrder {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("the operator was asked %d times to take the profile back", asked)
	}
}

func TestAFailedDownloadDoesNotHurryAnOrderThatWaitsForItsOperator(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	d.Pool.For(d.shop.Name).Disconnect()
	d.edit(wantsCancel)
	d.reports(v1alpha1.DeviceDownloadFailed)
	d.clock.SetTime(d.clock.Now().Add(time.Minute))
	d.work()
	if after := d.work(); after < time.Second {
		t.Errorf("while the operator is away the order is looked at every %s", after)
	}
}

func TestAWrongClockAtTheOperatorEndsNoPlan(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	d.status(func(o *v1alpha1.EsimOrder) {
		o.Status.Reports = []v1alpha1.DeviceReport{{
			Event: v1alpha1.DeviceInstalled, ICCID: o.Status.Esim.ICCID, Time: metav1.NewTime(d.clock.Now().Add(-20 * 24 * time.Hour)),
		}}
	})
	d.work()
	d.work()
	order := d.look()
	if life := order.Status.Activation; life.Status != v1alpha1.ActivationActive || life.InstalledTime.Time.Before(order.CreationTimestamp.Time) {
		t.Errorf("a profile that was installed before it was ordered: %+v", life)
	}
}

func TestEveryConditionSaysOfWhichSpecItIs(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.EsimOrder){
		"another address":                    func(o *v1alpha1.EsimOrder) { o.Spec.NotificationEmail = "ann@example.com" },
		"a cancellation that comes too late": func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true },
	} {
		t.Run(name, func(t *testing.T) {
			d := deliveredAtDesk(t, nil)
			d.reports(v1alpha1.DeviceInstalled)
			d.work()
			d.edit(func(o *v1alpha1.EsimOrder) { change(o); o.Generation++ })
			d.work()
			order := d.look()
			for _, c := range order.Status.Conditions {
				if c.ObservedGeneration != order.Generation {
					t.Errorf("%s is about generation %d of %d: kubectl wait would wait for ever", c.Type, c.ObservedGeneration, order.Generation)
				}
			}
		})
	}
}

func TestAReportGoesToTheOrderThatHoldsTheProfileNow(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	iccid := d.look().Status.Esim.ICCID
	d.clock.SetTime(d.clock.Now().Add(time.Minute))
	later, err := d.shop.Order(t.Context(), "later")
	if err != nil {
		t.Fatal(err)
	}
	held := d.look()
	later.Status = *held.Status.DeepCopy()
	later.Status.Phase, later.Status.Activation = v1alpha1.PhaseCancelled, nil
	if err := d.api.Status().Update(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	store := controllers.NewDeviceReports(d.api, d.api, d.api)
	if err := store.Report(t.Context(), []string{d.shop.Name}, d.installedReport(0)); err != nil {
		t.Fatal(err)
	}
	if got := d.look().Status.Reports; len(got) != 1 || got[0].ICCID != iccid {
		t.Errorf("the order that holds the profile has the reports %+v", got)
	}
}

func TestARefreshOfAnotherOrderOfTheSameNameIsNotForgotten(t *testing.T) {
	asked := &tracking{}
	d := deliveredAtDesk(t, asked)
	d.refresh("one")
	d.work()
	if err := d.api.Delete(t.Context(), d.look()); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if d.passes(1); d.look() == nil {
			break
		}
	}
	if d.look() != nil {
		t.Fatal("the order is still there")
	}
	d.order(func(o *v1alpha1.EsimOrder) {
		o.Annotations = map[string]string{v1alpha1.RefreshAnnotation: "one"}
	})
	before := asked.asked
	for range 4 {
		d.work()
	}
	if asked.asked != before+1 {
		t.Errorf("for the new order the operator was asked %d times", asked.asked-before)
	}
}

func TestARetryThatIsReplacedMeanwhileIsNotKeptBeside(t *testing.T) {
	const first = "ann@example.com"
	meanwhile := false
	d := atDesk(t, testshop.Options{}, func(d *desk, order *v1alpha1.EsimOrder) error {
		if order.Spec.NotificationEmail == first || order.Spec.NotificationEmail == "" || meanwhile {
			return nil
		}
		meanwhile = true
		now := d.look()
		now.Status.Notifications[0].Pending = []v1alpha1.PendingDelivery{{To: "email", Tries: 1, NextTime: metav1.NewTime(d.clock.Now())}}
		return d.api.Status().Update(context.WithoutCancel(t.Context()), now)
	})
	d.Orders.Receipts = true
	d.connect()
	d.order(func(o *v1alpha1.EsimOrder) { o.Spec.NotificationEmail = first })
	for range 3 {
		d.work()
	}
	d.clock.SetTime(d.clock.Now().Add(time.Minute))
	d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.NotificationEmail = "bob@example.com"; o.Generation++ })
	d.work()
	receipts := slices.DeleteFunc(d.look().Status.Notifications, func(n v1alpha1.OrderNotification) bool {
		return n.Type != v1alpha1.ReceiptDelivered
	})
	if !meanwhile || len(receipts) != 1 || len(receipts[0].Pending) != 0 {
		t.Errorf("the outbox holds %+v: the same receipt goes out more than once", receipts)
	}
}

func TestAnAnswerThatCouldNotBeWrittenIsNotLost(t *testing.T) {
	for name, ask := range map[string]func(d *desk, after time.Duration){
		"on request": func(d *desk, _ time.Duration) { d.refresh("one") },
		"by itself":  func(d *desk, after time.Duration) { d.clock.SetTime(d.clock.Now().Add(after)) },
	} {
		t.Run(name, func(t *testing.T) {
			asked := &tracking{}
			broken := false
			d := atDesk(t, testshop.Options{}, func(*desk, *v1alpha1.EsimOrder) error {
				if broken {
					broken = false
					return errors.New("the API server is away")
				}
				return nil
			})
			d.connect()
			asked.Driver = d.Pool.For(d.shop.Name).Driver()
			d.Pool.For(d.shop.Name).Connect(asked, 50)
			d.order()
			after := d.work()
			asked.life.Installed = true
			ask(d, after)
			broken = true
			if _, err := d.Work(t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"}); err == nil {
				t.Fatal("nothing was written")
			}
			d.work()
			life := d.look().Status.Activation
			if asked.asked != 1 || !life.Installed || name == "on request" && life.Refreshed != "one" {
				t.Errorf("asked %d times, the order's activation is %+v", asked.asked, life)
			}
			d.work()
			before := d.look().ResourceVersion
			d.clock.SetTime(d.clock.Now().Add(time.Minute))
			d.work()
			d.work()
			if asked.asked != 2 || d.look().ResourceVersion != before {
				t.Errorf("the next look, the %dth, shows nothing new and costs a write", asked.asked)
			}
		})
	}
}

func TestTheFirstLookComesHalfAMinuteAfterTheDelivery(t *testing.T) {
	asked := &tracking{}
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	asked.Driver = d.Pool.For(d.shop.Name).Driver()
	d.Pool.For(d.shop.Name).Connect(asked, 50)
	d.order()
	after := d.work()
	if phase := d.look().Status.Phase; phase != v1alpha1.PhaseDelivered || after < 30*time.Second || after > 37*time.Second {
		t.Fatalf("the order is %s, its next pass is due after %s", phase, after)
	}
	d.clock.SetTime(d.clock.Now().Add(after))
	if d.work(); asked.asked != 1 {
		t.Errorf("when the first look was due the operator was asked %d times", asked.asked)
	}
}

func TestAnInstalledProfileIsKnownAlsoWhereItsSecretCannotBeChanged(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	refuses := true
	d.Orders.Writer = interceptor.NewClient(d.api, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if _, secret := o.(*corev1.Secret); secret && refuses {
				return errors.New("a policy refuses it")
			}
			return c.Update(ctx, o, opts...)
		},
	})
	d.reports(v1alpha1.DeviceInstalled)
	after := d.work()
	if life := d.look().Status.Activation; life.Status != v1alpha1.ActivationActive || life.CodeRemoved {
		t.Errorf("the order's activation is %+v", life)
	}
	if after <= 0 || after > time.Minute {
		t.Errorf("the code is to be removed after %s", after)
	}
	if _, err := d.Work(t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"}); err == nil {
		t.Error("that the code stays is no error")
	}
	refuses = false
	d.work()
	if life := d.look().Status.Activation; !life.CodeRemoved {
		t.Errorf("the order's activation is %+v", life)
	}
}
