package manager

import (
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/internal/instruments"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// Tracing is how orders are followed with OpenTelemetry.
type Tracing struct {
	tracing.Config
	// TellOperators sends the header traceparent to mobile operators.
	TellOperators bool `json:"tellOperators"`
}

func (t Tracing) validate() error {
	if t.TellOperators && !t.On() {
		return fmt.Errorf("tracing.tellOperators is of no use without tracing.endpoint; set that, or leave it out")
	}
	return t.Validate()
}

// transport is what carries calls to operators, within what wraps them already, if anything does.
func (t Tracing) transport(wrap func(http.RoundTripper) http.RoundTripper) func(http.RoundTripper) http.RoundTripper {
	if !t.TellOperators {
		return wrap
	}
	return func(inner http.RoundTripper) http.RoundTripper {
		if wrap != nil {
			inner = wrap(inner)
		}
		return operators.TellSpans(inner)
	}
}

var traceSpans = showFates(instruments.CounterVec("esim_trace_spans_total",
	"Spans of traces, by what became of them: exported, refused by the collector or by nobody there to take them, "+
		"or dropped as more came than it took (overflowed).",
	"result"))

// showFates shows each fate from the start on: that a first span was dropped would not be seen
// otherwise, as nothing would have grown.
func showFates(spans *prometheus.CounterVec) *prometheus.CounterVec {
	for _, fate := range tracing.Fates() {
		spans.WithLabelValues(string(fate))
	}
	return spans
}

func countSpans(fate tracing.Fate, n int) {
	traceSpans.WithLabelValues(string(fate)).Add(float64(n))
}

// tracedManager has the last spans sent when all that makes spans has ended.
type tracedManager struct {
	ctrl.Manager
	tracer *tracing.Tracer
}

// Start implements manager.Manager.
func (m tracedManager) Start(ctx context.Context) error {
	defer m.tracer.Close()
	return m.Manager.Start(ctx)
}
