package sales

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/test/stand"
)

// paced creates orders at a pace, each at its time whether those before are delivered or not, and
// tells how long each took from then until it was seen as DELIVERED.
func (m *market) paced(ctx context.Context, name string, orders int, pause time.Duration, of func(i int) *v1alpha1.EsimOrder) ([]time.Duration, error) {
	seen, err := watchDeliveries(ctx, m.buyer, name)
	if err != nil {
		return nil, err
	}
	defer seen.close()
	made, sent, faults := make([]*v1alpha1.EsimOrder, orders), make([]time.Time, orders), make([]error, orders)
	began := time.Now()
	var group sync.WaitGroup
	for i := range orders {
		made[i] = of(i)
		if err := sleepUntil(ctx, began.Add(time.Duration(i)*pause)); err != nil {
			return nil, err
		}
		group.Go(func() {
			sent[i] = time.Now()
			if err := m.buyer.Create(ctx, made[i]); err != nil {
				faults[i] = fmt.Errorf("creating an order: %w", err)
			}
		})
	}
	group.Wait()
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if err := seen.wait(ctx, orders); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	took := make([]time.Duration, orders)
	for i := range orders {
		at, ok := seen.at(client.ObjectKeyFromObject(made[i]))
		if !ok {
			return nil, fmt.Errorf("order %s was not seen", made[i].Name)
		}
		took[i] = at.Sub(sent[i])
	}
	return took, nil
}

func sleepUntil(ctx context.Context, at time.Time) error {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// calls is how many the SM-DP+ has executed.
func (m *market) calls(ctx context.Context) (int, error) {
	var summary struct {
		Calls map[string]map[string]int `json:"calls"`
	}
	if err := m.simulator.Tell(ctx, http.MethodGet, "/summary", "", &summary); err != nil {
		return 0, err
	}
	sum := 0
	for _, byCode := range summary.Calls {
		for _, n := range byCode {
			sum += n
		}
	}
	return sum, nil
}

// overheads of a second's worth of orders and more, at a pace: from create to DELIVERED, without
// the time that the operator took for its calls.
func (m *market) overheads(ctx context.Context, name string, perSecond float64, lasting time.Duration) ([]float64, error) {
	const latency = 100 * time.Millisecond
	if err := m.slow(ctx, latency); err != nil {
		return nil, err
	}
	before, err := m.calls(ctx)
	if err != nil {
		return nil, err
	}
	orders := int(lasting.Seconds() * perSecond)
	took, err := m.paced(ctx, name, orders, time.Duration(float64(time.Second)/perSecond), func(i int) *v1alpha1.EsimOrder {
		return newOrder(clientName(i), fmt.Sprintf("%s-%05d", name, i), stand.Telco)
	})
	if err != nil {
		return nil, err
	}
	after, err := m.calls(ctx)
	if err != nil {
		return nil, err
	}
	if (after-before)%orders != 0 {
		return nil, fmt.Errorf("%d orders made %d calls: some were repeated, and their time is not known", orders, after-before)
	}
	own := time.Duration((after-before)/orders) * latency
	over := make([]float64, orders)
	for i, t := range took {
		over[i] = (t - own).Seconds()
	}
	return over, errors.Join(m.slow(ctx, 0))
}

func quantile(values []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}
