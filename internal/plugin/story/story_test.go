package story

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

var noon = time.Date(2036, 5, 3, 12, 0, 0, 0, time.UTC)

func after(seconds int) metav1.Time {
	return metav1.NewTime(noon.Add(time.Duration(seconds) * time.Second))
}

func afterOptional(seconds int) *metav1.Time {
	t := after(seconds)
	return &t
}

// ordered is an order that nobody has looked at yet.
func ordered(changes ...func(*v1alpha1.EsimOrder)) *v1alpha1.EsimOrder {
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Name: "trip", Namespace: "acme", CreationTimestamp: after(0)},
		Spec:       v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb-7d"},
		Status:     v1alpha1.EsimOrderStatus{Phase: v1alpha1.PhasePending},
	}
	for _, change := range changes {
		change(order)
	}
	return order
}

func condition(kind string, status metav1.ConditionStatus, reason, message string, seconds int) func(*v1alpha1.EsimOrder) {
	return func(o *v1alpha1.EsimOrder) {
		o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: after(seconds),
		})
	}
}

func pending(reason, message string) func(*v1alpha1.EsimOrder) {
	return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message, 1)
}

// bought has a plan, a charge and an attempt at telco-one.
func bought(o *v1alpha1.EsimOrder) {
	o.Status.ID = 2147483999
	o.Status.Plan = &v1alpha1.OrderPlan{
		Product: "japan", Variant: "1gb-7d", DisplayName: "Japan 1 GB / 7 days", Amount: "4.50", Currency: "USD",
	}
	o.Status.Charge = &v1alpha1.OrderCharge{
		WalletRef: v1alpha1.WalletReference{Name: "main"}, Amount: "4.05", Currency: "USD", DiscountPercent: "10", Time: after(1),
	}
	o.Status.Provisioning = &v1alpha1.OrderProvisioning{
		OperatorRef: v1alpha1.OperatorReference{Name: "telco-one"}, PlanID: "JP-1GB-7D", Attempt: 1, StartTime: after(1),
	}
}

func delivered(o *v1alpha1.EsimOrder) {
	bought(o)
	condition(v1alpha1.ConditionReady, metav1.ConditionTrue, "Delivered", "The activation code is in Secret trip-activation", 2)(o)
	o.Status.Phase = v1alpha1.PhaseDelivered
	o.Status.Esim = &v1alpha1.OrderEsim{
		ICCID: "8986000000000000018", ActivationCode: "LPA:1$rsp.example.com$********", SecretRef: v1alpha1.SecretReference{Name: "trip-activation"},
	}
	o.Status.Activation = &v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled}
}

func installed(o *v1alpha1.EsimOrder) {
	delivered(o)
	o.Status.Activation = &v1alpha1.OrderActivation{
		Status: v1alpha1.ActivationActive, Installed: true, CodeRemoved: true,
		InstalledTime: afterOptional(600), ActivatedTime: afterOptional(600), ExpiryTime: afterOptional(7 * 24 * 3600),
	}
}

func ended(phase v1alpha1.OrderPhase, code v1alpha1.FailureCode, reason string, seconds int) func(*v1alpha1.EsimOrder) {
	return func(o *v1alpha1.EsimOrder) {
		o.Status.Phase = phase
		if code != "" {
			o.Status.Failure = &v1alpha1.OrderFailure{Code: code, Reason: reason}
		}
		condition(v1alpha1.ConditionReady, metav1.ConditionFalse, string(code), reason, seconds)(o)
		condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, string(code), reason, seconds)(o)
	}
}

func refunded(seconds int) func(*v1alpha1.EsimOrder) {
	return func(o *v1alpha1.EsimOrder) { o.Status.Charge.Refund = &v1alpha1.OrderRefund{Time: after(seconds)} }
}

