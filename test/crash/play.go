package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/lifeline"
)

// Disturbance is what goes wrong in one run. Its zero value is nothing.
type Disturbance struct {
	// Point at which Moment happens.
	Point  lifeline.Point
	Moment lifeline.Moment
	// Lag is by how many events all caches are late.
	Lag int
	// Random draws how far others get meanwhile.
	Random uint64
}

func (d Disturbance) String() string {
	switch {
	case d.Lag > 0:
		return fmt.Sprintf("a cache that lags by %d", d.Lag)
	case d.Moment == "":
		return "undisturbed"
	default:
		return fmt.Sprintf("%s, %s", d.Point, d.Moment)
	}
}

// Run is what one run of a story came to.
type Run struct {
	Facts Facts
	// Passed are the points that the first manager reached.
	Passed []lifeline.Passing
	// Reached tells whether the point to disturb came.
	Reached bool
}

const (
	// runTimeout is how long a run may take; most take less than a second.
	runTimeout = 45 * time.Second
	// calm is for how long nothing may leave a manager until it counts as at rest.
	calm = 400 * time.Millisecond
	// longestHold is how long a point is held where the second manager has nothing to do.
	longestHold = time.Second
)

// play runs a story once. want are the facts that it must come to; nil where it sets them.
func (s *stage) play(ctx context.Context, story Story, d Disturbance, want *Facts) (run Run, err error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	w, err := s.open(ctx, story)
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, w.close(context.WithoutCancel(ctx))) }()
	if d.Moment == lifeline.Failed || d.Moment == lifeline.Lost {
		w.copies++
	}
	p := &production{World: w, story: story, disturbance: d, random: drawn(d.Random, 0)}
	run.Facts, err = p.perform(ctx, want)
	err = errors.Join(err, p.dismissAll())
	run.Passed = p.lines[0].Passed()
	select {
	case <-p.lines[0].Reached:
		run.Reached = true
	default:
	}
	if err == nil {
		err = p.review(ctx, want)
	}
	if err == nil && d == (Disturbance{}) {
		err = announced(run.Passed)
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, p.protocol())
	}
	return run, err
}

// production is one run of a story.
type production struct {
	*World
	story       Story
	disturbance Disturbance
	random      *rand.Rand
	lines       []*lifeline.Line
	dismiss     []func() error
}

// hire employs one more manager.
func (p *production) hire(ctx context.Context, line *lifeline.Line) error {
	p.mu.Lock()
	p.copies++
	p.mu.Unlock()
	dismiss, err := p.employ(ctx, p.story, line, p.disturbance)
	if err != nil {
		return err
	}
	p.lines, p.dismiss = append(p.lines, line), append(p.dismiss, dismiss)
	return nil
}

func (p *production) dismissAll() error {
	var errs []error
	for _, line := range p.lines {
		line.Release()
	}
	for _, dismiss := range p.dismiss {
		errs = append(errs, dismiss())
	}
	p.dismiss = nil
	return errors.Join(errs...)
}

// perform tells the story while managers come and go, and waits for what it must come to.
func (p *production) perform(ctx context.Context, want *Facts) (facts Facts, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	line := lifeline.New()
	if p.disturbance.Moment != "" {
		line.At(p.disturbance.Point, p.disturbance.Moment)
	}
	p.lines = []*lifeline.Line{line}
	if err := p.hireFirst(ctx, line); err != nil {
		return facts, err
	}
	ended, directed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(directed)
		if err := p.direct(ctx, line, ended); err != nil {
			fail(err)
		}
	}()
	if err = p.story.Tell(ctx, p.World); err == nil {
		facts, err = p.await(ctx, want)
	}
	close(ended)
	<-directed
	return facts, err
}

func (p *production) hireFirst(ctx context.Context, line *lifeline.Line) error {
	p.lines = nil
	if err := p.hire(ctx, line); err != nil {
		p.lines = []*lifeline.Line{line}
		return err
	}
	return nil
}

// direct does what a disturbance asks for beside the line: it replaces a manager that was
// stopped, and has a second one lead while the first is held.
func (p *production) direct(ctx context.Context, line *lifeline.Line, ended <-chan struct{}) error {
	var held <-chan struct{}
	if p.disturbance.Moment == lifeline.Held {
		held = line.Reached
	}
	select {
	case <-line.Stopped:
		// The process is gone at once; that our goroutines end takes no part in it.
		return p.hire(ctx, lifeline.New())
	case <-held:
		second := lifeline.New()
		defer line.Release()
		if err := p.hire(ctx, second); err != nil {
			return err
		}
		if far := p.random.IntN(8); far < 7 {
			second.AfterPassing(far+1, line.Release)
		}
		timer := time.NewTimer(longestHold)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ended:
		case <-line.Released():
		}
		// The first believes to lead for some more steps.
		line.Arm(2+p.random.IntN(3), lifeline.Before)
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}

