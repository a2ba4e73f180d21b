package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Index is a field by which a cache finds EsimOrders.
type Index struct {
	Field   string
	Extract client.IndexerFunc
}

const (
	// indexUnaccepted holds, by product, orders that wait for their product.
	indexUnaccepted = "unaccepted.productRef"
	// indexUnfinished holds, by operator, the orders that may still hold a profile there.
	indexUnfinished = "unfinished.operatorRef"
	// indexICCID holds orders by the profiles that they are about.
	indexICCID = "profile.iccid"
	// indexRequestID holds orders by the request ID of their attempt.
	indexRequestID = "provisioning.requestID"
)

// OrderIndexes are the indexes of EsimOrders that the controllers look orders up by.
func OrderIndexes() []Index {
	return []Index{
		{indexUnaccepted, byProductUntilAccepted},
		{indexUnfinished, byOperatorUntilFinished},
		{indexICCID, byICCID},
		{indexRequestID, byRequestID},
	}
}

func addOrderIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range OrderIndexes() {
		if err := indexer.IndexField(ctx, &v1alpha1.EsimOrder{}, index.Field, index.Extract); err != nil {
			return fmt.Errorf("indexing orders by %s: %w", index.Field, err)
		}
	}
	return nil
}

func byProductUntilAccepted(object client.Object) []string {
	order, ok := object.(*v1alpha1.EsimOrder)
	if !ok || order.Status.Plan != nil || order.Terminal() {
		return nil
	}
	return []string{order.Spec.ProductRef.Name}
}

func byOperatorUntilFinished(object client.Object) []string {
	order, ok := object.(*v1alpha1.EsimOrder)
	if !ok || order.Status.Provisioning == nil || order.Terminal() && order.Status.Provisioning.Closing == "" {
		return nil
	}
	return []string{order.Status.Provisioning.OperatorRef.Name}
}

func byICCID(object client.Object) []string {
	order, ok := object.(*v1alpha1.EsimOrder)
	if !ok {
		return nil
	}
	return iccidsOf(order)
}

func byRequestID(object client.Object) []string {
	order, ok := object.(*v1alpha1.EsimOrder)
	if !ok || order.Status.Provisioning == nil {
		return nil
	}
	return []string{order.Status.Provisioning.RequestID}
}
