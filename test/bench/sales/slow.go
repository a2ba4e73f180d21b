package sales

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/bench/figures"
	"github.com/telcodev/esim-operator/test/stand"
)

// Slow measures how long 2,000 orders take at an operator whose calls take ten seconds each and
// which allows 500 at one time, beside what they must take.
func Slow(ctx context.Context) (measured []figures.Figure, err error) {
	const (
		orders, inFlight = 2000, 500
		latency          = 10 * time.Second
	)
	m, err := openMarket(ctx, testenv.AuditNone)
	if err != nil {
		return nil, err
	}
	defer func() { err = m.end(err) }()
	allow := func(operator *v1alpha1.EsimOperator) {
		operator.Spec.Limits.InFlight = inFlight
		operator.Spec.Timeout.Duration = 3 * latency
	}
	if err := m.staff(ctx, []string{stand.Telco}, allow); err != nil {
		return nil, err
	}
	if err := m.deliver(ctx, "first", stand.Telco); err != nil {
		return nil, err
	}
	before, err := m.calls(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.slow(ctx, latency); err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := m.sell(ctx, "slow", orders); err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := m.calls(ctx)
	if err != nil {
		return nil, err
	}
	must := time.Duration(after-before) * latency / inFlight
	return []figures.Figure{{
		Name: "operator_10s", What: fmt.Sprintf("%d orders at an operator that takes %s a call and allows %d at one time", orders, latency, inFlight),
		Baseline: fmt.Sprintf("%s, which %d calls must take", must, after-before), Values: []float64{took.Seconds() / must.Seconds()},
	}}, nil
}

// hasLabel tells whether the labels of a metric, as they are written, have one of a value.
func hasLabel(labels, name, value string) bool {
	return strings.Contains(","+labels, fmt.Sprintf(",%s=%q", name, value))
}
