package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/telcodev/esim-operator/internal/ids"
)

const (
	// postRate is how many orders are sent a second, and postTurns for how many seconds.
	postRate  = 50
	postTurns = 15
	postPause = time.Second / postRate
)

// bought is how one request for an order went.
type bought struct {
	id             int64
	delivered      bool
	sent, answered time.Time
}

// measurePosts sends 50 orders a second, each at its time whether those before are answered or
// not, and takes of each answer's time what was not the controller's: from where that saw the
// order to where its last write was answered. What is left is the facade's own work, what it
// waits for the API server (to create the order and to show the Secret) and what either is told
// late. Between any two orders a plain client makes the same two calls, which no facade can do
// without, and which the machine's other work delays as much. The facade may hear of the last
// write before the controller has the answer to it, which counts in its favour.
func measurePosts(ctx context.Context, s *stand) (figures []figure, err error) {
	c, stop, err := s.startDelivering(ctx, postRate*(postTurns+1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	plain, err := s.startDirect(ctx)
	if err != nil {
		return nil, err
	}
	var shares, all, calls []time.Duration
	for turn := range postTurns + 1 {
		var group errgroup.Group
		var orders []bought
		var called []time.Duration
		group.Go(func() (err error) { orders, err = s.buy(ctx, turn); return err })
		group.Go(func() (err error) { called, err = plain.calls(ctx, turn); return err })
		if err := group.Wait(); err != nil {
			return nil, err
		}
		if turn == 0 {
			continue // for connections to be made and answers to be remembered
		}
		calls = append(calls, called...)
		for _, order := range orders {
			var by handled
			// The facade may have heard of the delivery before the controller had the answer to it.
			noted := func() (ok bool) { by, ok = c.of(ids.OrderName(order.id)); return ok }
			if err := until(ctx, noted); err != nil {
				return nil, fmt.Errorf("order %d was answered as delivered, and the controller did not deliver it: %w", order.id, err)
			}
			took := order.answered.Sub(order.sent)
			all, shares = append(all, took), append(shares, took-by.share())
		}
	}
	both := func(of []time.Duration) string { return short(median(of)) + " / " + short(quantile(of, 0.99)) }
	what := fmt.Sprintf("POST /orders at %d/s, %d orders, p50 / p99, ", postRate, len(all))
	return []figure{
		told(what+"all of the answer's time", both(all)),
		told(what+"without the controller's", both(shares)),
		told(what+"a plain client's two calls to the API server", both(calls)),
		told(fmt.Sprintf("POST /orders at %d/s, the facade's own share, p50", postRate), short(median(shares)-median(calls))).
			as("facade_post_own_p50", "s", (median(shares) - median(calls)).Seconds()),
		ownTail(quantile(shares, 0.99), quantile(calls, 0.99)).
			as("facade_post_own_p99", "s", (quantile(shares, 0.99) - quantile(calls, 0.99)).Seconds()),
	}, nil
}

// startDelivering has a controller deliver orders, so many at most, until stop.
func (s *stand) startDelivering(ctx context.Context, most int) (c *controller, stop func() error, err error) {
	c, stopController, err := s.startController(ctx, most)
	if err != nil {
		return nil, nil, err
	}
	working, cancel := context.WithCancel(ctx)
	workers := c.deliver(working, 16)
	return c, func() error {
		cancel()
		workers.Wait()
		return stopController()
	}, nil
}

// ownTail is the facade's own share of the slowest answers. Where the API server itself takes
// many times what is allowed, the difference of two such tails says nothing.
func ownTail(share, calls time.Duration) figure {
	const most = 20 * time.Millisecond
	what := fmt.Sprintf("POST /orders at %d/s, the facade's own share, p99", postRate)
	if calls > 5*most {
		f := told(what, short(share-calls))
		f.wanted = "≤ 20 ms (the machine is too busy to tell)"
		return f
	}
	return alone(what, short(share-calls), "≤ 20 ms", share-calls <= most)
}

// buy sends a second's orders, and returns once all are answered as delivered, each with its
// activation code.
func (s *stand) buy(ctx context.Context, turn int) ([]bought, error) {
	return atOnce(ctx, postRate, 0, postPause, func(i int) (bought, error) {
		body := fmt.Sprintf(`{"product_id":%d,"amount":%s,"client_reference":"POST_%d_%d"}`, firstProduct, price, turn, i)
		order, err := s.order(ctx, postOrder(s.token, body, ""))
		if err == nil && !order.delivered {
			err = fmt.Errorf("order %d was not delivered within a minute", order.id)
		}
		return order, err
	})
}

// atOnce makes requests, after a delay one each pause, whether those before are answered or not.
// Each that is not answered as it should be is an error; none is sent again.
func atOnce[T any](ctx context.Context, count int, delay, pause time.Duration, ask func(i int) (T, error)) ([]T, error) {
	made, faults := make([]T, count), make([]error, count)
	began := time.Now().Add(delay)
	var group sync.WaitGroup
	for i := range count {
		if wait := time.Until(began.Add(time.Duration(i) * pause)); wait > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(wait):
			}
		}
		group.Go(func() { made[i], faults[i] = ask(i) })
	}
	group.Wait()
	return made, summary(faults)
}

// summary is one error for many, of which it tells the first: they are alike.
func summary(faults []error) error {
	faults = slices.DeleteFunc(faults, func(err error) bool { return err == nil })
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%d requests went wrong, the first so: %w", len(faults), faults[0])
}

// order makes a request that is answered with an order: PENDING, or DELIVERED with its code.
func (s *stand) order(ctx context.Context, request []byte) (b bought, err error) {
	c, err := dial(ctx, s.address)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var answer bytes.Buffer
	b.sent = time.Now()
	code, err := c.ask(request, &answer)
	b.answered = time.Now()
	if err != nil {
		return b, err
	}
	if code != http.StatusOK {
		return b, fmt.Errorf("an order is answered %d: %s", code, answer.Bytes())
	}
	var order struct {
		ID     int64  `json:"id"`
		Status string `json:"status"`
		Code   string `json:"activation_code"`
	}
	if err := json.Unmarshal(answer.Bytes(), &order); err != nil {
		return b, fmt.Errorf("reading an order: %w", err)
	}
	b.id, b.delivered = order.ID, order.Status == "DELIVERED"
	if b.delivered != (order.Code != "") || !b.delivered && order.Status != "PENDING" {
		return b, fmt.Errorf("order %d is answered %s; with a code: %t", order.ID, order.Status, order.Code != "")
	}
	return b, nil
}
