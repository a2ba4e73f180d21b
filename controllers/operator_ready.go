package controllers

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// readiness is what an EsimOperator's conditions say.
type readiness struct {
	ok              bool
	reason, message string
	answersLost     bool
	// balance of our account, where the operator could be asked and tells.
	balance *operators.Balance
}

// judge joins what a probe found with what calls showed. A refusal that calls met counts more
// than a handshake that went well; a handshake that failed is told in its own words.
func judge(probe error, state connections.State) readiness {
	ready := readiness{ok: true, reason: v1alpha1.OperatorReasonReachable, message: "The operator answers"}
	var failed *operators.Error
	switch {
	case errors.As(probe, &failed) && failed.Class == operators.Misconfigured:
		ready = readiness{reason: v1alpha1.OperatorReasonAuthFailed, message: failed.Error()}
	case probe != nil:
		ready = readiness{reason: v1alpha1.OperatorReasonUnreachable, message: "No connection can be made"}
		if failed != nil {
			ready.message = failed.Error()
		}
	case state.Health == connections.Suspended:
		ready = readiness{reason: v1alpha1.OperatorReasonOutOfService, message: state.Message}
	case state.Health == connections.CircuitOpen:
		ready = readiness{reason: v1alpha1.OperatorReasonCircuitOpen, message: "Connections are accepted, but calls were left unanswered; they pause for a while"}
	}
	ready.answersLost = state.AnswersLost
	return ready
}

// driverUnusable is what Ready says where no driver can be made.
func driverUnusable(err error) readiness {
	return readiness{reason: v1alpha1.OperatorReasonCredentialsMissing, message: cut(err.Error())}
}

// apply sets the conditions and tells whether Ready turned.
func (r readiness) apply(operator *v1alpha1.EsimOperator, now time.Time) bool {
	conditions := (*[]metav1.Condition)(&operator.Status.Conditions)
	before := meta.FindStatusCondition(*conditions, v1alpha1.ConditionReady)
	turned := before == nil || before.Status == metav1.ConditionTrue != r.ok
	status := metav1.ConditionFalse
	if r.ok {
		status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: status, Reason: r.reason, Message: r.message,
		ObservedGeneration: operator.Generation, LastTransitionTime: metav1.NewTime(now),
	})
	if r.ok || r.balance != nil {
		applyBalance(operator, r.balance, now)
	}
	if !r.answersLost {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionAnswersLost)
		return turned
	}
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: v1alpha1.ConditionAnswersLost, Status: metav1.ConditionTrue, Reason: "DownloadOrderUnanswered",
		Message:            "DownloadOrder calls of one order were left unanswered again and again; each may have reserved a profile that nobody knows",
		ObservedGeneration: operator.Generation, LastTransitionTime: metav1.NewTime(now),
	})
	return turned
}