// await waits until the world is at rest, and what it must have come to.
func (p *production) await(ctx context.Context, want *Facts) (facts Facts, err error) {
	if want == nil {
		if err := until(ctx, survey, "nothing leaves the manager any more", p.calmly()); err != nil {
			return facts, err
		}
	}
	err = until(ctx, survey, "the world is at rest", func(ctx context.Context) (bool, error) {
		now, err := p.look(ctx)
		if err != nil {
			return false, err
		}
		facts = now
		if want == nil {
			return len(facts.Unsettled) == 0, nil
		}
		return cmp.Equal(*want, facts), nil
	})
	if err == nil {
		return facts, nil
	}
	if want == nil {
		return facts, fmt.Errorf("%w; under way: %s", err, strings.Join(facts.Unsettled, "; "))
	}
	return facts, fmt.Errorf("%w; what it came to (-undisturbed +this run):\n%s", err, cmp.Diff(*want, facts))
}

// calmly tells whether nothing has left the first manager for a while.
func (p *production) calmly() func(context.Context) (bool, error) {
	passed, since := -1, time.Now()
	return func(ctx context.Context) (bool, error) {
		facts, err := p.look(ctx)
		if n := len(p.lines[0].Passed()); n != passed || len(facts.Unsettled) > 0 {
			passed, since = n, time.Now()
		}
		return time.Since(since) >= calm, err
	}
}

// review looks at what is left once nobody works on it any more.
func (p *production) review(ctx context.Context, want *Facts) error {
	facts, err := p.look(ctx)
	if err != nil {
		return err
	}
	if want != nil {
		if diff := cmp.Diff(*want, facts); diff != "" {
			err = fmt.Errorf("what it came to did not last (-undisturbed +this run):\n%s", diff)
		}
	}
	return errors.Join(err, p.contradicted(), p.holds(ctx, p.lost()))
}

// lost counts the DownloadOrder answers that nobody can know any more: those that a line or an
// SM-DP+ lost, and those that a manager had not written down when it was stopped.
func (p *production) lost() int {
	lost := 0
	for _, seller := range p.sellers {
		lost += seller.dropped()
	}
	for _, line := range p.lines {
		// Which order a call was for is not known, but each Secret is of one.
		unwritten, turnedDown := 0, 0
		for _, passing := range line.Passed() {
			switch written := strings.HasPrefix(passing.Name, "create secret "); {
			case !passing.Executed:
			case passing.Name == "call downloadOrder" && !passing.Answered:
				lost++
			case passing.Name == "call downloadOrder":
				unwritten++
			case written && (passing.Refused || !passing.Answered):
				// Another leader's Secret may have been there: the profile is to be given back.
				turnedDown++
			case written:
				unwritten = max(0, unwritten-1)
			case passing.Name == "call cancelOrder" && passing.Answered && turnedDown > 0:
				unwritten, turnedDown = max(0, unwritten-1), turnedDown-1
			}
		}
		if line.Dead() {
			lost += unwritten
		}
	}
	return lost
}

// protocol tells what left each manager.
func (p *production) protocol() string {
	var text strings.Builder
	for i, line := range p.lines {
		fmt.Fprintf(&text, "manager %d:", i+1)
		for _, passing := range line.Passed() {
			fmt.Fprintf(&text, "\n  %s", passing)
		}
		text.WriteString("\n")
	}
	return text.String()
}

// announced checks that no CancelOrder left before a status said so: another worker could
// deliver what it cancels.
func announced(passed []lifeline.Passing) error {
	cancelOrder := "call " + string(es2plus.CancelOrder)
	closing := false
	for _, passing := range passed {
		switch {
		case strings.HasPrefix(passing.Name, "update esimorder/status "):
			closing = true
		case passing.Name == cancelOrder && !closing:
			return fmt.Errorf("CancelOrder left before the order said that it is being closed")
		case strings.HasPrefix(passing.Name, "call ") && passing.Name != cancelOrder && !slices.Contains(reading, passing.Name):
			closing = false
		}
	}
	return nil
}

// reading are calls that change nothing.
var reading = []string{"call GET balance"}
