package controllers_test

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// listing has something happen right after each list of orders was read.
type listing struct {
	client.Reader
	happens func()
}

func (l listing) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	err := l.Reader.List(ctx, list, opts...)
	if _, ok := list.(*v1alpha1.EsimOrderList); ok {
		l.happens()
	}
	return err
}

// before is a cache that shows an EsimOperator as it was.
type before struct {
	client.Client
	operator v1alpha1.EsimOperator
}

func (b before) Get(ctx context.Context, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	if operator, ok := object.(*v1alpha1.EsimOperator); ok {
		b.operator.DeepCopyInto(operator)
		return nil
	}
	return b.Client.Get(ctx, key, object, opts...)
}

func TestADeletedOperatorTakesNoOrderInWhileItGoes(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.order()
	let := false
	reconciler := &controllers.OperatorReconciler{
		Client: d.api, Writer: d.api, Connections: d.Pool, NewDriver: controllers.NewDrivers(nil, nil),
		Recorder: events.NewFakeRecorder(10), Clock: d.clock, Jitter: func() float64 { return 0 }, Namespace: "esim-system",
		Live: listing{d.api, func() {
			if let {
				// An order that was not in the list: it came in after it.
				if err := d.pass(); err != nil {
					t.Error(err)
				}
			}
		}},
	}
	key := types.NamespacedName{Name: d.shop.Name}
	work := func() {
		t.Helper()
		if _, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
			t.Fatal(err)
		}
	}
	work()
	var operator v1alpha1.EsimOperator
	if err := d.api.Get(t.Context(), key, &operator); err != nil {
		t.Fatal(err)
	}
	d.Orders.Client = before{d.api, operator} // which does not show yet that it is deleted
	if err := d.api.Delete(t.Context(), &operator); err != nil {
		t.Fatal(err)
	}
	let = true
	work()
	let = false
	if err := d.api.Get(t.Context(), key, &operator); !apierrors.IsNotFound(err) {
		t.Fatalf("the operator is still there: %v", err)
	}
	if order := d.look(); order.Status.Provisioning != nil {
		t.Errorf("an order was given to an operator that was gone a moment later: %s", summary(order))
	}
	if calls := len(d.shop.SMDP.Ledger()); calls != 0 {
		t.Errorf("%d calls were made", calls)
	}
}

func TestADeletedOperatorThatChangedMeanwhileIsLookedAtAgain(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	conflicts := 1
	writer := interceptor.NewClient(d.api, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if !o.GetDeletionTimestamp().IsZero() && conflicts > 0 {
				conflicts--
				return apierrors.NewConflict(schema.GroupResource{Resource: "esimoperators"}, o.GetName(), nil)
			}
			return c.Patch(ctx, o, patch, opts...)
		},
	})
	reconciler := &controllers.OperatorReconciler{
		Client: d.api, Live: d.api, Writer: writer, Connections: d.Pool, NewDriver: controllers.NewDrivers(nil, nil),
		Recorder: events.NewFakeRecorder(10), Clock: d.clock, Jitter: func() float64 { return 0 }, Namespace: "esim-system",
	}
	key := types.NamespacedName{Name: d.shop.Name}
	work := func() ctrl.Result {
		t.Helper()
		result, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	work()
	if err := d.api.Delete(t.Context(), &v1alpha1.EsimOperator{ObjectMeta: metav1.ObjectMeta{Name: d.shop.Name}}); err != nil {
		t.Fatal(err)
	}
	if result := work(); result.RequeueAfter <= 0 {
		t.Fatal("nobody looks again")
	}
	work()
	if err := d.api.Get(t.Context(), key, &v1alpha1.EsimOperator{}); !apierrors.IsNotFound(err) {
		t.Errorf("the operator is still there: %v", err)
	}
}
