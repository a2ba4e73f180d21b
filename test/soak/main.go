// Command soak sells for some minutes in which everything goes wrong: four operators of which each
// answers one call in five wrongly or not at all, and is gone at times, and a manager that is killed every few seconds.
// Then it holds what was delivered against all ledgers and the money, deletes everything, and
// prints what came of it. `make test-soak` runs it. It fails where something was lost, bought
// twice or paid wrongly, or hangs.
//
// It is told what to do by environment variables:
//
//	SOAK_STEADY   0, or how many orders there are to be at a time, at most: see below (0)
//	SOAK_ORDERS   how many orders (2000; 200 a minute of a steady soak)
//	SOAK_MINUTES  over how long they come (10; of a steady soak 30)
//	SOAK_FAULTS   the share of calls to operators that go wrong (0.2)
//	SOAK_KILL     how often the manager is killed, about, such as 8s; 0 for never (8s; of a steady soak 0)
//	SOAK_CALM     how long it may take, without mishaps, until all orders have ended (15m)
//	SOAK_SEED     of all that is drawn here; printed, and drawn from the clock where it is absent
//	SOAK_KEEP     a folder to keep the logs in, for when something is wrong
//
// A steady soak is about what grows. Orders come over REST and by kubectl, are read, cancelled and
// refreshed, with receipts and events, and an old one is deleted for each that comes once there are
// as many as shall be. The manager is not killed, as one that has just begun grows. From the fifth
// minute on the memory, goroutines and open files of manager and facade, and the API writes for
// each order, must stay what they are, or the soak fails.
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
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	rest "github.com/telcodev/esim-operator/api/rest/client"
	"github.com/telcodev/esim-operator/test/stand"
)

type settings struct {
	// steady is how many orders there are at a time, at most; 0 for a storm, of which all stay.
	steady  int
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
		storm: 10 * time.Minute, faults: 0.2, kill: 8 * time.Second, calm: 15 * time.Minute,
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
	read("SOAK_STEADY", "a number of orders, such as 500, or 0", func(text string) (err error) {
		if s.steady, err = strconv.Atoi(text); err == nil && s.steady < 0 {
			err = strconv.ErrRange
		}
		return err
	})
	if s.steady > 0 {
		s.storm, s.kill = 30*time.Minute, 0
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
	if s.orders == 0 {
		s.orders = 2000
		if s.steady > 0 {
			s.orders = max(1, int(steadyRate*s.storm.Minutes()))
		}
	}
	return s, errors.Join(errs...)
}

// steadyRate is how many orders a minute come in a steady soak.
const steadyRate = 200

// soak is one run.
type soak struct {
	settings
	*premises
	out     io.Writer
	chance  *rand.Rand
	began   time.Time
	clients []string
	gauges  *gauges
	// deleted counts the orders that were, while others came.
	deleted atomic.Int64
	// rest are the clients' connections to the REST API, and answers counts what it answered.
	rest    map[string]*rest.ClientWithResponses
	answers map[int]int
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
	s := &soak{settings: of, out: out, answers: map[int]int{}, chance: rand.New(rand.NewPCG(of.seed, 1)), began: time.Now()} //nolint:gosec // what is drawn shall be drawn again.
	s.sayf("SOAK_SEED=%d: %d orders over %s, %.0f %% of calls go wrong, the manager is killed every %s",
		s.seed, s.orders, s.storm, 100*s.faults, s.kill)
	if s.premises, err = newPremises(ctx, s.settings); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	s.guard(ctx, give)
	// Whatever failed after a process had ended failed because of that.
	defer func() {
		if errors.Is(context.Cause(ctx), stand.ErrEnded) {
			err = context.Cause(ctx)
		}
	}()
	s.gauges = s.watch(ctx)
	defer s.gauges.end()
	tally, err := s.tempest(ctx)
	if err != nil {
		return err
	}
	var steady error
	if s.steady > 0 {
		steady = s.judgeCourse(tally, s.gauges.taken())
	}
	if err := s.becalm(ctx, tally); err != nil {
		return errors.Join(err, steady)
	}
	if s.steady > 0 {
		steady = errors.Join(steady, s.settle(ctx, tally))
	}
	judged := s.judge(ctx, tally)
	ended := s.end(ctx, tally)
	s.gauges.end()
	return errors.Join(tally.print(out), steady, judged, ended)
}

// open stocks the shop, and starts what serves its clients.
func (s *soak) open(ctx context.Context) error {
	if err := s.stock(ctx); err != nil {
		return fmt.Errorf("opening the shop: %w", err)
	}
	if err := s.startManager(ctx); err != nil {
		return err
	}
	if s.steady == 0 {
		return nil
	}
	if err := s.startFacade(ctx); err != nil {
		return err
	}
	return s.admit(ctx)
}
