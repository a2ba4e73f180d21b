package controllers

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/operators"
)

// Reasons of the condition CancelRefused.
const (
	reasonTooLate         = "TooLate"
	reasonOperatorRefused = "OperatorRefused"
)

const messageNotTaken = "The operator does not take the profile back, so it is not refunded; ask the platform team"

const messageTooLate = "The profile is on a device already: it can be neither taken back nor refunded"

// cancel undoes an order that is PENDING: what it holds is given back first, then it is
// CANCELLED and refunded.
func (r *OrderReconciler) cancel(ctx context.Context, p *pass) (*decision, error) {
	if !p.order.Spec.Cancel {
		return nil, nil
	}
	if p.provisioning() != nil {
		if decided, err := r.returnHeld(ctx, p, "the order was cancelled before it was delivered"); decided != nil || err != nil {
			return decided, err
		}
	}
	return cancelled("The order was cancelled before it was delivered"), nil
}

// returnHeld gives back what an unfinished attempt holds, before the order ends. An attempt
// that holds nothing does not wait for its operator.
func (r *OrderReconciler) returnHeld(ctx context.Context, p *pass, why string) (*decision, error) {
	p.ending = true
	provisioning := p.provisioning()
	p.source = currentSource(provisioning)
	if provisioning.Closing == "" {
		provisioning.NextAttemptTime = nil // what a retry waits for does not matter any more
	}
	// An order whose status names what it holds waits for its operator first, and reads then.
	if known := provisioning.Closing + provisioning.ICCID; known != "" && toldByPerson(p.order) == "" {
		if decided, err := r.enter(ctx, p); decided != nil || err != nil {
			return decided, err
		}
	}
	if err := r.openJournal(ctx, p); err != nil && !errors.Is(err, operators.ErrJournalRefused) {
		return nil, err
	}
	switch toldByPerson(p.order) {
	case v1alpha1.ResolveDelivered:
		return r.deliverTold(ctx, p)
	case v1alpha1.ResolveNotBought:
		return nil, nil
	}
	held, err := r.mayHold(ctx, p)
	if held == "" || err != nil {
		return nil, err
	}
	if p.slot == nil {
		if provisioning.ICCID = string(p.held()); held == provisioning.RequestID {
			provisioning.ICCID = ""
		}
		if decided, err := r.enter(ctx, p); decided != nil || err != nil {
			return decided, err
		}
	}
	if elsewhere := r.otherBooks(p); elsewhere != nil {
		return elsewhere, nil
	}
	if provisioning.Closing != "" {
		return r.giveBack(ctx, p, again)
	}
	return r.close(ctx, p, held, &operators.Error{Class: operators.Restart, Message: why})
}

// undoing tells whether a DELIVERED order is to be undone, or may be half undone. One that is
// deleted is undone only if that has begun: its money may be in its wallet's settled totals
// already, where a refund would be missed.
func undoing(order *v1alpha1.EsimOrder) bool {
	if order.Status.Phase != v1alpha1.PhaseDelivered || order.Status.Esim == nil || order.Status.Provisioning == nil {
		return false
	}
	if order.Status.Provisioning.Closing != "" {
		return true
	}
	return order.DeletionTimestamp.IsZero() && order.Spec.Cancel && !cancelRefused(order)
}

// undo takes back a profile that was delivered, and refunds it. Where it is on a device
// already, or the operator does not take it back, the order stays what it was.
func (r *OrderReconciler) undo(ctx context.Context, p *pass) (*decision, error) {
	if !undoing(p.order) || installedReported(p.order) {
		return nil, nil // what the operator reported is worked in first
	}
	if p.order.Status.Activation != nil && p.order.Status.Activation.Installed {
		return refuseCancel(p, reasonTooLate), nil
	}
	switch toldByPerson(p.order) {
	case v1alpha1.ResolveNotBought:
		return undone(), nil
	case v1alpha1.ResolveDelivered:
		return refuseInstalled(p), nil
	}
	p.ending = true
	p.source = currentSource(p.provisioning())
	if gone, err := r.operatorGone(ctx, p.source.OperatorRef.Name); err != nil {
		return nil, err
	} else if gone && p.provisioning().Closing == "" {
		return refuseCancel(p, reasonOperatorRefused), nil
	}
	if decided, err := r.enter(ctx, p); decided != nil || err != nil {
		if decided != nil && decided.condition == "" {
			decided.condition = v1alpha1.ConditionCancelling
		}
		return decided, err
	}
	if err := r.openJournal(ctx, p); err != nil && !errors.Is(err, operators.ErrJournalRefused) {
		return nil, err
	}
	if elsewhere := r.otherBooks(p); elsewhere != nil {
		return elsewhere, nil
	}
	asked := again
	mark := r.markAskedAgain
	if p.provisioning().Closing == "" {
		asked, mark = first, r.markClosing
	}
	if err := mark(ctx, p); err != nil {
		return nil, err
	}
	_, _, err := r.askBack(ctx, p)
	return r.undoneOrNot(ctx, p, asked, err)
}

