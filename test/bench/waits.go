package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/telcodev/esim-operator/internal/ids"
)

const waiting = 5000

// cost is what this process holds.
type cost struct{ goroutines, bytes int }

func costNow() cost {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cost{goroutines: runtime.NumGoroutine(), bytes: int(m.HeapInuse + m.StackInuse)}
}

// measureWaits has 5,000 orders wait at one time, delivers them all, and looks at how long
// after its delivery each is answered. None is sent twice: a lost answer is an error.
func measureWaits(ctx context.Context, s *stand) (figures []figure, err error) {
	c, stop, err := s.startController(ctx, 2*waiting)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	before := costNow()
	type result struct {
		orders []bought
		err    error
	}
	answered := make(chan result, 1)
	began := time.Now()
	go func() {
		orders, err := s.buy(ctx, waiting, "WAIT", 0)
		answered <- result{orders, err}
	}()
	for c.seen() < waiting {
		select {
		case early := <-answered:
			return nil, errors.Join(errors.New("the orders were answered before any was delivered"), early.err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	made := time.Since(began)
	during := costNow()
	working, cancel := context.WithCancel(ctx)
	workers := c.deliver(working, 16)
	all := <-answered
	took := time.Since(began) - made
	cancel()
	workers.Wait()
	if all.err != nil {
		return nil, all.err
	}
	var late []time.Duration
	for _, order := range all.orders {
		by, ok := c.of(ids.OrderName(order.id))
		if !ok {
			return nil, fmt.Errorf("order %d was answered as delivered, and the controller did not deliver it", order.id)
		}
		late = append(late, max(0, order.answered.Sub(by.delivered)))
	}
	what := fmt.Sprintf("%d POSTs that wait at one time", waiting)
	return []figure{
		told(what+", sent at once: until all orders are made", short(made)),
		told(what+": goroutines and KiB for each, its client's included",
			fmt.Sprintf("%.1f, %.0f KiB", float64(during.goroutines-before.goroutines)/waiting, float64(during.bytes-before.bytes)/waiting/1024)),
		told(what+": delivered in all", perSecond(waiting/took.Seconds())),
		alone(what+": from an order's delivery to its answer, p50 / p99", short(median(late))+" / "+short(quantile(late, 0.99)),
			"milliseconds, none lost", quantile(late, 0.99) <= 100*time.Millisecond),
	}, nil
}
