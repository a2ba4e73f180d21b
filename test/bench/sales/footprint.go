package sales

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/test/bench/figures"
)

// told counts what the API server tells one watcher of all orders, or of all Secrets.
type told struct {
	prefix  string
	watcher watch.Interface
	ended   chan struct{}

	mu            sync.Mutex
	events, bytes int
	// delivered are the orders that were told of as DELIVERED.
	delivered map[string]struct{}
	fault     error
}

// listen counts what a watcher is told of objects of a kind whose names have a prefix.
func listen(ctx context.Context, api client.WithWatch, kind schema.GroupVersionKind, prefix string) (*told, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	none := client.MatchingFields{"metadata.name": "none"} // the list is only to tell its version
	if err := api.List(ctx, list, none, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}}); err != nil {
		return nil, fmt.Errorf("looking from where to watch %s: %w", kind.Kind, err)
	}
	// The API server ends the watch of who cannot follow: it is begun again from where it was.
	watcher, err := toolswatch.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), &toolscache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return api.Watch(ctx, list, &client.ListOptions{Raw: &options})
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", kind.Kind, err)
	}
	t := &told{prefix: prefix, watcher: watcher, ended: make(chan struct{}), delivered: map[string]struct{}{}}
	go t.follow()
	return t, nil
}

func (t *told) follow() {
	defer close(t.ended)
	for event := range t.watcher.ResultChan() {
		object, ok := event.Object.(*unstructured.Unstructured)
		if ok && !strings.HasPrefix(object.GetName(), t.prefix) {
			continue
		}
		text, err := json.Marshal(event.Object)
		t.mu.Lock()
		if t.events++; ok && err == nil {
			t.bytes += len(text)
			if phase, _, err := unstructured.NestedString(object.Object, "status", "phase"); err == nil && phase == string(v1alpha1.PhaseDelivered) {
				t.delivered[object.GetName()] = struct{}{}
			}
		} else {
			t.fault = fmt.Errorf("a watch tells %s: %v", event.Type, event.Object)
		}
		t.mu.Unlock()
	}
}

// wait until so many orders were told of as DELIVERED: a watch may be seconds behind.
func (t *told) wait(ctx context.Context, orders int) error {
	const patience = time.Minute
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		return len(t.delivered) == orders, t.fault
	})
	if err != nil {
		return fmt.Errorf("waiting to be told of %d orders: %w", orders, err)
	}
	return nil
}

// end ends the watch, and tells how many events it had, and how many bytes these were as JSON.
func (t *told) end() (events, bytes int, err error) {
	t.mu.Lock()
	events, bytes, err = t.events, t.bytes, t.fault // what comes after tells of the end alone
	t.mu.Unlock()
	t.watcher.Stop()
	<-t.ended
	return events, bytes, err
}

// footprint listens to what orders cost beside writes and reads: what watchers are told of them,
// and what etcd keeps.
type footprint struct {
	orders, secrets *told
	prefix          string
}

func (m *market) startFootprint(ctx context.Context, prefix string) (*footprint, error) {
	api, err := client.NewWithWatch(m.config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("connecting to kube-apiserver: %w", err)
	}
	f := &footprint{prefix: prefix}
	if f.orders, err = listen(ctx, api, v1alpha1.GroupVersion.WithKind("EsimOrderList"), prefix); err != nil {
		return nil, err
	}
	if f.secrets, err = listen(ctx, api, corev1.SchemeGroupVersion.WithKind("SecretList"), prefix); err != nil {
		return nil, err
	}
	return f, nil
}

// figures are those of so many orders that are DELIVERED by now.
func (f *footprint) figures(ctx context.Context, m *market, orders int) ([]figures.Figure, error) {
	each := func(sum int) []float64 { return []float64{float64(sum) / float64(orders)} }
	if err := f.orders.wait(ctx, orders); err != nil {
		return nil, err
	}
	orderEvents, orderBytes, err := f.orders.end()
	if err != nil {
		return nil, err
	}
	secretEvents, _, err := f.secrets.end()
	if err != nil {
		return nil, err
	}
	entries, err := m.env.EtcdEntries(ctx)
	if err != nil {
		return nil, err
	}
	kept := map[string]int{}
	for _, entry := range entries {
		for _, kind := range []string{"esimorders", "secrets"} {
			if strings.Contains(entry.Key, "/"+kind+"/") && strings.Contains(entry.Key, "/"+f.prefix) {
				kept[kind] += len(entry.Key) + len(entry.Value)
			}
		}
	}
	if kept["esimorders"] == 0 || kept["secrets"] == 0 {
		return nil, fmt.Errorf("etcd has no orders %s…, or no Secrets of theirs", f.prefix)
	}
	return []figures.Figure{
		{Name: "watch_events_per_order", What: "events of each order to each watcher of orders", Values: each(orderEvents)},
		{Name: "watch_bytes_per_order", What: "bytes of these, as JSON", Unit: "B", Values: each(orderBytes)},
		{Name: "watch_secret_events_per_order", What: "events of its Secret to each watcher of Secrets", Values: each(secretEvents)},
		{Name: "stored_bytes_per_order", What: "bytes that etcd keeps of a delivered order: key and value", Unit: "B", Values: each(kept["esimorders"])},
		{Name: "stored_bytes_per_secret", What: "and of its Secret", Unit: "B", Values: each(kept["secrets"])},
	}, nil
}
