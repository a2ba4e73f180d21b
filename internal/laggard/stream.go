package laggard

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// stream is a watch whose events come late, in their order.
type stream struct {
	lag    Lag
	source watch.Interface
	late   chan watch.Event
	stop   func()
	ended  chan struct{}
	// initial tells that what comes is still the first list.
	initial bool
	// over tells that the source has ended.
	over bool
	held []heldBack
}

// heldBack is an event until it is seen.
type heldBack struct {
	event watch.Event
	// until is when it is seen at the latest.
	until time.Time
	// prompt has it wait for nothing but those before it.
	prompt bool
}

// holdBack is source, later. With initial, what comes up to the end of the first list is
// not held back.
func (l Lag) holdBack(source watch.Interface, initial bool) watch.Interface {
	s := &stream{lag: l, source: source, initial: initial, late: make(chan watch.Event), ended: make(chan struct{})}
	s.stop = sync.OnceFunc(func() { close(s.ended) })
	go s.run()
	return s
}

// ResultChan gives the events, late.
func (s *stream) ResultChan() <-chan watch.Event { return s.late }

// Stop ends the watch; what is held back by then is not seen on it.
func (s *stream) Stop() { s.stop() }

func (s *stream) run() {
	defer close(s.late)
	defer s.source.Stop()
	arriving := s.source.ResultChan()
	for !s.over || len(s.held) > 0 {
		var out chan<- watch.Event
		var next watch.Event
		var ripens <-chan time.Time
		if len(s.held) > 0 {
			next = s.held[0].event
			if wait := s.wait(); wait > 0 {
				ripens = time.After(wait)
			} else {
				out = s.late
			}
		}
		select {
		case event, more := <-arriving:
			if !more {
				s.over, arriving = true, nil
				continue
			}
			s.take(event)
		case out <- next:
			s.held = s.held[1:]
		case <-ripens:
		case <-s.ended:
			return
		}
	}
}

// take puts an event behind those that are held back.
func (s *stream) take(event watch.Event) {
	s.held = append(s.held, heldBack{
		event: event, until: time.Now().Add(s.lag.Longest),
		prompt: s.initial || event.Type == watch.Bookmark || event.Type == watch.Error,
	})
	if s.initial && endsInitial(event) {
		s.initial = false
	}
}

// wait is how long the first that is held back waits yet.
func (s *stream) wait() time.Duration {
	if s.over || s.held[0].prompt {
		return 0
	}
	followed := 0
	for _, later := range s.held[1:] {
		if !later.prompt {
			followed++
		}
	}
	if followed >= s.lag.Events {
		return 0
	}
	return time.Until(s.held[0].until)
}

// endsInitial tells the bookmark that ends the first list.
func endsInitial(event watch.Event) bool {
	if event.Type != watch.Bookmark {
		return false
	}
	object, err := meta.Accessor(event.Object)
	return err == nil && object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"
}
