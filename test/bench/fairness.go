package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

const (
	// operatorRate is how many calls a second the operator allows, and operatorSlots how many
	// orders at one time; each call takes operatorLatency.
	operatorRate, operatorSlots = 100, 20
	operatorLatency             = 50 * time.Millisecond
	// singlePause is how often the client orders that does not flood, and aloneOrders how often it
	// does while nobody else orders.
	singlePause = 250 * time.Millisecond
	aloneOrders = 60
	// mostSingles bounds its orders while the other floods: a minute and a half, for the flood
	// begins to wait after ten seconds. What is left of it then is not waited for.
	mostSingles = 360
	// floodAtOnce is how many orders the flood sends at one time.
	floodAtOnce = 64
	// floodLook is how often it is counted what of the flood is delivered.
	floodLook = 100 * time.Millisecond
	// deliveryLimit bounds how long one order may take.
	deliveryLimit = 5 * time.Minute
)

// market is where two clients buy at one operator: a control plane, a facade and the manager as
// they are in production, in this process.
type market struct {
	*stand
	shop    *testshop.Shop
	product int64

	mu        sync.Mutex
	delivered map[types.NamespacedName]time.Time
	closers   []func() error
}

// customer is one client, by its own identity.
type customer struct {
	name, token string
	kubectl     client.Client
	// waits tells that the client waits for each order.
	waits bool
}

// flooding is how one client floods the others.
type flooding struct {
	orders int
	// by names the ways to order, with a comma between.
	by string
}

// measureFairness has one client order now and then, by kubectl and over REST, alone and while
// another one's thousands of orders wait, all at one operator that takes 100 calls a second.
func measureFairness(flood flooding) func(context.Context, *stand) ([]figure, error) {
	return func(ctx context.Context, _ *stand) (figures []figure, err error) {
		for _, way := range []struct {
			flag, name string
			buy        func(*market) buying
		}{
			{"kubectl", "by kubectl", func(m *market) buying { return m.byKubectl }},
			{"REST", "over REST", func(m *market) buying { return m.overREST }},
		} {
			if !slices.Contains(strings.Split(flood.by, ","), way.flag) {
				continue
			}
			taken, err := inMarket(ctx, func(m *market) ([]figure, error) { return m.compare(ctx, way.name, flood.orders, way.buy(m)) })
			figures = append(figures, taken...)
			if err != nil {
				return figures, err
			}
		}
		if len(figures) == 0 {
			return nil, fmt.Errorf("there is no way to order named %q; there are kubectl and REST", flood.by)
		}
		return figures, nil
	}
}

// inMarket measures in a market of its own: the real manager would deal with the other
// measurements' orders, and with what is left of a flood.
func inMarket(ctx context.Context, measure func(*market) ([]figure, error)) (taken []figure, err error) {
	s, err := newStand(ctx, testenv.AuditNone)
	if err != nil {
		return nil, err
	}
	m := &market{stand: s, delivered: map[types.NamespacedName]time.Time{}}
	defer func() { err = errors.Join(err, m.shut()) }()
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	return measure(m)
}

func (m *market) shut() error {
	var faults []error
	for i := len(m.closers) - 1; i >= 0; i-- {
		faults = append(faults, m.closers[i]())
	}
	return errors.Join(append(faults, m.close())...)
}

func (m *market) open(ctx context.Context) (err error) {
	m.shop, err = testshop.Open(ctx, m.env.Client, "market", testshop.Options{
		Stock: 1_000_000,
		Operator: func(o *v1alpha1.EsimOperator) {
			o.Spec.Limits = v1alpha1.OperatorLimits{RequestsPerSecond: operatorRate, InFlight: operatorSlots}
		},
	})
	if err != nil {
		return err
	}
	m.closers = append(m.closers, m.shop.Close)
	if err := m.shop.SMDP.SetLatency(smdp.Latency{Fixed: operatorLatency}); err != nil {
		return err
	}
	if err := m.watchOrders(ctx); err != nil {
		return err
	}
	if err := m.startManager(ctx); err != nil {
		return err
	}
	return until(ctx, func() bool {
		var product v1alpha1.EsimProduct
		err := m.env.Client.Get(ctx, types.NamespacedName{Name: m.shop.Name}, &product)
		m.product = product.Status.ID
		return err == nil && m.product != 0
	})
}

// background runs something until the market shuts.
func (m *market) background(ctx context.Context, run func(context.Context) error) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- run(running) }()
	m.closers = append(m.closers, func() error { cancel(); return <-ended })
}

