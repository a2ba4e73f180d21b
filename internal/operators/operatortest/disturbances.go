package operatortest

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// disturbance is what can go wrong with any call.
type disturbance struct {
	name  string
	fault faults.Fault
	// open tells that nobody can know from the answer whether the call was executed.
	open bool
}

// disturbancesOf are all that the operator's fake knows.
func (s Subject) disturbances() []disturbance {
	all := []disturbance{
		{"lost after execution", faults.Fault{Kind: faults.Drop}, true},
		{"lost before execution", faults.Fault{Kind: faults.Drop, Execution: faults.Never}, true},
		{"HTTP 500", faults.Fault{Kind: faults.Status, Status: 500}, true},
		{"HTTP 503 after execution", faults.Fault{Kind: faults.Status, Status: 503, Execution: faults.First}, true},
		{"HTTP 429", faults.Fault{Kind: faults.Status, Status: 429, RetryAfter: "3"}, false},
		{"HTML and HTTP 502", faults.Fault{Kind: faults.HTML}, true},
		{"HTML and HTTP 200 after execution", faults.Fault{Kind: faults.HTML, Status: 200, Execution: faults.First}, true},
		{"HTML and HTTP 404", faults.Fault{Kind: faults.HTML, Status: 404}, false},
		{"an empty answer", faults.Fault{Kind: faults.Empty}, true},
		{"a truncated answer", faults.Fault{Kind: faults.Truncated}, true},
		{"half an answer", faults.Fault{Kind: faults.Malformed}, true},
		{"100 MB", faults.Fault{Kind: faults.Huge}, true},
		{"nested 100,000 times", faults.Fault{Kind: faults.Deep}, true},
		{"other types", faults.Fault{Kind: faults.WrongTypes}, true},
		{"a redirect", faults.Fault{Kind: faults.Redirect}, true},
		{"an echo of what was sent", faults.Fault{Kind: faults.Echo}, false},
		{"no answer in time", faults.Fault{Kind: faults.Hang}, true},
		{"executed after the client went", faults.Fault{Kind: faults.Late, Delay: callTimeout + 3*time.Second}, true},
	}
	var known []disturbance
	for _, d := range all {
		if s.knows(d.fault.Kind) {
			known = append(known, d)
		}
	}
	return known
}

// undisturbed are the functions that a driver calls where nothing goes wrong.
func (s Subject) undisturbed(t *testing.T, act func(t *testing.T, b *bench)) []string {
	t.Helper()
	var called []string
	s.in(t, "undisturbed", func(t *testing.T, b *bench) {
		before := len(b.vendor.Calls())
		act(t, b)
		called = functions(b.vendor.Calls())[before:]
	})
	return called
}

// worthwhile are the calls that are worth going wrong, by their number: of a function that is
// called again and again the first two and the last.
func worthwhile(called []string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		seen := map[string]int{}
		for n, function := range called {
			seen[function]++
			last := !slices.Contains(called[n+1:], function)
			if (seen[function] <= 2 || last) && !yield(n, function) {
				return
			}
		}
	}
}

// disturbances has each call of a purchase go wrong in each way, once.
func disturbances(t *testing.T, s Subject) {
	called := s.undisturbed(t, func(t *testing.T, b *bench) { b.deliver(t) })
	for n, function := range worthwhile(called) {
		for _, d := range s.disturbances() {
			s.in(t, fmt.Sprintf("call %d, %s: %s", n+1, function, d.name), func(t *testing.T, b *bench) {
				d.fault.Skip, d.fault.Times = n, 1
				b.inject(t, d.fault)
				b.deliver(t)
				b.checkHit(t)
				b.checkClass(t, s.buys(function), function, d)
				b.checkBooks(t, 1)
			})
		}
		s.in(t, fmt.Sprintf("call %d, %s: lost with the process", n+1, function), func(t *testing.T, b *bench) {
			b.inject(t, faults.Fault{Kind: faults.Drop, Skip: n, Times: 1})
			if _, err := b.provision(t.Context()); err != nil {
				b.note(b.failureOf(t, err))
			}
			b.restart(t)
			b.deliver(t)
			b.checkBooks(t, 1)
		})
	}
	for _, kind := range s.Tolerates {
		s.in(t, "all answers: "+string(kind), func(t *testing.T, b *bench) {
			b.inject(t, faults.Fault{Kind: kind})
			b.deliver(t)
			for _, failure := range b.failed {
				if failure.Class != operators.Busy {
					t.Errorf("it disturbs the driver: %s: %v", failure.Class, failure)
				}
			}
			b.checkBooks(t, 1)
		})
	}
	s.in(t, "the port closed for a while", func(t *testing.T, b *bench) {
		refuser, ok := b.vendor.(interface{ Refuse(bool) })
		if !ok {
			t.Skip("the fake cannot close its port")
		}
		refuser.Refuse(true)
		_, err := b.provision(t.Context())
		if failure := b.failureOf(t, err); failure.Class != operators.Transient {
			t.Errorf("got %s, want Transient: %v", failure.Class, err)
		}
		refuser.Refuse(false)
		b.deliver(t)
		b.checkBooks(t, 1)
	})
	together(t, s)
}

