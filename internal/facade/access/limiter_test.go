package access

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func newClock() *clocktesting.FakeClock {
	return clocktesting.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
}

// retryAfter is when a refused request may come again; false where it was not refused.
func retryAfter(t interface{ Fatalf(string, ...any) }, err error) (time.Duration, bool) {
	if err == nil {
		return 0, false
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Reason != TooManyRequests {
		t.Fatalf("refused with %v", err)
	}
	return refusal.RetryAfter, true
}

func TestALimitIsReachedAndTellsWhenToComeAgain(t *testing.T) {
	clock := newClock()
	limits := newLimiter(clock)
	for i := range 10 {
		if err := limits.take(Login, "acme", 10); err != nil {
			t.Fatalf("login %d of 10 is refused: %v", i+1, err)
		}
	}
	wait, refused := retryAfter(t, limits.take(Login, "acme", 10))
	if !refused || wait != 6*time.Second {
		t.Errorf("the 11th login: refused %t, to come again in %s; want 6s", refused, wait)
	}
	clock.Step(wait - time.Second - time.Millisecond)
	if wait, _ = retryAfter(t, limits.take(Login, "acme", 10)); wait != 2*time.Second {
		t.Errorf("1.001 s too early: come again in %s, want 2s", wait)
	}
	clock.Step(time.Second + time.Millisecond)
	if err := limits.take(Login, "acme", 10); err != nil {
		t.Errorf("who came when told to is refused: %v", err)
	}
}

func TestLimitsAreEachClientsAndEachClasss(t *testing.T) {
	limits := newLimiter(newClock())
	if err := limits.take(Order, "acme", 1); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]bucketKey{
		"another client": {Order, "globex"}, "another class": {Read, "acme"}, "what has no limit": {Unlimited, "acme"},
	} {
		if err := limits.take(other.class, other.who, 1); err != nil {
			t.Errorf("%s is refused: %v", name, err)
		}
	}
	if err := limits.take(Order, "acme", 1); err == nil {
		t.Error("a second order passes a limit of one")
	}
}

func TestAChangedLimitHoldsAtOnce(t *testing.T) {
	clock := newClock()
	limits := newLimiter(clock)
	if err := limits.take(Read, "acme", 600); err != nil {
		t.Fatal(err)
	}
	passed := 0
	for limits.take(Read, "acme", 60) == nil {
		passed++
	}
	if passed != 60 {
		t.Errorf("%d requests pass a limit that was lowered to 60", passed)
	}
	clock.Step(time.Second)
	if err := limits.take(Read, "acme", 60); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

func TestALimitersMemoryIsBounded(t *testing.T) {
	clock := newClock()
	limits := newLimiter(clock)
	limits.most = 10
	for i := range 1000 {
		// What is refused is refused: only the memory counts here.
		_ = limits.take(Login, fmt.Sprint("address ", i), 10)
	}
	if got := len(limits.buckets); got != 11 {
		t.Errorf("%d buckets; want 10, and the one of all others", got)
	}
	if err := limits.take(Login, "address 5000", 10); err == nil {
		t.Error("a flood of addresses is not limited as one")
	}
	clock.Step(limitPeriod)
	if err := limits.take(Login, "address 5000", 10); err != nil {
		t.Errorf("after a minute's rest: %v", err)
	}
	if got := len(limits.buckets); got != 1 {
		t.Errorf("%d buckets after a minute's rest, want 1", got)
	}
}

func TestALimitIsTheClientsOwnElseTheFacadesElseTheContracts(t *testing.T) {
	facade := withDefaults(v1alpha1.RateLimits{Read: 1000})
	want := v1alpha1.RateLimits{Read: 1000, Order: 60, Quote: 120, Change: 60, Login: 10, Refresh: 20}
	if diff := cmp.Diff(want, facade); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	own := &v1alpha1.RateLimits{Order: 5}
	for class, want := range map[Class]v1alpha1.RequestsPerMinute{Read: 1000, Order: 5, Login: 10} {
		if got := limitOf(class, own, facade); got != want {
			t.Errorf("class %d: %d, want %d", class, got, want)
		}
	}
}

func TestWhoWaitsAsToldIsServedAndNobodyGetsMoreThanTheirShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := newClock()
		limits, perMinute := newLimiter(clock), rapid.IntRange(1, 1000).Draw(t, "perMinute")
		start, passed := clock.Now(), 0
		for range rapid.IntRange(1, 300).Draw(t, "requests") {
			clock.Step(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
			wait, refused := retryAfter(t, limits.take(Read, "acme", v1alpha1.RequestsPerMinute(perMinute)))
			if refused {
				clock.Step(wait)
				if err := limits.take(Read, "acme", v1alpha1.RequestsPerMinute(perMinute)); err != nil {
					t.Fatalf("refused after the %s that it was told to wait", wait)
				}
			}
			passed++
		}
		share := float64(perMinute) * (1 + clock.Since(start).Minutes())
		if float64(passed) > share+1 {
			t.Fatalf("%d requests in %s at %d per minute", passed, clock.Since(start), perMinute)
		}
	})
}
