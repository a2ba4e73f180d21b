package controllers

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

var (
	ordersEnded = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "esim_orders_ended_total",
		Help: "Orders that reached their end, by phase and reason.",
	}, []string{"phase", "reason"})

	orderRetries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "esim_order_retries_total",
		Help: "Passes over orders that ended without a profile, by the reason why the order stays PENDING.",
	}, []string{"reason"})

	deliverySeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "esim_order_delivery_seconds",
		Help:    "Time from an order's creation to its delivery. Creation is known to the second.",
		Buckets: []float64{.25, .5, 1, 2, 3, 5, 10, 20, 30, 60, 300, 1800, 7200, 86400},
	})

	operatorCallSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "esim_operator_call_seconds",
		Help:    "Calls to mobile operators, by operator, function and outcome: ok or the class of the error.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"operator", "function", "outcome"})

	strandedProfiles = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "esim_stranded_profiles_total",
		Help: "DownloadOrder calls that were never answered: each may have reserved a profile that nobody knows. An upper bound.",
	}, []string{"operator"})
)

var (
	chargedAmount = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "esim_charged_amount_total",
		Help: "What orders paid, by the currency of the wallet. A float: for trends, not for books.",
	}, []string{"currency"})

	refundedAmount = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "esim_refunded_amount_total",
		Help: "What was given back, by the currency of the wallet. A float: for trends, not for books.",
	}, []string{"currency"})
)

func init() { //nolint:gochecknoinits // the registry of controller-runtime is global
	metrics.Registry.MustRegister(ordersNow, ordersEnded, orderRetries, deliverySeconds, operatorCallSeconds, strandedProfiles,
		chargedAmount, refundedAmount)
}

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
