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
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/vendorhooks"
)

const (
	// rosterHold is how long the wholesalers' secrets are remembered: a change takes effect soon,
	// and who knocks without a right to costs the API server little.
	rosterHold = 10 * time.Second
	// rosterRetry is how soon they are read again where some could not be.
	rosterRetry = time.Second
	// rosterTimeout bounds how long all of them may take to read.
	rosterTimeout = 5 * time.Second
)

// VendorRoster is of the EsimOperators that webhooks are taken for.
type VendorRoster struct {
	// Client reads EsimOperators from the cache.
	Client client.Client
	// Live reads Secrets.
	Live client.Reader
	// Namespace of the Secrets: the manager's own.
	Namespace string
	// Clock tells the time.
	Clock clock.PassiveClock

	mu     sync.Mutex
	until  time.Time
	roster vendorhooks.Roster
	err    error
}

// Known are the wholesalers of now, with what they are known by. It reads all of them, whoever
// asks, and remembers them for a while: how long it takes tells nobody whether a name is among
// them.
func (v *VendorRoster) Known(ctx context.Context) (vendorhooks.Roster, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.Clock.Now().Before(v.until) {
		return v.roster, v.err
	}
	// Others wait for the same, also when whoever came first hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rosterTimeout)
	defer cancel()
	vendors, err := v.read(ctx)
	roster, wrong := vendorhooks.NewRoster(vendors)
	v.roster, v.err = roster, errors.Join(err, wrong)
	v.until = v.Clock.Now().Add(rosterHold)
	if v.err != nil {
		v.until = v.Clock.Now().Add(rosterRetry)
	}
	return v.roster, v.err
}

// read reads all wholesalers. Where the Secrets of some cannot be read, the others are returned
// with an error.
func (v *VendorRoster) read(ctx context.Context) ([]vendorhooks.Vendor, error) {
	var operators v1alpha1.EsimOperatorList
	if err := v.Client.List(ctx, &operators); err != nil {
		return nil, fmt.Errorf("listing EsimOperators: %w", err)
	}
	var vendors []vendorhooks.Vendor
	var failed error
	for i := range operators.Items {
		operator := &operators.Items[i]
		terms, kind := webhookOf(operator)
		if terms == nil {
			continue
		}
		vendor := vendorhooks.Vendor{Operator: operator.Name, Kind: kind, Terms: *terms}
		var err error
		if terms.HeaderSecretRef != nil {
			vendor.Header, err = v.secret(ctx, *terms.HeaderSecretRef, v1alpha1.SecretKeyWebhookHeader)
		}
		if terms.HMAC != nil && err == nil {
			vendor.HMACKey, err = v.secret(ctx, terms.HMAC.SecretRef, v1alpha1.SecretKeyWebhookHMACKey)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("the webhooks of EsimOperator %s: %w", operator.Name, err))
			continue
		}
		vendors = append(vendors, vendor)
	}
	return vendors, failed
}

// webhookOf is by what an operator's webhooks are known; nil where none are taken.
func webhookOf(operator *v1alpha1.EsimOperator) (*v1alpha1.ResellerWebhook, vendorhooks.Kind) {
	switch spec := operator.Spec; {
	case spec.Zendit != nil:
		return spec.Zendit.Webhook, vendorhooks.Zendit
	case spec.EsimAccess != nil:
		return spec.EsimAccess.Webhook, vendorhooks.ESIMAccess
	default:
		return nil, 0
	}
}

func (v *VendorRoster) secret(ctx context.Context, ref v1alpha1.SecretReference, key string) (activation.Credential, error) {
	var secret corev1.Secret
	if err := v.Live.Get(ctx, types.NamespacedName{Namespace: v.Namespace, Name: ref.Name}, &secret); err != nil {
		return activation.Credential{}, fmt.Errorf("reading Secret %s: %w", ref.Name, err)
	}
	if len(secret.Data[key]) == 0 {
		return activation.Credential{}, fmt.Errorf("secret %s has no %s", ref.Name, key)
	}
	return activation.NewCredential(string(secret.Data[key])), nil
}
