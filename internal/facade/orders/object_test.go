package orders

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
)

func at(seconds int) metav1.Time {
	// In another zone, as a client's library may have read it: the answer is in UTC all the same.
	return metav1.NewTime(epoch.Add(time.Duration(seconds) * time.Second).In(time.FixedZone("JST", 9*3600)))
}

// bought is an order that was charged and delivered; each case changes it.
func bought(changes ...func(*v1alpha1.EsimOrder)) *v1alpha1.EsimOrder {
	order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "o-9302481", UID: "u", CreationTimestamp: at(0)}}
	order.Spec = v1alpha1.EsimOrderSpec{
		ProductRef: v1alpha1.ProductReference{Name: "japan"}, Amount: "4.5",
		ClientReference: "TRIP_TOKYO_OCT", NotificationEmail: "traveller@example.com",
	}
	order.Status = v1alpha1.EsimOrderStatus{
		ID: 9302481, Phase: v1alpha1.PhaseDelivered,
		Plan: &v1alpha1.OrderPlan{
			Product: "japan", Variant: "1gb-7d", DisplayName: "Japan 1 GB / 7 days", CountryCode: "JPN",
			DataAmountGB: "1", ValidityDays: 7, Amount: "4.50", Currency: "USD",
		},
		Charge: &v1alpha1.OrderCharge{
			WalletRef: v1alpha1.WalletReference{Name: "euros"}, WalletUID: "w", Amount: "4.275", Currency: "EUR",
			TransactionID: ids.Debit(9302481), Time: at(1),
		},
		Provisioning: &v1alpha1.OrderProvisioning{Attempt: 1, StartTime: at(1)},
		Esim:         &v1alpha1.OrderEsim{ICCID: "8944110068123456789", ActivationCode: "LPA:1$rsp.example.com$********"},
		Activation:   &v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled},
		Conditions:   v1alpha1.Conditions{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, LastTransitionTime: at(2)}},
	}
	for _, change := range changes {
		change(order)
	}
	return order
}

// unfinished takes away what a delivered order has.
func unfinished(phase v1alpha1.OrderPhase) func(*v1alpha1.EsimOrder) {
	return func(o *v1alpha1.EsimOrder) {
		o.Status.Phase, o.Status.Esim, o.Status.Activation = phase, nil, nil
	}
}

func unaccepted(o *v1alpha1.EsimOrder) {
	o.Status.Plan, o.Status.Charge, o.Status.Provisioning = nil, nil, nil
}

func refundedAt(seconds int) func(*v1alpha1.EsimOrder) {
	return func(o *v1alpha1.EsimOrder) {
		o.Status.Charge.Refund = &v1alpha1.OrderRefund{TransactionID: ids.Refund(9302481), Time: at(seconds)}
	}
}

