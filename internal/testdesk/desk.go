package testdesk

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// Desk is one manager's worth of reconcilers. Nothing happens on it but by Work.
type Desk struct {
	// Orders is what works.
	Orders *controllers.OrderReconciler
	// Pool of connections, empty at first.
	Pool *connections.Pool
}

// Open makes a desk. cache is what it reads cheaply from, live what it asks the API server
// by, writer what it writes through; they may be the same.
func Open(cache client.Client, live client.Reader, writer client.Client, now clock.PassiveClock) *Desk {
	pool := connections.NewPool(connections.DefaultConfig)
	return &Desk{
		Pool: pool,
		Orders: &controllers.OrderReconciler{
			Client: cache, Live: live, Writer: writer, Connections: pool,
			Recorder: events.NewFakeRecorder(10_000), Clock: now,
			Jitter: func() float64 { return 0 }, Pace: controllers.DefaultPace,
		},
	}
}

// Connect connects the desk to a mobile operator, by its EsimOperator and its Secret.
func (d *Desk) Connect(operator *v1alpha1.EsimOperator, credentials *corev1.Secret) error {
	driver, err := controllers.NewDrivers(nil, nil)(operator, credentials, func(operators.Call) {})
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", operator.Name, err)
	}
	d.Pool.For(operator.Name).Connect(driver, 50)
	return nil
}

// Work makes one pass over an order and returns after how long the next one is due.
func (d *Desk) Work(ctx context.Context, order types.NamespacedName) (time.Duration, error) {
	result, err := d.Orders.Reconcile(ctx, ctrl.Request{NamespacedName: order})
	return result.RequeueAfter, err
}

// BeforeStatusWrite has something happen before each write of an order's status through the
// client that is returned: what another program does between a pass' read and its write.
func BeforeStatusWrite(api client.WithWatch, happens func(context.Context, *v1alpha1.EsimOrder) error) client.WithWatch {
	return interceptor.NewClient(api, interceptor.Funcs{
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			if order, ok := o.(*v1alpha1.EsimOrder); ok {
				if err := happens(ctx, order); err != nil {
					return err
				}
			}
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
	})
}