func TestTheWholeStory(t *testing.T) {
	for name, c := range map[string]struct {
		order  *v1alpha1.EsimOrder
		events []corev1.Event
		want   string
	}{
		"not looked at yet": {order: ordered(), want: `
trip in acme: ordered

  Plan        japan, 1gb-7d
  Paid        nothing yet

What happened
  2036-05-03 12:00:00  Ordered.

What it waits for
  The manager has not looked at it yet, which takes seconds.

What you can do
  - If this lasts, have the platform team look at the installation: kubectl esim doctor
`},
		"an operator that is out of reach, after another had none": {
			order: ordered(bought, pending("OperatorUnavailable", "DownloadOrder: the operator cannot be reached"), func(o *v1alpha1.EsimOrder) {
				p := o.Status.Provisioning
				p.Attempts = []v1alpha1.ProvisioningAttempt{{
					Attempt: 1, OperatorRef: v1alpha1.OperatorReference{Name: "telco-one"}, PlanID: "JP-1GB-7D",
					Class: "OutOfStock", Message: "no profile of this type is left", EndTime: after(2),
				}}
				p.OperatorRef.Name, p.PlanID, p.Attempt, p.Tries = "zendit", "JP-7D", 2, 3
				p.LastError = &v1alpha1.ProvisioningError{Class: "Transient", Message: "the operator cannot be reached", Time: after(9)}
				p.NextAttemptTime = afterOptional(75)
			}), want: `
trip in acme: waiting for the operator

  Number      2147483999 (over REST)
  Plan        Japan 1 GB / 7 days (japan, 1gb-7d), 4.50 USD
  Paid        4.05 USD, from wallet main, 10 % discount
  Operator    zendit, plan JP-7D

What happened
  2036-05-03 12:00:00  Ordered.
  2036-05-03 12:00:01  4.05 USD taken from wallet main.
  2036-05-03 12:00:01  telco-one was asked for plan JP-1GB-7D.
  2036-05-03 12:00:02  telco-one gave nothing (OutOfStock): No profile of this type is left. zendit
                       was asked next.
  2036-05-03 12:00:09  zendit: The operator cannot be reached. Tried 3 times.

What it waits for
  Its operator did not answer, or not in a way that can be used. Nothing was bought; it is asked
  again, ever more rarely, and the next operator is asked where the plan has one. In the manager's
  words: DownloadOrder: the operator cannot be reached. The next try is in 1m 5s.

What you can do
  - Nothing: it goes on by itself as soon as it can.
  - See how the operators are: kubectl esim operators
  - If you do not want to wait, take it back, for the full price: kubectl esim cancel trip -n acme
`},
		"delivered, after a wait that only an event tells of": {
			order: ordered(delivered, func(o *v1alpha1.EsimOrder) {
				o.Status.Activation.RefreshInterval = &metav1.Duration{Duration: time.Second}
			}),
			events: []corev1.Event{
				{Reason: "OutOfStock", Message: "The order is not filled yet: no stock", EventTime: metav1.NewMicroTime(noon.Add(time.Second))},
				{Reason: "SomethingElse", Message: "of no interest", EventTime: metav1.NewMicroTime(noon)},
			}, want: `
trip in acme: ready to install

  Number      2147483999 (over REST)
  Plan        Japan 1 GB / 7 days (japan, 1gb-7d), 4.50 USD
  Paid        4.05 USD, from wallet main, 10 % discount
  Operator    telco-one, plan JP-1GB-7D
  ICCID       8986000000000000018
  Code        LPA:1$rsp.example.com$********, in Secret trip-activation

What happened
  2036-05-03 12:00:00  Ordered.
  2036-05-03 12:00:01  4.05 USD taken from wallet main.
  2036-05-03 12:00:01  telco-one was asked for plan JP-1GB-7D.
  2036-05-03 12:00:01  The order is not filled yet: no stock.
  2036-05-03 12:00:02  Delivered: ICCID 8986000000000000018.

What it waits for
  It waits to be installed on a device.

What you can do
  - Install it on a phone: kubectl esim qr trip -n acme
  - Ask the operator whether it is installed by now: kubectl esim refresh trip -n acme
  - Not needed any more? Until it is installed it can be given back, for the full price:
    kubectl esim cancel trip -n acme
`},
		"installed": {order: ordered(installed), want: `
trip in acme: active until 10 May 2036

  Number      2147483999 (over REST)
  Plan        Japan 1 GB / 7 days (japan, 1gb-7d), 4.50 USD
  Paid        4.05 USD, from wallet main, 10 % discount
  Operator    telco-one, plan JP-1GB-7D
  ICCID       8986000000000000018
  Code        removed, as the profile is on its device

What happened
  2036-05-03 12:00:00  Ordered.
  2036-05-03 12:00:01  4.05 USD taken from wallet main.
  2036-05-03 12:00:01  telco-one was asked for plan JP-1GB-7D.
  2036-05-03 12:00:02  Delivered: ICCID 8986000000000000018.
  2036-05-03 12:10:00  Installed on a device.

What it waits for
  The plan ends in 6d 23h.
`},
		"failed, and uncharged": {
			order: ordered(ended(v1alpha1.PhaseFailed, v1alpha1.FailureInsufficientFunds, "wallet main has 1 USD, and the order costs 4.50 USD", 1)), want: `
trip in acme: failed: not enough money

  Plan        japan, 1gb-7d
  Paid        nothing

What happened
  2036-05-03 12:00:00  Ordered.
  2036-05-03 12:00:01  FAILED (INSUFFICIENT_FUNDS): Wallet main has 1 USD, and the order costs 4.50
                       USD.

What you can do
  - See what the wallet has left: kubectl esim wallet
  - Have it topped up by the platform team (deposits in its EsimWallet).
  - Make a new order: this one stays FAILED.
`},
		"cancelled, and refunded": {
			order: ordered(delivered, ended(v1alpha1.PhaseCancelled, "", "spec.cancel is true", 30), refunded(30), func(o *v1alpha1.EsimOrder) {
				o.Spec.Cancel = true
				o.Spec.ClientReference, o.Spec.NotificationEmail = "booking-1", "ann@example.com"
				o.Status.Receipts = []v1alpha1.SentReceipt{{Time: after(3)}, {Time: after(31), Refused: "550 5.1.1"}}
			}), want: `
trip in acme: cancelled

  Number      2147483999 (over REST)
  Reference   booking-1
  Plan        Japan 1 GB / 7 days (japan, 1gb-7d), 4.50 USD
  Paid        nothing: 4.05 USD went back to wallet main
  Operator    telco-one, plan JP-1GB-7D
  ICCID       8986000000000000018
  Code        removed, as the profile was given back
  Receipt to  ann@example.com

What happened
  2036-05-03 12:00:00  Ordered.
  2036-05-03 12:00:01  4.05 USD taken from wallet main.
  2036-05-03 12:00:01  telco-one was asked for plan JP-1GB-7D.
  2036-05-03 12:00:03  The receipt was sent.
  2036-05-03 12:00:30  CANCELLED: Spec.cancel is true.
  2036-05-03 12:00:30  4.05 USD went back to wallet main.
  2036-05-03 12:00:31  The receipt was refused by the mail server: 550 5.1.1.
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if _, err := Of(c.order, c.events, noon.Add(10*time.Second).UTC()).WriteTo(&out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), out.String()); diff != "" {
				t.Errorf("the story differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBrief(t *testing.T) {
	for want, order := range map[string]*v1alpha1.EsimOrder{
		"ordered":                ordered(),
		"waiting for stock":      ordered(bought, pending("OutOfStock", "")),
		"being cancelled":        ordered(bought, pending("OutOfStock", ""), func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true }),
		"needs a person":         ordered(bought, pending("NeedsPerson", ""), func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true }),
		"waiting":                ordered(bought, pending("OfANewerManager", "")),
		"ready to install":       ordered(delivered),
		"could not be installed": ordered(delivered, condition(v1alpha1.ConditionDownloadFailed, metav1.ConditionTrue, "DownloadFailed", "", 3)),
		"deleted from its device": ordered(installed,
			condition(v1alpha1.ConditionDeletedFromDevice, metav1.ConditionTrue, "DeletedByUser", "", 3)),
		"active":               ordered(installed, func(o *v1alpha1.EsimOrder) { o.Status.Activation.ExpiryTime = nil }),
		"expired":              ordered(installed, func(o *v1alpha1.EsimOrder) { o.Status.Activation.Status = v1alpha1.ActivationExpired }),
		"failed: no such plan": ordered(ended(v1alpha1.PhaseFailed, v1alpha1.FailureInvalidPlan, "", 1)),
		"failed: failed":       ordered(ended(v1alpha1.PhaseFailed, "OF_A_NEWER_MANAGER", "", 1)),
		"being deleted":        ordered(delivered, func(o *v1alpha1.EsimOrder) { o.DeletionTimestamp = afterOptional(9) }),
	} {
		if got := Brief(order); got != want {
			t.Errorf("Brief = %q, want %q", got, want)
		}
	}
}

func TestAdvice(t *testing.T) {
	for name, c := range map[string]struct {
		order *v1alpha1.EsimOrder
		has   string
		hasNo string
	}{
		"nobody is told to cancel what is being cancelled": {
			order: ordered(bought, pending("OutOfStock", ""), func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true }), hasNo: "kubectl esim cancel",
		},
		"nobody is told to cancel what cannot be cancelled": {
			order: ordered(delivered, condition(v1alpha1.ConditionCancelRefused, metav1.ConditionTrue, "OperatorRefused", "no", 3)),
			has:   "the operator does not take it back", hasNo: "kubectl esim cancel",
		},
		"a person is told what to look up": {
			order: ordered(bought, pending("NeedsPerson", "ask the operator")), has: "kubectl annotate esimorder trip -n acme esim.telco.dev/resolve=",
		},
		"a plan that there is not": {
			order: ordered(ended(v1alpha1.PhaseFailed, v1alpha1.FailureInvalidPlan, "", 1)), has: "kubectl esim quote japan -n acme",
		},
		"a reason of a newer manager is named": {order: ordered(pending("OfANewerManager", "")), has: "newer"},
		"a refused receipt": {
			order: ordered(installed, condition(v1alpha1.ConditionReceiptSent, metav1.ConditionFalse, "Refused", "no", 3)), has: "kubectl patch esimorder trip -n acme",
		},
		"an order that is being cancelled after delivery": {
			order: ordered(delivered, func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true }), hasNo: "kubectl esim qr",
		},
	} {
		t.Run(name, func(t *testing.T) {
			told := Of(c.order, nil, noon)
			all := told.WaitsFor + "\n" + strings.Join(told.Advice, "\n")
			if c.has != "" && !strings.Contains(strings.ToLower(all), strings.ToLower(c.has)) {
				t.Errorf("%q is missing in:\n%s", c.has, all)
			}
			if c.hasNo != "" && strings.Contains(all, c.hasNo) {
				t.Errorf("%q is in:\n%s", c.hasNo, all)
			}
			if strings.Contains(all, "%") {
				t.Errorf("a name is missing in:\n%s", all)
			}
		})
	}
}
