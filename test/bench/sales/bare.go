package sales

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/test/stand"
)

// bare is a client that does nothing but the writes of orders, in the place of a manager: what it
// reaches is what the API server has to give.
type bare struct {
	client.Client
	// like are the status and the Secret of an order that the manager has delivered: what is
	// written is as large.
	status v1alpha1.EsimOrderStatus
	secret corev1.Secret
	made   atomic.Int64
}

// imitate is a bare client on a market, which writes what the manager of another wrote for an order.
func imitate(ctx context.Context, on, from *market, key client.ObjectKey) (*bare, error) {
	identity, err := on.env.ManagerConfig()
	if err != nil {
		return nil, err
	}
	identity.QPS = -1
	b := &bare{}
	if b.Client, err = client.New(identity, client.Options{Scheme: on.env.Scheme}); err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	var order v1alpha1.EsimOrder
	if err := from.buyer.Get(ctx, key, &order); err != nil {
		return nil, fmt.Errorf("reading EsimOrder %s: %w", key, err)
	}
	b.status = order.Status
	if err := from.buyer.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: v1alpha1.ActivationSecretName(key.Name)}, &b.secret); err != nil {
		return nil, fmt.Errorf("reading the Secret of EsimOrder %s: %w", key, err)
	}
	return b, nil
}

// rate is how many orders a second are written, from their creation to their delivery, by so many
// at one time.
func (b *bare) rate(ctx context.Context, buyer client.Client, operator string, orders, atOnce int) (float64, error) {
	var next atomic.Int64
	faults := make([]error, atOnce)
	began := time.Now()
	var group sync.WaitGroup
	for worker := range atOnce {
		group.Go(func() {
			for next.Add(1) <= int64(orders) {
				if faults[worker] = b.deliver(ctx, buyer, operator); faults[worker] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return float64(orders) / time.Since(began).Seconds(), errors.Join(faults...)
}

// overheads is how many seconds the four writes of an order took, of orders that came at a pace,
// whether those before were written or not.
func (b *bare) overheads(ctx context.Context, buyer client.Client, perSecond float64, lasting time.Duration) ([]float64, error) {
	orders := int(lasting.Seconds() * perSecond)
	pause := time.Duration(float64(time.Second) / perSecond)
	took, faults, began := make([]float64, orders), make([]error, orders), time.Now()
	var group sync.WaitGroup
	for i := range orders {
		if err := sleepUntil(ctx, began.Add(time.Duration(i)*pause)); err != nil {
			return nil, err
		}
		group.Go(func() {
			sent := time.Now()
			faults[i] = b.deliver(ctx, buyer, stand.Telco)
			took[i] = time.Since(sent).Seconds()
		})
	}
	group.Wait()
	return took, errors.Join(faults...)
}

// deliver makes the four writes of an order: the order, the intent, the Secret, the delivery.
func (b *bare) deliver(ctx context.Context, buyer client.Client, operator string) error {
	n := int(b.made.Add(1))
	order := newOrder(clientName(n), fmt.Sprintf("bare-%07d", n), operator)
	if err := buyer.Create(ctx, order); err != nil {
		return fmt.Errorf("creating an order: %w", err)
	}
	order.Status = *b.status.DeepCopy()
	order.Status.Phase, order.Status.Esim, order.Status.Activation = v1alpha1.PhasePending, nil, nil
	if err := b.Status().Update(ctx, order); err != nil {
		return fmt.Errorf("writing an intent: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: order.Namespace, Name: v1alpha1.ActivationSecretName(order.Name),
			Labels: b.secret.Labels, Annotations: b.secret.Annotations, Finalizers: b.secret.Finalizers,
		},
		Type: b.secret.Type, Data: b.secret.Data,
	}
	if err := controllerutil.SetControllerReference(order, secret, b.Scheme()); err != nil {
		return fmt.Errorf("naming the owner of a Secret: %w", err)
	}
	if err := b.Create(ctx, secret); err != nil {
		return fmt.Errorf("creating a Secret: %w", err)
	}
	order.Status = *b.status.DeepCopy()
	if err := b.Status().Update(ctx, order); err != nil {
		return fmt.Errorf("writing a delivery: %w", err)
	}
	return nil
}

// best looks for how many at one time reach most, in short rounds.
func (b *bare) best(ctx context.Context, buyer client.Client, operator string) (atOnce int, err error) {
	most := 0.0
	for _, n := range []int{8, 16, 32, 64} {
		rate, err := b.rate(ctx, buyer, operator, 400, n)
		if err != nil {
			return 0, err
		}
		if rate > most {
			most, atOnce = rate, n
		}
	}
	return atOnce, nil
}
