package lanes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary of what Done was told.
type diary struct {
	mu    sync.Mutex
	ended []string
}

func (d *diary) done(lane, job string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = append(d.ended, fmt.Sprintf("%s/%s: %v", lane, job, err))
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.ended...)
}

// takes is a job that takes so long, whatever its context says.
func takes(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d) // in a bubble: of synctest's clock
		return nil
	}
}

func submit(t *testing.T, l *Lanes, lane, job string, run func(context.Context) error) {
	t.Helper()
	if !l.Submit(lane, job, run) {
		t.Fatalf("%s/%s was not taken", lane, job)
	}
}

func closeAll(t *testing.T, l *Lanes) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(Load{}, l.Load()); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

func TestADeadRecipientDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		l := New(Config{})
		begin := time.Now()
		for i := range 5000 {
			submit(t, l, "dead", fmt.Sprint(i), func(context.Context) error {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(15 * time.Second)
				running.Add(-1)
				return errors.New("no answer")
			})
		}
		var last atomic.Int64
		for i := range 80 {
			submit(t, l, "alive", fmt.Sprint(i), func(context.Context) error {
				time.Sleep(100 * time.Millisecond)
				last.Store(max(last.Load(), int64(time.Since(begin))))
				return nil
			})
		}
		synctest.Wait()
		if diff := cmp.Diff(Load{Lanes: 2, Waiting: 4992 + 72, Running: 16}, l.Load()); diff != "" {
			t.Errorf("load (-want +got):\n%s", diff)
		}
		time.Sleep(time.Second + time.Nanosecond)
		synctest.Wait()
		if took := time.Duration(last.Load()); took != time.Second {
			t.Errorf("80 jobs of 100 ms, 8 at a time, were through after %s", took)
		}
		time.Sleep(5000 / 8 * 15 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff(Load{}, l.Load()); diff != "" {
			t.Errorf("lanes without jobs are kept (-want +got):\n%s", diff)
		}
		if n := most.Load(); n != 8 {
			t.Errorf("%d jobs of one lane ran at a time, want 8", n)
		}
		closeAll(t, l)
	})
}

func TestJobsOfALaneStartInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l := New(Config{Concurrency: 1, Done: d.done})
		for _, job := range []string{"c", "a", "b"} {
			submit(t, l, "shop", job, takes(time.Second))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"shop/c: <nil>", "shop/a: <nil>", "shop/b: <nil>"}, d.read()); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		closeAll(t, l)
	})
}

func TestTheSameJobIsNotSubmittedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l := New(Config{Concurrency: 1, Waiting: 1, Done: d.done})
		for range 3 { // the first runs, the second waits; none is there twice
			submit(t, l, "shop", "a", takes(time.Second))
			submit(t, l, "shop", "b", takes(time.Second))
		}
		submit(t, l, "other", "a", takes(time.Second)) // another lane's job of that name
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(d.read()); n != 3 {
			t.Errorf("ended: %v", d.read())
		}
		submit(t, l, "shop", "a", takes(time.Second)) // over and done: a new job
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(d.read()); n != 4 {
			t.Errorf("ended: %v", d.read())
		}
		closeAll(t, l)
	})
}

func TestAFullLaneSaysSoAndOthersDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Concurrency: 2, Waiting: 3})
		for i := range 5 {
			submit(t, l, "full", fmt.Sprint(i), takes(time.Second))
		}
		if l.Submit("full", "5", takes(0)) {
			t.Error("a full lane took a job")
		}
		submit(t, l, "full", "4", takes(0)) // is there already
		submit(t, l, "empty", "5", takes(0))
		time.Sleep(time.Second)
		synctest.Wait()
		submit(t, l, "full", "5", takes(0))
		time.Sleep(time.Minute)
		synctest.Wait()
		closeAll(t, l)
	})
}

func TestAJobThatHasEndedRunsAnewOnlyAfterDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var story []string
		var l *Lanes
		again := func(context.Context) error { story = append(story, "second run"); return nil }
		l = New(Config{Concurrency: 2, Done: func(_, _ string, err error) {
			if err == nil {
				story = append(story, "second done")
				return
			}
			submit(t, l, "shop", "a", again)
			submit(t, l, "shop", "a", func(context.Context) error { t.Error("submitted twice"); return nil })
			time.Sleep(time.Second) // there is a free place in the lane all the while
			story = append(story, "first done")
		}})
		submit(t, l, "shop", "a", func(context.Context) error { story = append(story, "first run"); return errors.New("503") })
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"first run", "first done", "second run", "second done"}, story); diff != "" {
			t.Errorf("story (-want +got):\n%s", diff)
		}
		closeAll(t, l)
	})
}

func TestAPanicIsTheJobsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended []error
		l := New(Config{Concurrency: 1, Done: func(_, _ string, err error) { ended = append(ended, err) }})
		submit(t, l, "shop", "bad", func(context.Context) error { panic("LPA:1$rsp.example.com$secret") })
		submit(t, l, "shop", "good", takes(time.Second))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(ended) != 2 || ended[1] != nil {
			t.Fatalf("ended: %v", ended)
		}
		panicked, found := errors.AsType[*Panicked](ended[0])
		if !found || panicked.Value != "LPA:1$rsp.example.com$secret" || !strings.Contains(string(panicked.Stack), "TestAPanicIsTheJobsOwn") {
			t.Errorf("ended with %#v", ended[0])
		}
		if got := ended[0].Error(); got != "the job panicked with a string" {
			t.Error(got)
		}
		closeAll(t, l)
	})
}

func TestCloseWaitsForWhatRunsAndDropsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l := New(Config{Concurrency: 1, Done: d.done})
		submit(t, l, "shop", "runs", takes(time.Minute))
		submit(t, l, "shop", "waits", func(context.Context) error { t.Error("run after Close"); return nil })
		begin := time.Now()
		closeAll(t, l)
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("closed after %s, want a minute", took)
		}
		if diff := cmp.Diff([]string{"shop/runs: <nil>"}, d.read()); diff != "" {
			t.Errorf("ended (-want +got):\n%s", diff)
		}
		if l.Submit("shop", "late", takes(0)) {
			t.Error("taken after Close")
		}
		closeAll(t, l) // once more does no harm
	})
}

func TestCloseCancelsWhatDoesNotEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l := New(Config{Done: d.done})
		submit(t, l, "dead", "a", func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := l.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 jobs") {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"dead/a: context canceled"}, d.read()); diff != "" {
			t.Errorf("ended (-want +got):\n%s", diff)
		}
	})
}

func TestWhatIsTakenRunsOnceAndNeverTooManyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble's time has nothing to do with the test's deadline, so that is kept from rapid.
		rapid.Check(struct{ testing.TB }{t}, func(t *rapid.T) {
			concurrency, waiting := rapid.IntRange(1, 3).Draw(t, "concurrency"), rapid.IntRange(1, 4).Draw(t, "waiting")
			var mu sync.Mutex
			runs, dones, running := map[string]int{}, map[string]int{}, map[string]int{}
			l := New(Config{Concurrency: concurrency, Waiting: waiting, Done: func(lane, job string, _ error) {
				mu.Lock()
				defer mu.Unlock()
				dones[lane+"/"+job]++
			}})
			taken := map[string]int{}
			for range rapid.IntRange(1, 40).Draw(t, "steps") {
				lane, key := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "lane"), rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6", "7", "8"}).Draw(t, "job")
				took := time.Duration(rapid.IntRange(1, 3).Draw(t, "takes")) * time.Second
				before := l.Load()
				ok := l.Submit(lane, key, func(context.Context) error {
					mu.Lock()
					runs[lane+"/"+key]++
					if running[lane]++; running[lane] > concurrency {
						t.Errorf("%d jobs of lane %s run at a time", running[lane], lane)
					}
					mu.Unlock()
					time.Sleep(took)
					mu.Lock()
					running[lane]--
					mu.Unlock()
					return nil
				})
				after := l.Load()
				switch added := after.Waiting + after.Running - before.Waiting - before.Running; {
				case added == 1 && ok:
					taken[lane+"/"+key]++
				case added != 0:
					t.Fatalf("%d jobs more, and Submit was %t", added, ok)
				}
				if after.Waiting > 2*waiting || after.Running > 2*concurrency {
					t.Fatalf("too much: %+v", after)
				}
				if rapid.Bool().Draw(t, "wait") {
					time.Sleep(time.Second)
					synctest.Wait()
				}
			}
			time.Sleep(3 * time.Minute) // all 40 jobs, one after the other
			synctest.Wait()
			if diff := cmp.Diff(taken, runs); diff != "" {
				t.Errorf("runs (-taken +run):\n%s", diff)
			}
			if diff := cmp.Diff(taken, dones); diff != "" {
				t.Errorf("told of (-taken +told):\n%s", diff)
			}
			if diff := cmp.Diff(Load{}, l.Load()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if err := l.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	})
}
