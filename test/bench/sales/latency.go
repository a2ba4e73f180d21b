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
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/test/stand"
)

// passage is one order's: when its creation was sent, and when it was seen as DELIVERED.
type passage struct {
	key        client.ObjectKey
	sent, seen time.Time
}

func (p passage) took() time.Duration { return p.seen.Sub(p.sent) }

// paced creates orders at a pace, each at its time whether those before are delivered or not, and
// waits until all were seen as DELIVERED.
func (m *market) paced(ctx context.Context, name string, orders int, pause time.Duration, of func(i int) *v1alpha1.EsimOrder) ([]passage, error) {
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
	passages := make([]passage, orders)
	for i := range orders {
		key := client.ObjectKeyFromObject(made[i])
		at, ok := seen.at(key)
		if !ok {
			return nil, fmt.Errorf("order %s was not seen", key)
		}
		passages[i] = passage{key: key, sent: sent[i], seen: at}
	}
	return passages, nil
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

// firstCalls is how long after their creation was sent the SM-DP+ executed the first call for each
// of the orders: its DownloadOrder, which is known by the ICCID that the order got. All must be
// orders that the SM-DP+ has delivered.
func (m *market) firstCalls(ctx context.Context, passages []passage) ([]float64, error) {
	called := map[activation.ICCID]time.Time{}
	for after, more := int64(0), true; more; {
		var page struct {
			Entries []smdp.LedgerEntry `json:"entries"`
			More    bool               `json:"more"`
		}
		query := fmt.Sprintf("/ledger?function=%s&after=%d", es2plus.DownloadOrder, after)
		if err := m.simulator.Tell(ctx, http.MethodGet, query, "", &page); err != nil {
			return nil, err
		}
		for _, entry := range page.Entries {
			if _, known := called[entry.ICCID]; !known {
				called[entry.ICCID] = entry.Time
			}
			after = entry.Sequence
		}
		more = page.More
	}
	delays := make([]float64, len(passages))
	for i, p := range passages {
		var order v1alpha1.EsimOrder
		if err := m.buyer.Get(ctx, p.key, &order); err != nil {
			return nil, fmt.Errorf("reading an order: %w", err)
		}
		at, ok := called[activation.ICCID(order.Status.Esim.ICCID)]
		if !ok {
			return nil, fmt.Errorf("the SM-DP+ knows of no DownloadOrder for order %s", p.key)
		}
		delays[i] = at.Sub(p.sent).Seconds()
	}
	return delays, nil
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
	passages, err := m.paced(ctx, name, orders, time.Duration(float64(time.Second)/perSecond), func(i int) *v1alpha1.EsimOrder {
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
	for i, p := range passages {
		over[i] = (p.took() - own).Seconds()
	}
	return over, errors.Join(m.slow(ctx, 0))
}

func quantile(values []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}
