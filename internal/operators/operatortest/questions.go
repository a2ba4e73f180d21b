package operatortest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// question is one that a driver may know to ask its operator. It buys nothing and changes
// nothing.
type question struct {
	name string
	// ask answers in a form that can be compared; false where the driver does not know the
	// question.
	ask func(ctx context.Context, b *bench, delivered operators.Profile) (string, error, bool)
}

var allQuestions = []question{
	{"what became of a profile", func(ctx context.Context, b *bench, delivered operators.Profile) (string, error, bool) {
		tracker, ok := b.driver.(operators.Tracker)
		if !ok {
			return "", nil, false
		}
		life, err := tracker.Track(ctx, operators.Tracked{RequestID: b.requestID, ICCID: delivered.ICCID})
		return fmt.Sprintf("%+v", life), err, true
	}},
	{"what is sold", func(ctx context.Context, b *bench, _ operators.Profile) (string, error, bool) {
		cataloguer, ok := b.driver.(operators.Cataloguer)
		if !ok {
			return "", nil, false
		}
		var plans []string
		for plan, err := range cataloguer.Plans(ctx) {
			if err != nil {
				return "", err, true
			}
			plans = append(plans, fmt.Sprintf("%s %v %s %s GB %d days %s %s %v", plan.ID, plan.Countries, plan.Region, plan.DataGB, plan.Days, plan.Cost, plan.Currency, plan.Inactive))
		}
		slices.Sort(plans)
		return fmt.Sprint(plans), nil, true
	}},
	{"how much money is there", func(ctx context.Context, b *bench, _ operators.Profile) (string, error, bool) {
		accountant, ok := b.driver.(operators.Accountant)
		if !ok {
			return "", nil, false
		}
		balance, err := accountant.Balance(ctx)
		return fmt.Sprintf("%s %s", balance.Amount, balance.Currency), err, true
	}},
}

// questions has each call of each question go wrong in each way, once.
func questions(t *testing.T, s Subject) {
	for _, q := range allQuestions {
		t.Run(q.name, func(t *testing.T) {
			var want string
			var called []string
			s.in(t, "undisturbed", func(t *testing.T, b *bench) { want, called = b.ask(t, q) })
			for n, function := range worthwhile(called) {
				for _, d := range s.disturbances() {
					s.in(t, fmt.Sprintf("call %d, %s: %s", n+1, function, d.name), func(t *testing.T, b *bench) { b.askDisturbed(t, q, n, d, want) })
				}
			}
			for _, kind := range s.Tolerates {
				s.in(t, "all answers: "+string(kind), func(t *testing.T, b *bench) {
					b.inject(t, faults.Fault{Kind: kind})
					if got, _ := b.ask(t, q); got != want {
						t.Errorf("got %s, want %s", got, want)
					}
				})
			}
		})
	}
}

// ask asks after a delivery, and returns the answer and the functions that were called for it.
func (b *bench) ask(t *testing.T, q question) (answer string, called []string) {
	delivered := b.deliver(t)
	before := len(b.vendor.Calls())
	answer, err, known := q.ask(t.Context(), b, delivered)
	if !known {
		t.Skip("the driver does not know the question")
	}
	if err != nil {
		t.Fatal(err)
	}
	b.checkBooks(t, 1)
	return answer, functions(b.vendor.Calls())[before:]
}

// askDisturbed asks while the n-th call goes wrong, and again.
func (b *bench) askDisturbed(t *testing.T, q question, n int, d disturbance, want string) {
	delivered := b.deliver(t)
	d.fault.Skip, d.fault.Times = n, 1
	b.inject(t, d.fault)
	answer, err, _ := q.ask(t.Context(), b, delivered)
	if err == nil && answer != want {
		t.Errorf("the driver was told %s without an error, want %s", answer, want)
	}
	if err != nil {
		switch failure := b.failureOf(t, err); failure.Class {
		case operators.Transient, operators.Busy, operators.Misconfigured:
		default:
			t.Errorf("a question counts as %s: %v", failure.Class, err)
		}
	}
	b.checkHit(t)
	b.wait(passTimeout)
	if answer, err, _ = q.ask(t.Context(), b, delivered); err != nil || answer != want {
		t.Errorf("asked again: got %s, %v, want %s", answer, err, want)
	}
	b.checkBooks(t, 1)
}
