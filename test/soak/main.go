// Command soak sells for some minutes in which everything goes wrong: four operators of which each
// answers one call in five wrongly or not at all, and is gone at times, and a manager that is killed every few seconds.
// Then it holds what was delivered against all ledgers and the money, deletes everything, and
// prints what came of it. `make test-soak` runs it. It fails where something was lost, bought
// twice or paid wrongly, or hangs.
//
// It is told what to do by environment variables:
//
//	SOAK_ORDERS   how many orders (2000)
//	SOAK_MINUTES  over how long they come (10)
//	SOAK_FAULTS   the share of calls to operators that go wrong (0.2)
//	SOAK_KILL     how often the manager is killed, about, such as 8s; 0 for never (8s)
//	SOAK_CALM     how long it may take, without mishaps, until all orders have ended (15m)
//	SOAK_SEED     of all that is drawn here; printed, and drawn from the clock where it is absent
//	SOAK_KEEP     a folder to keep the logs in, for when something is wrong
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

type settings struct {
	orders  int
	storm   time.Duration
	faults  float64
	kill    time.Duration
	calm    time.Duration
	seed    uint64
	keep    string
	sampled time.Duration
}

func main() {
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	s, err := readSettings(os.Getenv, time.Now())
	if err == nil {
		err = run(ctx, s, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// readSettings reads the environment. The error names the variable that is wrong.
func readSettings(getenv func(string) string, now time.Time) (settings, error) {
	s := settings{
		orders: 2000, storm: 10 * time.Minute, faults: 0.2, kill: 8 * time.Second, calm: 15 * time.Minute,
		seed: uint64(now.UnixNano()), keep: getenv("SOAK_KEEP"), sampled: 30 * time.Second,
	}
	var errs []error
	read := func(name, form string, parse func(string) error) {
		if text := getenv(name); text != "" {
			if err := parse(text); err != nil {
				errs = append(errs, fmt.Errorf("%s is %q; it must be %s", name, text, form))
			}
		}
	}
	duration := func(into *time.Duration, least time.Duration) func(string) error {
		return func(text string) (err error) {
			if *into, err = time.ParseDuration(text); err == nil && *into < least {
				err = strconv.ErrRange
			}
			return err
		}
	}
	read("SOAK_ORDERS", "a number above 0", func(text string) (err error) {
		if s.orders, err = strconv.Atoi(text); err == nil && s.orders < 1 {
			err = strconv.ErrRange
		}
		return err
	})
	read("SOAK_MINUTES", "a number of minutes above 0, such as 30 or 0.5", func(text string) error {
		minutes, err := strconv.ParseFloat(text, 64)
		if err == nil && minutes <= 0 {
			err = strconv.ErrRange
		}
		s.storm = time.Duration(minutes * float64(time.Minute))
		return err
	})
	read("SOAK_FAULTS", "a share from 0 to 0.9", func(text string) (err error) {
		if s.faults, err = strconv.ParseFloat(text, 64); err == nil && (s.faults < 0 || s.faults > 0.9) {
			err = strconv.ErrRange
		}
		return err
	})
	read("SOAK_KILL", "a time such as 8s, or 0", duration(&s.kill, 0))
	read("SOAK_CALM", "a time such as 15m", duration(&s.calm, time.Second))
	read("SOAK_SEED", "a number", func(text string) (err error) {
		s.seed, err = strconv.ParseUint(text, 10, 64)
		return err
	})
	return s, errors.Join(errs...)
}

// soak is one run.
type soak struct {
	settings
	*premises
	out     io.Writer
	chance  *rand.Rand
	began   time.Time
	clients []string
	gauges  *gauges
	// outages of operators so far, and calls to the SM-DP+ that went wrong.
	outages, spoilt int
}

func (s *soak) sayf(format string, args ...any) {
	// A terminal that is gone is no reason to stop.
	_, _ = fmt.Fprintf(s.out, "%6s  "+format+"\n", append([]any{time.Since(s.began).Round(time.Second)}, args...)...)
}

// run goes through all of it: a storm, a calm in which everything ends, the judgement, and the
// end of everything.
func run(ctx context.Context, of settings, out io.Writer) (err error) {
	s := &soak{settings: of, out: out, chance: rand.New(rand.NewPCG(of.seed, 1)), began: time.Now()} //nolint:gosec // what is drawn shall be drawn again.
	s.sayf("SOAK_SEED=%d: %d orders over %s, %.0f %% of calls go wrong, the manager is killed every %s",
		s.seed, s.orders, s.storm, 100*s.faults, s.kill)
	if s.premises, err = newPremises(ctx, s.keep); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.stock(ctx); err != nil {
		return fmt.Errorf("opening the shop: %w", err)
	}
	if err := s.startManager(ctx); err != nil {
		return err
	}
	s.gauges = s.watch(ctx)
	defer s.gauges.end()
	tally, err := s.tempest(ctx)
	if err != nil {
		return err
	}
	if err := s.becalm(ctx, tally); err != nil {
		return err
	}
	judged := s.judge(ctx, tally)
	ended := s.end(ctx, tally)
	s.gauges.end()
	return errors.Join(tally.print(out), judged, ended)
}
