package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/stand"
)

// options say what a plot needs.
type options struct {
	// managers are the names of those that run; one of them leads.
	managers []string
	// facade runs too.
	facade bool
	// audit has the API server tell who made which request.
	audit bool
	// etcdQuota is how large etcd may become, in bytes.
	etcdQuota int64
}

// world is a control plane and all that runs on it, and what was ordered there.
type world struct {
	name   string
	folder string
	report *report
	chance *rand.Rand

	env       *testenv.Environment
	simulator *stand.Simulator
	post      *post
	managers  map[string]*kept
	facade    *kept
	rest      *restClient
	closers   []func() error

	// life ends with the world; dying ends what goes on in it, and waits for that.
	life  context.Context //nolint:containedctx // clients outlive the story that they are part of.
	die   context.CancelFunc
	dying []func()

	mu     sync.Mutex
	orders []*ordered
}

func (w *world) sayf(format string, args ...any) { w.report.sayf(w.name, format, args...) }

func openWorld(ctx context.Context, told plot, shared string, report *report) (*world, error) {
	w := &world{name: told.name, folder: filepath.Join(shared, told.name), report: report, managers: map[string]*kept{}}
	w.life, w.die = context.WithCancel(ctx)
	seed := uint64(time.Now().UnixNano())
	w.chance = rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // nothing secret is drawn.
	if err := w.open(ctx, told.open, filepath.Join(shared, "bin")); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) open(ctx context.Context, o options, bin string) (err error) {
	if err := os.MkdirAll(w.folder, 0o700); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	audit := testenv.AuditNone
	if o.audit {
		audit = testenv.AuditMetadata
	}
	if w.env, err = testenv.Start(ctx, testenv.Options{Audit: audit, EtcdQuota: o.etcdQuota}); err != nil {
		return err
	}
	w.closers = append(w.closers, w.env.Stop)
	if err := link(filepath.Join(bin, "smdp-simulator"), filepath.Join(w.folder, "smdp-simulator")); err != nil {
		return err
	}
	if w.simulator, err = stand.StartSimulator(ctx, w.folder); err != nil {
		return err
	}
	w.closers = append(w.closers, func() error { return w.simulator.Kill() })
	if w.post, err = openPost(ctx); err != nil {
		return err
	}
	w.closers = append(w.closers, w.post.close)
	if err := w.stock(ctx); err != nil {
		return fmt.Errorf("opening the shop: %w", err)
	}
	for _, name := range o.managers {
		if err := w.startManager(ctx, bin, name); err != nil {
			return err
		}
	}
	if o.facade {
		if err := w.startFacade(ctx, bin); err != nil {
			return err
		}
	}
	return nil
}

// link gives a program another name, by which its log, its requests and its process are told
// from others'.
func link(program, name string) error {
	if err := os.Link(program, name); err != nil {
		return fmt.Errorf("naming a program: %w", err)
	}
	return nil
}

// managerConfig has a lease as short as it may be, and no retry waits for minutes.
const managerConfig = `writeTimeout: 2s
readTimeout: 5s
gracefulShutdown: 5s
leaderElection: {leaseDuration: 7s, renewDeadline: 5s, retryPeriod: 500ms}
probeInterval: 5s
auditInterval: 10s
pace:
  transient: {initial: 500ms, max: 5s}
  scarce: {initial: 1s, max: 5s}
  misconfigured: {initial: 1s, max: 5s}
breaker: {delay: 1s, trialInterval: 1s}
`

// lease is managerConfig's: how long nobody leads after a leader that died.
const lease = 7 * time.Second

func (w *world) startManager(ctx context.Context, bin, name string) error {
	if err := link(filepath.Join(bin, "manager"), filepath.Join(w.folder, name)); err != nil {
		return err
	}
	identity, err := w.env.ManagerConfig()
	if err != nil {
		return err
	}
	kubeconfig, config := filepath.Join(w.folder, name+".kubeconfig"), filepath.Join(w.folder, "manager.yaml")
	if err := stand.WriteKubeconfig(kubeconfig, identity); err != nil {
		return err
	}
	if err := os.WriteFile(config, []byte(managerConfig+w.post.config()), 0o600); err != nil {
		return fmt.Errorf("writing the manager's configuration: %w", err)
	}
	free, err := stand.FreeAddresses(ctx, 1)
	if err != nil {
		return err
	}
	manager, err := keep(func() (*stand.Process, error) {
		return stand.StartProcess(w.folder, name, []string{"KUBECONFIG=" + kubeconfig},
			"controllers", "--config="+config, "--metrics-bind-address=0", "--health-probe-bind-address="+free[0])
	})
	if err != nil {
		return err
	}
	w.managers[name] = manager
	w.closers = append(w.closers, manager.stop)
	return stand.AwaitAnswer(ctx, "http://"+free[0]+"/readyz")
}

func (w *world) startFacade(ctx context.Context, bin string) error {
	if err := link(filepath.Join(bin, "manager"), filepath.Join(w.folder, "facade")); err != nil {
		return err
	}
	if err := w.env.ApplyFolder(ctx, "config/facade"); err != nil {
		return err
	}
	identity, err := w.env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(w.folder, "facade.kubeconfig")
	if err := stand.WriteKubeconfig(kubeconfig, identity); err != nil {
		return err
	}
	free, err := stand.FreeAddresses(ctx, 1)
	if err != nil {
		return err
	}
	w.facade, err = keep(func() (*stand.Process, error) {
		return stand.StartProcess(w.folder, "facade", []string{"KUBECONFIG=" + kubeconfig},
			"facade", "--bind-address="+free[0], "--metrics-bind-address=0")
	})
	if err != nil {
		return err
	}
	w.closers = append(w.closers, w.facade.stop)
	if w.rest, err = w.newRESTClient(ctx, "http://"+free[0]); err != nil {
		return err
	}
	return stand.AwaitAnswer(ctx, "http://"+free[0]+"/readyz")
}

// close ends everything, what began last first.
func (w *world) close() error {
	w.die()
	for _, end := range w.dying {
		end()
	}
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	w.closers = nil
	return errors.Join(errs...)
}
