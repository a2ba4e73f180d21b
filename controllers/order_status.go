package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

// Reasons of an order's conditions.
const (
	reasonAccepted     = "Accepted"
	reasonProvisioning = "Provisioning"
	reasonGivingBack   = "GivingBack"
	reasonNeedsPerson  = "NeedsPerson"
	reasonDelivered    = "Delivered"
	reasonInProgress   = "InProgress"
	reasonCharged      = "Charged"
	reasonRefunded     = "Refunded"
	reasonCancelled    = "Cancelled"
	reasonCancelling   = "Cancelling"

	eventWarning = corev1.EventTypeWarning
)

// pendingReason is the Ready condition's reason while an order waits after an error.
func pendingReason(class operators.Class) string {
	switch class {
	case operators.OutOfStock:
		return "OutOfStock"
	case operators.Busy:
		return "OperatorBusy"
	case operators.OutcomeUnknown:
		return v1alpha1.ConditionOutcomeUnknown
	case operators.Misconfigured:
		return "OperatorMisconfigured"
	case operators.Restart, operators.Rejected:
		return "StartingOver"
	default:
		return "OperatorUnavailable"
	}
}

// failed is the decision that an order is FAILED.
func failed(failure *v1alpha1.OrderFailure) *decision {
	failure.UserFixable = failure.Code.UserFixable()
	failure.Reason = cut(failure.Reason)
	return &decision{
		phase: v1alpha1.PhaseFailed, failure: failure, refund: failure.Reason,
		event: &orderEvent{eventWarning, string(failure.Code), "Fail", failure.Reason},
	}
}

func orderFailed(code v1alpha1.FailureCode, reason string) *decision {
	return failed(&v1alpha1.OrderFailure{Code: code, Reason: reason})
}

// cancelled is the decision that an order is CANCELLED. why says what it is for people.
func cancelled(why string) *decision {
	return &decision{
		phase: v1alpha1.PhaseCancelled, reason: reasonCancelled, message: why, refund: why,
		event: &orderEvent{corev1.EventTypeNormal, reasonCancelled, "Cancel", why},
	}
}

// conclude turns what a step decided into status, conditions, an event and a requeue. But for
// the intent and the mark that a profile is being given back, it makes the only status write
// of a pass.
func (r *OrderReconciler) conclude(ctx context.Context, p *pass, d *decision) (ctrl.Result, error) {
	result := ctrl.Result{RequeueAfter: d.after, Priority: &retryPriority}
	if d.silent {
		return result, nil
	}
	refunded := d.ends() && p.refund(d.refund)
	switch d.phase {
	case v1alpha1.PhaseDelivered:
		setDelivered(p)
	case v1alpha1.PhaseFailed:
		p.order.Status.Failure = d.failure
		setEnded(p, d.phase, string(d.failure.Code), d.failure.Reason)
	case v1alpha1.PhaseCancelled:
		setEnded(p, d.phase, reasonCancelled, d.message)
	default:
		if p.order.Status.Phase != v1alpha1.PhaseDelivered && !d.kept {
			setPending(p, d.reason, d.message)
		}
		result.RequeueAfter = max(result.RequeueAfter, conflictDelay) // the cache must have seen this write
		if d.reason == reasonNeedsPerson {
			result.RequeueAfter = r.Pace.Waiting.Duration
		}
	}
	if !d.kept {
		setException(p, d.condition, d.reason, d.message)
	}
	if d.ends() {
		if err := r.watchForLate(ctx, p); err != nil {
			return r.stopped(ctx, p, err)
		}
	}
	if d.phase != "" {
		r.tellEnd(ctx, p, refunded)
	}
	r.tell(ctx, p, d.events...)
	if refunded {
		leave, err := r.enterFence(ctx, p)
		if err != nil {
			return r.stopped(ctx, p, err)
		}
		defer leave()
	}
	if d.phase == v1alpha1.PhaseDelivered {
		result.RequeueAfter = r.nextLook(p)
		r.looks.begin(p.order, p.now)
	}
	if p.hurries(d) {
		result.RequeueAfter = conflictDelay
	}
	writing, span := concluding(ctx, d, refunded)
	err := r.record(writing, p)
	span.End(spanClass(err))
	if err != nil {
		return r.stopped(ctx, p, fmt.Errorf("recording what became of the order: %w", err))
	}
	if d.phase != "" {
		p.tellAccepted(d.failureCode())
	}
	r.count(p, d)
	r.unsent.forget(p.ended) // not before: while that is not written, the attempt goes on
	if provisioning := p.provisioning(); d.phase != "" && provisioning != nil {
		r.unsent.forget(provisioning.RequestID)
	}
	if d.event != nil {
		r.Recorder.Eventf(p.order, nil, d.event.kind, d.event.reason, d.event.action, "%s", d.event.note)
	}
	if refunded {
		countRefund(p.order.Status.Charge)
		r.Recorder.Eventf(p.order, nil, corev1.EventTypeNormal, reasonRefunded, "Refund", "%s", refundMessage(p.order.Status.Charge))
	}
	if d.ends() {
		return r.tidyEnd(ctx, p, result)
	}
	return result, nil
}

