package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
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

// rate is how many requests a second are answered well within a round.
func (t target) rate(ctx context.Context) (float64, error) {
	var answered atomic.Int64
	faults := make([]error, connections)
	began := time.Now()
	until := began.Add(roundLength)
	var group sync.WaitGroup
	for i := range connections {
		group.Go(func() { faults[i] = t.askUntil(ctx, until, &answered) })
	}
	group.Wait()
	elapsed := time.Since(began)
	return float64(answered.Load()) / elapsed.Seconds(), errors.Join(faults...)
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

// compare has two targets take turns, so that what else the machine does falls on both, and
// gives the median rate of each.
func compare(ctx context.Context, a, b target) (ofA, ofB float64, err error) {
	var ratesA, ratesB []float64
	for round := range rounds + 1 {
		for _, turn := range []struct {
			of    target
			rates *[]float64
		}{{a, &ratesA}, {b, &ratesB}} {
			rate, err := turn.of.rate(ctx)
			if err != nil {
				return 0, 0, err
			}
			// The first round is to warm up.
			if round > 0 {
				*turn.rates = append(*turn.rates, rate)
			}
		}
	}
	return median(ratesA), median(ratesB), nil
}
