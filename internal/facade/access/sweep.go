package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const (
	// sweepEvery is how often sessions that are over are removed.
	sweepEvery = 10 * time.Minute
	// sweepMargin is by how much the clocks of facade and API server may differ.
	sweepMargin = time.Hour
	// maxSessions bounds how many a client may have: beyond it the oldest ends. Whoever
	// logs in for every request would otherwise keep a week's worth of Secrets.
	maxSessions = 500
)

// Start sweeps until the context ends. Replicas may sweep at the same time.
func (g *Guard) Start(ctx context.Context) error {
	ticker := g.clock.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := g.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Sessions that are over could not be removed; trying again", "in", sweepEvery.String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// NeedLeaderElection is false: every replica of the facade works.
func (g *Guard) NeedLeaderElection() bool { return false }

// Sweep removes the Secrets of sessions that are over, in the namespaces that have an
// EsimClient or an EsimWallet and that the facade may work in.
func (g *Guard) Sweep(ctx context.Context) error {
	namespaces, err := g.clients(ctx)
	if err != nil {
		return err
	}
	now := g.clock.Now()
	for _, namespace := range namespaces {
		var there []*corev1.Secret
		err := g.sessions.each(ctx, namespace, func(session *corev1.Secret) error {
			there = append(there, session)
			return nil
		})
		if apierrors.IsForbidden(err) {
			// A client without the REST API.
			continue
		}
		if err != nil {
			return err
		}
		for _, session := range over(there, now) {
			if _, err := g.sessions.end(ctx, session.Namespace, session.Name, session.UID); err != nil {
				return err
			}
		}
	}
	return nil
}

// clients are the namespaces that may have sessions.
func (g *Guard) clients(ctx context.Context) ([]string, error) {
	var terms v1alpha1.EsimClientList
	if err := g.cache.List(ctx, &terms); err != nil {
		return nil, fmt.Errorf("listing clients: %w", err)
	}
	var wallets v1alpha1.EsimWalletList
	if err := g.cache.List(ctx, &wallets); err != nil {
		return nil, fmt.Errorf("listing wallets: %w", err)
	}
	var namespaces []string
	for i := range terms.Items {
		namespaces = append(namespaces, terms.Items[i].Namespace)
	}
	for i := range wallets.Items {
		namespaces = append(namespaces, wallets.Items[i].Namespace)
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces), nil
}

// over are the sessions whose tokens have all expired, and the oldest of too many.
func over(sessions []*corev1.Secret, now time.Time) []*corev1.Secret {
	newestFirst := slices.SortedFunc(slices.Values(sessions), func(a, b *corev1.Secret) int {
		return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	})
	last := now.Add(-RefreshLifetime - sweepMargin)
	for i, session := range newestFirst {
		if i >= maxSessions || session.CreationTimestamp.Time.Before(last) {
			return newestFirst[i:]
		}
	}
	return nil
}
