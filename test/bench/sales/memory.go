package sales

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/bench/figures"
	"github.com/telcodev/esim-operator/test/stand"
)

// until an order is seen as DELIVERED.
func (m *market) until(ctx context.Context, seen *deliveries, namespace, name string, began time.Time) (time.Duration, error) {
	const patience = 2 * time.Minute
	key, deadline := types.NamespacedName{Namespace: namespace, Name: name}, time.After(patience)
	for {
		if at, ok := seen.at(key); ok {
			return at.Sub(began), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-seen.ended:
			_, err := seen.count()
			return 0, errors.Join(errors.New("the watch of orders ended"), err)
		case <-deadline:
			return 0, fmt.Errorf("order %s is not delivered after %s", key, patience)
		case <-seen.more:
		}
	}
}

// installed marks stored orders as installed: nothing is left to do for them.
func installed(order map[string]any, _ int) error {
	return unstructured.SetNestedMap(order, map[string]any{
		"status": string(v1alpha1.ActivationActive), "installed": true, "installedTime": time.Now().UTC().Format(time.RFC3339),
		"codeRemoved": true,
	}, "status", "activation")
}

// Memory measures what finished orders cost the manager in memory, and how long a manager that is
// started with them takes until it delivers a new order.
func Memory(ctx context.Context, scale Scale, orders ...int) (measured []figures.Figure, err error) {
	m, err := openMarket(ctx, testenv.AuditNone)
	if err != nil {
		return nil, err
	}
	defer func() { err = m.end(err) }()
	if err := m.staff(ctx, []string{stand.Telco}, nil); err != nil {
		return nil, err
	}
	if err := m.deliver(ctx, "template", stand.Telco); err != nil {
		return nil, err
	}
	template, err := m.template(ctx, clientName(0), "template")
	if err != nil {
		return nil, err
	}
	none, err := m.heapInUse(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range orders {
		// So many come within seconds here; no manager would ever be told of as many by its watch.
		if err := m.stopManager(); err != nil {
			return nil, err
		}
		if err := m.load(ctx, template, n-template.made, installed); err != nil {
			return nil, err
		}
		started, err := m.restarted(ctx, scale.Profiles, n)
		if err != nil {
			return nil, err
		}
		held, err := m.heapInUse(ctx)
		if err != nil {
			return nil, err
		}
		measured = append(measured, figures.Figure{
			Name: fmt.Sprintf("bytes_per_order_%d", n), What: fmt.Sprintf("memory for each of %d finished orders", n),
			Unit: "B", Values: []float64{float64(held-none) / float64(n)},
		})
		measured = append(measured, started...)
		if err := m.heapProfile(ctx, scale.Profiles, n); err != nil {
			return nil, err
		}
	}
	return measured, nil
}

// heapProfile writes what holds the manager's memory into a folder; nothing where that is empty.
func (m *market) heapProfile(ctx context.Context, folder string, n int) error {
	if folder == "" {
		return nil
	}
	return m.fetchManagers(ctx, "/debug/pprof/heap", filepath.Join(folder, fmt.Sprintf("memory_%d.manager.heap.pprof", n)))
}

// stopManager ends the manager as an upgrade does.
func (m *market) stopManager() error {
	if err := m.manager.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-m.manager.Ended():
	case <-time.After(time.Minute):
		return errors.New("the manager does not end when it is told to")
	}
	if err := m.manager.Kill(); err != nil && !errors.Is(err, stand.ErrEnded) {
		return err
	}
	return nil
}

// caughtUp waits until the API server has seen what was stored behind its back, up to an order that
// it stored itself: a list from its cache is as new as that.
func (m *market) caughtUp(ctx context.Context, version string) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("EsimOrderList"))
	asOf := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan}}
	for {
		err := m.buyer.List(ctx, list, client.MatchingFields{"metadata.name": "none"}, asOf)
		if err == nil || !apierrors.IsTimeout(err) {
			return err
		}
	}
}

// restarted starts a manager while an order waits for it.
func (m *market) restarted(ctx context.Context, profiles string, n int) ([]figures.Figure, error) {
	seen, err := watchDeliveries(ctx, m.buyer, "restart")
	if err != nil {
		return nil, err
	}
	defer seen.close()
	order := newOrder(clientName(0), fmt.Sprintf("restart-%d", n), stand.Telco)
	if err := m.buyer.Create(ctx, order); err != nil {
		return nil, fmt.Errorf("creating an order: %w", err)
	}
	if err := m.caughtUp(ctx, order.ResourceVersion); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := m.startManager(ctx); err != nil {
		return nil, err
	}
	ready := time.Since(began)
	stop := m.profile(ctx, profiles, fmt.Sprintf("restart_%d", n), 15*time.Second)
	took, err := m.until(ctx, seen, order.Namespace, order.Name, began)
	if err := errors.Join(err, stop()); err != nil {
		return nil, err
	}
	peak, err := m.peak()
	if err != nil {
		return nil, err
	}
	if _, err := m.heapInUse(ctx); err != nil { // which collects the garbage of the start
		return nil, err
	}
	held, err := m.resident()
	if err != nil {
		return nil, err
	}
	return []figures.Figure{
		{Name: fmt.Sprintf("restart_%d", n), What: fmt.Sprintf("from a manager's start with %d orders to a new order's delivery", n), Unit: "s", Values: []float64{took.Seconds()}},
		{Name: fmt.Sprintf("rss_%d", n), What: fmt.Sprintf("the manager's resident memory with %d orders", n), Unit: "B", Values: []float64{float64(held)}},
		{Name: fmt.Sprintf("ready_%d", n), What: "… until it is ready", Unit: "s", Values: []float64{ready.Seconds()}},
		{Name: fmt.Sprintf("rss_peak_%d", n), What: "… at most, since its start", Unit: "B", Values: []float64{float64(peak)}},
	}, nil
}
