package controllers_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// tracking is a driver whose operator can be asked what became of a profile.
type tracking struct {
	operators.Driver
	life  operators.Life
	err   error
	asked int
}

func (d *tracking) Track(context.Context, operators.Tracked) (operators.Life, error) {
	d.asked++
	return d.life, d.err
}

// deliveredAtDesk is a desk with a delivered order. tracker, where there is one, stands in for
// an operator that can be asked.
func deliveredAtDesk(t *testing.T, tracker *tracking, change ...func(*v1alpha1.EsimOrder)) *desk {
	t.Helper()
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	if tracker != nil {
		tracker.Driver = d.Pool.For(d.shop.Name).Driver()
		d.Pool.For(d.shop.Name).Connect(tracker, 50)
	}
	d.order(change...)
	for range 3 {
		d.work()
	}
	if phase := d.look().Status.Phase; phase != v1alpha1.PhaseDelivered {
		t.Fatalf("the order is %s", phase)
	}
	return d
}

// work makes a pass, lets no time pass, and returns after how long the next one is due.
func (d *desk) work() time.Duration {
	d.t.Helper()
	after, err := d.Work(d.t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"})
	if err != nil {
		d.t.Fatal(err)
	}
	return after
}

// status changes the order's status as another program does.
func (d *desk) status(change func(*v1alpha1.EsimOrder)) {
	d.t.Helper()
	order := d.look()
	change(order)
	if err := d.api.Status().Update(d.t.Context(), order); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) reports(event v1alpha1.DeviceEvent) {
	d.t.Helper()
	d.status(func(o *v1alpha1.EsimOrder) {
		o.Status.Reports = append(o.Status.Reports, v1alpha1.DeviceReport{
			Event: event, ICCID: o.Status.Esim.ICCID, Time: metav1.NewTime(d.clock.Now()),
		})
	})
}

func (d *desk) refresh(value string) {
	d.t.Helper()
	d.edit(func(o *v1alpha1.EsimOrder) {
		metav1.SetMetaDataAnnotation(&o.ObjectMeta, v1alpha1.RefreshAnnotation, value)
	})
}

func (d *desk) secret() *corev1.Secret {
	d.t.Helper()
	secret, err := d.shop.Secret(d.t.Context(), "order")
	if err != nil {
		d.t.Fatal(err)
	}
	return secret
}

func TestAReportedInstallationRemovesTheCodeAndKeepsTheICCID(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	d.reports(v1alpha1.DeviceInstalled)
	d.work()
	life := d.look().Status.Activation
	if life.Status != v1alpha1.ActivationActive || !life.Installed || !life.CodeRemoved || life.InstalledTime == nil {
		t.Errorf("the order's activation is %+v", life)
	}
	data := d.secret().Data
	for _, key := range []string{v1alpha1.SecretKeyActivationCode, v1alpha1.SecretKeyMatchingID, v1alpha1.SecretKeyConfirmationCode} {
		if _, kept := data[key]; kept {
			t.Errorf("the Secret still holds %s", key)
		}
	}
	if got := string(data[v1alpha1.SecretKeyICCID]); got != d.look().Status.Esim.ICCID {
		t.Errorf("the Secret's ICCID is %q", got)
	}
}

func TestAProfileThatIsReportedInstalledIsNotRefunded(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	d.reports(v1alpha1.DeviceInstalled)
	d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
	for range 3 {
		d.work()
	}
	order := d.look()
	if order.Status.Phase != v1alpha1.PhaseDelivered || order.Status.Charge.Refund != nil {
		t.Errorf("the order is %s, refund %+v", order.Status.Phase, order.Status.Charge.Refund)
	}
	refused := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionCancelRefused)
	if refused == nil || refused.Reason != "TooLate" {
		t.Errorf("CancelRefused is %+v", refused)
	}
	if !order.Status.Activation.CodeRemoved {
		t.Error("the code was not removed")
	}
}

func TestAPlanExpiresOnTheSecondAlsoAfterDowntime(t *testing.T) {
	for name, downtime := range map[string]time.Duration{"in time": 0, "after downtime": 30 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			d := deliveredAtDesk(t, nil)
			d.reports(v1alpha1.DeviceInstalled)
			d.work()
			after := d.work()
			expiry := d.look().Status.Activation.ExpiryTime.Time
			if due := d.clock.Now().Add(after); !due.Equal(expiry) {
				t.Fatalf("the next pass is due at %s, the plan ends at %s", due, expiry)
			}
			d.clock.SetTime(expiry.Add(-time.Second))
			if d.work(); d.look().Status.Activation.Status != v1alpha1.ActivationActive {
				t.Error("the plan ended a second early")
			}
			d.clock.SetTime(expiry.Add(downtime))
			if d.work(); d.look().Status.Activation.Status != v1alpha1.ActivationExpired {
				t.Error("the plan did not end")
			}
			if after := d.work(); after != 0 {
				t.Errorf("an expired order is looked at again after %s", after)
			}
		})
	}
}

