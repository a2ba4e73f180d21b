package sales

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// deliveries notes when orders are seen as DELIVERED, by a watch of the metadata of those alone:
// it costs the API server one small event an order.
type deliveries struct {
	prefix string

	mu    sync.Mutex
	times map[types.NamespacedName]time.Time
	more  chan struct{}
	stop  func()
	ended chan struct{}
	fault error
}

// watchDeliveries watches orders whose names have a prefix, from now on.
func watchDeliveries(ctx context.Context, of client.WithWatch, prefix string) (*deliveries, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("EsimOrderList"))
	// What the API server has in its cache, which may be behind etcd on a busy machine: a watch
	// from there misses nothing. No order has this name: the list is only to tell its version.
	if err := of.List(ctx, list, client.MatchingFields{"metadata.name": "none"}, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}}); err != nil {
		return nil, fmt.Errorf("looking from where to watch orders: %w", err)
	}
	// The API server ends the watch of who cannot follow: it is begun again from where it was.
	watching, err := toolswatch.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &toolscache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return of.Watch(ctx, list, client.MatchingFields{"status.phase": string(v1alpha1.PhaseDelivered)}, &client.ListOptions{Raw: &options})
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watching orders: %w", err)
	}
	d := &deliveries{
		prefix: prefix,
		times:  map[types.NamespacedName]time.Time{}, more: make(chan struct{}, 1),
		stop: watching.Stop, ended: make(chan struct{}),
	}
	go d.follow(watching.ResultChan())
	return d, nil
}

func (d *deliveries) follow(events <-chan watch.Event) {
	defer close(d.ended)
	for event := range events {
		now := time.Now()
		object, ok := event.Object.(*metav1.PartialObjectMetadata)
		if !ok {
			d.mu.Lock()
			d.fault = fmt.Errorf("the watch of orders tells %s: %v", event.Type, event.Object)
			d.mu.Unlock()
			return
		}
		if !strings.HasPrefix(object.Name, d.prefix) {
			continue
		}
		d.mu.Lock()
		key := client.ObjectKeyFromObject(object)
		if _, known := d.times[key]; !known {
			d.times[key] = now
		}
		d.mu.Unlock()
		select {
		case d.more <- struct{}{}:
		default:
		}
	}
}

func (d *deliveries) close() {
	d.stop()
	<-d.ended
}

func (d *deliveries) count() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.times), d.fault
}

// at is when an order was seen as DELIVERED.
func (d *deliveries) at(key types.NamespacedName) (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.times[key]
	return at, ok
}

// wait until so many orders were seen as DELIVERED. It takes as long as orders go on being delivered.
func (d *deliveries) wait(ctx context.Context, want int) error {
	const patience = time.Minute
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		n, err := d.count()
		if n >= want || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.ended:
			return fmt.Errorf("the watch of orders ended with %d of %d delivered", n, want)
		case <-d.more:
			timer.Reset(patience)
		case <-timer.C:
			return fmt.Errorf("%d of %d orders are delivered, and no more for %s", n, want, patience)
		}
	}
}
