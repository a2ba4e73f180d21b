package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// compare has a client order alone and while another one floods, in one way.
func (m *market) compare(ctx context.Context, way string, flood int, buy buying) ([]figure, error) {
	suffix := strings.ReplaceAll(strings.ToLower(way), " ", "-")
	single, err := m.newCustomer(ctx, "single-"+suffix)
	if err != nil {
		return nil, err
	}
	crowd, err := m.newCustomer(ctx, "crowd-"+suffix)
	if err != nil {
		return nil, err
	}
	single.waits = true
	if _, err := buy(ctx, single, "first"); err != nil { // for connections to be made
		return nil, err
	}
	alone, err := buyNowAndThen(ctx, "alone", aloneOrders, func() bool { return false }, single, buy)
	if err != nil {
		return nil, err
	}
	f := m.flood(ctx, flood, crowd, buy)
	among, err := buyNowAndThen(ctx, "among", mostSingles, f.over, single, buy)
	if err := errors.Join(err, f.end()); err != nil {
		return nil, err
	}
	both := func(of []time.Duration) string { return short(median(of)) + " / " + short(quantile(of, 0.99)) }
	slower := func(share float64) float64 { return float64(quantile(among, share)) / float64(quantile(alone, share)) }
	who := fmt.Sprintf("an order %s every %s until it is delivered, ", way, singlePause)
	return []figure{
		told(fmt.Sprintf("another client's %d orders %s: until all are made; delivered meanwhile", flood, way),
			fmt.Sprintf("%s; %d in %s", short(f.made), f.delivered, short(f.took))),
		compared(who+"p50 / p99, among them and alone", both(among), both(alone), slower(0.99)).as("fairness_"+suffix+"_p99", "s", quantile(among, 0.99).Seconds()),
		compared(who+"p50", short(median(among)), short(median(alone)), slower(0.5)).as("fairness_"+suffix+"_p50", "s", median(among).Seconds()),
		told(who+"the slowest among them", short(slices.Max(among))),
	}, nil
}

// buying is one way to order; it says how long the order took.
type buying func(ctx context.Context, by *customer, name string) (time.Duration, error)

// buyNowAndThen has a client order each singlePause, whether those before are delivered or not.
func buyNowAndThen(ctx context.Context, prefix string, most int, over func() bool, by *customer, buy buying) ([]time.Duration, error) {
	var mu sync.Mutex
	var took []time.Duration
	var faults []error
	var group sync.WaitGroup
	tick := time.NewTicker(singlePause)
	defer tick.Stop()
	for i := 0; i < most && !over() && ctx.Err() == nil; i++ {
		group.Go(func() {
			each, err := buy(ctx, by, fmt.Sprintf("%s-%d", prefix, i))
			mu.Lock()
			defer mu.Unlock()
			took, faults = append(took, each), append(faults, err)
		})
		<-tick.C
	}
	group.Wait()
	if len(took) == 0 {
		return nil, errors.New("nothing was ordered")
	}
	return took, errors.Join(summary(faults), ctx.Err())
}

// flood is very many orders of one client.
type flood struct {
	// made is how long it took to send them all; delivered, how many were within took.
	made, took time.Duration
	delivered  int
	done       atomic.Bool
	enough     chan struct{}
	ended      chan error
}

// over tells whether all were delivered.
func (f *flood) over() bool { return f.done.Load() }

// end it once all are sent, delivered or not.
func (f *flood) end() error {
	close(f.enough)
	return <-f.ended
}

// flood sends orders as fast as they are taken, so many at one time.
func (m *market) flood(ctx context.Context, count int, by *customer, buy buying) *flood {
	f := &flood{enough: make(chan struct{}), ended: make(chan error, 1)}
	go func() {
		began := time.Now()
		err := m.send(ctx, count, by, buy)
		f.made = time.Since(began)
		for err == nil && !f.done.Load() {
			f.done.Store(m.deliveredTo(by.name) == count)
			select {
			case <-f.enough:
				f.done.Store(true)
			case <-ctx.Done():
				err = ctx.Err()
			case <-time.After(floodLook):
			}
		}
		f.delivered, f.took = m.deliveredTo(by.name), time.Since(began)
		f.done.Store(true)
		f.ended <- err
	}()
	return f
}

// send a client's orders, so many at one time.
func (m *market) send(ctx context.Context, count int, by *customer, buy buying) error {
	faults := make([]error, count)
	next := make(chan int)
	var group sync.WaitGroup
	for range floodAtOnce {
		group.Go(func() {
			for i := range next {
				_, faults[i] = buy(ctx, by, fmt.Sprintf("flood-%d", i))
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	group.Wait()
	return summary(faults)
}
