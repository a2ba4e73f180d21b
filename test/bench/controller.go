package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// controller stands in for the order controller, as which it is known to the API server: it
// delivers each new order at once, with its Secret, and notes when it saw it and when the
// status write was answered. Nothing of an operator's time is in that.
type controller struct {
	client client.Client
	work   chan *v1alpha1.EsimOrder

	mu    sync.Mutex
	times map[string]handled
	fault error
}

// handled is when an order was seen, and when it was delivered.
type handled struct{ seen, delivered time.Time }

// share is how long the controller took.
func (h handled) share() time.Duration { return h.delivered.Sub(h.seen) }

// startController has orders seen, and noted. They are delivered by the workers of deliver.
func (s *stand) startController(ctx context.Context, depth int) (c *controller, stop func() error, err error) {
	identity, err := s.env.ManagerConfig()
	if err != nil {
		return nil, nil, err
	}
	identity.QPS = -1
	c = &controller{work: make(chan *v1alpha1.EsimOrder, depth), times: map[string]handled{}}
	if c.client, err = client.New(identity, client.Options{Scheme: s.env.Scheme}); err != nil {
		return nil, nil, fmt.Errorf("making the controller's client: %w", err)
	}
	orders, err := cache.New(identity, cache.Options{Scheme: s.env.Scheme, DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, nil, fmt.Errorf("making the controller's cache: %w", err)
	}
	informer, err := orders.GetInformer(ctx, &v1alpha1.EsimOrder{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, nil, fmt.Errorf("watching orders: %w", err)
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: c.add}); err != nil {
		return nil, nil, fmt.Errorf("watching orders: %w", err)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- orders.Start(running) }()
	stop = func() error { cancel(); return errors.Join(<-ended, c.failed()) }
	if !orders.WaitForCacheSync(ctx) {
		return nil, nil, errors.Join(ctx.Err(), stop())
	}
	return c, stop, nil
}

func (c *controller) add(object any) {
	order, ok := object.(*v1alpha1.EsimOrder)
	if !ok || order.Terminal() || order.Namespace == direct {
		return
	}
	c.mu.Lock()
	c.times[order.Name] = handled{seen: time.Now()}
	c.mu.Unlock()
	c.work <- order
}

// deliver has workers deliver what comes, until ctx ends.
func (c *controller) deliver(ctx context.Context, workers int) *sync.WaitGroup {
	return c.each(ctx, workers, func(order *v1alpha1.EsimOrder) { c.note(order.Name, c.deliverOne(ctx, order)) })
}

// each has workers do something with each order that comes, until ctx ends.
func (c *controller) each(ctx context.Context, workers int, do func(*v1alpha1.EsimOrder)) *sync.WaitGroup {
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case order := <-c.work:
					do(order.DeepCopy())
				}
			}
		})
	}
	return &group
}

func (c *controller) deliverOne(ctx context.Context, order *v1alpha1.EsimOrder) error {
	if err := c.makeSecret(ctx, order); err != nil {
		return err
	}
	return c.writeStatus(ctx, order)
}

func (c *controller) makeSecret(ctx context.Context, order *v1alpha1.EsimOrder) error {
	matchingID := strings.ToUpper(strings.ReplaceAll(string(order.UID), "-", ""))
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: order.Namespace, Name: v1alpha1.ActivationSecretName(order.Name)},
		Type:       v1alpha1.ActivationSecretType,
		StringData: map[string]string{v1alpha1.SecretKeyActivationCode: "LPA:1$rsp.example.com$" + matchingID},
	}
	if err := controllerutil.SetControllerReference(order, secret, c.client.Scheme()); err != nil {
		return fmt.Errorf("naming the owner of Secret %s: %w", secret.Name, err)
	}
	if err := c.client.Create(ctx, secret); err != nil {
		return fmt.Errorf("creating Secret %s: %w", secret.Name, err)
	}
	return nil
}

func (c *controller) writeStatus(ctx context.Context, order *v1alpha1.EsimOrder) error {
	delivered(order, "4ecd7a7e-0000-4000-8000-000000000001", time.Now())
	if err := c.client.Status().Update(ctx, order); err != nil {
		return fmt.Errorf("delivering EsimOrder %s: %w", order.Name, err)
	}
	return nil
}

func (c *controller) note(name string, err error) {
	at := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.fault = errors.Join(c.fault, err)
		return
	}
	known := c.times[name]
	known.delivered = at
	c.times[name] = known
}

func (c *controller) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// of is what is known of an order that was delivered.
func (c *controller) of(name string) (handled, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.times[name]
	return h, ok && !h.delivered.IsZero()
}
