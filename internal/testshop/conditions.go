package testshop

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// CheckOrder returns what contradicts itself in an order's status: conditions against each
// other, against the phase, and against the rest. It is meant to be called after every pass.
func CheckOrder(order *v1alpha1.EsimOrder) error {
	var wrong []error
	is := func(condition string) bool { return meta.IsStatusConditionTrue(order.Status.Conditions, condition) }
	complain := func(holds bool, format string, args ...any) {
		if holds {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	ready, reconciling, stalled := is(v1alpha1.ConditionReady), is(v1alpha1.ConditionReconciling), is(v1alpha1.ConditionStalled)
	switch order.Status.Phase {
	case v1alpha1.PhasePending:
		complain(ready || !reconciling || stalled, "PENDING wants Reconciling alone")
	case v1alpha1.PhaseDelivered:
		complain(!ready || reconciling || stalled, "DELIVERED wants Ready alone")
		complain(order.Status.Esim == nil || order.Status.Plan == nil || order.Status.Provisioning == nil, "DELIVERED without esim, plan or provisioning")
	case v1alpha1.PhaseFailed, v1alpha1.PhaseCancelled:
		complain(ready || reconciling || !stalled, "%s wants Stalled alone", order.Status.Phase)
		complain(order.Status.Phase == v1alpha1.PhaseFailed && order.Status.Failure == nil, "FAILED without a failure")
		complain(order.Status.Phase == v1alpha1.PhaseFailed && order.Status.Esim != nil, "FAILED with an eSIM")
	default:
		complain(true, "unknown phase %q", order.Status.Phase)
	}
	terminal := order.Terminal()
	complain(terminal && !undoing(order) && is(v1alpha1.ConditionOutcomeUnknown), "terminal although the outcome is unknown")
	complain(terminal && is(v1alpha1.ConditionSecretNotWritable), "terminal although the Secret cannot be written")
	complain(is(v1alpha1.ConditionProvisioned) != (order.Status.Phase == v1alpha1.PhaseDelivered), "Provisioned does not match the phase")
	complain(is(v1alpha1.ConditionAccepted) != (order.Status.Plan != nil), "Accepted does not match the plan's snapshot")
	observed := order.Status.ObservedGeneration
	complain(observed < 1 || observed > order.Generation, "observedGeneration is %d of %d", observed, order.Generation)
	wrong = append(wrong, checkProvisioning(order)...)
	wrong = append(wrong, checkCharge(order)...)
	if e := order.Status.Esim; e != nil {
		complain(!strings.HasSuffix(e.ActivationCode, "$********"), "the activation code in the status is not masked")
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("EsimOrder %s/%s: %w", order.Namespace, order.Name, errors.Join(wrong...))
}

// undoing tells whether a DELIVERED order is being taken back: the profile is named as closing,
// or its operator could not be asked yet and will be.
func undoing(order *v1alpha1.EsimOrder) bool {
	if order.Status.Phase != v1alpha1.PhaseDelivered || order.Status.Provisioning == nil {
		return false
	}
	return order.Status.Provisioning.Closing != "" || meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionCancelling)
}

// checkProvisioning returns what contradicts itself in how an order is bought.
func checkProvisioning(order *v1alpha1.EsimOrder) (wrong []error) {
	p := order.Status.Provisioning
	if p == nil {
		return nil
	}
	if p.Attempt < 1 || !strings.HasSuffix(p.RequestID, fmt.Sprintf("-%d", p.Attempt)) {
		wrong = append(wrong, fmt.Errorf("request ID %q is not attempt %d's", p.RequestID, p.Attempt))
	}
	if order.Terminal() && !undoing(order) && (p.ICCID != "" || p.NextAttemptTime != nil) {
		wrong = append(wrong, errors.New("terminal with an attempt under way"))
	}
	if order.Status.ID == 0 {
		wrong = append(wrong, errors.New("provisioning without an id"))
	}
	return wrong
}

// checkCharge returns what contradicts itself in an order's money.
func checkCharge(order *v1alpha1.EsimOrder) (wrong []error) {
	charge, phase := order.Status.Charge, order.Status.Phase
	charged := meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionCharged)
	installed := order.Status.Activation != nil && order.Status.Activation.Installed
	for _, c := range []struct {
		holds bool
		what  string
	}{
		{charged != (charge != nil && charge.Refund == nil), "Charged does not match the charge"},
		{(charge == nil) != (order.Status.Provisioning == nil), "bought uncharged, or charged and not bought"},
		{phase == v1alpha1.PhaseDelivered && (charge == nil || charge.Refund != nil), "DELIVERED and not paid"},
		{order.Terminal() && phase != v1alpha1.PhaseDelivered && charge != nil && charge.Refund == nil, "ended without an eSIM and not refunded"},
		{installed && charge != nil && charge.Refund != nil, "refunded although it is on a device"},
	} {
		if c.holds {
			wrong = append(wrong, errors.New(c.what))
		}
	}
	return wrong
}
