package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

func wantsCancel(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true }

func told(what string) func(*v1alpha1.EsimOrder) {
	return func(o *v1alpha1.EsimOrder) { o.Annotations = map[string]string{v1alpha1.ResolveAnnotation: what} }
}

// passes makes several, and lets the wallet work too.
func (d *desk) passes(n int) {
	d.t.Helper()
	for range n {
		if err := d.pass(); err != nil {
			d.t.Fatal(err)
		}
		if _, err := d.WorkWallet(d.t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: testshop.WalletName}); err != nil {
			d.t.Fatal(err)
		}
		d.clock.SetTime(d.clock.Now().Add(time.Second))
	}
}

// installed is a delivered order's profile, on its customer's device.
func (d *desk) installed() activation.ICCID {
	d.t.Helper()
	iccid := activation.ICCID(d.until("DELIVERED Delivered").Status.Esim.ICCID)
	if err := d.shop.SMDP.Install(iccid); err != nil {
		d.t.Fatal(err)
	}
	return iccid
}

func (d *desk) staysPaid(why string) {
	d.t.Helper()
	order := d.look()
	if order.Status.Charge.Refund != nil || summary(order) != "DELIVERED Delivered" {
		d.t.Errorf("%s: %s, refund %+v", why, summary(order), order.Status.Charge.Refund)
	}
	if got := condition(order, v1alpha1.ConditionCancelRefused); got == "" {
		d.t.Errorf("%s: nothing says that the cancellation is refused", why)
	}
}

func TestAnInstalledProfileIsNotRefunded(t *testing.T) {
	for _, code := range []string{"3.9", "3.5"} {
		t.Run("where the SM-DP+ says 8.2.1/"+code+" of it", func(t *testing.T) {
			d := atDesk(t, testshop.Options{}, nil)
			d.connect()
			d.order()
			d.installed()
			d.fault(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.1", ReasonCode: code, Function: es2plus.CancelOrder})
			d.edit(wantsCancel)
			d.passes(3)
			d.staysPaid("unknown there")
		})
	}

	t.Run("where the EsimOperator leads to another SM-DP+ by now", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.order()
		d.installed()
		other := atDesk(t, testshop.Options{}, nil)
		var operator v1alpha1.EsimOperator
		if err := other.api.Get(t.Context(), types.NamespacedName{Name: other.shop.Name}, &operator); err != nil {
			t.Fatal(err)
		}
		driver, err := controllers.NewDrivers(nil, nil)(&operator, other.shop.Credentials(), func(operators.Call) {})
		if err != nil {
			t.Fatal(err)
		}
		d.Pool.For(d.shop.Name).Connect(driver, 1)
		d.edit(wantsCancel)
		d.passes(3)
		d.staysPaid("another SM-DP+")
	})

	t.Run("where the first calls provably did nothing, and it was installed meanwhile", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.order()
		iccid := activation.ICCID(d.until("DELIVERED Delivered").Status.Esim.ICCID)
		d.fault(smdp.Fault{Kind: smdp.FaultRefuseConnection})
		d.edit(wantsCancel)
		d.passes(2)
		if err := errors.Join(d.shop.SMDP.ClearFaults(), d.shop.SMDP.Install(iccid)); err != nil {
			t.Fatal(err)
		}
		d.passes(5)
		d.staysPaid("too late, and certainly so")
	})

	t.Run("where a person found that out", func(t *testing.T) {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		d.order()
		iccid := activation.ICCID(d.until("DELIVERED Delivered").Status.Esim.ICCID)
		d.fault(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.CancelOrder, Times: 1})
		d.edit(wantsCancel)
		d.passes(1)
		if err := d.shop.SMDP.Install(iccid); err != nil {
			t.Fatal(err)
		}
		d.passes(5)
		if got := condition(d.look(), v1alpha1.ConditionOutcomeUnknown); got != "True NeedsPerson" {
			t.Fatalf("OutcomeUnknown is %q", got)
		}
		d.edit(told(v1alpha1.ResolveDelivered))
		d.passes(2)
		d.staysPaid("told by a person")
	})
}

func TestAPersonCanTellThatAnUnfinishedOrderWasDelivered(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	d.mystery()
	d.edit(told(v1alpha1.ResolveDelivered))
	d.passes(2)
	order := d.look()
	if summary(order) != "DELIVERED Delivered" || order.Status.Charge.Refund != nil || !order.Status.Activation.Installed {
		t.Errorf("%s, refund %v, activation %+v", summary(order), order.Status.Charge.Refund, order.Status.Activation)
	}
}

// Deleting a DELIVERED order neither cancels nor refunds, whatever is asked of it at the end.
func TestADeletionCallsOffACancellationThatHasNotBegun(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	d.order()
	d.until("DELIVERED Delivered")
	d.edit(wantsCancel)
	if err := d.api.Delete(t.Context(), d.look()); err != nil {
		t.Fatal(err)
	}
	d.passes(6)
	if d.look() != nil {
		t.Fatalf("the order is still there: %s", summary(d.look()))
	}
	wallet, err := d.shop.Wallet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if wallet.Status.Settled.Refunded != "0" || d.shop.Bought() != 1 {
		t.Errorf("settled %+v, %d profiles left", wallet.Status.Settled, d.shop.Bought())
	}
}

