// Package manager puts the role `manager controllers` together: its configuration, its
// clients, the fence of its lease and its controllers.
package manager

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/operators/es2plus/progress"
	"github.com/telcodev/esim-operator/internal/operators/vendorhooks"
	"github.com/telcodev/esim-operator/internal/pages"
	"github.com/telcodev/esim-operator/internal/shard"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// Options replace parts of the manager, for tests that break them.
type Options struct {
	// Writer, where set, wraps the client that writes.
	Writer func(client.Client) client.Client
	// Live, where set, wraps the reader that asks the API server.
	Live func(client.Reader) client.Reader
	// WrapTransport, where set, wraps what carries calls to operators.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// WrapEvents and WrapReceipts, where set, wrap what sends to clients' endpoints and by e-mail.
	WrapEvents   func(controllers.EventSender) controllers.EventSender
	WrapReceipts func(controllers.ReceiptSender) controllers.ReceiptSender
	// Clock, where set, tells the time for decisions that are written down.
	Clock clock.PassiveClock
	// NewInformer, where set, makes what fills the cache, such as one that lags.
	NewInformer func(toolscache.ListerWatcher, runtime.Object, time.Duration, toolscache.Indexers) toolscache.SharedIndexInformer
	// CatalogueRetry, where set, is after how long a list is read again that could not be taken over.
	CatalogueRetry time.Duration
	// Overlap, where set, is for how long after this manager began what another asked operators may
	// be written down.
	Overlap time.Duration
	// AfterPass, where set, sees each order that was written.
	AfterPass func(*v1alpha1.EsimOrder)
	// SkipNameValidation allows several managers in one process.
	SkipNameValidation bool
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	return scheme, nil
}

// New puts the controllers together. restConfig's identity is the manager's.
func New(ctx context.Context, restConfig *rest.Config, config Config, o Options) (_ ctrl.Manager, err error) {
	// The API server's own priority and fairness decide how fast we may be.
	restConfig = rest.CopyConfig(restConfig)
	restConfig.QPS = -1
	// All orders are read at each start: to compress them takes the API server longer than to send
	// them. Its other controllers have it so, too.
	restConfig.DisableCompression = true
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	options := managerOptions(scheme, config, o)
	if options.Cache.NewInformer, err = pages.Informers(restConfig, scheme, o.NewInformer); err != nil {
		return nil, err
	}
	fence := leader.Open()
	if config.LeaderElection.Enabled {
		if fence, err = newFence(restConfig, config); err != nil {
			return nil, err
		}
		options.LeaderElectionResourceLockInterface = fence
	}
	mgr, err := ctrl.NewManager(restConfig, options)
	if err != nil {
		return nil, fmt.Errorf("setting up the manager: %w", err)
	}
	// No write may arrive after the fence has closed: the deadline goes to the API server too.
	// The watches keep the manager's own client, which has none.
	writer, err := newClient(restConfig, config.WriteTimeout.Duration, scheme, mgr.GetRESTMapper())
	if err != nil {
		return nil, fmt.Errorf("setting up the writing client: %w", err)
	}
	live, err := newClient(restConfig, config.ReadTimeout.Duration, scheme, mgr.GetRESTMapper())
	if err != nil {
		return nil, fmt.Errorf("setting up the reading client: %w", err)
	}
	if o.Writer != nil {
		writer = o.Writer(writer)
	}
	parts := parts{mgr: mgr, writer: writer, live: live, fence: fence, clock: clock.RealClock{}, newDriver: controllers.NewDriversThrough(config.OperatorProxy.dial(), fence, config.Tracing.transport(o.WrapTransport))}
	if o.Live != nil {
		parts.live = o.Live(parts.live)
	}
	if o.Clock != nil {
		parts.clock = o.Clock
	}
	if parts.shard, err = parts.newShard(ctx, config); err != nil {
		return nil, err
	}
	parts.tracer, err = tracing.Open(ctx, config.Tracing.Config, "esim-controllers", countSpans, mgr.GetLogger().WithName("tracing"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			parts.tracer.Close()
		}
	}()
	if err := parts.addControllers(ctx, config, o); err != nil {
		return nil, err
	}
	if err := mgr.Add(ctrlmanager.RunnableFunc(func(ctx context.Context) error { return standDown(ctx, fence) })); err != nil {
		return nil, fmt.Errorf("watching the lease: %w", err)
	}
	if err := mgr.Add(showLeading(config.LeaderElection.LeaseName)); err != nil {
		return nil, fmt.Errorf("adding what shows who leads: %w", err)
	}
	if err := mgr.Add(settledMemory{mgr.GetCache()}); err != nil {
		return nil, fmt.Errorf("adding what gives memory back: %w", err)
	}
	return tracedManager{mgr, parts.tracer}, addChecks(mgr)
}

// errDeposed is how a manager ends that was the leader and is not any more.
var errDeposed = errors.New("another process has taken over the lease, or may have: this one was paused or cut off for too long")