// checkHit fails the case where the fault hit no call.
func (b *bench) checkHit(t testing.TB) {
	t.Helper()
	for _, call := range b.vendor.Calls() {
		if call.Fault != "" {
			return
		}
	}
	t.Errorf("the fault hit no call: %v", b.vendor.Calls())
}

// failedWith is the error of the pass in which a call went wrong; nil where that was no failure.
func (b *bench) failedWith() *operators.Error {
	hit := slices.IndexFunc(b.vendor.Calls(), func(call faults.Call) bool { return call.Fault != "" })
	for i, calls := range b.callsBefore {
		if hit >= 0 && calls > hit {
			return b.failed[i]
		}
	}
	return nil
}

// checkClass holds the error of that pass against what is known of the call that went wrong.
func (b *bench) checkClass(t testing.TB, settles bool, function string, d disturbance) {
	t.Helper()
	first := b.failedWith()
	if first == nil || first.Function != function {
		return // the driver needed no new pass, or tells of another call
	}
	switch {
	case d.fault.Status == 429:
		if first.Class != operators.Busy || first.RetryAfter < 3*time.Second {
			t.Errorf("got %s after %v, want Busy after 3s: %v", first.Class, first.RetryAfter, first)
		}
	case d.open && settles && first.Class != operators.OutcomeUnknown:
		t.Errorf("a call that settles something was left open, and counts as %s: %v", first.Class, first)
	case d.open && !settles && first.Class != operators.Transient && first.Class != operators.Busy:
		t.Errorf("a call that settles nothing was left open, and counts as %s: %v", first.Class, first)
	}
}

// together has two workers on one order.
func together(t *testing.T, s Subject) {
	workers := func(second func(b *bench) operators.Driver) func(t *testing.T, b *bench) {
		return func(t *testing.T, b *bench) {
			if !b.keepsBooks() {
				t.Skip("two workers on one journal are this driver's own tests' business")
			}
			drivers := []operators.Driver{b.driver, second(b)}
			profiles := make([]operators.Profile, len(drivers))
			var working sync.WaitGroup
			for i, driver := range drivers {
				working.Go(func() { profiles[i] = b.alone(t, driver) })
			}
			working.Wait()
			b.checkSame(t, profiles[0], profiles[1])
			b.checkBooks(t, 1)
		}
	}
	s.in(t, "two workers at once, in one process", workers(func(b *bench) operators.Driver { return b.driver }))
	if s.UniqueKey {
		s.in(t, "two workers at once, in two processes", func(t *testing.T, b *bench) {
			workers(func(b *bench) operators.Driver { return b.connect(t) })(t, b)
		})
	}
}

// alone is deliver for one of several workers: it shares nothing with the others but the order.
func (b *bench) alone(t *testing.T, driver operators.Driver) operators.Profile {
	p := b.purchase()
	p.Fresh = false
	for range maxPasses {
		profile, err := driver.Provision(t.Context(), p, b.journal)
		if err == nil {
			return profile
		}
		b.checkSilent(t, err)
		var failure *operators.Error
		if !errors.As(err, &failure) {
			t.Errorf("a worker ends with %v (%T)", err, err)
			return operators.Profile{}
		}
		if class := failure.Class; class == operators.Rejected || class == operators.OutOfStock || class == operators.Restart {
			t.Errorf("a worker ends with %v", err)
			return operators.Profile{}
		}
		b.wait(failure.RetryAfter)
	}
	t.Errorf("after %d passes a worker has no profile", maxPasses)
	return operators.Profile{}
}
