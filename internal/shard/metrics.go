package shard

import (
	"context"
	"slices"

	"github.com/telcodev/esim-operator/internal/instruments"
)

var (
	namespacesNow = instruments.GaugeVec("esim_shard_namespaces",
		"Namespaces with orders, wallets or terms, as a manager with a namespaceSelector sees them, by state: held; waiting, while another shard holds them; not_selected.",
		"state")

	unclaimed = instruments.SingleGauge("esim_shard_unclaimed_namespaces",
		"Namespaces with orders, wallets or terms that no shard works in, as no manager's namespaceSelector selects them: their orders wait.")

	blocked = instruments.SingleGauge("esim_shard_blocked",
		"1 while a leader does nothing because another works in the same namespaces: one has a namespaceSelector, and one has none.")
)

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
