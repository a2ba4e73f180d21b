// Command bench measures how fast the manager and the REST facade are, on a real API server, and
// prints it beside what it is measured against: a bare client, a plain handler, or a smaller
// number of orders, in the same run on the same machine. `make bench` runs it. No figure makes it
// fail; one that could not be taken does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/bench/figures"
	"github.com/telcodev/esim-operator/test/bench/sales"
)

// measurement is one thing that is measured.
type measurement struct {
	name string
	// take is for measurements of the facade, sale for those of the manager.
	take func(context.Context, *stand) ([]figure, error)
	sale func(context.Context) ([]figures.Figure, error)
	// long ones are taken where they are named only.
	long bool
	// apart ones have stands of their own.
	apart bool
}

func measurements(flood flooding, scale sales.Scale) []measurement {
	return append(selling(scale), []measurement{
		{name: "reads", take: measureReads},
		{name: "lists", take: measureLists},
		{name: "posts", take: measurePosts},
		{name: "waits", take: measureWaits},
		{name: "catalogue", take: measureCatalogue},
		{name: "rest-counts", take: measureRESTCounts, apart: true},
		{name: "replicas", take: measureReplicas},
		{name: "fairness", take: measureFairness(flood), long: true, apart: true},
	}...)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run.
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	ctrl.SetLogger(logr.Discard())
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure these `names` only, with commas between: orders, counts, memory, polls, slow, reads, lists, posts, waits, catalogue, rest-counts, replicas; and large and fairness, which are left out else")
	var flood flooding
	flags.IntVar(&flood.orders, "flood", 3000, "`orders` with which one client floods the others, for fairness")
	flags.StringVar(&flood.by, "by", "kubectl,REST", "`ways` to order, for fairness, with a comma between")
	profiles := flags.String("profiles", "", "`folder` to write a CPU profile of each measurement to")
	backlog := flags.Int("backlog", 5000, "`orders` that wait to be delivered")
	recording := flags.Bool("record", false, "record the means in test/bench/ranges.yaml, as what later runs are compared with")
	gogc := flags.Int("apiserver-gogc", 0, "`per cent` of growth after which the API servers of orders collect their garbage; 0 for their own")
	repetitions := flags.Int("repetitions", 3, "`times` that a backlog is delivered")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// The facade's stand is put up when the first measurement needs it: it takes from the others.
	var facade *stand
	defer func() {
		if facade != nil {
			err = errors.Join(err, facade.close())
		}
	}()
	var lines []figure
	scale := sales.Scale{Backlog: *backlog, Repetitions: *repetitions, GOGC: *gogc, Profiles: *profiles, Progress: func(format string, args ...any) {
		_, _ = fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
	}}
	for _, m := range measurements(flood, scale) {
		if named := slices.Contains(strings.Split(*only, ","), m.name); !named && (*only != "" || m.long) {
			continue
		}
		began := time.Now()
		if m.take != nil && !m.apart && facade == nil {
			if facade, err = newStand(ctx, testenv.AuditNone); err != nil {
				return err
			}
		}
		taken, err := m.figures(ctx, facade, *profiles)
		load := loadNow()
		for i := range taken {
			taken[i].load = load
		}
		err = errors.Join(err, keep(taken, *recording))
		lines = append(lines, taken...)
		if err != nil {
			// What was taken before is worth seeing all the same.
			return errors.Join(fmt.Errorf("measuring %s: %w", m.name, err), printTable(out, lines))
		}
		if _, err := fmt.Fprintf(os.Stderr, "bench: %s took %s\n", m.name, time.Since(began).Round(time.Second)); err != nil {
			return err
		}
	}
	return printTable(out, lines)
}

// figures takes a measurement.
func (m measurement) figures(ctx context.Context, facade *stand, profiles string) ([]figure, error) {
	if m.sale == nil {
		return profiled(profiles, m.name, func() ([]figure, error) { return m.take(ctx, facade) })
	}
	taken, err := m.sale(ctx)
	if err != nil {
		return nil, err
	}
	return book(taken)
}

// profiled takes figures with the CPU profiler running, where a folder is given.
func profiled(folder, name string, take func() ([]figure, error)) ([]figure, error) {
	if folder == "" {
		return take()
	}
	file, err := os.Create(filepath.Join(folder, name+".pprof"))
	if err != nil {
		return nil, fmt.Errorf("making the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, fmt.Errorf("starting the profile: %w", err)
	}
	figures, err := take()
	pprof.StopCPUProfile()
	if closed := file.Close(); err == nil {
		err = closed
	}
	return figures, err
}
