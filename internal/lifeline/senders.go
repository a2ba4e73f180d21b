package lifeline

import (
	"context"
	"errors"
	"net/http"

	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

// Events puts the line around what sends events to clients' endpoints.
func (l *Line) Events(inner controllers.EventSender) controllers.EventSender {
	return lineEvents{l, inner}
}

type lineEvents struct {
	line  *Line
	inner controllers.EventSender
}

// Send sends one event, as a point of its own.
func (e lineEvents) Send(ctx context.Context, url string, secrets []webhook.Secret, event webhook.Event) error {
	refuse := func(status int) error {
		return &webhook.Failed{Status: status, Reason: "the endpoint answered " + http.StatusText(status)}
	}
	err := e.line.Pass(ctx, "tell "+event.Type, refuse, func() error { return e.inner.Send(ctx, url, secrets, event) })
	if errors.Is(err, ErrLost) {
		return &webhook.Failed{Reason: "there was no answer in time"}
	}
	return err
}

// Receipts puts the line around what sends receipts.
func (l *Line) Receipts(inner controllers.ReceiptSender) controllers.ReceiptSender {
	return lineReceipts{l, inner}
}

type lineReceipts struct {
	line  *Line
	inner controllers.ReceiptSender
}

// Send sends one receipt, as a point of its own.
func (r lineReceipts) Send(ctx context.Context, to, messageID string, what receipt.Receipt) error {
	refuse := func(int) error { return &mail.Deferred{Reason: "the mail server is not well"} }
	err := r.line.Pass(ctx, "mail "+string(what.Kind), refuse, func() error { return r.inner.Send(ctx, to, messageID, what) })
	if errors.Is(err, ErrLost) {
		return mail.ErrUnknownOutcome
	}
	return err
}
