package shard

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	namespacesNow = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "esim_shard_namespaces",
		Help: "Namespaces with orders, wallets or terms, as this manager's namespaceSelector sees them: held, waiting for another shard to leave, or not selected.",
	}, []string{"state"})

	unclaimed = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "esim_shard_unclaimed_namespaces",
		Help: "Namespaces with orders, wallets or terms that no shard works in: no manager's namespaceSelector selects them. Their orders wait.",
	})

	blocked = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "esim_shard_blocked",
		Help: "1 while this manager does nothing because another works in the same namespaces.",
	})
)

func init() { //nolint:gochecknoinits // the registry of controller-runtime is global
	metrics.Registry.MustRegister(namespacesNow, unclaimed, blocked)
}

// tell shows how the namespaces stand.
func (s *Shard) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{"held": 0, "waiting": 0, "not_selected": 0}
	for namespace, p := range s.places {
		switch {
		case namespace == ClusterScope:
		case p.state == held:
			counts["held"]++
		case p.selected:
			counts["waiting"]++
		default:
			counts["not_selected"]++
		}
	}
	for state, n := range counts {
		namespacesNow.WithLabelValues(state).Set(float64(n))
	}
}

// watchUnclaimed looks, until ctx ends, for namespaces that nobody works in.
func (s *Shard) watchUnclaimed(ctx context.Context) {
	ticker := s.Clock.NewTicker(unclaimedInterval)
	defer ticker.Stop()
	var before []string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		now, err := s.unclaimed(ctx)
		if err != nil {
			s.Log.Error(err, "Looking for namespaces that no shard works in")
			continue
		}
		unclaimed.Set(float64(len(now)))
		if !slices.Equal(before, now) && len(now) > 0 {
			s.Log.Info("No shard works in these namespaces, and their orders wait: no manager's namespaceSelector selects them",
				"namespaces", now[:min(len(now), mostNamed)], "count", len(now))
		}
		before = now
	}
}

// mostNamed is how many namespaces one line of the log names.
const mostNamed = 20

// unclaimed are the namespaces that this shard does not select and no shard holds, sorted.
func (s *Shard) unclaimed(ctx context.Context) ([]string, error) {
	claimed, err := s.claimed(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for namespace, p := range s.places {
		if _, ok := claimed[namespace]; !ok && !p.selected {
			names = append(names, namespace)
		}
	}
	slices.Sort(names)
	return names, nil
}
