package smdp

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

const (
	// z99 is the 99th percentile of the standard normal distribution.
	z99            = 2.3263478740408408
	longestLatency = 24 * time.Hour
)

// Latency is how long a call takes before it is executed. A client that gives up meanwhile
// does not stop it: what was asked for is done, as at a real SM-DP+. The zero value is none.
type Latency struct {
	// Fixed is how long each call takes. Nothing else is set then.
	Fixed time.Duration
	// Min, Mean and P99 describe a distribution: never shorter than Min, Mean on average, one
	// call in a hundred longer than P99. It is log-normal above Min, and cut off at ten times
	// P99.
	Min, Mean, P99 time.Duration
}

// check says which value does not go with the others.
func (l Latency) check() error {
	if l.Fixed < 0 || l.Min < 0 {
		return errors.New("latency: no value may be negative")
	}
	if max(l.Fixed, l.Min, l.Mean, l.P99) > longestLatency {
		return fmt.Errorf("latency: no value may be longer than %v", longestLatency)
	}
	if l.Fixed > 0 && (l.Min != 0 || l.Mean != 0 || l.P99 != 0) {
		return errors.New("latency: set either fixed, or min, mean and p99")
	}
	if l == (Latency{Fixed: l.Fixed}) {
		return nil
	}
	if l.Mean <= l.Min || l.P99 <= l.Mean {
		return fmt.Errorf("latency: min < mean < p99 must hold, not %v, %v, %v", l.Min, l.Mean, l.P99)
	}
	if math.IsNaN(l.sigma()) {
		return fmt.Errorf("latency: p99 may be at most 14.9 times the mean, both counted from min, not %v and %v", l.P99, l.Mean)
	}
	return nil
}

// sigma of the normal distribution under the log-normal one: the smaller root of
// ln(p99/mean) = z·σ − σ²/2. Not a number where no log-normal distribution has these values.
func (l Latency) sigma() float64 {
	ratio := float64(l.P99-l.Min) / float64(l.Mean-l.Min)
	return z99 - math.Sqrt(z99*z99-2*math.Log(ratio))
}

// at is the latency at a draw from the standard normal distribution.
func (l Latency) at(normal float64) time.Duration {
	if l.Mean == 0 {
		return l.Fixed
	}
	sigma := l.sigma()
	mu := math.Log(float64(l.Mean-l.Min)) - sigma*sigma/2
	above := math.Exp(mu + sigma*normal)
	return l.Min + time.Duration(min(above, 10*float64(l.P99)))
}

// latencies of all functions, with exceptions. The zero value is none.
type latencies struct {
	mu     sync.Mutex
	all    Latency
	single map[es2plus.Function]Latency
}

// set the latency of the functions or, without any, of all of them.
func (ls *latencies) set(l Latency, functions ...es2plus.Function) error {
	if err := l.check(); err != nil {
		return err
	}
	for _, f := range functions {
		if _, known := newOrder(f); !known {
			return fmt.Errorf("latency: unknown function %q", f)
		}
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if len(functions) == 0 {
		ls.all, ls.single = l, nil
		return nil
	}
	if ls.single == nil {
		ls.single = make(map[es2plus.Function]Latency)
	}
	for _, f := range functions {
		ls.single[f] = l
	}
	return nil
}

// of a function.
func (ls *latencies) of(f es2plus.Function) Latency {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l, ok := ls.single[f]; ok {
		return l
	}
	return ls.all
}
