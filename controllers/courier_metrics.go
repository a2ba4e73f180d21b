package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// What became of a try to send something.
const (
	outcomeSent    = "sent"
	outcomeFailed  = "failed"
	outcomeRefused = "refused"
	outcomeGivenUp = "given-up"
	outcomeDropped = "dropped"
)

var notificationsSent = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "esim_messages_total",
	Help: "Tries to send receipts by e-mail and events to webhooks, by kind and outcome: sent, failed and to be tried again, refused, given-up, dropped because nobody wants it any more.",
}, []string{"kind", "outcome"})

func init() { //nolint:gochecknoinits // the registry of controller-runtime is global
	metrics.Registry.MustRegister(notificationsSent)
}

func countSent(receipt bool, outcome string) {
	kind := "event"
	if receipt {
		kind = "receipt"
	}
	notificationsSent.WithLabelValues(kind, outcome).Inc()
}
