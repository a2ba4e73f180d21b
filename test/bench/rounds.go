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

const (
	// connections that ask at one time, and rounds in which the two that are compared take turns.
	connections = 16
	rounds      = 9
	roundLength = time.Second
)

// target is where requests go.
type target struct {
	address string
	request []byte
}

// pace is how fast requests are answered: how many a second, and what each takes of this
// process' processor time, its client's share included. The latter is the same on a machine
// that has other things to do.
type pace struct {
	rate float64
	cpu  time.Duration
}

// pace of the requests that are answered well within a round.
func (t target) pace(ctx context.Context) (pace, error) {
	var answered atomic.Int64
	faults := make([]error, connections)
	began, worked := time.Now(), processorTime()
	until := began.Add(roundLength)
	var group sync.WaitGroup
	for i := range connections {
		group.Go(func() { faults[i] = t.askUntil(ctx, until, &answered) })
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

func (t target) askUntil(ctx context.Context, until time.Time, answered *atomic.Int64) (err error) {
	c, err := dial(ctx, t.address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	for time.Now().Before(until) && ctx.Err() == nil {
		status, err := c.ask(t.request, nil)
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

// compare has two targets take turns, so that what else the machine does falls on both, and
// gives the median of each.
func compare(ctx context.Context, a, b target) (ofA, ofB pace, err error) {
	targets := [2]target{a, b}
	var rates [2][]float64
	var cpu [2][]time.Duration
	for round := range rounds + 1 {
		for i, t := range targets {
			p, err := t.pace(ctx)
			if err != nil {
				return ofA, ofB, err
			}
			// The first round is to warm up.
			if round > 0 {
				rates[i], cpu[i] = append(rates[i], p.rate), append(cpu[i], p.cpu)
			}
		}
	}
	return pace{median(rates[0]), median(cpu[0])}, pace{median(rates[1]), median(cpu[1])}, nil
}
