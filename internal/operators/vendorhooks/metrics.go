package vendorhooks

import "github.com/telcodev/esim-operator/internal/instruments"

// outcome is what became of a webhook whose sender is known.
type outcome string

const (
	outcomeStored       outcome = "stored"
	outcomeCovered      outcome = "covered"
	outcomeMoot         outcome = "moot"
	outcomeUnknownOrder outcome = "unknown_order"
	outcomeRepeated     outcome = "repeated"
	outcomeHealthCheck  outcome = "health_check"
	// outcomeNotUnderstood is of a type that we do not know, or names nothing that we can look for.
	outcomeNotUnderstood outcome = "not_understood"
	// outcomeMalformed was answered 400, outcomeTooMany 429, outcomeNotStored 503.
	outcomeMalformed outcome = "malformed"
	outcomeTooMany   outcome = "too_many"
	outcomeNotStored outcome = "not_stored"
)

var (
	webhooksTotal = instruments.CounterVec("esim_vendor_webhooks_total",
		"Webhooks of wholesalers that are known, by EsimOperator and outcome: stored, covered, moot, unknown_order, repeated, health_check, not_understood, malformed, too_many, not_stored.",
		"operator", "outcome")

	refusedTotal = instruments.CounterVec("esim_vendor_webhooks_refused_total",
		"Webhooks whose sender is not known, by reason: stranger, unavailable, too_large, unreadable.",
		"reason")
)
