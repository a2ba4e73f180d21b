// Package testdesk works orders one pass at a time, by the real reconcilers, on an API server
// in memory: for tests that decide what happens between any two passes, and in them.
package testdesk

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
)

// Option of an API server.
type Option func(*completion)

// WalletsNotHeld has new wallets wait for the wallet controller to hold them.
func WalletsNotHeld(c *completion) { c.walletsNotHeld = true }

// NewAPI makes an API server in memory. It keeps resourceVersions, finalizers and the status
// subresource as controller-runtime's fake does, and adds what the reconcilers rely on beside:
// UIDs, creation times, the phase's default, the settlement finalizer, deletions with a UID
// precondition, and that a write that fails leaves the object as it was sent. A new wallet has
// its finalizer, as it has within moments of a wallet controller. It validates nothing.
func NewAPI(now clock.PassiveClock, options ...Option) (client.WithWatch, error) {
	completion := &completion{now: now}
	for _, option := range options {
		option(completion)
	}
	// The fake goes through the whole scheme at each write, so it has what is used and no more.
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Namespace{}, &corev1.NamespaceList{}, &corev1.Secret{}, &corev1.SecretList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("building the scheme: %w", err)
	}
	// The plain tracker: the one that keeps managedFields, which nothing here reads, takes ten
	// times as long for each write.
	tracker := clienttesting.NewObjectTracker(scheme, serializer.NewCodecFactory(scheme).UniversalDecoder())
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjectTracker(tracker).WithGlobalResourceVersionCounter().WithStatusSubresource(
		&v1alpha1.EsimOrder{}, &v1alpha1.EsimOperator{}, &v1alpha1.EsimProduct{}, &v1alpha1.EsimWallet{}, &v1alpha1.EsimClient{})
	for _, index := range controllers.OrderIndexes() {
		builder = builder.WithIndex(&v1alpha1.EsimOrder{}, index.Field, index.Extract)
	}
	// What the API server selects by itself.
	builder = builder.WithIndex(&v1alpha1.EsimOrder{}, "status.phase", byPhase).WithIndex(&v1alpha1.EsimOrder{}, "status.esim.iccid", byICCID)
	return interceptor.NewClient(builder.Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			completion.complete(o, created.Add(1))
			return c.Create(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := checkUID(ctx, c, o, opts); err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return unlessItFails(o, func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return unlessItFails(o, func() error { return c.Patch(ctx, o, patch, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return unlessItFails(o, func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
	}), nil
}

// unlessItFails makes a write change the object that is sent only where it is made. The fake
// mixes what it holds into the object before it looks for a conflict.
func unlessItFails(o client.Object, write func() error) error {
	before := o.DeepCopyObject()
	err := write()
	if err != nil {
		reflect.ValueOf(o).Elem().Set(reflect.ValueOf(before).Elem())
	}
	return err
}

func byPhase(o client.Object) []string {
	if order, ok := o.(*v1alpha1.EsimOrder); ok {
		return []string{string(order.Status.Phase)}
	}
	return nil
}

func byICCID(o client.Object) []string {
	if order, ok := o.(*v1alpha1.EsimOrder); ok && order.Status.Esim != nil {
		return []string{order.Status.Esim.ICCID}
	}
	return nil
}

// created numbers all objects of all API servers of this process, so that no two have one UID.
var created atomic.Int64

// completion is what new objects get beside what is sent.
type completion struct {
	now            clock.PassiveClock
	walletsNotHeld bool
}

// complete sets what the API server sets on a new object, and what it soon has.
func (c *completion) complete(o client.Object, number int64) {
	o.SetUID(types.UID(fmt.Sprintf("%08d-0000-4000-8000-000000000000", number)))
	o.SetCreationTimestamp(metav1.NewTime(c.now.Now().Truncate(1e9)))
	o.SetGeneration(1)
	switch o := o.(type) {
	case *v1alpha1.EsimOrder:
		o.Status.Phase = v1alpha1.PhasePending
		controllerutil.AddFinalizer(o, v1alpha1.SettlementFinalizer)
	case *v1alpha1.EsimWallet:
		if !c.walletsNotHeld {
			controllerutil.AddFinalizer(o, v1alpha1.WalletFinalizer)
		}
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
