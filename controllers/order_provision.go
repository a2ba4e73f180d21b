package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/operators"
)

// keptAttempts is how many ended attempts the status keeps.
const keptAttempts = 10

// provision has the operator make a profile ready for download, or finds the one that an
// earlier pass obtained.
func (r *OrderReconciler) provision(ctx context.Context, p *pass) (*decision, error) {
	if err := r.openJournal(ctx, p); err != nil {
		return r.journalUnreadable(ctx, p, err)
	}
	switch toldByPerson(p.order) {
	case v1alpha1.ResolveNotBought:
		return r.resolvedByPerson(ctx, p)
	case v1alpha1.ResolveDelivered:
		return r.deliverTold(ctx, p)
	}
	if decided, err := r.openBooks(ctx, p); decided != nil || err != nil {
		return decided, err
	}
	provisioning := p.provisioning()
	if provisioning.Closing != "" {
		return r.giveBack(ctx, p, again)
	}
	operator, err := r.operator(ctx, provisioning.OperatorRef.Name)
	if err != nil {
		return nil, err
	}
	books := operator.Spec.ES2Plus == nil
	held := p.held()
	p.inDoubt = p.inDoubt || books && held == "" && r.maybeSent(provisioning)
	if !p.inDoubt && exhausted(provisioning, operator.GiveUpAfter(), p.now) {
		what, err := r.mayHold(ctx, p)
		if err != nil {
			return nil, err
		}
		return r.giveUp(ctx, p, what)
	}
	if _, unwritten := p.journal.Unwritten(); held != "" && !p.journal.written() && !unwritten && !books {
		return r.close(ctx, p, string(held), &operators.Error{
			Class:   operators.Restart,
			Message: "the activation Secret is gone; the profile it was about is given back",
		})
	}
	if !p.fresh && !p.journal.written() {
		if err := r.confirmCurrent(ctx, p.order); err != nil {
			return nil, err
		}
	}
	p.called = true
	ctx, span := atOperator(ctx, p, spanProvide)
	err = r.unsent.calling(provisioning.RequestID, func(fresh bool) error {
		var err error
		p.profile, err = p.slot.Driver.Provision(ctx, operators.Purchase{
			RequestID:         provisioning.RequestID,
			PlanID:            provisioning.PlanID,
			ConfiguredAddress: configuredAddress(operator),
			LearnedAddress:    r.addresses.of(operator),
			Fresh:             fresh,
			MaxCost:           r.maxCost(p),
			Since:             provisioning.StartTime.Time,
		}, p.journal)
		return err
	})
	span.End(spanClass(err))
	if err != nil {
		return r.notProvisioned(ctx, p, err)
	}
	p.inDoubt = false
	return nil, nil
}

// errChanged: the API server has another version of the order than we do.
var errChanged = errors.New("the order changed")

// confirmCurrent makes sure that an order, about to be bought without a journal, is what the
// API server has: an attempt that ended without a profile leaves no Secret by which an old
// cache would show.
func (r *OrderReconciler) confirmCurrent(ctx context.Context, order *v1alpha1.EsimOrder) error {
	var now v1alpha1.EsimOrder
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(order), &now); err != nil {
		return fmt.Errorf("reading the order before it is bought: %w", err)
	}
	if now.UID != order.UID || now.ResourceVersion != order.ResourceVersion || !now.DeletionTimestamp.IsZero() {
		return staleCache(order, errChanged)
	}
	return nil
}

// held is the ICCID of the profile that the attempt holds, as far as this pass, the journal
// and the status know.
func (p *pass) held() activation.ICCID {
	if p.profile.ICCID != "" {
		return p.profile.ICCID
	}
	if profile, ok := p.journal.Profile(); ok {
		return profile.ICCID
	}
	if iccid, ok := p.journal.Unwritten(); ok {
		return iccid
	}
	return activation.ICCID(p.provisioning().ICCID)
}

