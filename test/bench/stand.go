package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/testenv"
)

const (
	// buyer is the client that buys and reads; it has one installed order.
	buyer          = "buyer"
	installedOrder = "o-930248119"
	// readyLimit bounds how long the facade may take to be ready.
	readyLimit = time.Minute
)

// stand is what is measured: a control plane, and a facade in this process, with the log that
// it writes in production going to a file.
type stand struct {
	env      *testenv.Environment
	identity *rest.Config
	// address of the facade, and the buyer's token.
	address, token string

	folder  string
	log     logr.Logger
	logFile *os.File
	closers []func() error
}

func newStand(ctx context.Context, audit testenv.AuditLevel) (*stand, error) {
	s := &stand{}
	if err := s.start(ctx, audit); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stand) start(ctx context.Context, audit testenv.AuditLevel) (err error) {
	if s.env, err = testenv.Start(ctx, testenv.Options{Audit: audit}); err != nil {
		return err
	}
	s.onClose(s.env.Stop)
	if err := s.env.ApplyFolder(ctx, "config/facade"); err != nil {
		return err
	}
	if s.identity, err = s.env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade"); err != nil {
		return err
	}
	if s.folder, err = os.MkdirTemp("", "esim-bench-"); err != nil {
		return fmt.Errorf("making a folder for the log: %w", err)
	}
	s.onClose(func() error { return os.RemoveAll(s.folder) })
	if s.logFile, err = os.Create(filepath.Join(s.folder, "facade.log")); err != nil {
		return fmt.Errorf("making the log: %w", err)
	}
	s.onClose(s.logFile.Close)
	lines := facade.NewLogBuffer(s.logFile)
	s.onClose(lines.Close)
	s.log = facade.NewLog(lines, "info")
	if err := s.stock(ctx); err != nil {
		return err
	}
	if s.token, err = s.admit(ctx, buyer); err != nil {
		return err
	}
	if err := s.install(ctx); err != nil {
		return err
	}
	return s.startFacade(ctx)
}

// unlimited are rate limits that no measurement reaches.
func unlimited() v1alpha1.RateLimits {
	const many = 1_000_000_000
	return v1alpha1.RateLimits{Read: many, Order: many, Quote: many, Change: many, Login: many, Refresh: many}
}

func (s *stand) startFacade(ctx context.Context) error {
	config := facade.DefaultConfig()
	config.RateLimits = unlimited()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	served, err := facade.New(running, s.identity, config, s.log.WithName("facade"))
	if err != nil {
		stop()
		return err
	}
	listener, err := listen(ctx)
	if err != nil {
		stop()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- served.Serve(running, listener) }()
	s.onClose(func() error { stop(); return <-ended })
	s.address = listener.Addr().String()
	return until(ctx, func() bool {
		_, err := take(ctx, s.address, "/readyz", "")
		return err == nil
	})
}

// onClose has something done at the end; what was begun last ends first.
func (s *stand) onClose(f func() error) { s.closers = append(s.closers, f) }

func (s *stand) close() error {
	var faults []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		faults = append(faults, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(faults...)
}

// admit makes a client: its namespace, its ServiceAccount with all rights, and a token.
func (s *stand) admit(ctx context.Context, namespace string) (token string, err error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: access.LoginServiceAccount}}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, account,
		binding(namespace, "esim-client", namespace, account.Name),
		binding(namespace, "esim-facade-client", testenv.SystemNamespace, "esim-facade"),
	} {
		if err := s.env.Client.Create(ctx, object); err != nil {
			return "", fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{access.Audience}, ExpirationSeconds: ptr.To(int64(3600)),
	}}
	if err := s.env.Client.SubResource("token").Create(ctx, account, request); err != nil {
		return "", fmt.Errorf("asking for a token of client %s: %w", namespace, err)
	}
	return request.Status.Token, nil
}

func binding(namespace, role, ofNamespace, account string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ofNamespace, Name: account}},
	}
}

func listen(ctx context.Context) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}

// serve has a handler answer at an address until stop.
func serve(ctx context.Context, handler http.Handler) (address string, stop func() error, err error) {
	listener, err := listen(ctx)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readyLimit}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	return listener.Addr().String(), func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}

// until waits for something to become true.
func until(ctx context.Context, met func() bool) error { return untilWithin(ctx, readyLimit, met) }

func untilWithin(ctx context.Context, limit time.Duration, met func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for what does not come: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}
