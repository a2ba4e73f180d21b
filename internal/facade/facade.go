// Package facade puts the role `manager facade` together: its configuration, its caches, its
// clients and the HTTP server of the REST API. Any number of replicas may run.
package facade

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
	"github.com/telcodev/esim-operator/internal/facade/console"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/server"
	"github.com/telcodev/esim-operator/internal/pages"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// Facade is the REST API over the kinds of esim.telco.dev.
type Facade struct {
	config Config
	cache  cache.Cache
	terms  *terms
	client client.Client
	guard  *access.Guard
	ready  *readiness
	log    logr.Logger
	// identity is for whoever asks the API server for themselves.
	identity *rest.Config
	metrics  *server.Metrics
	tracer   *tracing.Tracer
	// console are its files; none where it is switched off.
	console []*console.File

	products *catalogue.Catalogue
	orders   *orders.Index
}

// New puts a facade together. restConfig's identity is the facade's. It asks the API server
// which kinds it has.
func New(ctx context.Context, restConfig *rest.Config, config Config, log logr.Logger) (*Facade, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	restConfig = rest.CopyConfig(restConfig)
	// The API server's own priority and fairness decide how fast we may be.
	restConfig.QPS = -1
	// To compress all orders takes the API server longer than to send them.
	restConfig.DisableCompression = true
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	informers, err := pages.Informers(restConfig, scheme, nil)
	if err != nil {
		return nil, err
	}
	f := &Facade{config: config, log: log, identity: restConfig, products: catalogue.New(), orders: &orders.Index{}}
	f.cache, err = cache.New(restConfig, cache.Options{
		Scheme: scheme, DefaultTransform: cache.TransformStripManagedFields(), ReaderFailOnMissingInformer: true,
		NewInformer: informers,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the caches: %w", err)
	}
	f.terms = newTerms(f.cache)
	calling := rest.CopyConfig(restConfig)
	calling.Timeout = config.CallTimeout.Duration
	direct, err := client.New(calling, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("setting up the client: %w", err)
	}
	f.client = newTurns(direct)
	proxies, err := config.proxies()
	if err != nil {
		return nil, err
	}
	f.guard, err = access.New(access.Config{
		REST: restConfig, Cache: f.terms, TrustedProxies: proxies, Limits: config.RateLimits,
		Failures: config.FailuresPerAddress, Clock: clock.RealClock{}, Random: rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	if f.ready, err = newReadiness(calling, clock.RealClock{}); err != nil {
		return nil, err
	}
	if config.Console {
		if f.console, err = console.Files(); err != nil {
			return nil, err
		}
	}
	f.metrics = server.NewMetrics(f.ready.synced)
	if err := f.watch(ctx); err != nil {
		return nil, err
	}
	f.tracer, err = tracing.Open(ctx, config.Tracing, "esim-facade", f.metrics.Spans, log.WithName("tracing"))
	if err != nil {
		return nil, err
	}
	return f, nil
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

// watch has the informers feed what answers come from.
func (f *Facade) watch(ctx context.Context) error {
	for _, watched := range []struct {
		kind    client.Object
		handler toolscache.ResourceEventHandler
	}{
		{&v1alpha1.EsimOrder{}, f.orders}, {&v1alpha1.EsimProduct{}, f.products},
		{&v1alpha1.EsimClient{}, f.terms}, {&v1alpha1.EsimWallet{}, nil},
	} {
		informer, err := f.cache.GetInformer(ctx, watched.kind, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watching %T: %w", watched.kind, err)
		}
		f.ready.require(informer.HasSynced)
		if watched.handler == nil {
			continue
		}
		registration, err := informer.AddEventHandler(watched.handler)
		if err != nil {
			return fmt.Errorf("watching %T: %w", watched.kind, err)
		}
		f.ready.require(registration.HasSynced)
	}
	return nil
}

// newServer is the API's server. Who waits is answered when stopping ends.
func (f *Facade) newServer(stopping context.Context) *server.Server {
	return &server.Server{
		Guard: f.guard, Catalogue: f.products,
		Desk: &orders.Desk{Index: f.orders, API: f.client, Random: rand.Reader}, Tracer: f.tracer,
		Cache: f.terms, Live: f.client, Writer: f.client,
		Synced: f.ready.synced, Ready: f.ready.check,
		Clock: clock.RealClock{}, Stopping: stopping, Log: f.log, Metrics: f.metrics, Console: f.console,
	}
}

// headerTimeout is how long a request's headers may take to arrive, and sendTimeout how long
// an answer may take to be sent after the longest wait.
const (
	headerTimeout = 10 * time.Second
	sendTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	// maxHeader bounds a request's headers, in bytes: a token has eight thousand at most.
	maxHeader = 16 << 10
)
