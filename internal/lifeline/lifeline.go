// Package lifeline is what a manager under test talks to the world through: it numbers what
// leaves, and stops the manager, dead, at one of the numbers.
package lifeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// ErrDead is what a manager that was stopped gets from everything it tries: nothing of it
// leaves any more.
var ErrDead = errors.New("this manager was stopped")

// ErrLost is what comes in the place of an answer that was lost.
var ErrLost = errors.New("the answer was lost")

// Moment is where, around a point, the manager stops.
type Moment string

const (
	// Before a point: it is not executed.
	Before Moment = "before"
	// After a point: it is executed, and its answer never arrives.
	After Moment = "after"
	// Lost is the answer, after a point was executed; the manager lives on.
	Lost Moment = "lost"
)

// Line is what one manager talks to the world through. It numbers what leaves and stops the
// manager, dead, at one of the numbers.
type Line struct {
	// All counts as points also what no order determines the time of: what is written about
	// wallets and products whenever it changes.
	All bool

	mu sync.Mutex
	// stopAt is the number of the point to stop at, from 1; 0 never stops.
	stopAt int
	when   Moment
	points []string
	dead   bool
	// Stopped is closed when the manager is dead.
	Stopped chan struct{}
}

// New is a line that lets everything through up to the point with the number stopAt, counted
// from 1; 0 never stops.
func New(stopAt int, when Moment) *Line {
	return &Line{stopAt: stopAt, when: when, Stopped: make(chan struct{})}
}

// Arm stops the manager at the point that comes as the n-th from now, from 1.
func (l *Line) Arm(n int, when Moment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopAt, l.when = len(l.points)+n, when
}

// Dead tells whether the manager was stopped.
func (l *Line) Dead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

func (l *Line) counts(point string) bool {
	return l.All || !strings.Contains(point, "product") && !strings.Contains(point, "wallet")
}

// pass lets one point through, or stops the manager there. execute does it.
func (l *Line) pass(point string, execute func() error) error {
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return ErrDead
	}
	stop := false
	if l.counts(point) {
		l.points = append(l.points, point)
		stop = len(l.points) == l.stopAt
	}
	lost := stop && l.when == Lost
	stop = stop && !lost
	if stop {
		l.dead = true
	}
	l.mu.Unlock()
	switch {
	case lost:
		return errors.Join(ErrLost, execute())
	case !stop:
		return execute()
	}
	defer close(l.Stopped)
	if l.when == Before {
		return ErrDead
	}
	return errors.Join(ErrDead, execute())
}

// read lets a read through while the manager lives. Reads are no points: nobody can tell
// whether they happened.
func (l *Line) read(execute func() error) error {
	l.mu.Lock()
	dead := l.dead
	l.mu.Unlock()
	if dead {
		return ErrDead
	}
	return execute()
}

// Passed are the points that were reached.
func (l *Line) Passed() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.points...)
}

func kind(object client.Object) string {
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", object), "*"))
}

// Writer puts the line around a client.
func (l *Line) Writer(inner client.Client) client.Client {
	watching, ok := inner.(client.WithWatch)
	if !ok {
		watching = withoutWatch{inner}
	}
	return interceptor.NewClient(watching, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return l.pass("create "+kind(o), func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return l.pass("update "+kind(o), func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return l.pass("patch "+kind(o), func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return l.pass("delete "+kind(o), func() error { return c.Delete(ctx, o, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return l.pass("update "+kind(o)+"/"+sub, func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
	})
}

// withoutWatch satisfies the interceptor; the manager's writer never watches.
type withoutWatch struct{ client.Client }

func (withoutWatch) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errors.New("the writing client does not watch")
}

// Reader puts the line around a reader.
func (l *Line) Reader(inner client.Reader) client.Reader { return lineReader{l, inner} }

type lineReader struct {
	line  *Line
	inner client.Reader
}

func (r lineReader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return r.line.read(func() error { return r.inner.Get(ctx, key, o, opts...) })
}

func (r lineReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return r.line.read(func() error { return r.inner.List(ctx, list, opts...) })
}

// Transport puts the line around what carries calls to operators.
func (l *Line) Transport(inner http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		var response *http.Response
		function := request.URL.Path[strings.LastIndex(request.URL.Path, "/")+1:]
		err := l.pass("call "+function, func() (err error) {
			response, err = inner.RoundTrip(request) //nolint:bodyclose // the driver closes it
			return err
		})
		if err != nil && response != nil {
			err = errors.Join(err, response.Body.Close())
			response = nil
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }
