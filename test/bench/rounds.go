package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// connections that ask at one time.
const connections = 16

// rounds in which the two that are compared take turns, and how long each takes.
type rounds struct {
	number int
	length time.Duration
}

var (
	// shortRounds have what else the machine does fall on both.
	shortRounds = rounds{16, 250 * time.Millisecond}
	// longRounds are for a process with so large a heap that its garbage collector, which looks through
	// all of it about once a second, would fall on one of two short rounds.
	longRounds = rounds{10, 750 * time.Millisecond}
)

// target is where requests go.
type target struct {
	address string
	request []byte
}

// crowd asks one or several addresses in turn over the same connections round after round.
type crowd struct {
	// request is what is asked next.
	request func() []byte
	open    []*connection
}

func (t target) crowd(ctx context.Context) (*crowd, error) {
	return gather(ctx, []string{t.address}, func() []byte { return t.request })
}

// gather opens as many connections whatever number of addresses there is.
func gather(ctx context.Context, addresses []string, request func() []byte) (*crowd, error) {
	c := &crowd{request: request}
	for i := range connections {
		opened, err := dial(ctx, addresses[i%len(addresses)])
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.open = append(c.open, opened)
	}
	return c, nil
}

func (c *crowd) close() error {
	var faults []error
	for _, opened := range c.open {
		faults = append(faults, opened.close())
	}
	return errors.Join(faults...)
}

// pace is how fast requests are answered: how many a second, and what each takes of this
// process' processor time, its client's share included. The latter hardly changes on a machine
// that has other things to do.
type pace struct {
	rate float64
	cpu  time.Duration
}

// pace of one round.
func (c *crowd) pace(ctx context.Context, length time.Duration) (pace, error) {
	var answered atomic.Int64
	faults := make([]error, len(c.open))
	began, worked := time.Now(), processorTime()
	until := began.Add(length)
	var group sync.WaitGroup
	for i, opened := range c.open {
		group.Go(func() { faults[i] = c.askUntil(ctx, opened, until, &answered) })
	}
	group.Wait()
	elapsed, worked := time.Since(began), processorTime()-worked
	if answered.Load() == 0 {
		return pace{}, errors.Join(append(faults, errors.New("no request was answered"))...)
	}
	return pace{
		rate: float64(answered.Load()) / elapsed.Seconds(), cpu: worked / time.Duration(answered.Load()),
	}, errors.Join(faults...)
}

func (c *crowd) askUntil(ctx context.Context, over *connection, until time.Time, answered *atomic.Int64) error {
	for time.Now().Before(until) && ctx.Err() == nil {
		status, err := over.ask(c.request(), nil)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("a request was answered %d", status)
		}
		answered.Add(1)
	}
	return ctx.Err()
}

// processorTime is what this process has taken of it, in user and system mode.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// comparison of two targets: the medians of their rounds, and what one is of the other in each two
// rounds that follow each other, in requests and in processor time.
type comparison struct {
	a, b         pace
	rates, spent []float64
}

// compare has two targets take turns. Which of them begins takes turns too.
func compare(ctx context.Context, of rounds, a, b target) (made comparison, err error) {
	first, err := a.crowd(ctx)
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, first.close()) }()
	second, err := b.crowd(ctx)
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, second.close()) }()
	crowds := [2]*crowd{first, second}
	var rates, times [2][]float64
	var ofRates, ofTimes []float64
	for round := range of.number + 2 {
		var now [2]pace
		for turn := range crowds {
			i := (turn + round) % len(crowds)
			if now[i], err = crowds[i].pace(ctx, of.length); err != nil {
				return made, err
			}
		}
		if round < 2 {
			continue // to warm up
		}
		for i, p := range now {
			rates[i], times[i] = append(rates[i], p.rate), append(times[i], float64(p.cpu))
		}
		ofRates, ofTimes = append(ofRates, now[0].rate/now[1].rate), append(ofTimes, float64(now[0].cpu)/float64(now[1].cpu))
	}
	return comparison{
		a:     pace{median(rates[0]), time.Duration(median(times[0]))},
		b:     pace{median(rates[1]), time.Duration(median(times[1]))},
		rates: ofRates, spent: ofTimes,
	}, nil
}
