package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/ids"
)

// direct is the client whose orders no controller delivers.
const direct = "direct"

// plainClient makes the calls to the API server that an order over REST takes, and nothing else.
type plainClient struct{ client.Client }

// startDirect has a plain client work as the facade, in a namespace of its own.
func (s *stand) startDirect(ctx context.Context) (*plainClient, error) {
	if _, err := s.admit(ctx, direct); err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: direct, Name: v1alpha1.ActivationSecretName(installedOrder)},
		StringData: map[string]string{v1alpha1.SecretKeyActivationCode: "LPA:1$rsp.example.com$MATCHING"},
	}
	if err := s.env.Client.Create(ctx, secret); err != nil {
		return nil, fmt.Errorf("creating Secret %s: %w", secret.Name, err)
	}
	identity := rest.CopyConfig(s.identity)
	identity.QPS = -1
	made, err := client.New(identity, client.Options{Scheme: s.env.Scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return &plainClient{made}, nil
}

// calls makes a second's calls, at the pace at which orders are sent, and says how long the two
// of each order took.
func (p *plainClient) calls(ctx context.Context, turn int) ([]time.Duration, error) {
	return atOnce(ctx, postRate, postPause/2, postPause, func(i int) (time.Duration, error) {
		reference := fmt.Sprintf("POST_%d_%d", turn, i)
		order := &v1alpha1.EsimOrder{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: direct, Name: ids.OrderName(ids.FromReference(reference, 0)), Finalizers: []string{v1alpha1.SettlementFinalizer},
				Annotations: map[string]string{orders.RequestAnnotation: reference},
			},
			Spec: v1alpha1.EsimOrderSpec{
				ProductRef: v1alpha1.ProductReference{Name: "country-00"}, Amount: price, ClientReference: reference,
			},
		}
		began := time.Now()
		if err := p.Create(ctx, order); err != nil {
			return 0, fmt.Errorf("creating EsimOrder %s: %w", order.Name, err)
		}
		var secret corev1.Secret
		key := client.ObjectKey{Namespace: direct, Name: v1alpha1.ActivationSecretName(installedOrder)}
		if err := p.Get(ctx, key, &secret); err != nil {
			return 0, fmt.Errorf("reading Secret %s: %w", key.Name, err)
		}
		return time.Since(began), nil
	})
}
