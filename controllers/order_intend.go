package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// reasonOperatorUnavailable: the order waits for its operator, not for anything of its own.
const reasonOperatorUnavailable = "WaitingForOperator"

// enter takes the right to call the operator. An order that cannot have it is put back, and
// woken when it can: no worker waits.
func (r *OrderReconciler) enter(ctx context.Context, p *pass) (*decision, error) {
	if needsPerson(p.order) && toldByPerson(p.order) == "" {
		// Not for ever: the cache may be old, and the person's answer taken already.
		return &decision{silent: true, after: r.Pace.Waiting.Duration}, nil
	}
	if toldByPerson(p.order) != "" {
		return nil, nil // what was found out is worked in without a call
	}
	if given, err := r.giveUpWaiting(ctx, p); given != nil || err != nil {
		return given, err
	}
	connection := r.Connections.For(p.source.OperatorRef.Name)
	provisioning := p.provisioning()
	if wait, ok := due(provisioning, p.now, connection.ConnectedAt(), hintedAt(p.order)); !ok {
		return &decision{silent: true, after: wait}, nil
	}
	slot, err := connection.Enter(client.ObjectKeyFromObject(p.order), provisioning != nil && provisioning.Tries > 0)
	if unavailable := (*connections.Unavailable)(nil); errors.As(err, &unavailable) {
		return r.waitForOperator(ctx, p, unavailable)
	}
	p.slot = slot
	if p.leaveFence, err = r.Fence.Enter(); err != nil {
		return &decision{silent: true, after: time.Second}, nil //nolint:nilerr // another leads, or will: nothing to tell anybody
	}
	return nil, nil
}

// untoldWhileFull is how many times as long as for an operator that is unwell an order waits, before
// it says so, for one that is only full. Such an operator is at work, and comes to it by itself. Of a
// backlog, each order would need a fifth write for that, and the API server's time for it is missing
// where the backlog is worked off.
const untoldWhileFull = 6

// waitForOperator says that the order waits once that lasts; most waits are over sooner, and
// worth no write.
func (r *OrderReconciler) waitForOperator(ctx context.Context, p *pass, u *connections.Unavailable) (*decision, error) {
	if p.provisioning() != nil {
		if moved, err := r.failOver(ctx, p, nil); moved != nil || err != nil {
			return moved, err
		}
	}
	waiting := r.Pace.Waiting.Duration
	again := waiting + time.Duration(r.Jitter()*float64(waiting))
	if due := r.failoverDue(ctx, p, u.Operator); due > 0 {
		again = min(again, due)
	}
	untold := waiting
	if u.Health == connections.Full {
		untold = untoldWhileFull * waiting
	}
	if p.now.Sub(dueSince(p.order)) < untold || waitsForPerson(p.order) {
		return &decision{silent: true, after: again}, nil
	}
	message := u.Error()
	if u.Health == connections.Disconnected {
		var operator v1alpha1.EsimOperator
		err := r.Client.Get(ctx, types.NamespacedName{Name: u.Operator}, &operator)
		if apierrors.IsNotFound(err) {
			message = fmt.Sprintf("there is no EsimOperator named %s", u.Operator)
		} else if err != nil {
			return nil, fmt.Errorf("reading EsimOperator %s: %w", u.Operator, err)
		}
	}
	d := &decision{reason: reasonOperatorUnavailable, message: message, condition: exceptionOf(p.order), after: again}
	if d.condition != "" {
		d.reason = d.condition // what it waited for before says more
	}
	return d, nil
}

// giveUpWaiting ends an order that holds nothing for sure once it was kept going long enough, whether
// or not its operator can be asked: there is nothing to give back.
func (r *OrderReconciler) giveUpWaiting(ctx context.Context, p *pass) (*decision, error) {
	if !p.order.DeletionTimestamp.IsZero() || p.order.Terminal() || p.ending {
		return nil, nil
	}
	giveUpAfter, err := r.giveUpAfter(ctx, p.source.OperatorRef.Name)
	if err != nil {
		return nil, err
	}
	if p.provisioning() == nil {
		if p.now.Sub(p.order.CreationTimestamp.Time) >= giveUpAfter {
			return orderFailed(v1alpha1.FailureRecoveryExhausted, "the order could not be given to its operator in time"), nil
		}
		return nil, nil
	}
	if !exhausted(p.provisioning(), giveUpAfter, p.now) {
		return nil, nil
	}
	if err := r.openJournal(ctx, p); err != nil && !errors.Is(err, operators.ErrJournalRefused) {
		return nil, err
	}
	held, err := r.mayHold(ctx, p)
	if err != nil || held != "" || p.provisioning().Closing != "" {
		return nil, err // it is given back first, and that needs the operator
	}
	return recoveryExhausted(p), nil
}

// giveUpAfter is how long an order at an operator is kept going.
func (r *OrderReconciler) giveUpAfter(ctx context.Context, operator string) (time.Duration, error) {
	var found v1alpha1.EsimOperator
	err := r.Client.Get(ctx, types.NamespacedName{Name: operator}, &found)
	if apierrors.IsNotFound(err) {
		return v1alpha1.DefaultGiveUpAfter, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading EsimOperator %s: %w", operator, err)
	}
	return found.GiveUpAfter(), nil
}

// intend records, in one write with an optimistic lock, what is taken from which wallet, what
// is going to be bought for it and under which request ID, before any call leaves: an order is
// paid if and only if it may be bought. Who works from an old cache gets a conflict here and
// stops.
func (r *OrderReconciler) intend(ctx context.Context, p *pass) (*decision, error) {
	if p.provisioning() != nil {
		return nil, nil
	}
	operator, err := r.operator(ctx, p.source.OperatorRef.Name)
	if err != nil {
		return nil, err
	}
	if !operator.DeletionTimestamp.IsZero() {
		return &decision{reason: reasonOperatorUnavailable, message: "EsimOperator " + operator.Name + " is being deleted", after: r.Pace.Waiting.Duration}, nil
	}
	p.order.Status.ID = ids.Order(p.order.Name, p.order.UID)
	reservation, decided, err := r.reserve(ctx, p)
	if decided != nil || err != nil {
		return decided, err
	}
	p.order.Status.Charge = reservation.Charge
	p.order.Status.Provisioning = &v1alpha1.OrderProvisioning{
		OperatorRef: p.source.OperatorRef,
		PlanID:      p.source.PlanID,
		Attempt:     1,
		RequestID:   requestID(p.order.UID, 1),
		Books:       booksOf(p.slot.Driver),
		StartTime:   p.time(),
	}
	setPending(p, reasonProvisioning, "The mobile operator is asked for a profile")
	if err := r.writeCharge(ctx, p, reservation); err != nil {
		return nil, err
	}
	p.tellAccepted("")
	p.fresh = true
	r.unsent.note(p.provisioning().RequestID)
	r.reign.intended(p.order.UID, p.now)
	if !p.order.DeletionTimestamp.IsZero() {
		return &decision{silent: true, after: conflictDelay}, nil // deleted meanwhile: nothing was asked for yet
	}
	return nil, nil
}