// tidyEnd tidies up after an order that has just ended without an eSIM, at once where that can be.
func (r *OrderReconciler) tidyEnd(ctx context.Context, p *pass, result ctrl.Result) (ctrl.Result, error) {
	left, err := r.tidy(ctx, p)
	if err != nil {
		return r.stopped(ctx, p, err)
	}
	if left != nil && result.RequeueAfter == 0 {
		result.RequeueAfter = left.after
	}
	return result, nil
}

// hurries tells whether something is left to do at once after a decision: a code to be removed,
// what was told of the profile to be worked in, a deleted order to be let go.
func (p *pass) hurries(d *decision) bool {
	life := p.order.Status.Activation
	return d.phase != "" && (life != nil && life.Installed || reported(p.order)) || toldByPerson(p.order) != "" ||
		!p.order.DeletionTimestamp.IsZero() && p.order.Terminal()
}

// ends tells that the order ends without an eSIM.
func (d *decision) ends() bool {
	return d.phase == v1alpha1.PhaseFailed || d.phase == v1alpha1.PhaseCancelled
}

// writeStatus replaces the status in etcd, if it changed, and fails with a conflict if
// anything about the order changed there meanwhile. Never by patch or apply: those silently
// succeed on an order that was deleted and made anew.
func (r *OrderReconciler) writeStatus(ctx context.Context, p *pass) error {
	p.order.Status.ObservedGeneration = p.generation
	for i := range p.order.Status.Conditions {
		// Those that did not change hold for this spec too; kubectl wait would wait for them else.
		p.order.Status.Conditions[i].ObservedGeneration = p.generation
	}
	if equality.Semantic.DeepEqual(p.order.Status, p.written) {
		return nil
	}
	leave, err := r.turn(ctx, p)
	if err != nil {
		return err
	}
	defer leave()
	if err := r.Writer.Status().Update(ctx, p.order); err != nil {
		return err
	}
	p.written = *p.order.Status.DeepCopy()
	r.Ledger.Observe(p.order)
	if r.AfterPass != nil {
		r.AfterPass(p.order.DeepCopy())
	}
	return nil
}

// noteHeld puts the ICCID that an interrupted pass holds into the status, so that it is given
// back even if its journal should vanish. It is a second line: if it fails too, the journal
// still stands.
func (r *OrderReconciler) noteHeld(ctx context.Context, p *pass) error {
	if p.journal == nil || p.provisioning() == nil || p.order.Terminal() {
		return nil
	}
	held := string(p.held())
	if held == "" || held == p.written.Provisioning.ICCID {
		return nil
	}
	p.order.Status = *p.written.DeepCopy()
	p.provisioning().ICCID = held
	err := r.writeStatus(ctx, p)
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("The ICCID that the order holds could not be noted", "cause", err.Error())
	}
	return err
}

// noteHeldNow does what noteHeld does for a pass whose knowledge of the order was old: the
// order may have been deleted meanwhile, in the foreground, so that the garbage collector
// removes the journal before the order is settled. Then only the status still tells.
func (r *OrderReconciler) noteHeldNow(ctx context.Context, p *pass) {
	if p.journal == nil || p.held() == "" {
		return
	}
	for range recordTries {
		var order v1alpha1.EsimOrder
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(p.order), &order); err != nil {
			ctrl.LoggerFrom(ctx).Info("The ICCID that the order holds could not be noted", "cause", err.Error())
			return
		}
		now := order.Status.Provisioning
		if order.UID != p.order.UID || order.Terminal() || now == nil || now.RequestID != p.journal.requestID() {
			return
		}
		p.order, p.written = &order, *order.Status.DeepCopy()
		if !apierrors.IsConflict(r.noteHeld(ctx, p)) {
			return
		}
	}
}

func setPending(p *pass, reason, message string) {
	accepted := metav1.ConditionFalse
	acceptedReason, acceptedMessage := reason, message
	if p.order.Status.Plan != nil {
		accepted, acceptedReason, acceptedMessage = metav1.ConditionTrue, reasonAccepted, ""
	}
	p.set(v1alpha1.ConditionAccepted, accepted, acceptedReason, acceptedMessage)
	p.set(v1alpha1.ConditionProvisioned, metav1.ConditionFalse, reason, message)
	p.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	p.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reasonInProgress, "")
	p.set(v1alpha1.ConditionStalled, metav1.ConditionFalse, reasonInProgress, "")
	setCharged(p, reason)
}

