package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// wakeQueue puts objects back into a controller's queue from outside of its watches: what
// waited for something that no object tells of.
type wakeQueue struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// source is the controller's source that hands its queue over when it starts.
func (w *wakeQueue) source() source.Source {
	return source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.queue = queue
		return nil
	})
}

// add wakes an object. Before the controller starts there is nobody to wake: it looks at
// everything then.
func (w *wakeQueue) add(object types.NamespacedName) { w.addAfter(object, 0) }

// call wakes an order to a slot that is kept for it. It goes before new ones, which would stand
// ahead of it in their thousands.
func (w *wakeQueue) call(order types.NamespacedName) {
	w.mu.Lock()
	queue, ok := w.queue.(priorityqueue.PriorityQueue[reconcile.Request])
	w.mu.Unlock()
	if !ok {
		w.add(order)
		return
	}
	queue.AddWithOpts(priorityqueue.AddOpts{Priority: &calledPriority}, ctrl.Request{NamespacedName: order})
}

// calledPriority is above that of new orders, which is 0.
var calledPriority = 10

// addAfter wakes an object after a while.
func (w *wakeQueue) addAfter(object types.NamespacedName, wait time.Duration) {
	w.mu.Lock()
	queue := w.queue
	w.mu.Unlock()
	if queue != nil {
		queue.AddAfter(ctrl.Request{NamespacedName: object}, wait)
	}
}
