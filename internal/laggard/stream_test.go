package laggard

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const longest = 300 * time.Millisecond

func event(kind watch.EventType, name string) watch.Event {
	return watch.Event{Type: kind, Object: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}}
}

func bookmark(name string, annotations map[string]string) watch.Event {
	e := event(watch.Bookmark, name)
	e.Object.(*corev1.ConfigMap).Annotations = annotations
	return e
}

func endOfInitial() watch.Event {
	return bookmark("initial", map[string]string{metav1.InitialEventsAnnotationKey: "true"})
}

func nameOf(e watch.Event) string { return e.Object.(*corev1.ConfigMap).Name }

// tape is a late stream, and what was seen on it so far.
type tape struct {
	source chan watch.Event
	late   watch.Interface
	seen   []string
	over   bool
}

// play holds a stream back within a bubble of synctest.
func play(l Lag, initial bool) *tape {
	p := &tape{source: make(chan watch.Event)}
	p.late = l.holdBack(watch.NewProxyWatcher(p.source), initial)
	return p
}

// send sends events, and returns what has been seen once all is quiet.
func (p *tape) send(events ...watch.Event) []string {
	for _, e := range events {
		p.source <- e
	}
	return p.quiet()
}

func (p *tape) quiet() []string {
	for {
		synctest.Wait()
		select {
		case e, more := <-p.late.ResultChan():
			if !more {
				p.over = true
				return p.seen
			}
			p.seen = append(p.seen, nameOf(e))
		default:
			return p.seen
		}
	}
}

func TestWhenEventsAreSeen(t *testing.T) {
	added := func(names ...string) (events []watch.Event) {
		for _, name := range names {
			events = append(events, event(watch.Added, name))
		}
		return events
	}
	for _, c := range []struct {
		name    string
		lag     Lag
		initial bool
		send    []watch.Event
		// atOnce is what is seen without any time passing, rest what is seen after longest.
		atOnce, rest []string
	}{
		{"an event is seen when the next one comes", Lag{Events: 1, Longest: longest}, false, added("a", "b", "c"), []string{"a", "b"}, []string{"c"}},
		{"ten events late", Lag{Events: 10, Longest: longest}, false, added("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"),
			[]string{"a", "b"}, []string{"c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}},
		{"a lag of none holds nothing back", Lag{Longest: longest}, false, added("a", "b"), []string{"a", "b"}, nil},
		{"a bookmark overtakes nothing", Lag{Events: 2, Longest: longest}, false, append(added("a"), bookmark("mark", nil)), nil, []string{"a", "mark"}},
		{"a bookmark is no later event", Lag{Events: 1, Longest: longest}, false,
			append(added("a"), bookmark("mark", nil), bookmark("mark2", nil)), nil, []string{"a", "mark", "mark2"}},
		{"an error overtakes nothing", Lag{Events: 2, Longest: longest}, false, append(added("a"), event(watch.Error, "error")), nil, []string{"a", "error"}},
		{"the first list is not held back", Lag{Events: 10, Longest: longest}, true, append(added("a", "b"), endOfInitial()), []string{"a", "b", "initial"}, nil},
		{"what follows the first list is", Lag{Events: 1, Longest: longest}, true,
			append(added("a"), endOfInitial(), event(watch.Modified, "b"), event(watch.Modified, "c")), []string{"a", "initial", "b"}, []string{"c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := play(c.lag, c.initial)
				defer p.late.Stop()
				atOnce := p.send(c.send...)
				if diff := cmp.Diff(c.atOnce, atOnce, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("seen at once (-want +got):\n%s", diff)
				}
				time.Sleep(longest)
				if diff := cmp.Diff(c.rest, p.quiet()[len(atOnce):], cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("seen then (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAnEventIsHeldBackFromItsOwnArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := play(Lag{Events: 10, Longest: longest}, false)
		defer p.late.Stop()
		p.send(event(watch.Added, "a"))
		time.Sleep(longest - time.Millisecond)
		if seen := p.send(event(watch.Added, "b")); len(seen) > 0 {
			t.Errorf("%v seen too early", seen)
		}
		time.Sleep(time.Millisecond)
		if diff := cmp.Diff([]string{"a"}, p.quiet()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestWhatIsHeldBackIsSeenWhenTheSourceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := play(Lag{Events: 10, Longest: time.Hour}, false)
		p.send(event(watch.Added, "a"), event(watch.Deleted, "b"))
		close(p.source)
		if diff := cmp.Diff([]string{"a", "b"}, p.quiet()); diff != "" || !p.over {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestStoppingEndsTheSourceAlsoWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := watch.NewFake()
		late := Lag{Longest: longest}.holdBack(source, false)
		source.Add(&corev1.ConfigMap{})
		synctest.Wait()
		late.Stop()
		late.Stop()
		synctest.Wait()
		if !source.IsStopped() {
			t.Error("the source goes on")
		}
	})
}

// Whatever comes, and whenever: all of it is seen, in its order, once as many others followed as
// the lag has or its longest has passed, and not before.
func TestEverythingIsSeenInItsOrderAndInTime(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		lag := Lag{Events: rapid.IntRange(0, 12).Draw(r, "events"), Longest: longest}
		pauses := rapid.SliceOfN(rapid.IntRange(0, 200), 1, 60).Draw(r, "pauses")
		var wrong string
		synctest.Test(t, func(*testing.T) { wrong = follow(lag, pauses) })
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}

// follow sends an event after each pause, of so many milliseconds, and tells the first thing
// that is wrong in what is seen.
func follow(lag Lag, pauses []int) (wrong string) {
	p := play(lag, false)
	defer p.late.Stop()
	var sent []string
	var at []time.Time
	for i, pause := range pauses {
		time.Sleep(time.Duration(pause) * time.Millisecond)
		sent, at = append(sent, strconv.Itoa(i)), append(at, time.Now())
		seen := p.send(event(watch.Modified, sent[i]))
		want := 0
		for want < len(sent) && (i-want >= lag.Events || time.Since(at[want]) >= longest) {
			want++
		}
		if !slices.Equal(sent[:want], seen) {
			return fmt.Sprintf("of %v, %v is seen; want the first %d", sent, seen, want)
		}
	}
	time.Sleep(longest)
	if seen := p.quiet(); !slices.Equal(sent, seen) {
		return fmt.Sprintf("in the end %v is seen; want all %d", seen, len(sent))
	}
	return ""
}
