package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators/es2plus/progress"
)

// caHold is how long an operator's CA is remembered: a change takes effect soon, and who knocks
// without a right to costs the API server little.
const caHold = 10 * time.Second

// DeviceSenders are the EsimOperators that notifications are taken for.
type DeviceSenders struct {
	// Client reads EsimOperators from the cache.
	Client client.Client
	// Live reads Secrets.
	Live client.Reader
	// Namespace of the Secrets: the manager's own.
	Namespace string
	// Clock tells the time.
	Clock clock.PassiveClock

	mu   sync.Mutex
	held map[string]heldCA
}

type heldCA struct {
	pem   []byte
	until time.Time
}

// Known are the operators of now. Where the CA of some cannot be read, the others are returned
// with an error.
func (d *DeviceSenders) Known(ctx context.Context) ([]progress.Sender, error) {
	var operators v1alpha1.EsimOperatorList
	if err := d.Client.List(ctx, &operators, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing EsimOperators: %w", err)
	}
	var senders []progress.Sender
	var failed error
	for i := range operators.Items {
		operator := &operators.Items[i]
		if operator.Spec.ES2Plus == nil || operator.Spec.ES2Plus.Notifications == nil {
			continue
		}
		terms := operator.Spec.ES2Plus.Notifications
		ca, err := d.ca(ctx, terms.CASecretRef.Name)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("the CA of EsimOperator %s: %w", operator.Name, err))
			continue
		}
		senders = append(senders, progress.Sender{Operator: operator.Name, CA: ca, Terms: *terms})
	}
	return senders, failed
}

func (d *DeviceSenders) ca(ctx context.Context, name string) ([]byte, error) {
	now := d.Clock.Now()
	d.mu.Lock()
	held, ok := d.held[name]
	d.mu.Unlock()
	if ok && now.Before(held.until) {
		return held.pem, nil
	}
	var secret corev1.Secret
	if err := d.Live.Get(ctx, types.NamespacedName{Namespace: d.Namespace, Name: name}, &secret); err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	pem := secret.Data["ca.crt"]
	if len(pem) == 0 {
		return nil, fmt.Errorf("secret %s has no ca.crt", name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = map[string]heldCA{}
	}
	d.held[name] = heldCA{pem, now.Add(caHold)}
	return pem, nil
}
