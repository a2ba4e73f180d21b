//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
)

// buildGrace is how long a build may tidy up after an interruption.
const buildGrace = 10 * time.Second

// cluster is the development cluster.
type cluster struct {
	s      settings
	sayf   sayFunc
	now    func() time.Time
	keeper *supervise.Supervisor

	assets string        // the folder of etcd, kube-apiserver and kubectl
	client client.Client // an administrator's
}

func newCluster(s settings, sayf sayFunc) *cluster {
	return &cluster{s: s, sayf: sayf, now: time.Now, keeper: supervise.New(s.Dir, sayf)}
}

// bringUp starts everything, in order, and returns once an order would be served.
func (c *cluster) bringUp(ctx context.Context) error {
	if err := c.removeReady(); err != nil {
		return err
	}
	if err := supervise.EndRemains(ctx, c.s.Dir, c.sayf); err != nil {
		return err
	}
	if err := checkPorts(c.s); err != nil {
		return err
	}
	for _, step := range []struct {
		saying string
		do     func(context.Context) error
	}{
		{"looking for etcd, kube-apiserver and kubectl (minutes the first time, seconds after)", c.findAssets},
		{"building the manager and what runs beside it (a minute or two the first time, seconds after)", c.build},
		{"writing certificates and kubeconfigs", c.writeIdentities},
		{"starting etcd", c.startEtcd},
		{"starting kube-apiserver (some seconds)", c.startAPIServer},
		{"installing CRDs, roles and admission policies", c.install},
		{"starting the simulator of an SM-DP+ and three wholesalers", c.startSimulator},
		{"starting the mailbox", c.startMailbox},
		{"starting the client's end of webhooks", c.startWebhooks},
		{"applying config/samples: operators, a catalogue and a client's namespace", c.applySamples},
		{"starting the manager", c.startManager},
		{"starting the REST facade", c.startFacade},
		{"waiting until an order would be served", c.awaitService},
		{"writing " + c.s.shown(c.s.file("env")), c.writeEnvironment},
	} {
		c.sayf("run: %s", step.saying)
		if err := step.do(ctx); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
	}
	if err := supervise.WriteFile(c.s.file("ready"), nil); err != nil {
		return err
	}
	c.sayf("%s", c.summary())
	return nil
}

// takeDown ends everything; when ctx ends, by force.
func (c *cluster) takeDown(ctx context.Context) error {
	err := c.removeReady()
	c.keeper.Stop(ctx)
	return err
}

func (c *cluster) removeReady() error {
	if err := os.Remove(c.s.file("ready")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the sign that all is ready: %w", err)
	}
	return nil
}

func (c *cluster) findAssets(ctx context.Context) error {
	out, err := c.goCommand(ctx, filepath.Join(c.s.Root, "hack", "controlplane"), "run", ".")
	if err != nil {
		return fmt.Errorf("getting the control plane: %w", err)
	}
	c.assets = strings.TrimSpace(out)
	if err := os.MkdirAll(c.s.file("bin"), 0o700); err != nil {
		return fmt.Errorf("making the folder of the binaries: %w", err)
	}
	link := c.s.file("bin", "kubectl")
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("renewing kubectl: %w", err)
	}
	if err := os.Symlink(filepath.Join(c.assets, "kubectl"), link); err != nil {
		return fmt.Errorf("renewing kubectl: %w", err)
	}
	return nil
}

func (c *cluster) build(ctx context.Context) error {
	_, err := c.goCommand(ctx, c.s.Root, "build", "-o", c.s.file("bin")+string(filepath.Separator),
		"./cmd/manager", "./cmd/kubectl-esim", "./cmd/smdp-simulator", "./hack/mailbox", "./hack/webhooks")
	if err != nil {
		return fmt.Errorf("building: %w", err)
	}
	return nil
}

// goCommand runs the go command, shows what it complains of, and returns its output. It is
// in a process group of its own, so that Ctrl-C reaches it through ctx alone, with all that
// it started.
func (c *cluster) goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = buildGrace
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

func (c *cluster) writeIdentities(context.Context) error {
	return makeIdentities(c.s, c.now())
}

func (c *cluster) startEtcd(ctx context.Context) error {
	probe, err := newProbe(c.s.file("pki", "etcd-ca.crt"), c.s.file("pki", "etcd-client.crt"), c.s.file("pki", "etcd-client.key"))
	if err != nil {
		return err
	}
	return c.start(ctx, etcdProcess(c.s, c.assets), probe.answers("https://"+c.s.address(etcdPort)+"/readyz"))
}

func (c *cluster) startSimulator(ctx context.Context) error {
	return c.start(ctx, simulatorProcess(c.s), plainProbe().answers("http://"+c.s.address(controlPort)+"/"))
}

func (c *cluster) startMailbox(ctx context.Context) error {
	return c.start(ctx, mailboxProcess(c.s), plainProbe().answers("http://"+c.s.address(mailboxPort)+"/"))
}

func (c *cluster) startWebhooks(ctx context.Context) error {
	if err := ensureSigningSecret(c.s); err != nil {
		return err
	}
	return c.start(ctx, webhooksProcess(c.s), plainProbe().answers("http://"+c.s.address(webhooksPort)+"/"))
}

func (c *cluster) startManager(ctx context.Context) error {
	if err := writeManagerConfig(c.s); err != nil {
		return err
	}
	return c.start(ctx, managerProcess(c.s), plainProbe().answers("http://"+c.s.address(healthPort)+"/readyz"))
}

func (c *cluster) startFacade(ctx context.Context) error {
	return c.start(ctx, facadeProcess(c.s), plainProbe().answers("http://"+c.s.address(restPort)+"/readyz"))
}

// start starts a process and waits until it answers.
func (c *cluster) start(ctx context.Context, p supervise.Process, answers check) error {
	if err := c.keeper.Keep(p); err != nil {
		return err
	}
	if err := await(ctx, startTimeout, answers); err != nil {
		return fmt.Errorf("%s does not answer: %w\n%s", p.Name, err, c.lastWords(p.Name))
	}
	return nil
}
