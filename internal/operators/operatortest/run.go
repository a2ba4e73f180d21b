package operatortest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// maxMessage bounds what a person is shown of an error, in bytes.
const maxMessage = 300

// Run holds a driver against all cases.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for _, group := range []struct {
		name string
		run  func(t *testing.T, s Subject)
	}{
		{"buys", purchases},
		{"is refused", refusals},
		{"is disturbed", disturbances},
		{"gives back", returns},
		{"is given up on", cancellations},
		{"is asked", questions},
		{"has bad luck", misfortunes},
	} {
		t.Run(group.name, func(t *testing.T) { group.run(t, s) })
	}
}

// in runs one case, with an operator of its own.
func (s Subject) in(t *testing.T, name string, run func(t *testing.T, b *bench)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		if s.RealNetwork {
			run(t, newBench(t, s))
			return
		}
		synctest.Test(t, func(t *testing.T) { run(t, newBench(t, s)) })
	})
}

// buys tells whether a function's execution buys.
func (s Subject) buys(function string) bool { return slices.Contains(s.Buys, function) }

// knows tells whether the operator's fake knows a kind of fault.
func (s Subject) knows(kind faults.Kind) bool { return !slices.Contains(s.Lacks, kind) }

// checkSilent fails the case where an error, or anything that it wraps, shows a credential.
func (b *bench) checkSilent(t testing.TB, err error) {
	t.Helper()
	for _, secret := range b.vendor.Secrets() {
		for cause := err; cause != nil; cause = errors.Unwrap(cause) {
			if secret != "" && strings.Contains(strings.ToUpper(cause.Error()), strings.ToUpper(secret)) {
				t.Errorf("an error shows a credential: %s", strings.ReplaceAll(cause.Error(), secret, "[the credential]"))
			}
		}
	}
}

// failureOf is the driver's error; the case fails where it is of another kind.
func (b *bench) failureOf(t testing.TB, err error) *operators.Error {
	t.Helper()
	b.checkSilent(t, err)
	var failure *operators.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v (%T), want an *operators.Error", err, err)
	}
	text := failure.Error()
	if failure.Message == "" || len(text) > maxMessage || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("the error of class %s is not one short line: %q", failure.Class, text)
	}
	return failure
}
