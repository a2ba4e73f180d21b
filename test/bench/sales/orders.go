package sales

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/bench/figures"
	"github.com/telcodev/esim-operator/test/stand"
)

// creators create orders at one time: enough for a backlog to grow.
const creators = 32

// Scale of a measurement of orders.
type Scale struct {
	Backlog, Repetitions int
	// Profiles is a folder for those of the first repetition, or empty.
	Profiles string
	// GOGC of the API servers, in per cent; as they have it by themselves where it is 0.
	GOGC int
	// Progress is told what each repetition has reached.
	Progress func(format string, args ...any)
}

// openMarket opens one whose API server collects its garbage as the scale says. It takes that from
// the environment, which nothing has that is started later.
func (s Scale) openMarket(ctx context.Context) (m *market, err error) {
	if s.GOGC > 0 {
		if err := os.Setenv("GOGC", strconv.Itoa(s.GOGC)); err != nil {
			return nil, fmt.Errorf("setting up the API server: %w", err)
		}
		defer func() { err = errors.Join(err, os.Unsetenv("GOGC")) }()
	}
	return openMarket(ctx, testenv.AuditNone)
}

// Orders measures how many orders a second are delivered, of a backlog that comes as fast
// as it can be created, beside what a bare client reaches with the same four writes for each order
// on a control plane of its own: in turn, on the same machine.
func Orders(ctx context.Context, scale Scale) (measured []figures.Figure, err error) {
	backlog := scale.Backlog
	m, err := scale.openMarket(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = m.end(err) }()
	if err := m.staff(ctx, []string{stand.Telco}, nil); err != nil {
		return nil, err
	}
	beside, err := scale.openMarket(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, beside.close()) }()

	ratio := figures.Figure{Name: "orders_ratio", What: fmt.Sprintf("orders delivered of a backlog of %d", backlog), Baseline: "a bare client's four writes"}
	delivered := figures.Figure{Name: "orders_rate", What: "… a second", Unit: "1/s"}
	baseline := figures.Figure{Name: "orders_rate_bare", What: "… a second, by the bare client at its best concurrency", Unit: "1/s"}
	if _, err := m.sell(ctx, "warm", 300); err != nil {
		return nil, err
	}
	b, err := imitate(ctx, beside, m, types.NamespacedName{Namespace: clientName(0), Name: "warm-00000"})
	if err != nil {
		return nil, err
	}
	seen, err := watchDeliveries(ctx, beside.buyer, "bare")
	if err != nil {
		return nil, err
	}
	defer seen.close()
	atOnce, err := b.best(ctx, beside.buyer, stand.Telco)
	if err != nil {
		return nil, err
	}
	concurrency := figures.Figure{Name: "orders_bare_concurrency", What: "… its concurrency", Values: []float64{float64(atOnce)}}
	for n := range scale.Repetitions {
		without, err := b.rate(ctx, beside.buyer, stand.Telco, backlog/5, atOnce)
		if err != nil {
			return nil, err
		}
		profile := ""
		if n == 0 {
			profile = scale.Profiles
		}
		stop := m.profile(ctx, profile, "orders", 15*time.Second)
		with, err := m.sell(ctx, fmt.Sprintf("run%d", n), backlog)
		if err := errors.Join(err, stop()); err != nil {
			return nil, err
		}
		after, err := b.rate(ctx, beside.buyer, stand.Telco, backlog/5, atOnce)
		if err != nil {
			return nil, err
		}
		scale.Progress("%d orders: %.0f a second; beside: %.0f before and %.0f after", backlog, with, without, after)
		without = 2 / (1/without + 1/after)
		delivered.Values, baseline.Values = append(delivered.Values, with), append(baseline.Values, without)
		ratio.Values = append(ratio.Values, with/without)
	}
	late, err := m.latency(ctx, beside, b, delivered.Median()/2, scale.Repetitions)
	return append([]figures.Figure{ratio, delivered, baseline, concurrency}, late...), err
}

// latency at half of what the manager can take, and what the four writes of an order take by
// themselves at that pace.
func (m *market) latency(ctx context.Context, beside *market, b *bare, perSecond float64, repetitions int) ([]figures.Figure, error) {
	const lasting = 10 * time.Second
	what := fmt.Sprintf("create → DELIVERED at %.0f orders/s, without the operator's own time", perSecond)
	p50 := figures.Figure{Name: "latency_overhead_p50", What: what + ", p50", Unit: "s"}
	p99 := figures.Figure{Name: "latency_overhead_p99", What: what + ", p99", Unit: "s"}
	bare50 := figures.Figure{Name: "latency_bare_p50", What: "… the four writes of a bare client at that pace, p50", Unit: "s"}
	bare99 := figures.Figure{Name: "latency_bare_p99", What: "… p99", Unit: "s"}
	for n := range repetitions {
		over, err := m.overheads(ctx, fmt.Sprintf("late%d", n), perSecond, lasting)
		if err != nil {
			return nil, err
		}
		p50.Values, p99.Values = append(p50.Values, quantile(over, 0.5)), append(p99.Values, quantile(over, 0.99))
		if over, err = b.overheads(ctx, beside.buyer, perSecond, lasting); err != nil {
			return nil, err
		}
		bare50.Values, bare99.Values = append(bare50.Values, quantile(over, 0.5)), append(bare99.Values, quantile(over, 0.99))
	}
	return []figures.Figure{p50, p99, bare50, bare99}, nil
}

// sell creates orders as fast as it can, and returns how many a second were delivered, from the
// first one's creation to the last one's delivery.
func (m *market) sell(ctx context.Context, name string, orders int) (rate float64, err error) {
	seen, err := watchDeliveries(ctx, m.buyer, name)
	if err != nil {
		return 0, err
	}
	defer seen.close()
	began := time.Now()
	if err := m.create(ctx, name, orders); err != nil {
		return 0, err
	}
	if err := seen.wait(ctx, orders); err != nil {
		return 0, err
	}
	return float64(orders) / time.Since(began).Seconds(), nil
}

// create makes so many orders, as fast as the API server takes them.
func (m *market) create(ctx context.Context, name string, orders int) error {
	var next atomic.Int64
	faults := make([]error, creators)
	var group sync.WaitGroup
	for worker := range creators {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= orders {
					return
				}
				if err := m.buyer.Create(ctx, newOrder(clientName(i), fmt.Sprintf("%s-%05d", name, i), stand.Telco)); err != nil {
					faults[worker] = fmt.Errorf("creating an order: %w", err)
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(faults...)
}
