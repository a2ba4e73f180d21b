package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/operators"
)

// asking tells whether a profile is given back for the first time.
type asking bool

const (
	first asking = true
	again asking = false
)

// close gives back the profile that the attempt holds, and only then ends the attempt: a
// profile that was journaled is never left without an answer to CancelOrder. That the order
// is being closed is written, with an optimistic lock, before CancelOrder leaves: whoever
// works from older knowledge gets a conflict and cannot deliver what is being cancelled.
//
// held is the profile's ICCID or, where the operator keeps books and no profile is known, the
// attempt's request ID.
func (r *OrderReconciler) close(ctx context.Context, p *pass, held string, cause *operators.Error) (*decision, error) {
	provisioning := p.provisioning()
	provisioning.ICCID, provisioning.Closing = held, held
	if held == provisioning.RequestID {
		provisioning.ICCID = ""
	} else {
		p.inDoubt = false
	}
	provisioning.NextAttemptTime = nil
	recordError(p, cause)
	setPending(p, reasonGivingBack, cause.Error()+"; the profile is given back first")
	if err := r.recordClosing(ctx, p); err != nil {
		return nil, err
	}
	return r.giveBack(ctx, p, first)
}

func (r *OrderReconciler) recordClosing(ctx context.Context, p *pass) error {
	if err := r.record(ctx, p); err != nil {
		return fmt.Errorf("recording that the profile is given back: %w", err)
	}
	return nil
}

// giveBack asks the operator to take the profile back.
func (r *OrderReconciler) giveBack(ctx context.Context, p *pass, asked asking) (*decision, error) {
	entry, written, err := r.askBack(ctx, p)
	var failed *operators.Error
	switch {
	case errors.Is(err, leader.ErrNotLeading):
		return nil, err // who leads now decides what to write
	case err == nil, errors.Is(err, operators.ErrUnknownProfile):
		return r.givenBack(ctx, p)
	case errors.Is(err, operators.ErrNotReturnable):
		return r.deliverUnreturnable(ctx, p, false)
	case errors.Is(err, operators.ErrInstalled) && p.provisioning().Closing == p.provisioning().RequestID:
		return r.deliverUnreturnable(ctx, p, true) // the books tell which profile it is
	case errors.Is(err, operators.ErrInstalled) && bool(asked) && written:
		p.profile = entry
		return r.deliverInstalled(ctx, p)
	case errors.Is(err, operators.ErrInstalled), errors.Is(err, operators.ErrNotOurs):
		// An earlier CancelOrder may have done what this one cannot, or the code is lost: only
		// the operator can tell, and only a person can ask it.
		return r.askPerson(p, err), nil
	case errors.As(err, &failed):
		p.provisioning().Tries++
		return r.retryGiveBack(ctx, p, failed), nil
	default:
		return nil, err
	}
}

// askBack makes the call that gives the closing profile back. entry is what the journal has of
// it, where it has it.
func (r *OrderReconciler) askBack(ctx context.Context, p *pass) (entry operators.Profile, written bool, err error) {
	provisioning := p.provisioning()
	held := operators.Held{RequestID: provisioning.RequestID, Since: provisioning.StartTime.Time}
	if provisioning.Closing != provisioning.RequestID {
		held.ICCID = activation.ICCID(provisioning.Closing)
	}
	entry, written = p.journal.Profile()
	if written = written && entry.ICCID == held.ICCID; written {
		held.MatchingID = entry.MatchingID
	}
	p.called = true
	ctx, span := atOperator(ctx, p, spanGiveBack)
	err = p.slot.Driver.GiveBack(ctx, held)
	span.End(spanClass(err))
	return entry, written, err
}

// retryGiveBack decides when the operator is asked once more, after the tries that are counted. It
// keeps what led to giving back as the last error: that decides what comes after.
func (r *OrderReconciler) retryGiveBack(ctx context.Context, p *pass, failed *operators.Error) *decision {
	ctrl.LoggerFrom(ctx).Info("Not given back yet", "class", failed.Class, "error", failed.Error(), "cause", fmt.Sprint(failed.Err))
	provisioning := p.provisioning()
	if last := provisioning.LastError; last != nil && last.Time.After(p.now) {
		last.Time = p.time() // the clock was set back, and an error of the future is due at once
	}
	d := r.later(p, failed, r.Pace.retryDelay(failed, provisioning.Tries, false, r.Jitter()))
	d.reason = reasonGivingBack
	if failed.Class == operators.Misconfigured {
		connection := r.Connections.For(provisioning.OperatorRef.Name)
		connection.Suspend(failed)
		connection.AwaitReconnect(client.ObjectKeyFromObject(p.order))
		provisioning.NextAttemptTime = nil // woken, it is due at once
	}
	return d
}