// standDown ends the manager once another leads. The elector would let the controllers go on until
// its renew deadline.
func standDown(ctx context.Context, fence *leader.Fence) error {
	select {
	case <-ctx.Done():
		return nil
	case <-fence.Deposed():
		return errDeposed
	}
}

// newClient is a client without a cache, each of whose requests ends after timeout.
func newClient(restConfig *rest.Config, timeout time.Duration, scheme *runtime.Scheme, mapper meta.RESTMapper) (client.Client, error) {
	restConfig = rest.CopyConfig(restConfig)
	restConfig.Timeout = timeout
	return client.New(restConfig, client.Options{Scheme: scheme, Mapper: mapper})
}

func managerOptions(scheme *runtime.Scheme, config Config, o Options) ctrl.Options {
	election := config.LeaderElection
	return ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultTransform:            cache.TransformStripManagedFields(),
			ReaderFailOnMissingInformer: true,
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Secret{}: {Namespaces: map[string]cache.Config{config.Namespace: {}}},
			},
		},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		Metrics: metricsserver.Options{
			BindAddress:    config.MetricsBindAddress,
			SecureServing:  true,
			TLSOpts:        []func(*tls.Config){func(t *tls.Config) { t.MinVersion = tls.VersionTLS12 }},
			FilterProvider: filters.WithAuthenticationAndAuthorization,
		},
		Controller:                    ctrlconfig.Controller{SkipNameValidation: &o.SkipNameValidation},
		HealthProbeBindAddress:        config.HealthProbeBindAddress,
		PprofBindAddress:              config.PprofBindAddress,
		GracefulShutdownTimeout:       &config.GracefulShutdown.Duration,
		LeaderElection:                election.Enabled,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &election.LeaseDuration.Duration,
		RenewDeadline:                 &election.RenewDeadline.Duration,
		RetryPeriod:                   &election.RetryPeriod.Duration,
	}
}

// newFence makes the lease's lock, fenced.
func newFence(restConfig *rest.Config, config Config) (*leader.Fence, error) {
	electing := rest.CopyConfig(restConfig)
	electing.UserAgent = cmp.Or(electing.UserAgent, rest.DefaultKubernetesUserAgent()) + "/leader-election"
	// A request that hangs must not cost the lease.
	electing.Timeout = config.LeaderElection.RenewDeadline.Duration / 2
	leases, err := coordinationv1.NewForConfig(electing)
	if err != nil {
		return nil, fmt.Errorf("setting up the leader election: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("setting up the leader election: %w", err)
	}
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: config.Namespace, Name: config.LeaderElection.LeaseName},
		Client:     leases,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())},
		Labels:     map[string]string{shard.WorksInLabel: config.worksIn()},
	}
	return leader.NewFence(lock, config.LeaderElection.LeaseDuration.Duration, config.WriteTimeout.Duration), nil
}

// parts are what the controllers are made of.
type parts struct {
	mgr       ctrl.Manager
	writer    client.Client
	live      client.Reader
	fence     *leader.Fence
	shard     *shard.Shard
	clock     clock.PassiveClock
	newDriver controllers.DriverFactory
	tracer    *tracing.Tracer
}

func (p parts) addControllers(ctx context.Context, config Config, o Options) error {
	pool := connections.NewPool(config.Breaker.connections())
	books := &ledger.Ledger{Cache: p.mgr.GetClient(), Live: p.live, Writer: p.writer, Clock: p.clock}
	wallets := &controllers.WalletReconciler{
		Client: p.mgr.GetClient(), Live: p.live, Writer: p.writer, Ledger: books,
		Recorder: p.mgr.GetEventRecorder("esim-wallets"), Clock: p.clock, Shard: p.shard,
	}
	orders := &controllers.OrderReconciler{
		Client: p.mgr.GetClient(), Live: p.live, Writer: p.writer, Ledger: books, Wallets: wallets,
		Fence: p.fence, Connections: pool, Recorder: p.mgr.GetEventRecorder("esim-orders"),
		Clock: p.clock, Jitter: rand.Float64, Pace: config.Pace, Workers: config.Workers, AfterPass: o.AfterPass,
		Receipts: config.Mail.sent(), Shard: p.shard, Tracer: p.tracer,
		Overlap: func(operator *v1alpha1.EsimOperator) time.Duration {
			if o.Overlap > 0 {
				return o.Overlap
			}
			call := operator.CallTimeout()
			if operator.Spec.ES2Plus == nil {
				call *= 3 // what was bought is looked up in the books, also by whoever only looks it up
			}
			return call + 2*config.WriteTimeout.Duration
		},
	}
	if p.shard != nil {
		p.shard.Forget = orders.Forget
	}
	health := &controllers.EndpointHealth{}
	courier, err := p.newCourier(config, o, health)
	if err != nil {
		return err
	}
	operators := &controllers.OperatorReconciler{
		Client: p.mgr.GetClient(), Live: p.live, Writer: p.writer,
		Connections: pool, NewDriver: p.newDriver, Recorder: p.mgr.GetEventRecorder("esim-operators"),
		Clock: p.clock, Jitter: rand.Float64, Namespace: config.Namespace,
		ProbeInterval: config.ProbeInterval.Duration, Shard: p.shard,
	}
	products := &controllers.ProductReconciler{
		Client: p.mgr.GetClient(), Live: p.live, Writer: p.writer, Clock: p.clock, Connections: pool, Shard: p.shard,
	}
	catalogues := &controllers.CatalogueReconciler{
		Client: p.mgr.GetClient(), Live: p.live, Writer: p.writer, Connections: pool, Clock: p.clock, Jitter: rand.Float64, Retry: o.CatalogueRetry,
		Listed: products.WakeOperator, Shard: p.shard,
	}
	clients := &controllers.ClientReconciler{Client: p.mgr.GetClient(), Writer: p.writer, Health: health, Clock: p.clock, Shard: p.shard}
	audit := &controllers.LedgerAudit{Ledger: books, Clock: clock.RealClock{}, Interval: config.AuditInterval.Duration}
	if err := p.mgr.Add(audit); err != nil {
		return fmt.Errorf("adding the ledger's audit: %w", err)
	}
	if err := p.addReceiver(config); err != nil {
		return err
	}
	if err := p.addVendorWebhooks(config); err != nil {
		return err
	}
	for _, controller := range []interface {
		SetupWithManager(ctx context.Context, mgr ctrl.Manager) error
	}{orders, wallets, operators, products, clients, courier, catalogues} {
		if err := controller.SetupWithManager(ctx, p.mgr); err != nil {
			return err
		}
	}
	return nil
}

