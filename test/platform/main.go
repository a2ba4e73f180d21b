// Command platform breaks what the operator runs on while it sells: it kills and stops managers,
// restarts etcd and kube-apiserver, fills etcd to its quota, takes mail server, webhook endpoint
// and operators away, and sets the clock. After each failure it measures how long it takes until
// the orders made meanwhile, and a fresh one, are delivered. In the end it holds every order
// against the operators' books, the money, the receipts and the events. `make test-e2e` runs it.
//
// Stories are told side by side, each on a control plane of its own. Arguments name those to tell;
// without any, all are told. PLATFORM_KEEP names a folder to keep the logs in.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// limit is how long all stories may take together, on a machine that has other work too.
const limit = 12 * time.Minute

// plot is what happens on one control plane: stories, one after another.
type plot struct {
	name string
	open options
	tell func(context.Context, *world) error
}

func plots() []plot {
	return []plot{
		{name: "managers", open: options{managers: []string{"manager-a", "manager-b"}, audit: true}, tell: managersDie},
		{name: "control-plane", open: options{managers: []string{"manager-a"}, facade: true}, tell: controlPlaneDies},
		{name: "quota", open: options{managers: []string{"manager-a"}, etcdQuota: 24 << 20}, tell: etcdIsFull},
		{name: "others", open: options{managers: []string{"manager-a"}}, tell: othersAreAway},
		{name: "clock", open: options{}, tell: clockJumps},
	}
}

func main() {
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv("PLATFORM_KEEP"))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "platform:", err)
		os.Exit(1)
	}
}

// run tells the plots of these names side by side, and prints what came of them.
func run(ctx context.Context, names []string, keep string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	chosen := plots()
	for _, name := range names {
		if !slices.ContainsFunc(chosen, func(p plot) bool { return p.name == name }) {
			return fmt.Errorf("there is no %q to tell", name)
		}
	}
	folder := keep
	if keep == "" {
		if folder, err = os.MkdirTemp("", "esim-platform-"); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	if err := build(ctx, folder); err != nil {
		return err
	}
	report := &report{began: time.Now()}
	errs := make([]error, len(chosen))
	var telling sync.WaitGroup
	for i, told := range chosen {
		if len(names) > 0 && !slices.Contains(names, told.name) {
			continue
		}
		telling.Go(func() {
			if err := tell(ctx, told, folder, report); err != nil {
				report.sayf(told.name, "FAILED: %v", err)
				errs[i] = fmt.Errorf("%s: %w", told.name, err)
			}
		})
	}
	telling.Wait()
	return errors.Join(append(errs, report.print(os.Stdout))...)
}

// tell one plot in a world of its own, and judge what it leaves.
func tell(ctx context.Context, told plot, folder string, report *report) (err error) {
	// One after another: together they would take each other's time, and none would be there in time.
	report.opening.Lock()
	w, err := openWorld(ctx, told, folder, report)
	report.opening.Unlock()
	if err != nil {
		return fmt.Errorf("putting up: %w", err)
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := told.tell(ctx, w); err != nil {
		return err
	}
	return w.judge(ctx)
}

// build the programs, once for all.
func build(ctx context.Context, folder string) error {
	bin := filepath.Join(folder, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	//nolint:gosec // the folder is made here, or named by who runs this.
	command := exec.CommandContext(ctx, "go", "build", "-o", bin+string(filepath.Separator),
		"github.com/telcodev/esim-operator/cmd/manager", "github.com/telcodev/esim-operator/cmd/smdp-simulator")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("building the manager and the simulator: %w", err)
	}
	return nil
}
