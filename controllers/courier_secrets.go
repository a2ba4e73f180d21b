package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

// secretsHold is how long signing secrets are remembered: an order's events cost one read, and a
// new secret signs soon.
const secretsHold = 15 * time.Second

// maxSigningSecrets bounds what is remembered.
const maxSigningSecrets = 10_000

// signingSecrets are those that endpoints' events are signed with, read from the API server.
type signingSecrets struct {
	mu   sync.Mutex
	held map[types.NamespacedName]heldSecrets
}

type heldSecrets struct {
	secrets []webhook.Secret
	until   time.Time
}

// of reads a Secret, unless that was done just now. The error does not tell what is in it.
func (s *signingSecrets) of(ctx context.Context, live client.Reader, key types.NamespacedName, now time.Time) ([]webhook.Secret, error) {
	if found := s.get(key, now); found != nil {
		return found, nil
	}
	var secret corev1.Secret
	err := live.Get(ctx, key, &secret)
	if apierrors.IsNotFound(err) {
		return nil, &webhook.Failed{Reason: "there is no Secret " + key.Name + " to sign with"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the signing Secret: %w", err)
	}
	parsed, err := webhook.ParseSecrets(secret.Data)
	if err != nil {
		return nil, &webhook.Failed{Reason: "Secret " + key.Name + " cannot be signed with: " + err.Error()}
	}
	s.put(key, heldSecrets{parsed, now.Add(secretsHold)})
	return parsed, nil
}

func (s *signingSecrets) get(key types.NamespacedName, now time.Time) []webhook.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.held[key]; ok && now.Before(found.until) {
		return found.secrets
	}
	return nil
}

func (s *signingSecrets) put(key types.NamespacedName, found heldSecrets) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil || len(s.held) >= maxSigningSecrets {
		s.held = map[types.NamespacedName]heldSecrets{}
	}
	s.held[key] = found
}
