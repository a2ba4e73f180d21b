// Package testdesk works orders one pass at a time, by the real reconcilers, on an API server
// in memory: for tests that decide what happens between any two passes, and in them.
package testdesk

import (
	"context"
	"fmt"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
)

// NewAPI makes an API server in memory. It keeps resourceVersions, finalizers and the status
// subresource as controller-runtime's fake does, and adds what the reconcilers rely on beside:
// UIDs, creation times, the phase's default, the settlement finalizer, and deletions with a
// UID precondition. It validates nothing.
func NewAPI(now clock.PassiveClock) (client.WithWatch, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(
		&v1alpha1.EsimOrder{}, &v1alpha1.EsimOperator{}, &v1alpha1.EsimProduct{}, &v1alpha1.EsimWallet{}, &v1alpha1.EsimClient{})
	for _, index := range controllers.OrderIndexes() {
		builder = builder.WithIndex(&v1alpha1.EsimOrder{}, index.Field, index.Extract)
	}
	// What the API server selects by itself.
	builder = builder.WithIndex(&v1alpha1.EsimOrder{}, "status.phase", func(o client.Object) []string {
		return []string{string(o.(*v1alpha1.EsimOrder).Status.Phase)} //nolint:forcetypeassert // it indexes nothing else
	})
	var created atomic.Int64
	return interceptor.NewClient(builder.Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			complete(o, created.Add(1), now)
			return c.Create(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := checkUID(ctx, c, o, opts); err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		},
	}), nil
}

// complete sets what the API server sets on a new object.
func complete(o client.Object, number int64, now clock.PassiveClock) {
	o.SetUID(types.UID(fmt.Sprintf("%08d-0000-4000-8000-000000000000", number)))
	o.SetCreationTimestamp(metav1.NewTime(now.Now().Truncate(1e9)))
	o.SetGeneration(1)
	if order, ok := o.(*v1alpha1.EsimOrder); ok {
		order.Status.Phase = v1alpha1.PhasePending
		order.Finalizers = append(order.Finalizers, v1alpha1.SettlementFinalizer)
	}
}

func checkUID(ctx context.Context, c client.Client, o client.Object, opts []client.DeleteOption) error {
	options := (&client.DeleteOptions{}).ApplyOptions(opts)
	if options.Preconditions == nil || options.Preconditions.UID == nil {
		return nil
	}
	standing, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", o)
	}
	if err := c.Get(ctx, client.ObjectKeyFromObject(o), standing); err != nil {
		return err
	}
	if standing.GetUID() == *options.Preconditions.UID {
		return nil
	}
	return apierrors.NewConflict(schema.GroupResource{Resource: fmt.Sprintf("%T", o)}, o.GetName(),
		fmt.Errorf("the UID in the precondition (%s) is not the object's (%s)", *options.Preconditions.UID, standing.GetUID()))
}