func TestAnOperatorIsAskedOncePerRequestAndInterval(t *testing.T) {
	asked := &tracking{}
	d := deliveredAtDesk(t, asked)
	d.refresh("one")
	d.work()
	d.work()
	if asked.asked != 1 {
		t.Errorf("the operator was asked %d times for one request", asked.asked)
	}
	if life := d.look().Status.Activation; life.Refreshed != "one" || !life.RefreshedTime.Time.Equal(d.clock.Now()) {
		t.Errorf("the answer is not dated: %+v", life)
	}
	d.refresh("two")
	if after := d.work(); asked.asked != 1 || after != v1alpha1.DefaultRefreshInterval {
		t.Errorf("within the interval the operator was asked %d times; the next pass is due after %s", asked.asked, after)
	}
	asked.life.Installed = true
	d.clock.SetTime(d.clock.Now().Add(v1alpha1.DefaultRefreshInterval))
	d.work()
	if life := d.look().Status.Activation; asked.asked != 2 || life.Status != v1alpha1.ActivationActive || !life.CodeRemoved {
		t.Errorf("asked %d times, the order's activation is %+v", asked.asked, life)
	}
	d.refresh("three")
	d.clock.SetTime(d.clock.Now().Add(time.Minute))
	d.work()
	if life := d.look().Status.Activation; life.Refreshed != "two" {
		t.Errorf("a profile that is installed was asked for on request: %+v", life)
	}
}

func TestAnOperatorThatDoesNotAnswerLeavesWhatIsKnown(t *testing.T) {
	asked := &tracking{err: &operators.Error{Class: operators.Transient, Message: "no answer"}}
	d := deliveredAtDesk(t, asked)
	before := d.look().ResourceVersion
	d.refresh("one")
	changed := d.look().ResourceVersion
	d.work()
	d.work()
	if asked.asked != 1 {
		t.Errorf("the operator was asked %d times", asked.asked)
	}
	if now := d.look(); now.ResourceVersion != changed || before == changed || now.Status.Activation.RefreshedTime != nil {
		t.Errorf("an unanswered question wrote %+v", now.Status.Activation)
	}
}

func TestAnOperatorThatCannotBeAskedCostsNothing(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	d.refresh("one")
	before := d.look().ResourceVersion
	if after := d.work(); after != 0 || d.look().ResourceVersion != before {
		t.Errorf("the next pass is due after %s, the order went from version %s to %s", after, before, d.look().ResourceVersion)
	}
}

func TestADeliveredOrderIsPolledAndARestartNeitherForgetsNorHurries(t *testing.T) {
	asked := &tracking{}
	d := deliveredAtDesk(t, asked)
	after := d.work()
	if after < 30*time.Second || after > 37*time.Second {
		t.Fatalf("the first look is due after %s", after)
	}
	d.clock.SetTime(d.clock.Now().Add(after))
	before := d.look().ResourceVersion
	d.work()
	if asked.asked != 1 || d.look().ResourceVersion != before {
		t.Errorf("when it was due the operator was asked %d times; a look that shows nothing new must cost no write", asked.asked)
	}
	d.clock.SetTime(d.clock.Now().Add(20 * time.Minute))
	d.restart()
	d.Pool.For(d.shop.Name).Connect(asked, 50)
	after = d.work()
	if asked.asked != 1 {
		t.Error("the operator was asked at once after a restart")
	}
	if after <= 0 || after > 6*time.Minute {
		t.Errorf("after a restart the next look is due after %s", after)
	}
	d.clock.SetTime(d.clock.Now().Add(after))
	if d.work(); asked.asked != 2 {
		t.Error("the operator was not asked when it was due after a restart")
	}
}

func TestAReportBetweenReadAndWriteIsNotLost(t *testing.T) {
	reported := false
	d := atDesk(t, testshop.Options{}, func(d *desk, order *v1alpha1.EsimOrder) error {
		if order.Status.Phase != v1alpha1.PhaseDelivered || reported {
			return nil
		}
		reported = true
		now := d.look()
		now.Status.Reports = []v1alpha1.DeviceReport{{
			Event: v1alpha1.DeviceInstalled, ICCID: order.Status.Esim.ICCID, Time: metav1.NewTime(d.clock.Now()),
		}}
		return d.api.Status().Update(context.WithoutCancel(t.Context()), now)
	})
	d.connect()
	d.order()
	for range 3 {
		d.work()
	}
	if order := d.look(); !reported || order.Status.Phase != v1alpha1.PhaseDelivered || !order.Status.Activation.CodeRemoved {
		t.Errorf("the order is %s with activation %+v", order.Status.Phase, order.Status.Activation)
	}
	if d.shop.Bought() != 1 || len(d.shop.SMDP.Ledger()) != 2 {
		t.Errorf("%d were bought in %d calls", d.shop.Bought(), len(d.shop.SMDP.Ledger()))
	}
}

func TestAReportAboutAnOrderThatEndedWithoutAProfileIsTakenOff(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
	for range 3 {
		d.work()
	}
	d.reports(v1alpha1.DeviceInstalled)
	d.work()
	order := d.look()
	if order.Status.Phase != v1alpha1.PhaseCancelled || len(order.Status.Reports) != 0 || order.Status.Activation != nil {
		t.Errorf("the order is %s with activation %+v and reports %+v", order.Status.Phase, order.Status.Activation, order.Status.Reports)
	}
}

func TestAChangedSpecOfADeliveredOrderIsObserved(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	d.edit(func(o *v1alpha1.EsimOrder) {
		o.Spec.NotificationEmail, o.Generation = "ann@example.com", o.Generation+1
	})
	d.work()
	if order := d.look(); order.Status.ObservedGeneration != order.Generation {
		t.Errorf("generation %d was observed of %d", order.Status.ObservedGeneration, order.Generation)
	}
}
