//go:build unix

// Command run is `make run`: it brings up a control plane, a simulator of four mobile
// operators and the manager on this machine, keeps them running as a cluster would, and ends them on Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
)

const usage = `run brings up a development cluster: etcd, kube-apiserver, a simulator of four
mobile operators, and the manager.

Usage:
  run          start everything and keep it running until SIGINT or SIGTERM
  run clean    remove the state that an earlier start has left
  run help     print this

Environment variables:
`

func main() {
	// Clients of the API server would complain of having nowhere to complain to.
	log.SetLogger(logr.Discard())
	if err := command(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func command(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.Usage = func() { printUsage(flags.Output()) }
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	s, err := readSettings(os.Getenv)
	if err != nil {
		return err
	}
	say := printer(out)
	switch flags.Arg(0) {
	case "":
		return up(s, say)
	case "clean":
		return clean(context.Background(), s, say)
	case "help":
		printUsage(out)
		return nil
	default:
		return fmt.Errorf("unknown command %q; `run help` lists them", flags.Arg(0))
	}
}

// up starts everything, waits for a signal, and ends everything.
func up(s settings, sayf sayFunc) error {
	if err := claim(s.Dir); err != nil {
		return err
	}
	unlock, err := supervise.Lock(s.Dir)
	if err != nil {
		return fmt.Errorf("taking %s: %w; stop it first, or set %s and other ports", s.Dir, err, dirVariable)
	}

	// A terminal that closes ends everything too. A reader of our output that goes away does
	// not: writes fail then, and nobody minds.
	brokenPipe := make(chan os.Signal, 1)
	signal.Notify(brokenPipe, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go watchMake(ctx, cancel)

	c := newCluster(s, sayf)
	err = c.bringUp(ctx)
	if err == nil {
		<-ctx.Done()
	}
	interrupted := ctx.Err() != nil
	stop()
	if interrupted {
		err = nil
		sayf("ending everything; once more to end it by force")
	}
	// From here on a second signal hurries.
	hurry, done := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer done()
	err = errors.Join(err, c.takeDown(hurry), unlock())
	if err == nil {
		sayf("everything has ended; the state is in %s until `make clean-run`", s.shown(s.Dir))
	}
	return err
}

// claim makes the folder of the state. A folder with somebody else's files in it is refused:
// `make clean-run` would remove them.
func claim(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of the state: %w", err)
	}
	ours, err := supervise.IsFolder(dir)
	if ours || err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking into the folder of the state: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s holds files that `make run` has not made; set %s to a folder of its own", dir, dirVariable)
	}
	return nil
}

// clean removes the state, unless somebody is using it.
func clean(ctx context.Context, s settings, sayf sayFunc) error {
	if _, err := os.Stat(s.Dir); errors.Is(err, os.ErrNotExist) {
		sayf("there is nothing to remove")
		return nil
	}
	ours, err := supervise.IsFolder(s.Dir)
	if err != nil {
		return err
	}
	if !ours {
		return fmt.Errorf("%s was not made by `make run`; not removing it (%s names it)", s.Dir, dirVariable)
	}
	unlock, err := supervise.Lock(s.Dir)
	if err != nil {
		return fmt.Errorf("removing %s: %w; stop it first", s.Dir, err)
	}
	if err := supervise.EndRemains(ctx, s.Dir, sayf); err != nil {
		return errors.Join(err, unlock())
	}
	if err := os.RemoveAll(s.Dir); err != nil {
		return errors.Join(fmt.Errorf("removing the state: %w", err), unlock())
	}
	sayf("removed %s", s.shown(s.Dir))
	return unlock()
}

// sayFunc tells the user what is going on, one line at a time.
type sayFunc func(format string, args ...any)

func printer(out io.Writer) sayFunc {
	return func(format string, args ...any) {
		// A terminal that is gone is no reason to stop.
		_, _ = fmt.Fprintf(out, format+"\n", args...)
	}
}

func printUsage(out io.Writer) {
	_, _ = io.WriteString(out, usage)
	_, _ = fmt.Fprintf(out, "  %-26s folder of the state (default %s)\n", dirVariable, defaultDir)
	for _, p := range knownPorts {
		_, _ = fmt.Fprintf(out, "  %-26s port of %s (default %d)\n", p.variable, p.use, p.usual)
	}
}