// markClosing writes, with an optimistic lock, which profile is being taken back, before
// CancelOrder leaves.
func (r *OrderReconciler) markClosing(ctx context.Context, p *pass) error {
	provisioning := p.provisioning()
	provisioning.ICCID, provisioning.Closing = "", string(activation.ICCID(p.order.Status.Esim.ICCID))
	provisioning.Tries, provisioning.NextAttemptTime = 0, nil
	setException(p, v1alpha1.ConditionCancelling, reasonCancelling, "The operator is asked to take the profile back")
	return r.recordClosing(ctx, p)
}

// markAskedAgain writes that the operator is asked once more, before it is. Whoever asked before, and
// still waits, must not take the answer for that of the first time: what another's call has given
// back since, the operator does not know any more.
func (r *OrderReconciler) markAskedAgain(ctx context.Context, p *pass) error {
	p.provisioning().Tries++
	return r.recordClosing(ctx, p)
}

// undoneOrNot reads the answer to the CancelOrder of a DELIVERED order.
func (r *OrderReconciler) undoneOrNot(ctx context.Context, p *pass, asked asking, err error) (*decision, error) {
	var failed *operators.Error
	final := errors.Is(err, operators.ErrInstalled) || errors.Is(err, operators.ErrNotOurs) || errors.Is(err, operators.ErrUnknownProfile)
	switch {
	case errors.Is(err, leader.ErrNotLeading):
		return nil, err
	case err == nil, errors.Is(err, operators.ErrUnknownProfile) && asked == again:
		// What an operator does not know any more after a CancelOrder, that one has given back.
		return undone(), nil
	case errors.Is(err, operators.ErrNotReturnable):
		return refuseCancel(p, reasonOperatorRefused), nil // whatever was asked before, nothing was taken back
	case final && asked == again:
		// The CancelOrder before this one, whose answer was lost, may have done it.
		return r.askPerson(p, err), nil
	case errors.Is(err, operators.ErrInstalled):
		return refuseInstalled(p), nil
	case final:
		return refuseCancel(p, reasonOperatorRefused), nil
	case errors.As(err, &failed):
		if asked == first {
			p.provisioning().Tries++
		}
		d := r.retryGiveBack(ctx, p, failed)
		d.reason = reasonCancelling
		if d.condition == "" {
			d.condition = v1alpha1.ConditionCancelling
		}
		if asked == first && failed.Class != operators.OutcomeUnknown {
			p.provisioning().Closing = "" // nothing was done: the next call is the first again
		}
		return d, nil
	default:
		return nil, err
	}
}

func undone() *decision { return cancelled("The profile was taken back by its operator") }

// refuseInstalled leaves an order DELIVERED whose profile turned out to be on a device.
func refuseInstalled(p *pass) *decision {
	events := p.installed(p.time())
	d := refuseCancel(p, reasonTooLate)
	d.events = events
	return d
}

// operatorGone tells whether an EsimOperator does not exist. The cache's word for it is
// checked.
func (r *OrderReconciler) operatorGone(ctx context.Context, name string) (bool, error) {
	for _, reader := range []client.Reader{r.Client, r.Live} {
		err := reader.Get(ctx, types.NamespacedName{Name: name}, &v1alpha1.EsimOperator{})
		if !apierrors.IsNotFound(err) {
			return false, err
		}
	}
	return true, nil
}

// refuseCancel leaves a DELIVERED order what it was.
func refuseCancel(p *pass, reason string) *decision {
	message := messageTooLate
	if reason == reasonOperatorRefused {
		message = messageNotTaken
	}
	provisioning := p.provisioning()
	provisioning.Closing, provisioning.Tries, provisioning.NextAttemptTime, provisioning.LastError = "", 0, nil, nil
	return &decision{
		reason: reason, message: message, condition: v1alpha1.ConditionCancelRefused,
		event: &orderEvent{eventWarning, "CancelRefused", "Cancel", message},
	}
}

// tidy finishes what an order that ended without an eSIM left: the Secret of the profile that
// was given back. Until then the profile stays named as closing.
func (r *OrderReconciler) tidy(ctx context.Context, p *pass) (*decision, error) {
	provisioning := p.provisioning()
	if p.order.Status.Phase == v1alpha1.PhaseDelivered || provisioning == nil || provisioning.Closing == "" {
		return nil, nil
	}
	if decided, err := r.removeSecret(ctx, p); decided != nil || err != nil {
		return decided, err
	}
	provisioning.Closing = ""
	if err := r.writeStatus(ctx, p); err != nil {
		return nil, err
	}
	return nil, nil
}
