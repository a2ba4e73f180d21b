package facade

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"

	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/telcodev/esim-operator/internal/facade/server"
	"github.com/telcodev/esim-operator/internal/servingcert"
)

// Run serves the API, and the metrics beside it, until ctx ends, and then lets requests in
// flight end.
func (f *Facade) Run(ctx context.Context) error {
	defer f.tracer.Close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.config.BindAddress)
	if err != nil {
		return fmt.Errorf("listening on bindAddress %s: %w", f.config.BindAddress, err)
	}
	counted, err := f.metricsServer()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if counted == nil {
		return f.Serve(ctx, listener)
	}
	if err := metrics.Registry.Register(f.metrics); err != nil {
		return errors.Join(fmt.Errorf("registering the metrics: %w", err), listener.Close())
	}
	defer metrics.Registry.Unregister(f.metrics)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.Serve(ctx, listener) })
	group.Go(func() error {
		if err := counted.Start(ctx); err != nil {
			return fmt.Errorf("serving metricsBindAddress %s: %w", f.config.MetricsBindAddress, err)
		}
		return nil
	})
	return group.Wait()
}

// metricsServer serves /metrics as `manager controllers` does: over HTTPS, to those whom the API
// server knows and whom RBAC lets. It is nil where the configuration wants none.
func (f *Facade) metricsServer() (metricsserver.Server, error) {
	client, err := rest.HTTPClientFor(f.identity)
	if err != nil {
		return nil, fmt.Errorf("setting up the metrics: %w", err)
	}
	served, err := metricsserver.NewServer(metricsserver.Options{
		BindAddress:    f.config.MetricsBindAddress,
		SecureServing:  true,
		TLSOpts:        []func(*tls.Config){func(t *tls.Config) { t.MinVersion = tls.VersionTLS12 }},
		FilterProvider: filters.WithAuthenticationAndAuthorization,
	}, f.identity, client)
	if err != nil {
		return nil, fmt.Errorf("setting up the metrics: %w", err)
	}
	return served, nil
}

// Serve serves the API alone, on a listener, which it closes. A facade serves once.
func (f *Facade) Serve(ctx context.Context, listener net.Listener) error {
	defer f.tracer.Close()
	handler, err := f.newServer(ctx).Handler()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	httpServer := f.httpServer(handler)
	// The caches and the sweep go on until the last request is answered.
	work, stopWork := context.WithCancel(log.IntoContext(context.WithoutCancel(ctx), f.log))
	defer stopWork()
	group, work := errgroup.WithContext(work)
	if f.config.TLS.CertFile != "" {
		watcher, err := servingcert.Watch(servingcert.REST, f.config.TLS.CertFile, f.config.TLS.KeyFile)
		if err != nil {
			return errors.Join(fmt.Errorf("reading the certificate of tls.certFile: %w", err), listener.Close())
		}
		httpServer.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: watcher.GetCertificate}
		group.Go(func() error { return watcher.Start(work) })
	}
	group.Go(func() error { return f.cache.Start(work) })
	group.Go(func() error {
		if !f.cache.WaitForCacheSync(work) {
			return nil // told to stop before
		}
		return f.guard.Start(work)
	})
	group.Go(func() error { return serve(httpServer, netutil.LimitListener(listener, f.config.MaxConnections)) })
	group.Go(func() error {
		defer stopWork()
		select {
		case <-ctx.Done():
		case <-work.Done():
		}
		return f.shutDown(httpServer)
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("running the facade: %w", err)
	}
	return nil
}

func serve(httpServer *http.Server, listener net.Listener) error {
	var err error
	if httpServer.TLSConfig != nil {
		err = httpServer.ServeTLS(listener, "", "")
	} else {
		err = httpServer.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// shutDown takes no more requests, and cuts those off that do not end in time.
func (f *Facade) shutDown(httpServer *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), f.config.GracefulShutdown.Duration)
	defer cancel()
	err := httpServer.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return httpServer.Close()
	}
	return err
}

func (f *Facade) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler,
		// Else net/http answers OPTIONS * by itself, without an X-Request-Id and unlogged.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		// No ReadTimeout: it would end requests that wait. Bodies have a deadline of their own.
		WriteTimeout:   server.MaxWait + sendTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       newErrorLog(f.log),
	}
}

// newErrorLog is what net/http complains to, about connections that fail: nobody's fault here.
func newErrorLog(to logr.Logger) *stdlog.Logger {
	return slog.NewLogLogger(logr.ToSlogHandler(to.V(1)), slog.LevelInfo)
}