func TestTheOrderObjectSaysWhatTheContractSays(t *testing.T) {
	japan := Product{ID: 712, VariantID: 3301, Name: "Japan", CountryCode: "JPN", Currency: "USD"}
	whole := Object{
		ID: 9302481, ClientReference: "TRIP_TOKYO_OCT", Status: v1alpha1.PhaseDelivered, StatusText: "Delivered",
		ProductID: 712, VariantID: 3301, ProductName: "Japan 1 GB / 7 days", CountryCode: "JPN",
		DataAmountGB: "1", ValidityDays: 7, Amount: "4.275", Currency: "EUR",
		ICCID: "8944110068123456789", ActivationStatus: v1alpha1.ActivationNotInstalled,
		TransactionID: 37209924, WalletID: ids.Wallet("w"), NotificationEmail: "traveller@example.com",
		CreatedAt: epoch, UpdatedAt: epoch.Add(2 * time.Second),
	}
	with := func(changes ...func(*Object)) Object {
		o := whole
		for _, change := range changes {
			change(&o)
		}
		return o
	}
	noProfile := func(o *Object) { o.ICCID, o.ActivationStatus = "", "" }
	noPlan := func(o *Object) {
		o.ProductName, o.DataAmountGB, o.ValidityDays = "Japan", "", 0
		o.Amount, o.Currency, o.TransactionID, o.WalletID = "0", "USD", 0, 0
	}
	says := func(phase v1alpha1.OrderPhase, text string) func(*Object) {
		return func(o *Object) { o.Status, o.StatusText = phase, text }
	}
	fixable, lost := true, false
	for _, c := range []struct {
		name    string
		order   *v1alpha1.EsimOrder
		product Product
		want    Object
	}{
		{"delivered", bought(), japan, whole},
		{"its product is gone: the plan's snapshot stays", bought(), Product{}, with(func(o *Object) { o.ProductID, o.VariantID = 0, 0 })},
		{"installed", bought(func(o *v1alpha1.EsimOrder) {
			installed, used, over, asked := at(100), at(200), at(1000), at(300)
			o.Status.Activation = &v1alpha1.OrderActivation{
				Status: v1alpha1.ActivationActive, Installed: true, InstalledTime: &installed,
				ActivatedTime: &used, ExpiryTime: &over, RefreshedTime: &asked,
			}
		}), japan, with(func(o *Object) {
			o.ActivationStatus, o.IsInstalled = v1alpha1.ActivationActive, true
			o.InstalledAt, o.ActivatedAt, o.ExpiresAt = epoch.Add(100*time.Second), epoch.Add(200*time.Second), epoch.Add(1000*time.Second)
			o.RefreshedAt, o.UpdatedAt = epoch.Add(300*time.Second), epoch.Add(300*time.Second)
		})},
		{"expired", bought(func(o *v1alpha1.EsimOrder) {
			over := at(1000)
			o.Status.Activation = &v1alpha1.OrderActivation{Status: v1alpha1.ActivationExpired, Installed: true, ExpiryTime: &over}
		}), japan, with(func(o *Object) {
			o.ActivationStatus, o.IsInstalled = v1alpha1.ActivationExpired, true
			o.ExpiresAt, o.UpdatedAt = epoch.Add(1000*time.Second), epoch.Add(1000*time.Second)
		})},
		{"installed, nobody knows when", bought(func(o *v1alpha1.EsimOrder) {
			o.Status.Activation = &v1alpha1.OrderActivation{Status: v1alpha1.ActivationActive, Installed: true}
		}), japan, with(func(o *Object) { o.ActivationStatus, o.IsInstalled = v1alpha1.ActivationActive, true })},
		{"just made", bought(unfinished(""), unaccepted, func(o *v1alpha1.EsimOrder) { o.Status.ID, o.Status.Conditions = 0, nil }),
			japan, with(noProfile, noPlan, says(v1alpha1.PhasePending, "Being processed"), func(o *Object) { o.UpdatedAt = epoch })},
		{"at the operator", bought(unfinished(v1alpha1.PhasePending), func(o *v1alpha1.EsimOrder) {
			o.Status.Provisioning.LastError = &v1alpha1.ProvisioningError{Time: at(30)}
		}), japan, with(noProfile, says(v1alpha1.PhasePending, "Waiting for the mobile operator"), func(o *Object) { o.UpdatedAt = epoch.Add(30 * time.Second) })},
		{"being cancelled", bought(unfinished(v1alpha1.PhasePending), func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true }),
			japan, with(noProfile, says(v1alpha1.PhasePending, "Being cancelled"))},
		{"delivered and being cancelled", bought(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true }),
			japan, with(says(v1alpha1.PhaseDelivered, "Delivered; being cancelled"))},
		{"changed over REST", bought(func(o *v1alpha1.EsimOrder) {
			changed := at(45)
			o.Annotations = map[string]string{ChangedAnnotation: changed.Format(time.RFC3339)}
		}), japan, with(func(o *Object) { o.UpdatedAt = epoch.Add(45 * time.Second) })},
		{"changed, nobody knows when", bought(func(o *v1alpha1.EsimOrder) {
			o.Annotations = map[string]string{ChangedAnnotation: "yesterday"}
		}), japan, whole},
		{"cancelling was refused", bought(func(o *v1alpha1.EsimOrder) {
			o.Spec.Cancel = true
			o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionCancelRefused, Status: metav1.ConditionTrue})
		}), japan, whole},
		{"cancelled", bought(unfinished(v1alpha1.PhaseCancelled), refundedAt(60)), japan,
			with(noProfile, says(v1alpha1.PhaseCancelled, "Cancelled and refunded"), func(o *Object) {
				o.RefundTransactionID, o.UpdatedAt = 37209925, epoch.Add(time.Minute)
			})},
		{"cancelled before it was charged", bought(unfinished(v1alpha1.PhaseCancelled), unaccepted), japan,
			with(noProfile, noPlan, says(v1alpha1.PhaseCancelled, "Cancelled"))},
		{"failed, and nothing was charged", bought(unfinished(v1alpha1.PhaseFailed), unaccepted, func(o *v1alpha1.EsimOrder) {
			o.Status.Failure = &v1alpha1.OrderFailure{Code: v1alpha1.FailureInvalidPlan, Reason: "no such plan", UserFixable: true}
		}), japan, with(noProfile, noPlan, says(v1alpha1.PhaseFailed, "Failed"), func(o *Object) {
			o.FailureCode, o.FailureReason, o.IsUserFixable = v1alpha1.FailureInvalidPlan, "no such plan", &fixable
		})},
		{"failed at the operator", bought(unfinished(v1alpha1.PhaseFailed), refundedAt(60), func(o *v1alpha1.EsimOrder) {
			o.Status.Failure = &v1alpha1.OrderFailure{Code: v1alpha1.FailureOperatorRejected, Reason: "refused"}
		}), japan, with(noProfile, says(v1alpha1.PhaseFailed, "Failed and refunded"), func(o *Object) {
			o.RefundTransactionID, o.UpdatedAt = 37209925, epoch.Add(time.Minute)
			o.FailureCode, o.FailureReason, o.IsUserFixable = v1alpha1.FailureOperatorRejected, "refused", &lost
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, Describe(c.order, c.product)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
