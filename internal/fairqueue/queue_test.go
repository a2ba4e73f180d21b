package fairqueue

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func request(client, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: client, Name: name}}
}

func newQueue() *Queue {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, time.Minute)
	return New("", limiter).(*Queue)
}

// open makes a queue that ends with the test.
func open(t *testing.T) *Queue {
	q := newQueue()
	t.Cleanup(q.ShutDown)
	return q
}

func at(priority int) priorityqueue.AddOpts { return priorityqueue.AddOpts{Priority: &priority} }

func after(wait time.Duration, priority int) priorityqueue.AddOpts {
	return priorityqueue.AddOpts{Priority: &priority, After: wait}
}

// handOut takes so many requests, and is done with each.
func handOut(q *Queue, n int) []string {
	var names []string
	for range n {
		got, _, _ := q.GetWithPriority()
		names = append(names, got.Name)
		q.Done(got)
	}
	return names
}

func TestAFloodWaitsForItself(t *testing.T) {
	q := open(t)
	const flood, clients = 10_000, 20
	for i := range flood {
		q.Add(request("flood", fmt.Sprint(i)))
	}
	for i := range clients {
		q.Add(request(fmt.Sprintf("client-%d", i), "single"))
	}
	singles := 0
	for _, name := range handOut(q, clients+1) {
		if name == "single" {
			singles++
		}
	}
	if singles != clients {
		t.Errorf("%d of %d clients had their turn in the first round", singles, clients)
	}
	if left := q.Len(); left != flood-1 {
		t.Errorf("%d are left of the flood, want %d", left, flood-1)
	}
}

func TestNewRequestsGoFirstButNotAlways(t *testing.T) {
	q := open(t)
	for i := range 8 {
		q.AddWithOpts(at(0), request("flood", fmt.Sprintf("new-%d", i)))
	}
	q.AddWithOpts(at(-10), request("b", "retry"))
	q.AddWithOpts(at(-100), request("c", "resync"))
	want := []string{"new-0", "new-1", "new-2", "resync", "new-3", "new-4", "new-5", "retry", "new-6", "new-7"}
	if diff := cmp.Diff(want, handOut(q, len(want))); diff != "" {
		t.Error(diff)
	}
}

func TestARequestIsQueuedOnceAtItsHighestPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t)
		q.AddWithOpts(after(time.Hour, -10), request("a", "a"))
		q.AddWithOpts(after(time.Minute, -100), request("a", "a"))
		q.AddWithOpts(after(2*time.Minute, -100), request("a", "a"))
		time.Sleep(time.Minute) // the bubble's clock
		synctest.Wait()
		if q.Len() != 1 {
			t.Fatalf("%d are ready after the earliest time that was asked for", q.Len())
		}
		got, priority, _ := q.GetWithPriority()
		if got != request("a", "a") || priority != -10 {
			t.Errorf("got %v at %d", got, priority)
		}
		q.AddWithOpts(at(-10), got) // while somebody has it
		q.AddWithOpts(after(time.Minute, 5), got)
		if q.Len() != 0 {
			t.Error("a request was handed out twice at one time")
		}
		q.Done(got)
		if _, priority, _ = q.GetWithPriority(); priority != 5 {
			t.Errorf("it came again at %d, want the highest that was asked for", priority)
		}
		q.Done(got)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if q.Len() != 0 || len(q.levels.wanted)+len(q.levels.running)+len(q.delayed) != 0 {
			t.Errorf("something is left: %d ready, %v, %v, %v", q.Len(), q.levels.wanted, q.levels.running, q.delayed)
		}
	})
}

func TestFailuresWaitLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t)
		for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			began := time.Now()
			q.AddRateLimited(request("a", "a"))
			got, _ := q.Get()
			if waited := time.Since(began); waited != wait {
				t.Errorf("it came after %s, want %s", waited, wait)
			}
			q.Done(got)
		}
		if n := q.NumRequeues(request("a", "a")); n != 3 {
			t.Errorf("%d failures are known", n)
		}
		q.Forget(request("a", "a"))
		if n := q.NumRequeues(request("a", "a")); n != 0 {
			t.Errorf("%d failures are known after they were forgotten", n)
		}
	})
}

func TestShuttingDownEndsWhoWaitsAndDropsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		ended := make(chan bool)
		go func() { _, shutdown := q.Get(); ended <- shutdown }()
		synctest.Wait()
		q.AddAfter(request("a", "later"), time.Hour)
		q.ShutDown()
		if !<-ended || !q.ShuttingDown() {
			t.Error("whoever waited was not told")
		}
		q.Add(request("a", "late"))
		if _, shutdown := q.Get(); !shutdown || q.Len() != 0 {
			t.Error("a queue that was shut down took a request")
		}
	})
}

func TestDrainingWaitsForWhatWasHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.Add(request("a", "a"))
		got, _ := q.Get()
		var drained atomic.Bool
		go func() { q.ShutDownWithDrain(); drained.Store(true) }()
		synctest.Wait()
		if drained.Load() {
			t.Error("it did not wait")
		}
		q.Done(got)
		synctest.Wait()
		if !drained.Load() {
			t.Error("it waits still")
		}
	})
}

// expected is what a model of the queue knows of a request.
type expected struct {
	ready    bool
	priority int
	due      time.Time // where not ready
}

