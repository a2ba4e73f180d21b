package operatortest

import (
	"errors"
	"testing"

	"github.com/telcodev/esim-operator/internal/operators"
)

// purchases are the cases in which nothing goes wrong.
func purchases(t *testing.T, s Subject) {
	s.in(t, "one profile, ready for download", func(t *testing.T, b *bench) {
		b.deliver(t)
		b.checkBooks(t, 1)
		b.checkCalls(t)
		if b.entered == 0 {
			t.Error("a call that buys left without asking the guard")
		}
	})
	s.in(t, "the same profile again, in the same process", func(t *testing.T, b *bench) { b.buyAgain(t) })
	s.in(t, "the same profile again, in another process", func(t *testing.T, b *bench) {
		first := b.deliver(t)
		b.restart(t)
		b.checkSame(t, first, b.deliver(t))
		b.checkBooks(t, 1)
	})
	s.in(t, "nothing, when asked whether the operator is there", func(t *testing.T, b *bench) {
		if err := b.driver.Probe(t.Context()); err != nil {
			t.Errorf("Probe: %v", err)
		}
		b.checkBooks(t, 0)
	})
	s.in(t, "nothing while the guard is closed", func(t *testing.T, b *bench) {
		b.fenced = errors.New("another process leads")
		_, err := b.provision(t.Context())
		if failure := b.failureOf(t, err); failure.Class != operators.Transient || !errors.Is(err, b.fenced) {
			t.Errorf("got %s: %v, want Transient with the guard's error as its cause", failure.Class, err)
		}
		for _, function := range functions(b.vendor.Calls()) {
			if s.buys(function) {
				t.Errorf("%s arrived", function)
			}
		}
		b.fenced = nil
		b.deliver(t)
		b.checkBooks(t, 1)
	})
}

func (b *bench) buyAgain(t *testing.T) {
	first := b.deliver(t)
	b.checkSame(t, first, b.deliver(t))
	b.checkBooks(t, 1)
}

// checkSame fails the case where two profiles are not one.
func (*bench) checkSame(t testing.TB, first, second operators.Profile) {
	t.Helper()
	if first.ICCID != second.ICCID || first.SMDPAddress != second.SMDPAddress || !first.MatchingID.Equal(second.MatchingID) {
		t.Errorf("the order got %s first, then %s with another code", first.ICCID, second.ICCID)
	}
}

// checkCalls holds what the driver told of its calls against what arrived.
func (b *bench) checkCalls(t testing.TB) {
	t.Helper()
	if told, arrived := len(b.calls), len(b.vendor.Calls()); told != arrived {
		t.Errorf("the driver told of %d calls, %d arrived", told, arrived)
	}
	for _, call := range b.calls {
		well := call.Outcome == "ok" || call.Outcome == string(operators.Busy)
		if call.Function == "" || !well || !call.Answered || call.Duration < 0 {
			t.Errorf("of a call that went well the driver told %+v", call)
		}
	}
}

// refusals are the ways in which the operator refuses an order.
func refusals(t *testing.T, s Subject) {
	for _, refusal := range s.Refusals {
		s.in(t, refusal.Name, func(t *testing.T, b *bench) {
			if refusal.Plan != "" {
				b.subject.Plan = refusal.Plan
			}
			if refusal.Arrange != nil {
				refusal.Arrange(t, b.vendor)
			}
			failure := b.firstOf(t, refusal.Want)
			if failure.Class != refusal.Want || failure.OneOrder != refusal.OneOrder {
				t.Errorf("got %s (one order's: %v), want %s (%v): %v", failure.Class, failure.OneOrder, refusal.Want, refusal.OneOrder, failure)
			}
			if refusal.Code != "" && failure.Code != refusal.Code {
				t.Errorf("got the code %q, want %q", failure.Code, refusal.Code)
			}
			if refusal.RetryAfter != 0 && failure.RetryAfter != refusal.RetryAfter {
				t.Errorf("to be tried after %v, want %v", failure.RetryAfter, refusal.RetryAfter)
			}
			b.checkBooks(t, 0)
		})
	}
}

// firstOf is the driver's first error that does not just say that the operator is at it still,
// unless that is what is wanted.
func (b *bench) firstOf(t *testing.T, want operators.Class) *operators.Error {
	t.Helper()
	for range maxPasses {
		_, err := b.provision(t.Context())
		failure := b.failureOf(t, err)
		if failure.Class != operators.Busy || want == operators.Busy {
			return failure
		}
		b.wait(failure.RetryAfter)
	}
	t.Fatalf("after %d passes the operator is still at it", maxPasses)
	return nil
}