// notProvisioned decides what happens after a try that ended without a profile.
func (r *OrderReconciler) notProvisioned(ctx context.Context, p *pass, err error) (*decision, error) {
	if errors.Is(err, leader.ErrNotLeading) {
		return nil, err // who leads now decides what to write
	}
	if errors.Is(err, operators.ErrJournalRefused) {
		if failed := (*operators.Error)(nil); errors.As(err, &failed) {
			p.provisioning().ICCID = string(failed.ICCID)
			r.addLostAnswers(p, failed.LostAnswers)
		}
		d, err := r.journalUnusable(p, err)
		if err == nil && p.provisioning().ICCID == "" {
			// What was reserved is given back, and may be sold to others: an SM-DP+ that replays
			// answers must not answer it to this order again.
			r.newRequest(p)
		}
		return d, err
	}
	var failed *operators.Error
	if !errors.As(err, &failed) {
		return nil, err
	}
	ctrl.LoggerFrom(ctx).Info("No profile yet", "class", failed.Class, "error", failed.Error(), "cause", fmt.Sprint(failed.Err),
		"attempt", p.provisioning().Attempt, "operator", p.source.OperatorRef.Name)
	held := p.held()
	if failed.ICCID != "" {
		held = failed.ICCID
	}
	if _, books := p.slot.Driver.(operators.Bookkeeper); books && (failed.Class == operators.Rejected || failed.Class == operators.OutOfStock) {
		held = "" // what its books have under the request was not bought, and will not be
	}
	switch {
	case failed.Class == operators.Restart, failed.Class == operators.Rejected && held != "":
		return r.close(ctx, p, string(held), failed)
	case failed.Class == operators.Rejected, failed.Class == operators.OutOfStock && held == "":
		return r.moveOn(ctx, p, failed)
	}
	if moved, err := r.failOver(ctx, p, failed); moved != nil || err != nil {
		return moved, err
	}
	p.provisioning().ICCID = string(held)
	return r.retry(p, failed), nil
}

// moveOn goes to the next source; where none is left, the order FAILs, or waits for stock.
func (r *OrderReconciler) moveOn(ctx context.Context, p *pass, failed *operators.Error) (*decision, error) {
	sources, err := r.sources(ctx, p)
	if err != nil {
		return nil, err
	}
	plan, here := p.order.Status.Plan, keyOf(currentSource(p.provisioning()))
	sources = slices.DeleteFunc(slices.Clone(sources), func(s v1alpha1.VariantSource) bool {
		return keyOf(s) != here && tooDear(r.Connections, s, plan.Amount, plan.Currency)
	})
	next, wait, ok := nextSource(sources, p.provisioning(), failed.Class)
	switch {
	case !ok:
		return refused(p, failed), nil
	case keyOf(next) == keyOf(currentSource(p.provisioning())):
		return r.retry(p, failed), nil
	}
	delay := time.Duration(0)
	if wait {
		delay = r.Pace.retryDelay(failed, p.provisioning().Attempt, false, r.Jitter())
	}
	return r.beginAttempt(p, next, failed, delay), nil
}

// refused is the end of an order that every source has refused.
func refused(p *pass, failed *operators.Error) *decision {
	code := v1alpha1.FailureOperatorRejected
	if failed.Function == "DownloadOrder" {
		code = v1alpha1.FailurePlanUnavailable
	}
	recordError(p, failed)
	return orderFailed(code, "no source can fill the order: "+failed.Error())
}

// sources of the order's variant as the product names them now; where it does not any more,
// those that it named when the order was accepted. There is always one.
func (r *OrderReconciler) sources(ctx context.Context, p *pass) ([]v1alpha1.VariantSource, error) {
	product, err := getProduct(ctx, r.Client, p.order.Spec.ProductRef.Name)
	if err != nil {
		return nil, err
	}
	if product != nil {
		for _, variant := range matchingVariants(p.order, product) {
			if len(variant.Sources) > 0 {
				return variant.Sources, nil
			}
		}
	}
	if plan := p.order.Status.Plan; len(plan.Sources) > 0 {
		return plan.Sources, nil
	}
	return []v1alpha1.VariantSource{currentSource(p.provisioning())}, nil
}

// retry keeps the order PENDING: the same attempt, the same request ID, later.
func (r *OrderReconciler) retry(p *pass, failed *operators.Error) *decision {
	provisioning := p.provisioning()
	connection := r.Connections.For(provisioning.OperatorRef.Name)
	if failed.Class == operators.Misconfigured {
		connection.Suspend(failed)
		connection.AwaitReconnect(client.ObjectKeyFromObject(p.order))
	}
	provisioning.Tries++
	answersLost := r.addLostAnswers(p, failed.LostAnswers)
	recordError(p, failed)
	after := r.Pace.retryDelay(failed, provisioning.Tries, answersLost, r.Jitter())
	return r.later(p, failed, after)
}

// addLostAnswers counts answers that were lost and may each have stranded a profile, and
// tells whether that is too many to go on at the usual pace.
func (r *OrderReconciler) addLostAnswers(p *pass, lost int32) bool {
	if lost == 0 {
		return false
	}
	provisioning := p.provisioning()
	provisioning.LostAnswers += lost
	r.countStranded(provisioning.OperatorRef.Name, lost)
	return r.Connections.For(provisioning.OperatorRef.Name).LostAnswers(provisioning.LostAnswers)
}