// TestTheQueueKeepsItsContract compares the queue with a model of controller-runtime's priority
// queue, but for the order, which only has to be fair.
func TestTheQueueKeepsItsContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Nothing but rapid.TB: rapid asks a test for its deadline, which a bubble has not.
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			q := newQueue()
			defer q.ShutDown()
			model := map[reconcile.Request]*expected{}
			running := map[reconcile.Request]bool{}
			ripen := func() {
				synctest.Wait()
				for _, each := range model {
					each.ready = each.ready || !each.due.After(time.Now())
				}
			}
			t.Repeat(map[string]func(*rapid.T){
				"add": func(t *rapid.T) {
					client, name := draw(t)
					r := request(client, name)
					priority := rapid.SampledFrom([]int{0, -10, -100}).Draw(t, "priority")
					wait := time.Duration(rapid.IntRange(0, 3).Draw(t, "wait")) * time.Second
					q.AddWithOpts(after(wait, priority), r)
					known := model[r]
					if known == nil {
						model[r] = &expected{ready: wait == 0, priority: priority, due: time.Now().Add(wait)}
						return
					}
					known.priority = max(known.priority, priority)
					known.ready = known.ready || wait == 0
					if by := time.Now().Add(wait); by.Before(known.due) {
						known.due = by
					}
				},
				"get": func(t *rapid.T) {
					free := 0
					for r, each := range model {
						if each.ready && !running[r] {
							free++
						}
					}
					if q.Len() != free {
						t.Fatalf("%d are ready, want %d", q.Len(), free)
					}
					if free == 0 {
						return
					}
					got, priority, _ := q.GetWithPriority()
					want := model[got]
					switch {
					case running[got]:
						t.Fatalf("%v was handed out twice at one time", got)
					case want == nil || !want.ready:
						t.Fatalf("%v was handed out, and is %+v", got, want)
					case want.priority != priority:
						t.Fatalf("%v came at %d, want %d", got, priority, want.priority)
					}
					delete(model, got)
					running[got] = true
				},
				"done": func(t *rapid.T) {
					if len(running) == 0 {
						return
					}
					r := rapid.SampledFrom(sortedNames(running)).Draw(t, "done")
					q.Done(r)
					delete(running, r)
				},
				"wait": func(*rapid.T) {
					time.Sleep(time.Second) // the bubble's clock
					ripen()
				},
			})
			for r := range running {
				q.Done(r)
			}
			clear(running)
			time.Sleep(time.Minute)
			synctest.Wait()
			for range len(model) {
				got, _ := q.Get()
				delete(model, got)
				q.Done(got)
			}
			if len(model) > 0 || q.Len() > 0 || len(q.levels.wanted)+len(q.levels.running)+len(q.delayed) > 0 {
				t.Fatalf("lost: %v; left over: %d, %v, %v, %v", model, q.Len(), q.levels.wanted, q.levels.running, q.delayed)
			}
		})
	})
}

func sortedNames(of map[reconcile.Request]bool) []reconcile.Request {
	var found []reconcile.Request
	for _, client := range []string{"a", "b", "c", "d"} {
		for i := range 5 {
			if r := request(client, client+fmt.Sprint(i)); of[r] {
				found = append(found, r)
			}
		}
	}
	return found
}

// TestNobodyWaitsForMoreThanOneOfEach: while clients keep every priority busy, whoever comes new
// is worked on within a round of the clients at its priority.
func TestNobodyWaitsForMoreThanOneOfEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue()
		defer q.ShutDown()
		priorities := []int{0, -10, -100}
		floods := rapid.IntRange(1, 5).Draw(t, "floods")
		for i := range 400 {
			for n := range floods {
				q.AddWithOpts(at(priorities[i%3]), request(fmt.Sprintf("flood-%d", n), fmt.Sprint(i)))
			}
		}
		handOut(q, rapid.IntRange(0, 40).Draw(t, "before"))
		level := rapid.IntRange(0, 2).Draw(t, "level")
		q.AddWithOpts(at(priorities[level]), request("single", "single"))
		most := (floods + 1) * lowerShare / (lowerShare - 1) // three of four are of the highest
		if level > 0 {
			most = (floods + 1) * lowerShare * 2 // the fourth is of one of the two others
		}
		for n := 0; ; n++ {
			if got, _ := q.Get(); got.Namespace == "single" {
				if n > most {
					t.Fatalf("%d went ahead of priority %d among %d clients, want at most %d", n, priorities[level], floods, most)
				}
				return
			}
		}
	})
}

// TestManyAtOnceLoseNothing is for the race detector: what is added is worked on after that, and
// never by two at one time.
func TestManyAtOnceLoseNothing(t *testing.T) {
	q := newQueue()
	const requests, adders, times = 50, 4, 300
	var added, seen [requests]atomic.Int64
	var busy [requests]atomic.Bool
	var workers, producers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				got, _, shutdown := q.GetWithPriority()
				if shutdown {
					return
				}
				var i int
				if _, err := fmt.Sscan(got.Name, &i); err != nil {
					t.Error(err)
				}
				if busy[i].Swap(true) {
					t.Errorf("%v is worked on twice at one time", got)
				}
				seen[i].Store(added[i].Load())
				busy[i].Store(false)
				q.Done(got)
			}
		})
	}
	for n := range adders {
		producers.Go(func() {
			for i := range times {
				which := (i*7 + n) % requests
				added[which].Add(1)
				q.AddWithOpts(after(time.Duration(i%3)*time.Millisecond, -10*(i%2)), request(fmt.Sprint(which%5), fmt.Sprint(which)))
			}
		})
	}
	producers.Wait()
	missing := func() map[int]int64 {
		left := map[int]int64{}
		for i := range requests {
			if n := added[i].Load() - seen[i].Load(); n != 0 {
				left[i] = n
			}
		}
		return left
	}
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for left := missing(); len(left) > 0; left = missing() {
		select {
		case <-deadline:
			t.Fatalf("never seen: %v", maps.Collect(maps.All(left)))
		case <-tick.C:
		}
	}
	q.ShutDown()
	workers.Wait()
}
