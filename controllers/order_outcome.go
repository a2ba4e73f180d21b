package controllers

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

// messageInDoubt goes before why the operator's books could not be asked.
const messageInDoubt = "it is not known yet whether the order was bought; "

// recordedDoubt tells whether an order's status says that nobody knows yet whether its attempt
// bought something. An attempt whose profile is known is not in doubt: over ES2+ its journal
// says what is left to do.
func recordedDoubt(order *v1alpha1.EsimOrder) bool {
	p := order.Status.Provisioning
	return p != nil && !order.Terminal() && p.ICCID == "" && (p.Closing == "" || p.Closing == p.RequestID) &&
		meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionOutcomeUnknown)
}

// maybeSent tells whether a process that is gone may have sent the attempt and recorded no
// answer: it was intended, this process did not intend it, and no try is on record.
func (r *OrderReconciler) maybeSent(p *v1alpha1.OrderProvisioning) bool {
	return p.Tries == 0 && !r.unsent.is(p.RequestID)
}

// leavesInDoubt tells whether an error says nothing of what an attempt bought: the operator's
// books could not be asked, or do not know the order yet.
func leavesInDoubt(failed *operators.Error) bool {
	switch class := failed.Class; {
	case class == operators.OutcomeUnknown:
		return true
	case failed.NotInBooks:
		return false
	case class == operators.Transient, class == operators.Misconfigured:
		return failed.ICCID == ""
	default:
		return class == operators.Busy && !failed.Pending
	}
}
