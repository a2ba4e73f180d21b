package controllers

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	"github.com/telcodev/esim-operator/internal/instruments"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

var (
	readyGauge = instruments.GaugeVec("esim_operator_ready",
		"1 for each EsimOperator whose Ready condition is True, 0 for the others.",
		"operator")

	unreadyInfo = instruments.GaugeVec("esim_operator_unready_info",
		"1 for each EsimOperator that is not Ready, with the reason of its Ready condition.",
		"operator", "reason")

	certificateExpiry = instruments.GaugeVec("esim_operator_certificate_expiry_timestamp_seconds",
		"When a certificate in the Secret of an EsimOperator expires, in seconds since 1970, by the Secret's key: "+
			"tls.crt, the first of our client certificate and those above it; ca.crt, the last of those that the operator is checked by.",
		"operator", "key")
)

var (
	operatorInFlight = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_operator_in_flight_orders",
		"Orders that are with an operator now, by EsimOperator.", "operator")

	operatorLimit = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_operator_in_flight_orders_limit",
		"How many orders may be with an operator at one time (spec.limits.inFlight), by EsimOperator.", "operator")

	operatorWaiting = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_operator_waiting_orders",
		"Orders that wait for a free slot at an operator, or for its calls to go on, by EsimOperator.", "operator")

	operatorCircuitOpen = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_operator_circuit_open",
		"1 for each EsimOperator to which calls pause as too many were left unanswered, or are being tried again; 0 for the others.", "operator")

	operatorLoads = instruments.Registered(instruments.NewLive(operatorInFlight, operatorLimit, operatorWaiting, operatorCircuitOpen))
)

// tellLoads tells how busy the operators of a pool are.
func tellLoads(pool *connections.Pool) func(instruments.Tell) {
	return func(tell instruments.Tell) {
		for _, load := range pool.Loads() {
			tell(operatorInFlight, float64(load.InFlight), load.Operator)
			tell(operatorLimit, float64(load.Limit), load.Operator)
			tell(operatorWaiting, float64(load.Waiting), load.Operator)
			open := 0.0
			if load.CircuitOpen {
				open = 1
			}
			tell(operatorCircuitOpen, open, load.Operator)
		}
	}
}

// gaugeReady shows whether an operator is Ready. An operator has every series of its own from its
// first look on: what counts a first event would not be seen to have grown otherwise.
func gaugeReady(operator string, ready readiness) {
	unreadyInfo.DeletePartialMatch(prometheus.Labels{"operator": operator})
	if ready.ok {
		readyGauge.WithLabelValues(operator).Set(1)
	} else {
		readyGauge.WithLabelValues(operator).Set(0)
		unreadyInfo.WithLabelValues(operator, ready.reason).Set(1)
	}
	strandedProfiles.WithLabelValues(operator).Add(0)
}

// forgetGauges drops what is shown of an operator that is gone. Counters stay: what was counted,
// was.
func forgetGauges(operator string) {
	of := prometheus.Labels{"operator": operator}
	readyGauge.DeletePartialMatch(of)
	unreadyInfo.DeletePartialMatch(of)
	certificateExpiry.DeletePartialMatch(of)
}

// gaugeCertificates shows when the certificates in an operator's Secret expire. One that cannot
// be read shows nothing: the driver tells of it.
func gaugeCertificates(operator string, secret *corev1.Secret) {
	for key, choose := range map[string]func([]time.Time) time.Time{
		corev1.TLSCertKey:              func(ends []time.Time) time.Time { return slices.MinFunc(ends, time.Time.Compare) },
		corev1.ServiceAccountRootCAKey: func(ends []time.Time) time.Time { return slices.MaxFunc(ends, time.Time.Compare) },
	} {
		if ends := expiries(secret.Data[key]); len(ends) > 0 {
			certificateExpiry.WithLabelValues(operator, key).Set(float64(choose(ends).Unix()))
		} else {
			certificateExpiry.DeleteLabelValues(operator, key)
		}
	}
}

// expiries are when the certificates of a PEM text expire.
func expiries(text []byte) []time.Time {
	var ends []time.Time
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			ends = append(ends, certificate.NotAfter)
		}
	}
	return ends
}
