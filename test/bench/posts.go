package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/internal/ids"
)

const (
	postRate   = 50
	postLength = 20 * time.Second
)

// bought is how one POST of an order went.
type bought struct {
	id             int64
	sent, answered time.Time
}

// measurePosts sends 50 orders a second, each at its time whether those before are answered or
// not, and takes of each answer's time what was not the controller's: the facade's own work,
// and what it waits for the API server: to create the order, to tell the controller and the
// facade of it, to show the Secret. The controller's part runs from where it saw the order
// to where its last write was answered; the facade may hear of that write a moment earlier,
// which counts in its favour.
func measurePosts(ctx context.Context, s *stand) (figures []figure, err error) {
	const count = int(postRate * postLength / time.Second)
	c, stop, err := s.startController(ctx, count)
	if err != nil {
		return nil, err
	}
	working, cancel := context.WithCancel(ctx)
	workers := c.deliver(working, 16)
	defer func() {
		cancel()
		workers.Wait()
		err = errors.Join(err, stop())
	}()
	// A moment of the same before, for connections to be made and answers to be remembered.
	if _, err := s.buy(ctx, postRate, "WARM", postLength/time.Duration(count)); err != nil {
		return nil, err
	}
	orders, err := s.buy(ctx, count, "POST", postLength/time.Duration(count))
	if err != nil {
		return nil, err
	}
	var shares, all []time.Duration
	for _, order := range orders {
		by, ok := c.of(ids.OrderName(order.id))
		if !ok {
			return nil, fmt.Errorf("order %d was answered as delivered, and the controller did not deliver it", order.id)
		}
		took := order.answered.Sub(order.sent)
		all, shares = append(all, took), append(shares, took-by.share())
	}
	p99 := quantile(shares, 0.99)
	what := fmt.Sprintf("POST /orders at %d/s, %d orders, ", postRate, count)
	return []figure{
		told(what+"all of the answer's time, p50 / p99", short(median(all))+" / "+short(quantile(all, 0.99))),
		told(what+"without the controller's, p50", short(median(shares))),
		alone(what+"without the controller's, p99", short(p99), "≤ 20 ms", p99 <= 20*time.Millisecond),
	}, nil
}

// buy sends orders, one each pause, and returns once all are answered as delivered, each with
// its activation code.
func (s *stand) buy(ctx context.Context, count int, prefix string, pause time.Duration) ([]bought, error) {
	return atOnce(ctx, count, pause, func(i int) (bought, error) {
		body := fmt.Sprintf(`{"product_id":%d,"amount":%s,"client_reference":"%s_%d"}`, firstProduct, price, prefix, i)
		return s.order(ctx, post("/api/v1/esim/orders", s.token, body, ""), "DELIVERED")
	})
}

// atOnce makes requests, one each pause whether those before are answered or not. Each that is
// not answered as it should be is an error; none is sent again.
func atOnce(ctx context.Context, count int, pause time.Duration, ask func(i int) (bought, error)) ([]bought, error) {
	orders, faults := make([]bought, count), make([]error, count)
	began := time.Now()
	var group sync.WaitGroup
	for i := range count {
		if wait := time.Until(began.Add(time.Duration(i) * pause)); wait > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(wait):
			}
		}
		group.Go(func() { orders[i], faults[i] = ask(i) })
	}
	group.Wait()
	return orders, errors.Join(faults...)
}

// order makes a request that an order answers, with its activation code where it is DELIVERED.
func (s *stand) order(ctx context.Context, request []byte, status string) (b bought, err error) {
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
	if order.Status != status || (order.Code != "") != (status == "DELIVERED") {
		return b, fmt.Errorf("order %d is answered %s, and not %s; with a code: %t", order.ID, order.Status, status, order.Code != "")
	}
	b.id = order.ID
	return b, nil
}
