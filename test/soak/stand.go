package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/telcodev/esim-operator/internal/testenv"
)

const (
	// auditInterval is managerConfig's.
	auditInterval = 10 * time.Second
	readyLimit    = time.Minute
	// stopLimit is how long a process may take to end in good order.
	stopLimit = 45 * time.Second
	maxAnswer = 256 << 20
)

// stand is what runs: a control plane, the simulator of four operators, and the manager.
type stand struct {
	env    *testenv.Environment
	folder string
	// control is the simulator's control API, metrics and health the manager's addresses.
	control, metrics, health string
	addresses                map[string]string

	simulator *process
	mu        sync.Mutex
	manager   *process // another one after each kill; mu guards it, and since when it runs
	started   time.Time
	kills     int
	closers   []func() error
}

func newStand(ctx context.Context, keep string) (*stand, error) {
	s := &stand{}
	if err := s.open(ctx, keep); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stand) open(ctx context.Context, keep string) (err error) {
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
	return s.startSimulator(ctx)
}

// close ends everything, what began last first.
func (s *stand) close() error {
	errs := []error{s.manager.kill(), s.simulator.kill()}
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// freeAddresses are addresses that nothing listens on now. Each is taken until all are found.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var found []string
	var taken []net.Listener
	var errs []error
	for range n {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			errs = append(errs, fmt.Errorf("looking for a free port: %w", err))
			break
		}
		found, taken = append(found, listener.Addr().String()), append(taken, listener)
	}
	for _, listener := range taken {
		errs = append(errs, listener.Close())
	}
	return found, errors.Join(errs...)
}

func (s *stand) startSimulator(ctx context.Context) error {
	free, err := freeAddresses(ctx, 7)
	if err != nil {
		return err
	}
	s.control, s.metrics, s.health = "http://"+free[4], free[5], free[6]
	s.addresses = map[string]string{telco: free[0], zendit: free[1], esimAccess: free[2], airalo: free[3]}
	s.simulator, err = startProcess(s.folder, "smdp-simulator", nil,
		"--data="+filepath.Join(s.folder, "smdp"), "--smdp-address=rsp.example.com", "--default-stock=1000000", "--default-stock-pattern=^JP-",
		"--address="+free[0], "--zendit-address="+free[1], "--esim-access-address="+free[2], "--airalo-address="+free[3],
		"--control-address="+free[4], "--log-level=warn")
	if err != nil {
		return err
	}
	return s.awaitAnswer(ctx, s.control+"/")
}

// startManager starts a manager and returns once it is ready. It leads once the lease of the one
// before has run out.
func (s *stand) startManager(ctx context.Context) error {
	kubeconfig := filepath.Join(s.folder, "kubeconfig")
	if _, err := os.Stat(kubeconfig); errors.Is(err, os.ErrNotExist) {
		config, err := s.env.ManagerConfig()
		if err != nil {
			return err
		}
		if err := writeKubeconfig(kubeconfig, config); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.folder, "manager.yaml"), []byte(managerConfig), 0o600); err != nil {
			return fmt.Errorf("writing the manager's configuration: %w", err)
		}
	}
	started, err := startProcess(s.folder, "manager", []string{"KUBECONFIG=" + kubeconfig},
		"controllers", "--config="+filepath.Join(s.folder, "manager.yaml"),
		"--metrics-bind-address="+s.metrics, "--health-probe-bind-address="+s.health)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.manager, s.started = started, time.Now()
	s.mu.Unlock()
	return s.awaitAnswer(ctx, "http://"+s.health+"/readyz")
}

// managerConfig has a lease as short as it may be, and no retry waits for minutes.
const managerConfig = `writeTimeout: 2s
leaderElection: {leaseDuration: 7s, renewDeadline: 5s, retryPeriod: 500ms}
probeInterval: 5s
auditInterval: 10s
pace:
  transient: {initial: 500ms, max: 10s}
  scarce: {initial: 2s, max: 10s}
  misconfigured: {initial: 2s, max: 10s}
breaker: {delay: 2s, trialInterval: 2s}
`

func writeKubeconfig(path string, of *rest.Config) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["soak"] = &clientcmdapi.Cluster{Server: of.Host, CertificateAuthorityData: of.CAData}
	config.AuthInfos["soak"] = &clientcmdapi.AuthInfo{ClientCertificateData: of.CertData, ClientKeyData: of.KeyData}
	config.Contexts["soak"] = &clientcmdapi.Context{Cluster: "soak", AuthInfo: "soak"}
	config.CurrentContext = "soak"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("writing the manager's kubeconfig: %w", err)
	}
	return nil
}

// awaitAnswer waits until a URL answers 200.
func (s *stand) awaitAnswer(ctx context.Context, url string) error {
	return until(ctx, readyLimit, "an answer of "+url, func() (bool, error) {
		_, err := exchange(ctx, http.MethodGet, url, "")
		return err == nil, nil
	})
}

// until waits for something to become true, and says what where it does not.
func until(ctx context.Context, limit time.Duration, what string, met func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := met(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// exchange sends a request and returns the body of an answer that is a success.
func exchange(ctx context.Context, method, url, body string) (_ []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s %s answers %s: %s", method, url, response.Status, answer)
	}
	return answer, nil
}

// tell asks the simulator's control API for something, and reads what it answers into an object.
func (s *stand) tell(ctx context.Context, method, path, body string, into any) error {
	answer, err := exchange(ctx, method, s.control+path, body)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}

// managerStarted is since when the manager runs that runs now.
func (s *stand) managerStarted() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}

// process is one that runs beside this one.
type process struct {
	command *exec.Cmd
	log     *os.File
	ended   chan *os.ProcessState
}

// startProcess starts a program of the folder. Its log is appended to.
func startProcess(folder, name string, environment []string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(folder, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	//nolint:noctx // the process ends by kill.
	p := &process{command: exec.Command(filepath.Join(folder, name), args...), log: log, ended: make(chan *os.ProcessState, 1)}
	p.command.Env = append(os.Environ(), environment...)
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = apart()
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), log.Close())
	}
	go func() {
		_ = p.command.Wait() // it tells of the kill
		p.ended <- p.command.ProcessState
	}()
	return p, nil
}

// kill ends a process without warning, and waits until it is gone.
func (p *process) kill() error {
	if p == nil || p.log == nil {
		return nil
	}
	err := p.command.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = errors.New(filepath.Base(p.command.Path) + " ended by itself; see its log")
	}
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		err = errors.Join(err, errors.New("a process does not end"))
	}
	err = errors.Join(err, p.log.Close())
	p.log = nil
	return err
}

// pidOfManager is the manager's that runs now.
func (s *stand) pidOfManager() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.Itoa(s.manager.command.Process.Pid)
}
