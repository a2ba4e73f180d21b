package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/stand"
)

const (
	// auditInterval is managerConfig's.
	auditInterval = 10 * time.Second
	readyLimit    = time.Minute
)

// premises are what runs: a control plane, the simulator of four operators, and the manager.
type premises struct {
	env    *testenv.Environment
	folder string
	// metrics and health are the manager's addresses; api and facadeMetrics the facade's.
	metrics, health, api, facadeMetrics string

	simulator *stand.Simulator
	// post and facade are nil in a storm.
	post    *post
	facade  *stand.Process
	mu      sync.Mutex
	manager *stand.Process // another one after each kill; mu guards it, and since when it runs
	started time.Time
	// killed tells that the manager is, now and then.
	killed  bool
	kills   int
	closers []func() error
}

// newPremises are without a manager and a facade yet. In a steady soak there is somebody to be told.
func newPremises(ctx context.Context, of settings) (*premises, error) {
	s := &premises{killed: of.kill > 0}
	if err := s.build(ctx, of.keep, of.steady > 0); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *premises) build(ctx context.Context, keep string, withPost bool) (err error) {
	if s.folder = keep; keep == "" {
		if s.folder, err = os.MkdirTemp("", "esim-soak-"); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
		s.closers = append(s.closers, func() error { return os.RemoveAll(s.folder) })
	} else if err := os.MkdirAll(keep, 0o700); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	if s.env, err = testenv.Start(ctx, testenv.Options{}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.env.Stop)
	build := exec.CommandContext(ctx, "go", "build", "-o", s.folder+string(filepath.Separator), "./cmd/manager", "./cmd/smdp-simulator")
	build.Dir, build.Stderr = s.env.Root, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the manager and the simulator: %w", err)
	}
	free, err := stand.FreeAddresses(ctx, 4)
	if err != nil {
		return err
	}
	s.metrics, s.health, s.api, s.facadeMetrics = free[0], free[1], free[2], free[3]
	if withPost {
		if s.post, err = openPost(ctx); err != nil {
			return err
		}
		s.closers = append(s.closers, s.post.close)
	}
	s.simulator, err = stand.StartSimulator(ctx, s.folder)
	return err
}

// close ends everything, what began last first.
func (s *premises) close() error {
	errs := []error{s.manager.Kill(), s.facade.Kill()}
	if s.simulator != nil {
		errs = append(errs, s.simulator.Kill())
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// startManager starts a manager and returns once it is ready. It leads once the lease of the one
// before has run out.
func (s *premises) startManager(ctx context.Context) error {
	kubeconfig := filepath.Join(s.folder, "kubeconfig")
	if _, err := os.Stat(kubeconfig); errors.Is(err, os.ErrNotExist) {
		if err := s.tellManager(kubeconfig); err != nil {
			return err
		}
	}
	started, err := stand.StartProcess(s.folder, "manager", []string{"KUBECONFIG=" + kubeconfig},
		"controllers", "--config="+filepath.Join(s.folder, "manager.yaml"),
		"--metrics-bind-address="+s.metrics, "--health-probe-bind-address="+s.health)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.manager, s.started = started, time.Now()
	s.mu.Unlock()
	return stand.AwaitAnswer(ctx, "http://"+s.health+"/readyz")
}

// tellManager writes what every manager is started with: who it is, and its configuration.
func (s *premises) tellManager(kubeconfig string) error {
	config, err := s.env.ManagerConfig()
	if err != nil {
		return err
	}
	if err := stand.WriteKubeconfig(kubeconfig, config); err != nil {
		return err
	}
	told := managerConfig
	if s.killed {
		told += shortLease
	}
	if s.post != nil {
		about, err := s.post.config()
		if err != nil {
			return err
		}
		told += about
	}
	if err := os.WriteFile(filepath.Join(s.folder, "manager.yaml"), []byte(told), 0o600); err != nil {
		return fmt.Errorf("writing the manager's configuration: %w", err)
	}
	return nil
}

// startFacade starts the REST API, and returns once it is ready.
func (s *premises) startFacade(ctx context.Context) error {
	// Another name tells its log from the manager's.
	if err := os.Link(filepath.Join(s.folder, "manager"), filepath.Join(s.folder, "facade")); err != nil {
		return fmt.Errorf("naming a program: %w", err)
	}
	if err := s.env.ApplyFolder(ctx, "config/facade"); err != nil {
		return err
	}
	identity, err := s.env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(s.folder, "facade.kubeconfig")
	if err := stand.WriteKubeconfig(kubeconfig, identity); err != nil {
		return err
	}
	s.facade, err = stand.StartProcess(s.folder, "facade", []string{"KUBECONFIG=" + kubeconfig},
		"facade", "--bind-address="+s.api, "--metrics-bind-address="+s.facadeMetrics)
	if err != nil {
		return err
	}
	return stand.AwaitAnswer(ctx, "http://"+s.api+"/readyz")
}

// guard ends the soak at once when a process ends that nobody kills: what is measured of the one
// after it, or of none, is worth nothing.
func (s *premises) guard(ctx context.Context, give context.CancelCauseFunc) {
	watched := []*stand.Process{s.simulator.Process, s.facade}
	if !s.killed {
		watched = append(watched, s.manager)
	}
	for _, process := range watched {
		if process == nil {
			continue
		}
		go func() {
			select {
			case <-ctx.Done():
			case <-process.Ended():
				give(fmt.Errorf("%s: %w", process.Name(), stand.ErrEnded))
			}
		}()
	}
}

// shortLease is as short as it may be, for managers that are killed: each waits for it to run out.
const shortLease = `writeTimeout: 2s
leaderElection: {leaseDuration: 7s, renewDeadline: 5s, retryPeriod: 500ms}
`

// managerConfig has no retry wait for minutes.
const managerConfig = `probeInterval: 5s
auditInterval: 10s
pace:
  transient: {initial: 500ms, max: 10s}
  scarce: {initial: 2s, max: 10s}
  misconfigured: {initial: 2s, max: 10s}
breaker: {delay: 2s, trialInterval: 2s}
`

// managerStarted is since when the manager runs that runs now.
func (s *premises) managerStarted() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}

// pidOfManager is the manager's that runs now.
func (s *premises) pidOfManager() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manager.PID()
}
