// Package laggard makes caches that lag: for tests of what a controller does with a view of
// the world that is some events old.
//
// A cache may lag at any time and by any amount, and does so most where most happens. On an
// idle machine it hardly does, so what breaks by it is hardly ever seen there.
package laggard

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// Lag is by how much caches are late.
type Lag struct {
	// Events of a kind must have followed one before it is seen; 0 does not lag.
	Events int
	// Longest is how long an event is held back where no others follow it, so that the last
	// ones are seen too.
	Longest time.Duration
}

// NewInformer is an informer that lags; it fits in the place of
// toolscache.NewSharedIndexInformer. What it lists at first is as fresh as ever: a new cache
// begins with the present, and falls behind from there.
func (l Lag) NewInformer(source toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	return toolscache.NewSharedIndexInformer(l.around(source), example, resync, indexers)
}

// around is source, whose watches lag.
func (l Lag) around(source toolscache.ListerWatcher) toolscache.ListerWatcher {
	inner := toolscache.ToListerWatcherWithContext(source)
	list := &toolscache.ListWatch{
		ListWithContextFunc: inner.ListWithContext,
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			stream, err := inner.WatchWithContext(ctx, o)
			if err != nil {
				return nil, fmt.Errorf("watching: %w", err)
			}
			return l.holdBack(stream, initialFrom(o)), nil
		},
	}
	// Whether the source can stream its first list is known to it alone.
	return toolscache.ToListWatcherWithWatchListSemantics(list, source)
}

// initialFrom tells whether a watch begins with what there is already.
func initialFrom(o metav1.ListOptions) bool {
	return o.SendInitialEvents != nil && *o.SendInitialEvents
}
