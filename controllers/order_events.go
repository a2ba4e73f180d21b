package controllers

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// followOrders calls seen with every order that a cache shows, whenever it changes there, and
// gone with the last that was seen of it.
func followOrders(ctx context.Context, informers cache.Informers, seen, gone func(*v1alpha1.EsimOrder)) error {
	informer, err := informers.GetInformer(ctx, &v1alpha1.EsimOrder{})
	if err != nil {
		return fmt.Errorf("watching orders: %w", err)
	}
	tell := func(object any, what func(*v1alpha1.EsimOrder)) {
		if order := orderIn(object); order != nil {
			what(order)
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { tell(object, seen) },
		UpdateFunc: func(_, object any) { tell(object, seen) },
		DeleteFunc: func(object any) { tell(object, gone) },
	})
	if err != nil {
		return fmt.Errorf("watching orders: %w", err)
	}
	return nil
}

// orderIn is the order that an event is about, also where its deletion was missed; nil for
// anything else.
func orderIn(object any) *v1alpha1.EsimOrder {
	if tombstone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	order, _ := object.(*v1alpha1.EsimOrder)
	return order
}

// feedLedger tells the ledger of what the cache shows: of its own writes it knows already.
func (r *OrderReconciler) feedLedger(ctx context.Context, informers cache.Informers) error {
	return followOrders(ctx, informers, r.Ledger.Observe, r.Ledger.Gone)
}