// deliverUnreturnable is for an order that was to end, at an operator that takes nothing back and
// has sold it a profile: it is paid, so the customer gets it. installed tells that it is on the
// customer's device already.
func (r *OrderReconciler) deliverUnreturnable(ctx context.Context, p *pass, installed bool) (*decision, error) {
	operator, err := r.operator(ctx, p.provisioning().OperatorRef.Name)
	if err != nil {
		return nil, err
	}
	p.profile, err = p.slot.Driver.Provision(ctx, operators.Purchase{
		RequestID: p.provisioning().RequestID, PlanID: p.provisioning().PlanID, ConfiguredAddress: configuredAddress(operator),
		Since: p.provisioning().StartTime.Time,
	}, p.journal)
	var failed *operators.Error
	switch {
	case errors.As(err, &failed):
		p.provisioning().Tries++
		return r.retryGiveBack(ctx, p, failed), nil
	case err != nil:
		return nil, err
	}
	if !p.order.DeletionTimestamp.IsZero() {
		// The Secret would go with the order at once, and in a namespace that is being deleted it
		// cannot be written.
		return delivered(p), nil
	}
	d, err := r.deliver(ctx, p)
	if err != nil || d.phase != v1alpha1.PhaseDelivered {
		return d, err
	}
	reason, message := reasonOperatorRefused, messageNotTaken
	if installed {
		d.events = p.installed(p.time())
		reason, message = reasonTooLate, messageTooLate
	}
	if p.order.Spec.Cancel {
		d.condition, d.reason, d.message = v1alpha1.ConditionCancelRefused, reason, message
	}
	return d, nil
}

// givenBack goes on after the operator's answer that the profile is of no use to anybody: the
// order ends, or is bought anew.
func (r *OrderReconciler) givenBack(ctx context.Context, p *pass) (*decision, error) {
	p.inDoubt = false
	provisioning := p.provisioning()
	operator, err := r.operator(ctx, provisioning.OperatorRef.Name)
	if err != nil {
		return nil, err
	}
	cause := &operators.Error{Class: operators.Restart, Message: "the profile was given back"}
	if last := provisioning.LastError; last != nil {
		cause = &operators.Error{Class: operators.Class(last.Class), Message: last.Message}
	}
	switch {
	case p.ending:
		return nil, nil
	case exhausted(provisioning, operator.GiveUpAfter(), p.now):
		return recoveryExhausted(p), nil
	case cause.Class == operators.Rejected:
		return r.moveOn(ctx, p, cause)
	}
	provisioning.Closing = "" // nothing is held any more, so that it may go elsewhere
	next, err := r.elsewhere(ctx, p, cause)
	if next != nil && err == nil {
		var ok bool
		if ok, err = r.admits(ctx, *next); !ok {
			next = nil
		}
	}
	switch {
	case err != nil:
		return nil, err
	case next != nil:
		return r.beginAttempt(p, *next, cause, 0), nil
	default:
		// Attempts that restart again and again slow down like any other retry.
		delay := r.Pace.Transient.delay(provisioning.Attempt, r.Jitter())
		return r.beginAttempt(p, currentSource(provisioning), cause, delay), nil
	}
}

// giveUp ends an order that could not be filled in time, once what it holds is given back.
func (r *OrderReconciler) giveUp(ctx context.Context, p *pass, held string) (*decision, error) {
	if held == "" {
		return recoveryExhausted(p), nil
	}
	cause := &operators.Error{Class: operators.Transient, Message: "the order could not be filled in time"}
	return r.close(ctx, p, held, cause)
}

func recoveryExhausted(p *pass) *decision {
	why := "the order could not be filled in time"
	if last := p.provisioning().LastError; last != nil {
		why = "the order could not be filled in time; at last: " + last.Message
	}
	return orderFailed(v1alpha1.FailureRecoveryExhausted, why)
}

// askPerson waits for a platform role to find out what happened.
func (r *OrderReconciler) askPerson(p *pass, err error) *decision {
	unknown := &operators.Error{Class: operators.OutcomeUnknown, Message: err.Error()}
	recordError(p, unknown)
	p.provisioning().NextAttemptTime = nil
	asked := "ICCID " + cmp.Or(p.provisioning().ICCID, p.provisioning().Closing)
	if p.provisioning().Closing == p.provisioning().RequestID {
		asked = "request " + p.provisioning().RequestID
	}
	return &decision{
		reason:    reasonNeedsPerson,
		condition: v1alpha1.ConditionOutcomeUnknown,
		message: fmt.Sprintf("%s; ask the operator about %s, and annotate the order with %s=%s or, if the customer has it, %s",
			err.Error(), asked, v1alpha1.ResolveAnnotation, v1alpha1.ResolveNotBought, v1alpha1.ResolveDelivered),
		event: &orderEvent{eventWarning, reasonNeedsPerson, "GiveBack", "Nobody but the operator can tell whether the profile was delivered"},
	}
}

// resolvedByPerson ends an attempt whose outcome a platform role has looked up. The
// annotation goes first: left there by a crash, it would decide about a later attempt too.
func (r *OrderReconciler) resolvedByPerson(ctx context.Context, p *pass) (*decision, error) {
	status := p.order.Status.DeepCopy()
	before := p.order.DeepCopy()
	delete(p.order.Annotations, v1alpha1.ResolveAnnotation)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Writer.Patch(ctx, p.order, lock); err != nil {
		return nil, fmt.Errorf("taking the %s annotation: %w", v1alpha1.ResolveAnnotation, err)
	}
	p.order.Status = *status
	p.provisioning().LastError = &v1alpha1.ProvisioningError{
		Class: string(operators.Restart), Message: "a person found out that nothing was bought", Time: p.time(),
	}
	return r.givenBack(ctx, p)
}
