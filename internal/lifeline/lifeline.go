// Package lifeline is what a manager under test talks to the world through: it numbers what
// leaves, and disturbs the manager at one of the numbers.
package lifeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// ErrDead is what a manager that was stopped gets from everything it tries: nothing of it
// leaves any more.
var ErrDead = errors.New("this manager was stopped")

// ErrLost is what comes in the place of an answer that was lost.
var ErrLost error = lost{}

// lost is an error of the network: net.Error tells that a time ran out.
type lost struct{}

func (lost) Error() string   { return "the answer was lost" }
func (lost) Timeout() bool   { return true }
func (lost) Temporary() bool { return true }

// Moment is what happens at a point.
type Moment string

const (
	// Before a point: the manager stops, and the point is not executed.
	Before Moment = "stop before"
	// After a point: it is executed, the manager stops, and the answer never arrives.
	After Moment = "stop unanswered"
	// Answered is after the answer: the point is executed, and the manager stops when it knows.
	Answered Moment = "stop answered"
	// Conflict is HTTP 409 in the place of a write to the API server. Calls are let through.
	Conflict Moment = "409"
	// Refused is HTTP 500, and the point is not executed; the manager lives on.
	Refused Moment = "500"
	// Failed is HTTP 500 after the point was executed; the manager lives on.
	Failed Moment = "500 after"
	// Lost is the answer, after a point was executed; the manager lives on.
	Lost Moment = "timeout after"
	// Held is the point, like the process that would execute it, until Release.
	Held Moment = "held"
)

// stops tells whether the manager stops then.
func (m Moment) stops() bool { return m == Before || m == After || m == Answered }

// answers tells whether the answer arrives then.
func (m Moment) answers() bool { return m == "" || m == Answered || m == Held }

// Point is one step out of a manager's process: what it is, and the how-manieth of its kind,
// from 1. Controllers work beside each other, so that only this is the same in each run.
type Point struct {
	Name string
	Nth  int
}

func (p Point) String() string { return fmt.Sprintf("%s #%d", p.Name, p.Nth) }

// Passing is a point that was reached.
type Passing struct {
	Point
	// Executed tells whether it was executed, and Answered whether the manager heard of it.
	Executed, Answered bool
	// Refused tells that it was executed and came to nothing, such as a write that conflicted.
	Refused bool
}

func (p Passing) String() string {
	switch {
	case !p.Executed:
		return p.Point.String() + " (not executed)"
	case !p.Answered:
		return p.Point.String() + " (not answered)"
	case p.Refused:
		return p.Point.String() + " (refused)"
	default:
		return p.Point.String()
	}
}

// Line is what one manager talks to the world through. It numbers what leaves, and disturbs
// the manager at one of the numbers.
type Line struct {
	mu sync.Mutex
	// at names the point to disturb; number, where not 0, is its place among all of them.
	at     Point
	number int
	when   Moment

	seen    map[string]int
	points  []Passing
	dead    bool
	armed   bool
	reached bool
	rename  func(string) string
	release chan struct{}
	freed   bool
	// then is called once after more points were passed; 0 for never.
	after int
	then  func()

	// Stopped is closed when the manager is dead.
	Stopped chan struct{}
	// Reached is closed when a point to disturb has come.
	Reached chan struct{}
}

// New is a line that lets everything through.
func New() *Line {
	return &Line{
		seen: map[string]int{}, release: make(chan struct{}), rename: func(name string) string { return name },
		Stopped: make(chan struct{}), Reached: make(chan struct{}),
	}
}

// At disturbs the manager at a point. It is to be called before the manager starts.
func (l *Line) At(point Point, when Moment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.when, l.armed = point, when, true
}

// Arm disturbs the manager at the point that comes as the n-th from now, from 1; 0 disarms.
func (l *Line) Arm(n int, when Moment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number, l.when, l.armed = len(l.points)+n, when, n > 0
}

// Rename has the names of points told without what is another in each run. It is to be called
// before the manager starts.
func (l *Line) Rename(rename func(string) string) { l.rename = rename }

// Kill stops the manager, now.
func (l *Line) Kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kill()
}

func (l *Line) kill() {
	if !l.dead {
		l.dead = true
		close(l.Stopped)
	}
}

// Release lets go of what is Held.
func (l *Line) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.freed {
		l.freed = true
		close(l.release)
	}
}

// Released is closed once Release was called.
func (l *Line) Released() <-chan struct{} { return l.release }

// AfterPassing has then called once so many more points were passed.
func (l *Line) AfterPassing(more int, then func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.after, l.then = len(l.points)+more, then
}

// Dead tells whether the manager was stopped.
func (l *Line) Dead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// Passed are the points that were reached.
func (l *Line) Passed() []Passing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.points)
}

// arrive counts a point and tells what happens at it.
func (l *Line) arrive(name string) (place int, when Moment, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return 0, "", ErrDead
	}
	name = l.rename(name)
	l.seen[name]++
	point := Point{name, l.seen[name]}
	l.points = append(l.points, Passing{Point: point})
	place = len(l.points) - 1
	if !l.armed || point != l.at && len(l.points) != l.number {
		return place, "", nil
	}
	l.armed = false
	if !l.reached {
		l.reached = true
		close(l.Reached)
	}
	if l.when == Before {
		l.kill()
		return place, l.when, ErrDead
	}
	return place, l.when, nil
}

// Pass lets one step out of the process, or disturbs it there. execute does it; its answer is
// nil where it did all that was asked. refuse makes the error of an HTTP status; nil where it
// cannot be told by one.
func (l *Line) Pass(ctx context.Context, name string, refuse func(status int) error, execute func() error) error {
	place, when, err := l.arrive(name)
	if err != nil {
		return err
	}
	refused := func(status int, otherwise error) error {
		if refuse == nil {
			return otherwise
		}
		return refuse(status)
	}
	switch when {
	case Conflict:
		return refused(409, ErrLost)
	case Refused:
		return refused(500, ErrLost)
	case Held:
		select {
		case <-l.release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err = execute()
	l.executed(place, when, err)
	l.tell()
	switch {
	case l.Dead() && when != Answered:
		return errors.Join(ErrDead, err)
	case when == Failed:
		return errors.Join(refused(500, ErrLost), err)
	case when == Lost:
		return errors.Join(ErrLost, err)
	default:
		return err
	}
}

// executed notes that a point was executed, and stops the manager where it is to stop then.
func (l *Line) executed(place int, when Moment, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.points[place].Executed, l.points[place].Refused = true, err != nil
	l.points[place].Answered = when.answers() && !l.dead
	if when.stops() {
		l.kill()
	}
}

// tell calls what was to be called now.
func (l *Line) tell() {
	l.mu.Lock()
	then := l.then
	if then == nil || len(l.points) < l.after {
		l.mu.Unlock()
		return
	}
	l.then = nil
	l.mu.Unlock()
	then()
}

// read lets a read through while the manager lives. Reads are no points: nobody can tell
// whether they happened.
func (l *Line) read(execute func() error) error {
	if l.Dead() {
		return ErrDead
	}
	if err := execute(); err != nil {
		return err
	}
	if l.Dead() {
		return ErrDead
	}
	return nil
}
