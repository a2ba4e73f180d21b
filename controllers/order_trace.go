package controllers

import (
	"context"
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// Spans of an order's trace: the steps of its passes that did something. A pass that finds that
// there is nothing to do has none, or an order that waits for a week would have thousands.
const (
	spanAccept   = "accept"
	spanCharge   = "charge"
	spanProvide  = "provision"
	spanJournal  = "journal"
	spanGiveBack = "give back"
	spanWait     = "wait"
	spanDeliver  = "deliver"
	spanFail     = "fail"
	spanCancel   = "cancel"
	spanRefund   = "refund"
	spanRefresh  = "refresh"
	spanSettle   = "settle"
	spanRelease  = "release"
	spanReceipt  = "e-mail"
	spanEvent    = "webhook"
)

// What single spans say.
const (
	keyAttempt  = "esim.attempt"
	keyPlan     = "esim.plan"
	keyWallet   = "esim.wallet"
	keyReason   = "esim.reason"
	keyPhase    = "esim.phase"
	keyEvent    = "esim.event"
	keyEndpoint = "esim.endpoint"
)

// traced is ctx in the trace of an order, so that what is logged there names it.
func traced(ctx context.Context, tracer *tracing.Tracer, order *v1alpha1.EsimOrder) context.Context {
	ctx = tracer.Order(ctx, order)
	if id := tracing.TraceID(ctx); id != "" {
		ctx = ctrl.LoggerInto(ctx, ctrl.LoggerFrom(ctx).WithValues("traceID", id))
	}
	return ctx
}

// accepting begins the span of accept. It ends when accept does, and is told of once it is written
// that the order goes on or ends: one that waits, for its wallet or its operator, is looked at again
// and again, and so is one that was looked at in an old cache.
func accepting(ctx context.Context, p *pass) (_ context.Context, done func()) {
	ctx, span := tracing.Start(ctx, spanAccept, tracing.Internal)
	return ctx, func() { p.accepted = span.Ended() }
}

// tellAccepted tells of what accept did.
func (p *pass) tellAccepted(class string) {
	if p.accepted != nil {
		p.accepted(class)
		p.accepted = nil
	}
}

// atOperator begins a span in which the order's operator is called.
func atOperator(ctx context.Context, p *pass, name string) (context.Context, tracing.Span) {
	provisioning := p.provisioning()
	ctx, span := tracing.Start(tracing.With(ctx, tracing.KeyOperator, provisioning.OperatorRef.Name), name, tracing.Internal)
	span.Number(keyAttempt, int64(provisioning.Attempt))
	span.Text(keyPlan, provisioning.PlanID)
	return ctx, span
}

// concluding begins the span of the write that ends a pass.
func concluding(ctx context.Context, d *decision, refunded bool) (context.Context, tracing.Span) {
	name := spanWait
	switch {
	case refunded:
		name = spanRefund
	case d.phase == v1alpha1.PhaseDelivered:
		name = spanDeliver
	case d.phase == v1alpha1.PhaseFailed:
		name = spanFail
	case d.phase == v1alpha1.PhaseCancelled:
		name = spanCancel
	}
	ctx, span := tracing.Start(ctx, name, tracing.Internal)
	span.Text(keyPhase, string(d.phase))
	span.Text(keyReason, d.reason)
	span.Text(keyReason, d.failureCode())
	return ctx, span
}

// failureCode is why an order is FAILED; empty where it is not.
func (d *decision) failureCode() string {
	if d.failure == nil {
		return ""
	}
	return string(d.failure.Code)
}

// spanClass is what the span of something that failed says: the kind of the error, and never its
// text.
func spanClass(err error) string {
	var failed *operators.Error
	var event *webhook.Failed
	var gone *webhook.Gone
	var refused *mail.Refused
	var deferred *mail.Deferred
	switch {
	case errors.As(err, &failed):
		return string(failed.Class)
	case errors.Is(err, leader.ErrNotLeading):
		return "NotLeading"
	case errors.As(err, &event):
		return "Failed"
	case errors.As(err, &gone):
		return "Gone"
	case errors.As(err, &refused):
		return "Refused"
	case errors.As(err, &deferred):
		return "Deferred"
	case errors.Is(err, mail.ErrUnknownOutcome):
		return string(operators.OutcomeUnknown)
	}
	return tracing.ClassOf(err)
}
