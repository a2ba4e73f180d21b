package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
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

// measureWaits sends 5,000 orders at one moment, has 5,000 requests wait for them at one time,
// delivers all, and looks at how long after its order's delivery each is answered. No request
// is sent twice: an answer that is lost is an error.
func measureWaits(ctx context.Context, s *stand) (figures []figure, err error) {
	c, stop, err := s.startController(ctx, 2*waiting)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	began := time.Now()
	orders, err := atOnce(ctx, waiting, 0, 0, func(i int) (bought, error) {
		body := fmt.Sprintf(`{"product_id":%d,"amount":%s,"client_reference":"WAIT_%d"}`, firstProduct, price, i)
		return s.order(ctx, postOrder(s.token, body, "wait=0"))
	})
	if err != nil {
		return nil, err
	}
	made := time.Since(began)
	prepared, err := c.prepare(ctx, waiting)
	if err != nil {
		return nil, err
	}

	before := costNow()
	type result struct {
		orders []bought
		err    error
	}
	answered := make(chan result, 1)
	go func() {
		all, err := atOnce(ctx, waiting, 0, 0, func(i int) (bought, error) {
			return s.order(ctx, get(fmt.Sprintf("/api/v1/esim/orders/%d", orders[i].id), s.token, "wait=60"))
		})
		answered <- result{all, err}
	}()
	// Each that waits has a goroutine of its client's, and at least one of the server's.
	if err := until(ctx, func() bool { return runtime.NumGoroutine() >= before.goroutines+2*waiting }); err != nil {
		return nil, err
	}
	during := costNow()
	began = time.Now()
	c.release(ctx, prepared)
	took := time.Since(began)
	all := <-answered
	if err := errors.Join(all.err, c.failed()); err != nil {
		return nil, err
	}
	late, err := c.lateness(all.orders)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d requests that wait at one time", waiting)
	p99 := quantile(late, 0.99)
	return []figure{
		told(fmt.Sprintf("%d POSTs at one moment: until all are answered", waiting), short(made)),
		told(what+": goroutines and memory for each, its client's included",
			fmt.Sprintf("%.1f, %.0f KiB", float64(during.goroutines-before.goroutines)/waiting, float64(during.bytes-before.bytes)/waiting/1024)),
		told(what+": orders delivered", perSecond(waiting/took.Seconds())),
		told(what+": answered as delivered", fmt.Sprint(len(late))),
		alone(what+": from an order's delivery to its answer, p50 / p99", short(median(late))+" / "+short(p99),
			"milliseconds, none lost", p99 <= 100*time.Millisecond).as("facade_wait_lateness_p99", "s", p99.Seconds()),
	}, nil
}

// prepare has the Secrets of so many orders made, which are then only to be written as delivered.
func (c *controller) prepare(ctx context.Context, count int) ([]*v1alpha1.EsimOrder, error) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	var mu sync.Mutex
	var orders []*v1alpha1.EsimOrder
	var faults error
	c.each(ctx, 16, func(order *v1alpha1.EsimOrder) {
		err := c.makeSecret(ctx, order)
		mu.Lock()
		defer mu.Unlock()
		faults = errors.Join(faults, err)
		if orders = append(orders, order); len(orders) == count {
			done()
		}
	}).Wait()
	return orders, faults
}

// release delivers the orders that were prepared.
func (c *controller) release(ctx context.Context, orders []*v1alpha1.EsimOrder) {
	next := make(chan *v1alpha1.EsimOrder)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for order := range next {
				c.note(order.Name, c.writeStatus(ctx, order))
			}
		})
	}
	for _, order := range orders {
		next <- order
	}
	close(next)
	group.Wait()
}

// lateness is how long after its order's delivery each request was answered. The facade may
// hear of a delivery before whoever wrote it has the answer: then it is none. Where the machine
// is too busy to deliver all within a minute, the rest are rightly answered as pending.
func (c *controller) lateness(orders []bought) ([]time.Duration, error) {
	late := make([]time.Duration, 0, len(orders))
	for _, order := range orders {
		by, ok := c.of(ids.OrderName(order.id))
		switch took := order.answered.Sub(by.delivered); {
		case order.delivered && !ok:
			return nil, fmt.Errorf("order %d was answered as delivered, and the controller did not deliver it", order.id)
		case order.delivered:
			late = append(late, max(0, took))
		case order.answered.Sub(order.sent) < time.Minute:
			return nil, fmt.Errorf("order %d was answered as pending before its minute was over", order.id)
		case took > time.Second:
			return nil, fmt.Errorf("order %d was answered as pending %s after it was delivered", order.id, took)
		}
	}
	if len(late) == 0 {
		return nil, errors.New("no order was delivered within a minute")
	}
	return late, nil
}
