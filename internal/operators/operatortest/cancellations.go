package operatortest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// cancellations are the cases in which the caller gives up: its context ends.
func cancellations(t *testing.T, s Subject) {
	s.in(t, "before it began", func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := b.provision(ctx)
		if failure := b.failureOf(t, err); failure.Class != operators.Transient {
			t.Errorf("got %s, want Transient: %v", failure.Class, err)
		}
		if calls := functions(b.vendor.Calls()); slices.ContainsFunc(calls, s.buys) {
			t.Errorf("a call that buys arrived: %v", calls)
		}
		b.deliver(t)
		b.checkBooks(t, 1)
	})
	if !s.knows(faults.Watch) {
		return
	}
	called := s.undisturbed(t, func(t *testing.T, b *bench) { b.deliver(t) })
	for n, function := range worthwhile(called) {
		for _, execution := range []faults.Execution{faults.First, faults.Never} {
			for _, kind := range []faults.Kind{faults.Drop, faults.Watch} {
				s.in(t, fmt.Sprintf("at call %d, %s (%s, executed: %s)", n+1, function, kind, execution), func(t *testing.T, b *bench) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					b.inject(t, faults.Fault{Kind: kind, Skip: n, Times: 1, Execution: execution, Then: cancel})
					if _, err := b.provision(ctx); err != nil {
						b.checkGivenUp(t, b.failureOf(t, err), function)
					}
					b.deliver(t)
					b.checkBooks(t, 1)
				})
			}
		}
	}
}

// checkGivenUp holds the error of a pass that was given up at a function against what may have
// been bought.
func (b *bench) checkGivenUp(t testing.TB, failure *operators.Error, function string) {
	t.Helper()
	switch failure.Class {
	case operators.OutcomeUnknown, operators.Busy:
	case operators.Transient:
		if b.subject.buys(function) && failure.Function == function {
			t.Errorf("a call that buys was given up on, and counts as Transient: %v", failure)
		}
	default:
		t.Errorf("to be given up on counts as %s: %v", failure.Class, failure)
	}
}
