package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// maySeeCodes tells whether the caller may see activation codes.
func (s *Server) maySeeCodes(ctx context.Context) (bool, error) {
	who, err := identity(ctx)
	if err != nil {
		return false, err
	}
	err = s.Guard.Authorize(ctx, who, access.SeeActivationCodes)
	if err == nil {
		return true, nil
	}
	var refusal *access.Refusal
	if errors.As(err, &refusal) && refusal.Reason == access.Forbidden {
		return false, nil
	}
	return false, err
}

const (
	// codeGrace is how long a code is asked for at least once its order is delivered.
	codeGrace = 5 * time.Second
	// codePause lies between two questions.
	codePause = 250 * time.Millisecond
)

// objectOfMade is an order that a request has made or repeated, with its code. While the API
// server does not show the code, it is asked again, until a moment at the latest: what is
// bought is not answered as an error. After that the order is answered as one to poll for, as
// it was until a moment ago: DELIVERED without its code would be the end of it to the client.
func (s *Server) objectOfMade(ctx context.Context, order *v1alpha1.EsimOrder, latest time.Time) (wire.Order, error) {
	ctx, cancel := context.WithTimeout(ctx, max(codeGrace, latest.Sub(s.Clock.Now())))
	defer cancel()
	defer context.AfterFunc(s.Stopping, cancel)()
	for {
		object, err := s.objectWithCode(ctx, order)
		if err == nil || problemOf(err).status != http.StatusServiceUnavailable {
			return object, err
		}
		pause := time.NewTimer(codePause)
		select {
		case <-pause.C:
			continue
		case <-ctx.Done():
		}
		pause.Stop()
		s.logger(ctx).Error(err, "The code of a delivered order could not be read; it is answered as PENDING", "order", order.Name)
		return s.object(ctx, stillPending(order))
	}
}

// stillPending is an order as it was before it was delivered.
func stillPending(order *v1alpha1.EsimOrder) *v1alpha1.EsimOrder {
	before := *order
	before.Status.Phase, before.Status.Esim, before.Status.Activation = v1alpha1.PhasePending, nil, nil
	return &before
}

// activationCode reads an order's code from its Secret, which must be the order's own: one
// that has outlived an order of the same name is not. It is empty where there is none.
func (s *Server) activationCode(ctx context.Context, order *v1alpha1.EsimOrder) (activation.Credential, error) {
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: order.Namespace, Name: v1alpha1.ActivationSecretName(order.Name)}
	err := s.Live.Get(ctx, key, &secret)
	if apierrors.IsNotFound(err) {
		return activation.Credential{}, nil
	}
	if apierrors.IsForbidden(err) {
		// An API server that has just started serves before it knows anybody's rights. It is the
		// facade that may not: to the caller, who may, it is no refusal.
		return activation.Credential{}, unavailable(awayRetry, err)
	}
	if err != nil {
		return activation.Credential{}, fmt.Errorf("reading the activation Secret of EsimOrder %s: %w", order.Name, err)
	}
	if !order.OwnsSecret(&secret) || secret.Type != v1alpha1.ActivationSecretType {
		return activation.Credential{}, nil
	}
	return activation.NewCredential(string(secret.Data[v1alpha1.SecretKeyActivationCode])), nil
}
