package progress

import (
	"strings"

	"github.com/telcodev/esim-operator/internal/instruments"
)

// outcome is what became of a notification whose sender is known.
type outcome string

const (
	outcomeStored  outcome = "stored"
	outcomeIgnored outcome = "ignored"
	// outcomeUnknownICCID is that of a profile that no order of the operators has.
	outcomeUnknownICCID outcome = "unknown_iccid"
	// outcomeNotStored was answered 503.
	outcomeNotStored outcome = "not_stored"
)

var (
	notificationsTotal = instruments.CounterVec("esim_notifications_total",
		"ES2+ notifications of senders that are known, by EsimOperator (those that share a sender, with commas), meaning and outcome.",
		"operator", "meaning", "outcome")

	refusedTotal = instruments.CounterVec("esim_notifications_refused_total",
		"ES2+ notifications that were not read to the end, by reason: sender, unavailable, malformed, too_large, unreadable.",
		"reason")
)

// count tells the metrics what became of a statement.
func count(s statement, o outcome) {
	meaning := string(s.event)
	if s.event == nothing {
		meaning = "Nothing"
	}
	notificationsTotal.WithLabelValues(strings.Join(s.operators, ","), meaning, string(o)).Inc()
}
