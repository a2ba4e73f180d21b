package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
)

// maySeeCodes tells whether the caller may see activation codes.
func (s *Server) maySeeCodes(ctx context.Context) (bool, error) {
	who, err := identity(ctx)
	if err != nil {
		return false, err
	}
	err = s.Guard.Authorize(ctx, who, access.SeeActivationCodes)
	var refusal *access.Refusal
	if errors.As(err, &refusal) && refusal.Reason == access.Forbidden {
		return false, nil
	}
	return err == nil, err
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
	if err != nil {
		return activation.Credential{}, fmt.Errorf("reading the activation Secret of EsimOrder %s: %w", order.Name, err)
	}
	owned := slices.ContainsFunc(secret.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.UID == order.UID })
	if !owned || secret.Type != v1alpha1.ActivationSecretType {
		return activation.Credential{}, nil
	}
	return activation.NewCredential(string(secret.Data[v1alpha1.SecretKeyActivationCode])), nil
}
