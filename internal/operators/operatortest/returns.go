package operatortest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// returns are the cases in which what an attempt holds is given back.
func returns(t *testing.T, s Subject) {
	s.in(t, "nothing, where nothing was ordered", func(t *testing.T, b *bench) {
		if !b.keepsBooks() {
			t.Skip("without books there is nothing to ask for")
		}
		if err := b.giveBack(t); !errors.Is(err, operators.ErrUnknownProfile) {
			t.Errorf("got %v, want ErrUnknownProfile", err)
		}
		b.checkBooks(t, 0)
	})
	s.in(t, "what was delivered, and once only", func(t *testing.T, b *bench) {
		b.deliver(t)
		b.checkReturn(t, b.giveBack(t), nil)
		b.checkReturn(t, b.giveBack(t), nil, operators.ErrUnknownProfile)
		b.checkReturned(t)
	})
	s.in(t, "what was delivered, in another process", func(t *testing.T, b *bench) {
		b.deliver(t)
		b.restart(t)
		b.checkReturn(t, b.giveBack(t), nil)
		b.checkReturned(t)
	})
	s.in(t, "not what is on a device", func(t *testing.T, b *bench) {
		b.vendor.Install(t, b.deliver(t).ICCID)
		b.checkReturn(t, b.giveBack(t), operators.ErrInstalled)
		b.checkBooks(t, 1)
	})
	s.in(t, "nothing while the guard is closed", func(t *testing.T, b *bench) {
		b.deliver(t)
		b.fenced = errors.New("another process leads")
		before := len(b.vendor.Calls())
		if err := b.driver.GiveBack(t.Context(), b.held()); err == nil {
			t.Error("something was given back")
		}
		for _, function := range functions(b.vendor.Calls())[before:] {
			if slices.Contains(s.Returns, function) {
				t.Errorf("%s arrived", function)
			}
		}
		b.checkBooks(t, 1)
	})
	for _, function := range s.Buys {
		for _, execution := range []faults.Execution{faults.First, faults.Never} {
			s.in(t, fmt.Sprintf("what %s may have bought, its answer lost (executed: %s)", function, execution), func(t *testing.T, b *bench) {
				b.lose(t, faults.Fault{Kind: faults.Drop, Function: function, Execution: execution, Times: 1})
			})
		}
		if s.knows(faults.Late) {
			s.in(t, fmt.Sprintf("what %s buys after it was given up", function), func(t *testing.T, b *bench) {
				b.lose(t, faults.Fault{Kind: faults.Late, Function: function, Delay: callTimeout + callTimeout/2, Times: 1})
			})
		}
	}
	disturbedReturns(t, s)
}

// lose loses the answer to a purchase, and gives back what was bought, whatever it was.
func (b *bench) lose(t *testing.T, f faults.Fault) {
	b.inject(t, f)
	_, err := b.provision(t.Context())
	if err == nil {
		t.Fatal("the answer was lost, and there is a profile")
	}
	b.note(b.failureOf(t, err))
	if !b.keepsBooks() {
		if _, ok := b.journal.Profile(); !ok {
			t.Skip("nothing stands in the journal that could be given back")
		}
	}
	b.restart(t)
	verdict := b.giveBack(t)
	b.wait(2 * passTimeout) // what is late arrives
	if b.subject.NotReturnable && errors.Is(verdict, operators.ErrNotReturnable) {
		b.checkBooks(t, 1)
		return
	}
	b.checkReturn(t, verdict, nil, operators.ErrUnknownProfile)
	b.checkBooks(t, 0)
}

// disturbedReturns has each call of a return go wrong in each way, once.
func disturbedReturns(t *testing.T, s Subject) {
	called := s.undisturbed(t, func(t *testing.T, b *bench) { b.deliver(t) })
	bought := len(called)
	called = s.undisturbed(t, func(t *testing.T, b *bench) {
		b.deliver(t)
		b.checkReturn(t, b.giveBack(t), nil)
	})[bought:]
	for n, function := range worthwhile(called) {
		for _, d := range s.disturbances() {
			s.in(t, fmt.Sprintf("call %d, %s: %s", n+1, function, d.name), func(t *testing.T, b *bench) {
				b.deliver(t)
				b.failed, b.callsBefore = nil, nil
				d.fault.Skip, d.fault.Times = n, 1
				b.inject(t, d.fault)
				b.checkReturn(t, b.giveBack(t), nil, operators.ErrUnknownProfile)
				b.checkHit(t)
				b.checkClass(t, slices.Contains(s.Returns, function), function, d)
				b.wait(2 * passTimeout)
				b.checkReturned(t)
			})
		}
	}
}

// checkReturn fails the case where the final answer to GiveBack is none of those wanted.
func (b *bench) checkReturn(t testing.TB, got error, want ...error) {
	t.Helper()
	if b.subject.NotReturnable && errors.Is(got, operators.ErrNotReturnable) {
		return
	}
	for _, one := range want {
		if errors.Is(got, one) {
			return
		}
	}
	t.Errorf("GiveBack answers %v, want one of %v", got, want)
}

// checkReturned fails the case where the one profile is not back at its operator.
func (b *bench) checkReturned(t testing.TB) {
	t.Helper()
	if b.subject.NotReturnable {
		b.checkBooks(t, 1)
		return
	}
	b.checkBooks(t, 0)
	if got := b.vendor.GivenBack(); got != 1 {
		t.Errorf("%d profiles were given back, want 1", got)
	}
}