func setDelivered(p *pass) {
	p.order.Status.Phase = v1alpha1.PhaseDelivered
	message := "The activation code is in Secret " + p.order.Status.Esim.SecretRef.Name
	p.set(v1alpha1.ConditionAccepted, metav1.ConditionTrue, reasonAccepted, "")
	p.set(v1alpha1.ConditionProvisioned, metav1.ConditionTrue, reasonDelivered, "")
	p.set(v1alpha1.ConditionReady, metav1.ConditionTrue, reasonDelivered, message)
	p.set(v1alpha1.ConditionReconciling, metav1.ConditionFalse, reasonDelivered, "")
	p.set(v1alpha1.ConditionStalled, metav1.ConditionFalse, reasonDelivered, "")
	setCharged(p, reasonDelivered)
}

// setEnded is for an order that ends without an eSIM. What was given back stays named, as
// closing, until its Secret is removed too.
func setEnded(p *pass, phase v1alpha1.OrderPhase, reason, message string) {
	p.order.Status.Phase = phase
	if p.order.Status.Plan == nil {
		p.set(v1alpha1.ConditionAccepted, metav1.ConditionFalse, reason, message)
	} else {
		p.set(v1alpha1.ConditionAccepted, metav1.ConditionTrue, reasonAccepted, "")
	}
	p.order.Status.Activation = nil
	if provisioning := p.provisioning(); provisioning != nil {
		provisioning.ICCID, provisioning.NextAttemptTime = "", nil
		if provisioning.Closing == "" && p.journal != nil && p.journal.secret != nil {
			provisioning.Closing = string(p.journal.secret.Data[v1alpha1.SecretKeyICCID]) // an earlier attempt's
		}
	}
	p.set(v1alpha1.ConditionProvisioned, metav1.ConditionFalse, reason, message)
	p.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	p.set(v1alpha1.ConditionReconciling, metav1.ConditionFalse, reason, "")
	p.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
	setCharged(p, reason)
}

// setCharged says what became of the order's money. reason is why nothing was taken, where the
// order ended so.
func setCharged(p *pass, reason string) {
	charge := p.order.Status.Charge
	switch {
	case charge == nil && p.order.Terminal():
		p.set(v1alpha1.ConditionCharged, metav1.ConditionFalse, reason, "Nothing was charged")
	case charge == nil:
	case charge.Refund != nil:
		p.set(v1alpha1.ConditionCharged, metav1.ConditionFalse, reasonRefunded, refundMessage(charge))
	default:
		p.set(v1alpha1.ConditionCharged, metav1.ConditionTrue, reasonCharged, "")
	}
}

func refundMessage(charge *v1alpha1.OrderCharge) string {
	return fmt.Sprintf("%s %s went back to EsimWallet %s", charge.Amount, charge.Currency, charge.WalletRef.Name)
}

// exceptions are the conditions that an order has only while they hold.
var exceptions = []string{
	v1alpha1.ConditionOutcomeUnknown, v1alpha1.ConditionSecretNotWritable,
	v1alpha1.ConditionCancelling, v1alpha1.ConditionCancelRefused,
}

// exceptionOf is the exception that holds for an order; empty where none does.
func exceptionOf(order *v1alpha1.EsimOrder) string {
	for _, exception := range exceptions {
		if meta.IsStatusConditionTrue(order.Status.Conditions, exception) {
			return exception
		}
	}
	return ""
}

// setException sets the condition that holds now beside the usual ones, and removes those that
// held before; but not that the outcome is unknown, while it is.
func setException(p *pass, holds, reason, message string) {
	for _, exception := range exceptions {
		switch {
		case exception == holds:
			p.set(exception, metav1.ConditionTrue, reason, message)
		case exception == v1alpha1.ConditionOutcomeUnknown && p.inDoubt && !p.order.Terminal():
		default:
			meta.RemoveStatusCondition((*[]metav1.Condition)(&p.order.Status.Conditions), exception)
		}
	}
}

func (p *pass) set(conditionType string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition((*[]metav1.Condition)(&p.order.Status.Conditions), metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: message,
		ObservedGeneration: p.generation, LastTransitionTime: p.time(),
	})
}

// cancelRefused tells whether the order's cancellation was refused for good.
func cancelRefused(order *v1alpha1.EsimOrder) bool {
	return meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionCancelRefused)
}

func timeAfter(now time.Time, wait time.Duration) *metav1.Time {
	if wait <= 0 {
		return nil
	}
	t := metav1.NewTime(now.Add(wait))
	return &t
}

// cut keeps a text within what status fields hold.
func cut(text string) string {
	const most = 512
	if len(text) <= most {
		return text
	}
	return text[:most-3] + "..."
}
