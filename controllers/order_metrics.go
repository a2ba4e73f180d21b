package controllers

import (
	"strconv"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/instruments"
	"github.com/telcodev/esim-operator/internal/operators"
)

var (
	ordersEnded = instruments.CounterVec("esim_orders_ended_total",
		"Orders that reached their end, by phase and reason: Delivered, Cancelled, or the code of the failure.",
		"phase", "reason")

	orderRetries = instruments.CounterVec("esim_order_retries_total",
		"Passes over orders that ended without a profile, by the reason why the order stays PENDING.",
		"reason")

	deliverySeconds = instruments.Registered(instruments.Define(instruments.Controllers, instruments.Histogram, "esim_order_delivery_seconds",
		"Time from an order's creation to its delivery, in seconds. Creation is known to the second.",
	).NewHistogram(.25, .5, 1, 2, 3, 5, 10, 20, 30, 60, 300, 1800, 7200, 86400))

	operatorCallSeconds = instruments.Registered(instruments.Define(instruments.Controllers, instruments.Histogram, "esim_operator_call_seconds",
		"How long calls to mobile operators took, in seconds, by EsimOperator, function and outcome: ok or the class of the error.",
		"operator", "function", "outcome").NewHistogramVec(.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60))

	strandedProfiles = instruments.CounterVec("esim_stranded_profiles_total",
		"DownloadOrder calls that were never answered, by EsimOperator: each may have reserved a profile that nobody knows. An upper bound.",
		"operator")

	chargedAmount = instruments.CounterVec("esim_charged_amount_total",
		"What orders paid, in the currency of the wallet. A float: for trends, not for books.",
		"currency")

	refundedAmount = instruments.CounterVec("esim_refunded_amount_total",
		"What was given back, in the currency of the wallet. A float: for trends, not for books.",
		"currency")
)

// count tells the metrics what became of an order.
func (r *OrderReconciler) count(p *pass, d *decision) {
	if d.kept {
		return
	}
	switch d.phase {
	case v1alpha1.PhaseDelivered:
		ordersEnded.WithLabelValues(string(d.phase), reasonDelivered).Inc()
		deliverySeconds.Observe(max(r.Clock.Now().Sub(p.order.CreationTimestamp.Time), time.Duration(0)).Seconds())
	case v1alpha1.PhaseFailed:
		ordersEnded.WithLabelValues(string(d.phase), string(d.failure.Code)).Inc()
	case v1alpha1.PhaseCancelled:
		ordersEnded.WithLabelValues(string(d.phase), reasonCancelled).Inc()
	default:
		orderRetries.WithLabelValues(d.reason).Inc()
	}
}

func countCharge(charge *v1alpha1.OrderCharge) {
	chargedAmount.WithLabelValues(string(charge.Currency)).Add(inexact(charge.Amount))
}

func countRefund(charge *v1alpha1.OrderCharge) {
	refundedAmount.WithLabelValues(string(charge.Currency)).Add(inexact(charge.Amount))
}

// inexact is an amount as metrics hold it.
func inexact(amount v1alpha1.Amount) float64 {
	number, err := strconv.ParseFloat(string(amount), 64)
	if err != nil {
		return 0 // it was computed by us: there is nothing else that it can be
	}
	return number
}

func (r *OrderReconciler) countStranded(operator string, lost int32) {
	strandedProfiles.WithLabelValues(operator).Add(float64(lost))
}

// countCall tells the metrics of a call to an operator.
func countCall(operator string, call operators.Call) {
	operatorCallSeconds.WithLabelValues(operator, call.Function, call.Outcome).Observe(call.Duration.Seconds())
}
