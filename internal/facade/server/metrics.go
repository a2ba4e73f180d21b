package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/instruments"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// noOperation is the operation of a request that is none of the document's.
const noOperation = "none"

// Metrics count what a server does. Every label has a few values that are known here or in the
// API's document: nothing that a client sends becomes one. A nil Metrics counts nothing.
type Metrics struct {
	requests        *prometheus.CounterVec
	duration        *prometheus.HistogramVec
	waiting         prometheus.Gauge
	throttled       *prometheus.CounterVec
	authentications *prometheus.CounterVec
	synced          prometheus.GaugeFunc
	spans           *prometheus.CounterVec
}

var _ prometheus.Collector = (*Metrics)(nil)

var (
	requestsTotal = instruments.Define(instruments.Facade, instruments.Counter, "esim_rest_requests_total",
		"Requests that were answered, by operation of the API's document, method, and class of the status.",
		"operation", "method", "status")

	requestSeconds = instruments.Define(instruments.Facade, instruments.Histogram, "esim_rest_request_seconds",
		"From a request's headers to the end of its answer, in seconds, with the time that it waited for an order.",
		"operation")

	waitingRequests = instruments.Define(instruments.Facade, instruments.Gauge, "esim_rest_waiting_requests",
		"Requests that wait for their order now.")

	throttledTotal = instruments.Define(instruments.Facade, instruments.Counter, "esim_rest_throttled_requests_total",
		"Requests that were answered 429, by operation.",
		"operation")

	authenticationsTotal = instruments.Define(instruments.Facade, instruments.Counter, "esim_rest_authentications_total",
		"Credentials that were shown (token, key, refresh_token), by what came of it: accepted, refused, "+
			"throttled (not even looked at), or undecided as the API server did not answer.",
		"credential", "result")

	cachesSynced = instruments.Define(instruments.Facade, instruments.Gauge, "esim_rest_caches_synced",
		"1 once the caches are filled; before, requests are answered 503.")

	traceSpans = instruments.Define(instruments.Facade, instruments.Counter, "esim_rest_trace_spans_total",
		"Spans of traces, by what became of them: exported, refused by the collector or by nobody there to take them, "+
			"or dropped as more came than it took (overflowed).",
		"result")
)

// NewMetrics makes the metrics of a server whose caches are filled when synced says so.
func NewMetrics(synced func() bool) *Metrics {
	m := &Metrics{
		requests: requestsTotal.NewCounterVec(),
		// An answer from memory takes a millisecond; one that waits for an order, up to a minute.
		duration:        requestSeconds.NewHistogramVec(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60),
		waiting:         waitingRequests.NewGauge(),
		throttled:       throttledTotal.NewCounterVec(),
		authentications: authenticationsTotal.NewCounterVec(),
		spans:           traceSpans.NewCounterVec(),
		synced: cachesSynced.NewGaugeFunc(func() float64 {
			if synced() {
				return 1
			}
			return 0
		}),
	}
	for _, fate := range tracing.Fates() {
		m.Spans(fate, 0) // each is shown from the start on
	}
	return m
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.duration, m.waiting, m.throttled, m.authentications, m.synced, m.spans}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(to)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(to)
	}
}

// answered counts a request with the status of its answer, which is 0 where it was cut off.
func (m *Metrics) answered(operation, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	if operation == "" {
		operation = noOperation
	}
	m.requests.WithLabelValues(operation, method, classOf(status)).Inc()
	m.duration.WithLabelValues(operation).Observe(took.Seconds())
	if status == http.StatusTooManyRequests {
		m.throttled.WithLabelValues(operation).Inc()
	}
}

// classOf is the class of a status, and none for no status.
func classOf(status int) string {
	if class := status / 100; class > 0 && class < len(classes) {
		return classes[class]
	}
	return classes[0]
}

var classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// waits counts a request among those that wait, until done.
func (m *Metrics) waits() (done func()) {
	if m == nil {
		return func() {}
	}
	m.waiting.Inc()
	return m.waiting.Dec
}

// admitted counts the token of a request that Guard.Admit let in, or not.
func (m *Metrics) admitted(caller access.Caller, err error) {
	switch {
	case caller.Identity != nil:
		// Whatever it may not do, it is known who it is.
		m.authenticated("token", nil)
	case err != nil:
		m.authenticated("token", err)
	}
}

// authenticated counts a credential and what came of it.
func (m *Metrics) authenticated(credential string, err error) {
	if m == nil {
		return
	}
	m.authentications.WithLabelValues(credential, resultOf(err)).Inc()
}

// Spans counts spans of traces, by what became of them.
func (m *Metrics) Spans(fate tracing.Fate, n int) {
	if m == nil {
		return
	}
	m.spans.WithLabelValues(string(fate)).Add(float64(n))
}

// resultOf is what came of a credential.
func resultOf(err error) string {
	if err == nil {
		return "accepted"
	}
	var refusal *access.Refusal
	switch {
	case !errors.As(err, &refusal):
		return "undecided"
	case refusal.Reason == access.Unauthorized, refusal.Reason == access.Forbidden:
		return "refused"
	case refusal.Reason == access.TooManyRequests:
		return "throttled"
	default:
		return "undecided"
	}
}
