package controllers

import "github.com/telcodev/esim-operator/internal/instruments"

// What became of a try to send something.
const (
	outcomeSent    = "sent"
	outcomeFailed  = "failed"
	outcomeRefused = "refused"
	outcomeGivenUp = "given-up"
	outcomeDropped = "dropped"
)

var notificationsSent = instruments.CounterVec("esim_messages_total",
	"Tries to send receipts by e-mail and events to webhooks, by kind and outcome: sent, failed and to be tried again, refused, given-up, dropped because nobody wants it any more.",
	"kind", "outcome")

func countSent(receipt bool, outcome string) {
	kind := "event"
	if receipt {
		kind = "receipt"
	}
	notificationsSent.WithLabelValues(kind, outcome).Inc()
}
