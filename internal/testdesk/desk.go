package testdesk

import (
	"context"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// Desk is one manager's worth of reconcilers. Nothing happens on it but by Work and
// WorkWallet.
type Desk struct {
	// Orders and Wallets are what works.
	Orders  *controllers.OrderReconciler
	Wallets *controllers.WalletReconciler
	// Pool of connections, empty at first.
	Pool *connections.Pool

	wrap func(http.RoundTripper) http.RoundTripper
}

// Options of a desk.
type Options struct {
	// Cache is what the desk reads cheaply from, Live what it asks the API server by, Writer
	// what it writes through; they may be the same.
	Cache  client.Client
	Live   client.Reader
	Writer client.Client
	// Clock tells the time.
	Clock clock.PassiveClock
	// Fence of the desk's lease; nil for one that is always open.
	Fence *leader.Fence
	// WrapTransport, where set, wraps what carries calls to operators.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// AfterPass, where set, sees each order that was written.
	AfterPass func(*v1alpha1.EsimOrder)
}

// patient lets every order in at once, whatever happened before: breaker and trials run by
// the machine's clock, which a test does not wait for.
var patient = connections.Config{
	BreakerFailures: 1 << 30, BreakerDelay: time.Nanosecond, TrialInterval: time.Nanosecond,
	LostAnswersLimit: connections.DefaultConfig.LostAnswersLimit,
}

// Open makes a desk.
func Open(o Options) *Desk {
	pool := connections.NewPool(patient)
	books := &ledger.Ledger{Cache: o.Cache, Live: o.Live, Writer: o.Writer, Clock: o.Clock}
	wallets := &controllers.WalletReconciler{
		Client: o.Cache, Live: o.Live, Writer: o.Writer, Ledger: books, Recorder: silent{}, Clock: o.Clock, CallsAtOnce: 1,
	}
	return &Desk{
		Pool: pool, Wallets: wallets, wrap: o.WrapTransport,
		Orders: &controllers.OrderReconciler{
			Client: o.Cache, Live: o.Live, Writer: o.Writer, Fence: o.Fence, Connections: pool,
			Ledger: books, Wallets: wallets, Recorder: silent{}, Clock: o.Clock,
			Jitter: func() float64 { return 0 }, Pace: controllers.DefaultPace, AfterPass: o.AfterPass,
		},
	}
}

// silent is a recorder of events that keeps none.
type silent struct{}

func (silent) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}

// Connect connects the desk to a mobile operator, by its EsimOperator and its Secret.
func (d *Desk) Connect(operator *v1alpha1.EsimOperator, credentials *corev1.Secret) error {
	driver, err := controllers.NewDrivers(d.Orders.Fence, d.wrap)(operator, credentials, func(operators.Call) {})
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

// WorkWallet makes one pass over a wallet and returns after how long the next one is due.
func (d *Desk) WorkWallet(ctx context.Context, wallet types.NamespacedName) (time.Duration, error) {
	result, err := d.Wallets.Reconcile(ctx, ctrl.Request{NamespacedName: wallet})
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
