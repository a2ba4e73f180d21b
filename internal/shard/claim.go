package shard

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Labels of leases.
const (
	// ClaimLabel is on claims. Its value is the namespace, and ClusterScope is the empty one.
	ClaimLabel = "esim.telco.dev/claim"
	// WorksInLabel is on the leases of leaders: WorksInAll or WorksInSelected namespaces.
	WorksInLabel    = "esim.telco.dev/works-in"
	WorksInAll      = "all"
	WorksInSelected = "selected"
)

// claimsPage is how many claims are listed at a time.
const claimsPage = 1000

// ClaimName is the name of a namespace's claim; of the cluster's for ClusterScope. No namespace is
// called so that two would be the same.
func ClaimName(namespace string) string {
	if namespace == ClusterScope {
		return "esim-claim"
	}
	return "esim-claim." + namespace
}

// claim takes a namespace for the shard if nobody else holds it. It returns who holds it then.
func (s *Shard) claim(ctx context.Context, namespace string) (holder string, err error) {
	var lease coordinationv1.Lease
	err = s.Live.Get(ctx, s.key(ClaimName(namespace)), &lease)
	switch {
	case apierrors.IsNotFound(err):
		return s.create(ctx, namespace)
	case err != nil:
		return "", fmt.Errorf("reading the claim of namespace %q: %w", namespace, err)
	}
	if holder = ptr.Deref(lease.Spec.HolderIdentity, ""); holder != s.Name && holder != "" {
		if dead, err := s.dead(ctx, holder); err != nil || !dead {
			return holder, err
		}
	}
	// Also where it is ours: an earlier leader of the shard has it in its memory, and another shard
	// may be about to take it from that one.
	s.sign(&lease)
	lease.Spec.LeaseTransitions = ptr.To(ptr.Deref(lease.Spec.LeaseTransitions, 0) + 1)
	if err := s.fenced(func() error { return s.Writer.Update(ctx, &lease) }); err != nil {
		return "", fmt.Errorf("taking over the claim of namespace %q: %w", namespace, err)
	}
	return s.Name, nil
}

func (s *Shard) create(ctx context.Context, namespace string) (holder string, err error) {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Namespace: s.Namespace, Name: ClaimName(namespace),
		Labels: map[string]string{ClaimLabel: namespace},
	}}
	s.sign(lease)
	if err := s.fenced(func() error { return s.Writer.Create(ctx, lease) }); err != nil {
		return "", fmt.Errorf("claiming namespace %q: %w", namespace, err)
	}
	return s.Name, nil
}

// sign makes a claim the shard's.
func (s *Shard) sign(lease *coordinationv1.Lease) {
	lease.Spec.HolderIdentity = ptr.To(s.Name)
	lease.Spec.AcquireTime = ptr.To(metav1.NewMicroTime(s.Clock.Now()))
}

// release deletes the claim of a namespace that is left. One that is not the shard's any more
// stays: what it was deleted for is done.
func (s *Shard) release(ctx context.Context, namespace string) error {
	var lease coordinationv1.Lease
	err := s.Live.Get(ctx, s.key(ClaimName(namespace)), &lease)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading the claim of namespace %q: %w", namespace, err)
	case ptr.Deref(lease.Spec.HolderIdentity, "") != s.Name:
		return nil
	}
	version := client.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion}
	err = s.fenced(func() error { return s.Writer.Delete(ctx, &lease, version) })
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the claim of namespace %q: %w", namespace, err)
	}
	return nil
}

// fenced makes a write while this process leads for sure: the shard's next leader must not find
// its claims taken, or gone, by the one before.
func (s *Shard) fenced(write func() error) error {
	leave, err := s.Fence.Enter()
	if err != nil {
		return fmt.Errorf("before the write: %w", err)
	}
	defer leave()
	return write()
}

// dead tells whether a shard has no leader for sure.
func (s *Shard) dead(ctx context.Context, shard string) (bool, error) {
	var lease coordinationv1.Lease
	err := s.Live.Get(ctx, s.key(shard), &lease)
	switch {
	case apierrors.IsNotFound(err):
		return s.lives.over(shard, nil), nil
	case err != nil:
		return false, fmt.Errorf("reading the lease of shard %s: %w", shard, err)
	default:
		return s.lives.over(shard, &lease), nil
	}
}

// rival is the lease of a leader that is at work, and that works in all namespaces where this one
// works in selected ones, or the other way round. Empty where there is none.
func (s *Shard) rival(ctx context.Context) (lease string, err error) {
	kind := WorksInSelected
	if s.divides() {
		kind = WorksInAll
	}
	var leases coordinationv1.LeaseList
	err = s.Live.List(ctx, &leases, client.InNamespace(s.Namespace), client.MatchingLabels{WorksInLabel: kind})
	if err != nil {
		return "", fmt.Errorf("listing the leases of namespace %s: %w", s.Namespace, err)
	}
	for i := range leases.Items {
		// Under our own name it is ours by now, and our next renewal says so.
		if name := leases.Items[i].Name; name != s.Name && !s.lives.over(name, &leases.Items[i]) {
			return name, nil
		}
	}
	return "", nil
}

// claimed are the namespaces that any shard holds.
func (s *Shard) claimed(ctx context.Context) (map[string]struct{}, error) {
	namespaces := map[string]struct{}{}
	var next string
	for {
		var claims coordinationv1.LeaseList
		err := s.Live.List(ctx, &claims, client.InNamespace(s.Namespace), client.HasLabels{ClaimLabel}, client.Limit(claimsPage), client.Continue(next))
		if err != nil {
			return nil, fmt.Errorf("listing the claims of namespaces: %w", err)
		}
		for i := range claims.Items {
			namespaces[claims.Items[i].Labels[ClaimLabel]] = struct{}{}
		}
		if next = claims.Continue; next == "" {
			return namespaces, nil
		}
	}
}

func (s *Shard) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.Namespace, Name: name}
}

// grace is how much longer than it lasts a lease must have been unchanged, for clocks that run at
// different speeds.
const grace = 2 * time.Second
