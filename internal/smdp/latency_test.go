package smdp

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

func TestALatencyHasTheMeanAndThePercentileThatWereAskedFor(t *testing.T) {
	random := &lockedReader{source: rand.Reader}
	wanted := Latency{Min: 50 * time.Millisecond, Mean: 200 * time.Millisecond, P99: 900 * time.Millisecond}
	const draws = 200_000
	values, sum := make([]time.Duration, draws), 0.0
	for i := range values {
		normal, err := random.normal()
		if err != nil {
			t.Fatal(err)
		}
		values[i] = wanted.at(normal)
		sum += float64(values[i])
	}
	slices.Sort(values)
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"mean", sum / draws, float64(wanted.Mean)},
		{"99th percentile", float64(values[draws*99/100]), float64(wanted.P99)},
	} {
		// The standard error of both is below 1 %: 6 % is never seen by chance.
		if math.Abs(tt.got/tt.want-1) > 0.06 {
			t.Errorf("%s is %v, want %v", tt.name, time.Duration(tt.got), time.Duration(tt.want))
		}
	}
	if values[0] < wanted.Min {
		t.Errorf("%v is shorter than the minimum", values[0])
	}
}

func TestEveryLatencyThatIsTakenStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "min"))
		mean := time.Duration(rapid.Int64Range(1_000, int64(time.Minute)).Draw(t, "mean above min"))
		ratio := rapid.Float64Range(1.01, 14.9).Draw(t, "p99 / mean")
		l := Latency{Min: least, Mean: least + mean, P99: least + time.Duration(ratio*float64(mean))}
		if err := l.check(); err != nil {
			t.Fatal(err)
		}
		got := l.at(rapid.Float64Range(-9, 9).Draw(t, "normal"))
		if got < l.Min || got > l.Min+10*l.P99 {
			t.Fatalf("%+v drew %v", l, got)
		}
	})
}

func TestALatencyThatCannotBeIsRefused(t *testing.T) {
	s := startServer(t, Options{})
	for _, tt := range []struct {
		names string
		l     Latency
		of    []es2plus.Function
	}{
		{"negative", Latency{Fixed: -1}, nil},
		{"longer", Latency{Fixed: 25 * time.Hour}, nil},
		{"either", Latency{Fixed: 1, Mean: 2}, nil},
		{"min < mean", Latency{Min: 5, Mean: 5, P99: 6}, nil},
		{"min < mean", Latency{Mean: 5, P99: 4}, nil},
		{"min < mean", Latency{Min: 5}, nil},
		{"14.9 times", Latency{Mean: time.Millisecond, P99: time.Second}, nil},
		{"function", Latency{Fixed: 1}, []es2plus.Function{es2plus.HandleDownloadProgressInfo}},
	} {
		if err := s.SetLatency(tt.l, tt.of...); err == nil || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%+v: the error does not say %q: %v", tt.l, tt.names, err)
		}
	}
}

func TestACallIsExecutedWhenItsLatencyHasPassed(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	s := startServer(t, Options{Stock: map[string]int{plan: 5}, Clock: clock})
	p := client(t, s, "OPERATOR-1")
	if err := s.SetLatency(Latency{Fixed: time.Hour}, es2plus.DownloadOrder); err != nil {
		t.Fatal(err)
	}
	inject(t, s, Fault{Kind: FaultDelay, Delay: time.Minute, Times: 1})
	answers := make(chan observation, 1)
	go func() { answers <- p.observe(t.Context()) }()
	eventually(t, "the call waits", clock.HasWaiters)
	clock.Step(time.Hour + time.Minute - 1)
	if !clock.HasWaiters() || len(s.Ledger()) != 0 {
		t.Fatal("the call did not wait for its latency and the delay")
	}
	clock.Step(1)
	if o := <-answers; !o.works() {
		t.Errorf("answered HTTP %d, %v", o.status, o.err)
	}
	if got := s.Ledger()[0].Time; !got.Equal(clock.Now()) {
		t.Errorf("the ledger says %v, not when it was executed", got)
	}
	p.call(es2plus.ReleaseProfile, fields{"iccid": "8947010000123456784"}) // has no latency
}

func TestAClientThatGivesUpDoesNotStopASlowCall(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	s := startServer(t, Options{Stock: map[string]int{plan: 5}, Clock: clock})
	p := client(t, s, "OPERATOR-1")
	if err := s.SetLatency(Latency{Fixed: time.Minute}); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	answers := make(chan observation, 1)
	go func() { answers <- p.observe(ctx) }()
	eventually(t, "the call waits", clock.HasWaiters)
	leave()
	if o := <-answers; !errors.Is(o.err, context.Canceled) {
		t.Fatalf("seen: %v", o.err)
	}
	clock.Step(time.Minute)
	eventually(t, "the call is executed", func() bool { return len(s.Ledger()) == 1 })
}

func TestClosingDoesNotWaitForLatency(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	s := startServer(t, Options{Stock: map[string]int{plan: 5}, Clock: clock})
	p := client(t, s, "OPERATOR-1")
	if err := s.SetLatency(Latency{Min: time.Hour, Mean: 2 * time.Hour, P99: 9 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	answers := make(chan observation, 1)
	go func() { answers <- p.observe(t.Context()) }()
	eventually(t, "the call waits", clock.HasWaiters)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if o := <-answers; o.err == nil {
		t.Errorf("answered HTTP %d by a closed server", o.status)
	}
	if got := len(s.Ledger()); got != 0 {
		t.Errorf("%d calls were executed by a server that was closing", got)
	}
}

func TestASourceOfRandomnessThatRunsDryIsNotMistakenForChance(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}, Rand: io.LimitReader(rand.Reader, 0)})
	p := client(t, s, "OPERATOR-1")
	if o := p.observe(t.Context()); o.status != 500 {
		t.Errorf("answered HTTP %d, %v; want 500", o.status, o.err)
	}
	if got := len(s.Profiles()); got != 0 {
		t.Errorf("%d profiles were made without randomness", got)
	}
}
