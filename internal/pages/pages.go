// Package pages has a cache filled from a list that is read in pages: while one is decoded, the API
// server prepares the next. A list of all orders that were ever sold is what a manager waits for most
// as it starts.
package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// NewInformer makes informers; see cache.Options.
type NewInformer = func(toolscache.ListerWatcher, runtime.Object, time.Duration, toolscache.Indexers) toolscache.SharedIndexInformer

// Informers makes informers as inner does, or as they are made by default where that is nil. Those of
// orders, of all namespaces, list in pages.
func Informers(restConfig *rest.Config, scheme *runtime.Scheme, inner NewInformer) (NewInformer, error) {
	if inner == nil {
		inner = toolscache.NewSharedIndexInformer
	}
	carrier, err := rest.HTTPClientFor(restConfig)
	if err != nil {
		return nil, fmt.Errorf("making a client that lists orders: %w", err)
	}
	kind := v1alpha1.GroupVersion.WithKind("EsimOrder")
	api, err := apiutil.RESTClientForGVK(kind, true, false, restConfig, serializer.NewCodecFactory(scheme), carrier)
	if err != nil {
		return nil, fmt.Errorf("making a client that lists orders: %w", err)
	}
	return func(source toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
		if _, is := example.(*v1alpha1.EsimOrder); is {
			source = Orders{ListerWatcherWithContext: toolscache.ToListerWatcherWithContext(source), API: api, Size: defaultSize}
		}
		return inner(source, example, resync, indexers)
	}, nil
}

// defaultSize of a page, in orders: of some two kilobytes each.
const defaultSize = 2000

// Orders is where a cache of orders reads from: its list comes in pages, its watch as usual.
type Orders struct {
	toolscache.ListerWatcherWithContext
	// API is a client of the orders' API group.
	API rest.Interface
	// Size of a page, in orders.
	Size int64
}

// IsWatchListSemanticsUnSupported has reflectors list before they watch. A stream of single objects
// costs both sides twice as much, and is decoded by one goroutine.
func (Orders) IsWatchListSemanticsUnSupported() bool { return true }

// List implements cache.ListerWatcher.
func (o Orders) List(options metav1.ListOptions) (runtime.Object, error) {
	return o.ListWithContext(context.Background(), options)
}

// Watch implements cache.ListerWatcher.
func (o Orders) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return o.WatchWithContext(context.Background(), options)
}

// ListWithContext lists all orders as they are now. Errors are those of the API server, such as that
// the first page is too old for the next ones.
func (o Orders) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	pages, failed := make(chan []byte, 1), make(chan error, 1)
	go func() {
		defer close(pages)
		failed <- o.read(ctx, options, pages)
	}()
	all := &v1alpha1.EsimOrderList{}
	for page := range pages {
		var next v1alpha1.EsimOrderList
		if err := utiljson.Unmarshal(page, &next); err != nil {
			return nil, fmt.Errorf("decoding a list of orders: %w", err)
		}
		all.Items = append(all.Items, next.Items...)
		all.ListMeta = metav1.ListMeta{ResourceVersion: next.ResourceVersion}
	}
	if err := <-failed; err != nil {
		return nil, err
	}
	return all, nil
}

// read reads page after page.
func (o Orders) read(ctx context.Context, options metav1.ListOptions, pages chan<- []byte) error {
	options.ResourceVersion, options.ResourceVersionMatch = "", "" // all pages show one moment: now
	options.Limit, options.Continue = o.Size, ""
	for {
		answer := o.API.Get().Resource("esimorders").VersionedParams(&options, metav1.ParameterCodec).Do(ctx)
		if err := answer.Error(); err != nil { // as the API server says it, which Raw does not
			return err
		}
		page, err := answer.Raw()
		if err != nil {
			return err
		}
		if options.Continue, err = continuation(page); err != nil {
			return err
		}
		select {
		case pages <- page:
		case <-ctx.Done():
			return ctx.Err()
		}
		if options.Continue == "" {
			return nil
		}
	}
}

// continuation is by which the next page is asked for; empty after the last. An API server writes
// the metadata of a list behind its items, so that the page need not be decoded to know it; of one
// that does not, it is.
func continuation(page []byte) (string, error) {
	const key = `"metadata":`
	trimmed := bytes.TrimSpace(page)
	if at := bytes.LastIndex(trimmed, []byte(key)); at >= 0 && trimmed[len(trimmed)-1] == '}' {
		var meta metav1.ListMeta
		if err := json.Unmarshal(trimmed[at+len(key):len(trimmed)-1], &meta); err == nil && meta.ResourceVersion != "" {
			return meta.Continue, nil
		}
	}
	var list metav1.PartialObjectMetadataList
	if err := utiljson.Unmarshal(page, &list); err != nil {
		return "", fmt.Errorf("decoding a list of orders: %w", err)
	}
	if list.ResourceVersion == "" {
		return "", errNoList
	}
	return list.Continue, nil
}

// errNoList is what an answer without a list's metadata is.
var errNoList = errors.New("the API server's answer is no list of orders")
