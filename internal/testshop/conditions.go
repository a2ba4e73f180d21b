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
		complain(order.Status.Esim != nil, "%s with an eSIM", order.Status.Phase)
	default:
		complain(true, "unknown phase %q", order.Status.Phase)
	}
	terminal := order.Terminal()
	complain(terminal && is(v1alpha1.ConditionOutcomeUnknown), "terminal although the outcome is unknown")
	complain(terminal && is(v1alpha1.ConditionSecretNotWritable), "terminal although the Secret cannot be written")
	complain(is(v1alpha1.ConditionProvisioned) != (order.Status.Phase == v1alpha1.PhaseDelivered), "Provisioned does not match the phase")
	complain(is(v1alpha1.ConditionAccepted) != (order.Status.Plan != nil), "Accepted does not match the plan's snapshot")
	complain(order.Status.ObservedGeneration != order.Generation, "observedGeneration is %d of %d", order.Status.ObservedGeneration, order.Generation)
	if p := order.Status.Provisioning; p != nil {
		complain(p.Attempt < 1 || !strings.HasSuffix(p.RequestID, fmt.Sprintf("-%d", p.Attempt)), "request ID %q is not attempt %d's", p.RequestID, p.Attempt)
		complain(terminal && (p.Closing != "" || p.ICCID != "" || p.NextAttemptTime != nil), "terminal with an attempt under way")
		complain(order.Status.ID == 0, "provisioning without an id")
	}
	if e := order.Status.Esim; e != nil {
		complain(!strings.HasSuffix(e.ActivationCode, "$********"), "the activation code in the status is not masked")
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("EsimOrder %s/%s: %w", order.Namespace, order.Name, errors.Join(wrong...))
}
