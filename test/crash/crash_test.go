package crash

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

func TestMain(m *testing.M) {
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	stages, err := chosenStages()
	if err == nil {
		// Runs wait for a stage, not for a core: most of a run is waiting. The flag does not count
		// as set, or Ginkgo would refuse to run its specs.
		err = flag.Lookup("test.parallel").Value.Set(strconv.Itoa(stages))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// theatre lends stages, and builds them when they are first asked for.
type theatre struct {
	free chan *stage
	mu   sync.Mutex
	rest int
	all  []*stage
}

func openTheatre(t *testing.T, stages int) *theatre {
	t.Helper()
	th := &theatre{free: make(chan *stage, stages), rest: stages}
	t.Cleanup(func() {
		for _, s := range th.all {
			if err := s.env.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
	return th
}

// take lends a stage until give.
func (th *theatre) take(ctx context.Context) (*stage, error) {
	select {
	case s := <-th.free:
		return s, nil
	default:
	}
	th.mu.Lock()
	if th.rest == 0 {
		th.mu.Unlock()
		select {
		case s := <-th.free:
			return s, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	th.rest--
	number := th.rest
	th.mu.Unlock()
	s, err := build(context.WithoutCancel(ctx), number)
	if err != nil {
		return nil, err
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	th.all = append(th.all, s)
	return s, nil
}

func (th *theatre) give(s *stage) { th.free <- s }

// play runs a story on a stage that is free.
func (th *theatre) play(ctx context.Context, story Story, d Disturbance, want *Facts) (Run, error) {
	s, err := th.take(ctx)
	if err != nil {
		return Run{}, err
	}
	defer th.give(s)
	return s.play(ctx, story, d, want)
}

func TestCrash(t *testing.T) {
	chosen, err := chosenTries()
	if err != nil {
		t.Fatal(err)
	}
	stages, err := chosenStages()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("CRASH_SEED=%d", chosen.seed)
	th, tried := openTheatre(t, stages), &claims{}
	for _, story := range stories() {
		t.Run(story.Name, func(t *testing.T) {
			t.Parallel()
			tell(t, th, story, chosen, tried)
		})
	}
}

// tell runs a story undisturbed, and then disturbed in every way that is planned.
func tell(t *testing.T, th *theatre, story Story, chosen choice, tried *claims) {
	undisturbed, err := th.play(t.Context(), story, Disturbance{}, nil)
	if err != nil {
		t.Fatalf("%s, seed %d, undisturbed: %v", story.Name, chosen.seed, err)
	}
	if len(undisturbed.Passed) == 0 {
		t.Fatal("nothing left the manager")
	}
	var mu sync.Mutex
	results := map[Disturbance]result{}
	t.Cleanup(func() { t.Log(table(story, undisturbed.Passed, results)) })
	for _, d := range plan(story, undisturbed.Passed, chosen, tried) {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			run, err := th.play(t.Context(), story, d, &undisturbed.Facts)
			came := fine
			switch {
			case err != nil:
				came = broken
				t.Errorf("%s, seed %d, %s: %v", story.Name, chosen.seed, d, err)
			case d.Lag == 0 && !run.Reached:
				came = notReached
			}
			mu.Lock()
			defer mu.Unlock()
			results[d] = came
		})
	}
}