// later is the decision to wait for the next try.
func (r *OrderReconciler) later(p *pass, failed *operators.Error, after time.Duration) *decision {
	p.provisioning().NextAttemptTime = timeAfter(p.now, after)
	d := &decision{reason: pendingReason(failed.Class), message: failed.Error(), after: after}
	if p.inDoubt = p.inDoubt && leavesInDoubt(failed); p.inDoubt || failed.Class == operators.OutcomeUnknown {
		d.reason, d.condition = v1alpha1.ConditionOutcomeUnknown, v1alpha1.ConditionOutcomeUnknown
	}
	if p.inDoubt && failed.Class != operators.OutcomeUnknown {
		d.message = messageInDoubt + d.message
	}
	if p.provisioning().Tries == triesBeforeEvent {
		d.event = &orderEvent{eventWarning, d.reason, "Retry", "The order is not filled yet: " + failed.Error()}
	}
	return d
}

// triesBeforeEvent is after how many tries a retry counts as one that lasts.
const triesBeforeEvent = 5

// beginAttempt ends the current attempt and intends the next one, in the one write that this
// pass makes.
func (r *OrderReconciler) beginAttempt(p *pass, source v1alpha1.VariantSource, failed *operators.Error, after time.Duration) *decision {
	provisioning := p.provisioning()
	moved := keyOf(source) != keyOf(currentSource(provisioning))
	ended := v1alpha1.ProvisioningAttempt{
		Attempt: provisioning.Attempt, OperatorRef: provisioning.OperatorRef, PlanID: provisioning.PlanID,
		Class: string(failed.Class), Message: cut(failed.Error()), EndTime: p.time(),
	}
	recordError(p, failed)
	provisioning.Attempts = append(provisioning.Attempts, ended)
	provisioning.Attempts = provisioning.Attempts[max(0, len(provisioning.Attempts)-keptAttempts):]
	provisioning.Attempt++
	provisioning.RequestID = requestID(p.order.FirstUID(), provisioning.Attempt)
	provisioning.OperatorRef, provisioning.PlanID = source.OperatorRef, source.PlanID
	provisioning.Books = booksOf(r.Connections.For(source.OperatorRef.Name).Driver())
	provisioning.ICCID, provisioning.Closing, provisioning.Tries = "", "", 0
	p.ended, p.inDoubt = requestID(p.order.FirstUID(), ended.Attempt), false
	r.unsent.note(provisioning.RequestID)
	p.journal.Dropped()
	d := r.later(p, failed, after)
	d.condition = ""
	if moved {
		d.event = &orderEvent{eventWarning, "NextSource", "Provision", fmt.Sprintf("%s; EsimOperator %s is asked next", failed.Error(), source.OperatorRef.Name)}
	}
	return d
}

// newRequest makes the attempt a new one at the same source.
func (r *OrderReconciler) newRequest(p *pass) {
	provisioning := p.provisioning()
	provisioning.Attempt++
	provisioning.RequestID = requestID(p.order.FirstUID(), provisioning.Attempt)
	r.unsent.note(provisioning.RequestID)
}

// journalUnreadable is for a Secret that is not ours in the place of the order's.
func (r *OrderReconciler) journalUnreadable(ctx context.Context, p *pass, err error) (*decision, error) {
	giveUpAfter, missing := r.giveUpAfter(ctx, p.provisioning().OperatorRef.Name)
	if missing != nil {
		return nil, missing
	}
	if held := p.held(); held != "" && p.slot != nil && errors.Is(err, operators.ErrJournalRefused) && exhausted(p.provisioning(), giveUpAfter, p.now) {
		return r.giveUp(ctx, p, string(held))
	}
	return r.journalUnusable(p, err)
}

// journalUnusable keeps the order PENDING until its Secret can be written.
func (r *OrderReconciler) journalUnusable(p *pass, err error) (*decision, error) {
	if !errors.Is(err, operators.ErrJournalRefused) {
		return nil, err
	}
	unusable := &operators.Error{Class: operators.Transient, Message: journalMessage(err), Err: err}
	p.provisioning().Tries++
	recordError(p, unusable)
	d := r.later(p, unusable, r.Pace.Scarce.delay(p.provisioning().Tries, r.Jitter()))
	d.reason, d.condition = v1alpha1.ConditionSecretNotWritable, v1alpha1.ConditionSecretNotWritable
	return d, nil
}

// recordError puts why a try ended into the status.
func recordError(p *pass, failed *operators.Error) {
	p.provisioning().LastError = &v1alpha1.ProvisioningError{
		Class: string(failed.Class), Message: cut(failed.Error()), Time: p.time(),
	}
}