func TestADeletionWaitsForACancellationThatHasBegun(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	d.order()
	d.until("DELIVERED Delivered")
	d.fault(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: es2plus.CancelOrder, Times: 1})
	d.edit(wantsCancel)
	d.passes(1)
	if err := d.api.Delete(t.Context(), d.look()); err != nil {
		t.Fatal(err)
	}
	d.passes(8)
	wallet, err := d.shop.Wallet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.look() != nil || wallet.Status.Settled.Refunded != "4.5" || d.shop.Bought() != 0 {
		t.Errorf("there: %v, settled %+v, %d profiles left", d.look() != nil, wallet.Status.Settled, d.shop.Bought())
	}
}

func TestADeletedOrderIsNotRefundedForAProfileWhoseSecretTheCollectorTook(t *testing.T) {
	var iccid activation.ICCID
	edits := 0
	d := atDesk(t, testshop.Options{}, func(d *desk, _ *v1alpha1.EsimOrder) error {
		secret, err := d.shop.Secret(t.Context(), "order")
		if err != nil || secret == nil && iccid == "" || edits >= 3 {
			return err
		}
		if iccid == "" {
			iccid = activation.ICCID(secret.Data[v1alpha1.SecretKeyICCID])
			if err := d.shop.SMDP.Install(iccid); err != nil {
				return err
			}
			if err := d.api.Delete(t.Context(), d.look(), client.PropagationPolicy("Foreground")); err != nil {
				return err
			}
			if err := d.api.Delete(t.Context(), secret); err != nil { // as the garbage collector does
				return err
			}
		}
		edits++
		d.edit(func(o *v1alpha1.EsimOrder) { o.Labels = map[string]string{"edit": fmt.Sprint(edits)} })
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("esimorders").GroupResource(), "order", nil)
	})
	d.connect()
	d.order()
	for range 12 {
		if err := d.pass(); err != nil && !apierrors.IsConflict(err) {
			t.Fatal(err)
		}
		if _, err := d.WorkWallet(t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: testshop.WalletName}); err != nil {
			t.Fatal(err)
		}
		d.clock.SetTime(d.clock.Now().Add(time.Second))
	}
	wallet, err := d.shop.Wallet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if wallet.Status.Refunded != "0" {
		t.Errorf("%s were refunded for a profile that is on a device", wallet.Status.Refunded)
	}
	secret, err := d.shop.Secret(t.Context(), "order")
	if err != nil || d.look() != nil || secret != nil {
		t.Errorf("the order is %v, its Secret %v, error %v", d.look() != nil, secret != nil, err)
	}
}

func TestAnOrderThatIsBeingUndoneHoldsItsOperator(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	reconciler := &controllers.OperatorReconciler{
		Client: d.api, Live: d.api, Writer: d.api, Connections: d.Pool, NewDriver: controllers.NewDrivers(nil, nil),
		Recorder: events.NewFakeRecorder(10), Clock: d.clock, Jitter: func() float64 { return 0 }, Namespace: "esim-system",
	}
	key := types.NamespacedName{Name: d.shop.Name}
	operate := func() {
		t.Helper()
		if _, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
			t.Fatal(err)
		}
	}
	operate()
	d.order()
	d.until("DELIVERED Delivered")
	d.fault(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: es2plus.CancelOrder, Times: 1})
	d.edit(wantsCancel)
	d.passes(1) // it is done at the SM-DP+, and nobody here knows
	var operator v1alpha1.EsimOperator
	if err := d.api.Get(t.Context(), key, &operator); err != nil {
		t.Fatal(err)
	}
	if err := d.api.Delete(t.Context(), &operator); err != nil {
		t.Fatal(err)
	}
	operate()
	d.passes(5)
	refunded(t, d.look())
	operate()
	if err := d.api.Get(t.Context(), key, &operator); !apierrors.IsNotFound(err) {
		t.Errorf("the operator is held by nobody, and still there: %v", err)
	}
}

func TestACancellationAtAnOperatorThatIsGoneIsRefused(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	d.order()
	d.until("DELIVERED Delivered")
	d.Pool.Remove(d.shop.Name)
	var operator v1alpha1.EsimOperator
	if err := d.api.Get(t.Context(), types.NamespacedName{Name: d.shop.Name}, &operator); err != nil {
		t.Fatal(err)
	}
	if err := d.api.Delete(t.Context(), &operator); err != nil {
		t.Fatal(err)
	}
	d.edit(wantsCancel)
	d.passes(2)
	d.staysPaid("nobody to ask")
}

func TestNoSecretOfAnEarlierAttemptOutlivesACancelledOrder(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	d.fault(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.1", ReasonCode: "3.9", Function: es2plus.ConfirmOrder, Times: 1})
	d.order()
	d.passes(1)
	if err := d.shop.SMDP.SetStock(testshop.Plan, 0); err != nil {
		t.Fatal(err)
	}
	d.until("PENDING OutOfStock")
	d.edit(wantsCancel)
	refunded(t, d.until("CANCELLED Cancelled"))
	d.gaveBack()
}

func TestAnOrderThatWaitsForItsOperatorReadsNothing(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	d.fault(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.ConfirmOrder})
	d.order()
	d.until("PENDING OutcomeUnknown")
	reads := 0
	d.Orders.Live = interceptor.NewClient(d.api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, ok := o.(*corev1.Secret); ok {
				reads++
			}
			return c.Get(ctx, k, o, opts...)
		},
	})
	d.Pool.For(d.shop.Name).Disconnect()
	d.edit(wantsCancel)
	for start := d.clock.Now(); d.clock.Now().Sub(start) < time.Hour; {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	if reads > 1 {
		t.Errorf("an hour without the operator cost %d reads of the Secret", reads)
	}
}
