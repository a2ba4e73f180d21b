package laggard

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// server lists a and b, streamed or whole, and has one watch to send more on.
type server struct {
	events chan watch.Event
	// lists only is of an API server that streams no lists.
	listsOnly bool
	watches   []metav1.ListOptions
}

// IsWatchListSemanticsUnSupported is what the informer asks before it has a list streamed.
func (s *server) IsWatchListSemanticsUnSupported() bool { return s.listsOnly }

func (s *server) List(metav1.ListOptions) (runtime.Object, error) {
	list := &corev1.ConfigMapList{ListMeta: metav1.ListMeta{ResourceVersion: "2"}}
	for _, e := range initial() {
		list.Items = append(list.Items, *e.Object.(*corev1.ConfigMap))
	}
	return list, nil
}

func (s *server) Watch(o metav1.ListOptions) (watch.Interface, error) {
	s.watches = append(s.watches, o)
	if initialFrom(o) {
		for _, e := range append(initial(), endOfInitial()) {
			s.events <- e
		}
	}
	return watch.NewProxyWatcher(s.events), nil
}

func initial() []watch.Event {
	return []watch.Event{versioned(event(watch.Added, "a"), "1"), versioned(event(watch.Added, "b"), "2")}
}

func versioned(e watch.Event, version string) watch.Event {
	e.Object.(*corev1.ConfigMap).ResourceVersion = version
	return e
}

func TestAnInformerBeginsWithThePresentAndFallsBehind(t *testing.T) {
	for _, listsOnly := range []bool{false, true} {
		t.Run(map[bool]string{false: "list streamed", true: "list fetched"}[listsOnly], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{events: make(chan watch.Event, 10), listsOnly: listsOnly}
				informer := Lag{Events: 1, Longest: longest}.NewInformer(s, &corev1.ConfigMap{}, 0, toolscache.Indexers{})
				go informer.RunWithContext(t.Context())
				known := func() []string {
					synctest.Wait()
					names := informer.GetStore().ListKeys()
					slices.Sort(names)
					return names
				}
				if diff := cmp.Diff([]string{"a", "b"}, known()); diff != "" || !informer.HasSynced() {
					t.Fatalf("at first, synced: %v (-want +got):\n%s", informer.HasSynced(), diff)
				}
				if initialFrom(s.watches[0]) == listsOnly {
					t.Errorf("watched with %+v", s.watches[0])
				}
				s.events <- versioned(event(watch.Added, "c"), "3")
				if diff := cmp.Diff([]string{"a", "b"}, known()); diff != "" {
					t.Errorf("after one event (-want +got):\n%s", diff)
				}
				s.events <- versioned(event(watch.Deleted, "a"), "4")
				if diff := cmp.Diff([]string{"a", "b", "c"}, known()); diff != "" {
					t.Errorf("after the next (-want +got):\n%s", diff)
				}
				time.Sleep(longest)
				if diff := cmp.Diff([]string{"b", "c"}, known()); diff != "" {
					t.Errorf("after a while (-want +got):\n%s", diff)
				}
			})
		})
	}
}
