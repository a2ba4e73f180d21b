package controllers

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/shard"
)

// withinShard makes passes only where the shard works. What is turned away comes back by
// takenOver.
type withinShard struct {
	shard *shard.Shard
	inner reconcile.Reconciler
	// turnedAway, where set, is told of each object that is not worked on.
	turnedAway func(types.NamespacedName)
}

// Reconcile makes a pass over an object, unless it is for another shard to make.
func (w withinShard) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	leave, ok := w.shard.Enter(ctx, req.Namespace)
	if !ok {
		if w.turnedAway != nil {
			w.turnedAway(req.NamespacedName)
		}
		return ctrl.Result{}, nil
	}
	defer leave()
	return w.inner.Reconcile(ctx, req)
}

// takenOver is a source of all objects of a kind in a namespace that the shard has taken: what
// another leader did there is not known, so all of it is looked at, as after a start.
func takenOver(s *shard.Shard, reader client.Reader, newList func() client.ObjectList, namespaced bool) source.Source {
	return source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		s.OnTaken(func(ctx context.Context, namespace string) {
			if namespaced == (namespace == shard.ClusterScope) {
				return
			}
			if err := addAll(ctx, reader, newList(), namespace, queue); err != nil {
				ctrl.LoggerFrom(ctx).Error(err, "Looking for what is in a namespace that was taken over", "namespace", namespace)
			}
		})
		return nil
	})
}

func addAll(ctx context.Context, reader client.Reader, list client.ObjectList, namespace string, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	if err := reader.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing %T: %w", list, err)
	}
	low := handler.LowPriority
	return meta.EachListItem(list, func(item runtime.Object) error {
		object, err := meta.Accessor(item)
		if err != nil {
			return fmt.Errorf("listing %T: %w", list, err)
		}
		request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}}
		if byPriority, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: &low}, request)
		} else {
			queue.Add(request)
		}
		return nil
	})
}

// Forget drops what is known of a client that another shard works for, or has worked for: its
// book, and which requests were never sent. An order that this process worked on is in its cache.
func (r *OrderReconciler) Forget(ctx context.Context, namespace string) error {
	if namespace == shard.ClusterScope {
		return nil
	}
	var orders v1alpha1.EsimOrderList
	if err := r.Client.List(ctx, &orders, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the orders of namespace %s: %w", namespace, err)
	}
	r.Ledger.Distrust(namespace)
	r.unsent.forgetAll(orders.Items)
	r.reign.beginAnew(r.Clock.Now())
	return nil
}