// addReceiver adds the server that takes what operators report; each replica has one.
func (p parts) addReceiver(config Config) error {
	if !config.Notifications.served() {
		return nil
	}
	log := p.mgr.GetLogger().WithName("notifications")
	senders := &controllers.DeviceSenders{Client: p.mgr.GetClient(), Live: p.live, Namespace: config.Namespace, Clock: p.clock}
	store := controllers.NewDeviceReports(p.mgr.GetClient(), p.live, p.writer)
	receiver := progress.NewReceiver(senders.Known, store, p.clock, log)
	err := p.mgr.Add(progress.NewServer(receiver, progress.ServerOptions{
		BindAddress: config.Notifications.BindAddress, CertDir: config.Notifications.CertDir, Log: log,
	}))
	if err != nil {
		return fmt.Errorf("adding the notification receiver: %w", err)
	}
	return nil
}

// addVendorWebhooks adds the server that takes what wholesalers hint at; each replica has one.
func (p parts) addVendorWebhooks(config Config) error {
	if !config.VendorWebhooks.served() {
		return nil
	}
	proxies, err := config.VendorWebhooks.proxies()
	if err != nil {
		return err
	}
	log := p.mgr.GetLogger().WithName("vendor-webhooks")
	roster := &controllers.VendorRoster{Client: p.mgr.GetClient(), Live: p.live, Namespace: config.Namespace, Clock: p.clock}
	hints := &controllers.VendorHints{Client: p.mgr.GetClient(), Live: p.live, Writer: p.writer, Clock: p.clock}
	receiver := vendorhooks.NewReceiver(roster.Known, hints, proxies, p.clock, log)
	err = p.mgr.Add(vendorhooks.NewServer(receiver, vendorhooks.ServerOptions{
		BindAddress: config.VendorWebhooks.BindAddress, CertDir: config.VendorWebhooks.CertDir, Log: log,
	}))
	if err != nil {
		return fmt.Errorf("adding the receiver of wholesalers' webhooks: %w", err)
	}
	return nil
}

// newCourier is what sends receipts and events.
func (p parts) newCourier(config Config, o Options, health *controllers.EndpointHealth) (*controllers.CourierReconciler, error) {
	receipts, err := newReceipts(config, p.live, p.clock, p.mgr.GetLogger().WithName("receipts"))
	if err != nil {
		return nil, err
	}
	webhooks, err := newWebhooks(config.Webhooks, p.clock)
	if err != nil {
		return nil, err
	}
	var events controllers.EventSender = webhooks
	if o.WrapEvents != nil {
		events = o.WrapEvents(events)
	}
	if o.WrapReceipts != nil && receipts != nil {
		receipts = o.WrapReceipts(receipts)
	}
	return &controllers.CourierReconciler{
		Client: p.mgr.GetClient(), Live: p.live, Writer: p.writer, Webhooks: events, Mail: receipts, Health: health,
		Clock: p.clock, Jitter: rand.Float64, Log: p.mgr.GetLogger().WithName("courier"),
		WebhookConcurrency: config.Webhooks.MaxInFlight, MailConcurrency: config.Mail.MaxInFlight, Shard: p.shard, Tracer: p.tracer,
	}, nil
}

func addChecks(mgr ctrl.Manager) error {
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding /healthz: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding /readyz: %w", err)
	}
	return nil
}
