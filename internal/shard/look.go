package shard

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

var namespaceKind = corev1.SchemeGroupVersion.WithKind("Namespace")

// look takes a namespace, leaves it, or does neither. It returns when to look again; 0 for when
// something changes. The queue has no two looks at one namespace at a time.
func (s *Shard) look(ctx context.Context, namespace string) (again time.Duration) {
	if ctx.Err() != nil {
		return 0
	}
	selected, exists, err := s.selects(ctx, namespace)
	if err != nil {
		s.Log.Error(err, "Reading the labels of a namespace", "namespace", namespace)
		return lookAgain
	}
	defer s.tell()
	switch s.turn(namespace, selected) {
	case toTake:
		return s.take(ctx, namespace)
	case toLeave:
		return s.let(ctx, namespace, exists)
	case toTellAgain:
		s.taken(ctx, namespace)
	case toDrop:
		if !exists {
			s.drop(namespace)
		}
	case toWait:
	}
	return 0
}

// move is what a look comes to.
type move int

const (
	// toWait: it stands as it should, or passes have to end first.
	toWait move = iota
	// toTake the namespace.
	toTake
	// toLeave the namespace, in which nobody is any more.
	toLeave
	// toTellAgain of a namespace that was nearly left.
	toTellAgain
	// toDrop what is known of a namespace that is another's, if it is gone.
	toDrop
)

// turn notes whether a namespace is selected, and tells what is to become of it.
func (s *Shard) turn(namespace string, selected bool) move {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.places[namespace]
	if !known {
		return toWait // dropped since it was queued
	}
	p.selected = selected
	switch {
	case (p.state == foreign || p.state == letting) && selected:
		return toTake
	case p.state == foreign:
		return toDrop
	case p.state == leaving && selected:
		p.state = held
		return toTellAgain
	case p.state == held && selected:
		return toWait
	}
	if p.inside > 0 {
		p.state = leaving
		return toWait
	}
	p.state = letting
	return toLeave
}

// take claims a namespace for the shard, and lets passes in.
func (s *Shard) take(ctx context.Context, namespace string) (again time.Duration) {
	holder, err := s.claim(ctx, namespace)
	if err != nil {
		s.Log.Error(err, "Taking a namespace", "namespace", namespace)
		return lookAgain
	}
	if holder != s.Name {
		s.noteHolder(namespace, holder)
		return lookAgain
	}
	if err := s.forget(ctx, namespace); err != nil {
		s.Log.Error(err, "Forgetting what was known of a namespace", "namespace", namespace)
		return lookAgain
	}
	s.Log.Info("Works in a namespace from now on", "namespace", namespace)
	s.settle(namespace, held)
	s.taken(ctx, namespace)
	return 0
}

// let gives a namespace up.
func (s *Shard) let(ctx context.Context, namespace string, exists bool) (again time.Duration) {
	if err := errors.Join(s.forget(ctx, namespace), s.release(ctx, namespace)); err != nil {
		s.Log.Error(err, "Leaving a namespace", "namespace", namespace)
		return lookAgain
	}
	s.Log.Info("Works in a namespace no more", "namespace", namespace)
	s.settle(namespace, foreign)
	if !exists {
		s.drop(namespace)
	}
	return 0
}

func (s *Shard) forget(ctx context.Context, namespace string) error {
	if s.Forget == nil {
		return nil
	}
	return s.Forget(ctx, namespace)
}

// taken tells everybody of a namespace.
func (s *Shard) taken(ctx context.Context, namespace string) {
	s.mu.Lock()
	listeners := slices.Clone(s.onTaken)
	s.mu.Unlock()
	for _, listener := range listeners {
		listener(ctx, namespace)
	}
}

func (s *Shard) settle(namespace string, now state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[namespace]
	p.state, p.holder = now, ""
}

// noteHolder notes which shard a selected namespace is held by, and tells of it once.
func (s *Shard) noteHolder(namespace, holder string) {
	s.mu.Lock()
	p := s.places[namespace]
	news := p.holder != holder
	p.holder = holder
	s.mu.Unlock()
	if news && namespace != ClusterScope {
		s.Log.Info("A namespace is held by another shard; it is taken once that one has left it", "namespace", namespace, "holder", holder)
	}
}

// drop forgets a namespace that is gone. Who comes by again has it looked at again.
func (s *Shard) drop(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.places, namespace)
}