func (m *market) startManager(ctx context.Context) error {
	identity, err := m.env.ManagerConfig()
	if err != nil {
		return err
	}
	config := manager.DefaultConfig()
	config.LeaderElection.Enabled = false
	config.MetricsBindAddress, config.HealthProbeBindAddress = "0", "0"
	mgr, err := manager.New(ctx, identity, config, manager.Options{SkipNameValidation: true})
	if err != nil {
		return err
	}
	m.background(ctx, func(ctx context.Context) error { return manager.Run(ctx, mgr) })
	return nil
}

// watchOrders notes when each order is seen to be delivered.
func (m *market) watchOrders(ctx context.Context) error {
	orders, err := cache.New(m.env.Config, cache.Options{Scheme: m.env.Scheme, DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return fmt.Errorf("making a cache: %w", err)
	}
	informer, err := orders.GetInformer(ctx, &v1alpha1.EsimOrder{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching orders: %w", err)
	}
	note := func(object any) {
		if order, ok := object.(*v1alpha1.EsimOrder); ok && order.Status.Phase == v1alpha1.PhaseDelivered {
			m.note(client.ObjectKeyFromObject(order))
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: note, UpdateFunc: func(_, now any) { note(now) }})
	if err != nil {
		return fmt.Errorf("watching orders: %w", err)
	}
	m.background(ctx, orders.Start)
	return nil
}

func (m *market) note(order types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.delivered[order]; !known {
		m.delivered[order] = time.Now()
	}
}

func (m *market) deliveredAt(order types.NamespacedName) (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.delivered[order]
	return at, ok
}

// deliveredTo is how many orders of a client were delivered.
func (m *market) deliveredTo(namespace string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for order := range m.delivered {
		if order.Namespace == namespace {
			n++
		}
	}
	return n
}

func (m *market) newCustomer(ctx context.Context, name string) (*customer, error) {
	token, err := m.admit(ctx, name)
	if err != nil {
		return nil, err
	}
	wallet := m.shop.NewWallet()
	wallet.Namespace = name
	if err := m.env.Client.Create(ctx, wallet); err != nil {
		return nil, fmt.Errorf("creating the wallet of %s: %w", name, err)
	}
	identity, err := m.env.ServiceAccountConfig(name, access.LoginServiceAccount)
	if err != nil {
		return nil, err
	}
	identity = rest.CopyConfig(identity)
	identity.QPS = -1
	kubectl, err := client.New(identity, client.Options{Scheme: m.env.Scheme})
	if err != nil {
		return nil, fmt.Errorf("making the client of %s: %w", name, err)
	}
	return &customer{name: name, token: token, kubectl: kubectl}, nil
}

// byKubectl creates an order, and says how long it took until it was seen to be delivered.
func (m *market) byKubectl(ctx context.Context, by *customer, name string) (time.Duration, error) {
	order := m.shop.NewOrder(name)
	order.Namespace = by.name
	began := time.Now()
	if err := by.kubectl.Create(ctx, order); err != nil {
		return 0, fmt.Errorf("creating EsimOrder %s: %w", name, err)
	}
	if !by.waits {
		return 0, nil
	}
	return m.sinceDelivery(ctx, client.ObjectKeyFromObject(order), began)
}

// sinceDelivery waits until an order is delivered, and says how long that was after it was sent.
func (m *market) sinceDelivery(ctx context.Context, order types.NamespacedName, sent time.Time) (time.Duration, error) {
	err := untilWithin(ctx, deliveryLimit, func() bool { _, ok := m.deliveredAt(order); return ok })
	at, _ := m.deliveredAt(order)
	return at.Sub(sent), err
}

// overREST posts an order, and says how long it took until it was answered with its code.
func (m *market) overREST(ctx context.Context, by *customer, name string) (time.Duration, error) {
	wait := ""
	if !by.waits {
		wait = "wait=0"
	}
	body := fmt.Sprintf(`{"product_id":%d,"amount":%s,"client_reference":%q}`, m.product, testshop.Amount, name)
	order, err := m.order(ctx, postOrder(by.token, body, wait))
	if err != nil || !by.waits {
		return 0, err
	}
	if !order.delivered { // within the minute that a request waits
		return m.sinceDelivery(ctx, types.NamespacedName{Namespace: by.name, Name: ids.OrderName(order.id)}, order.sent)
	}
	return order.answered.Sub(order.sent), nil
}
