package es2plus

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// worlds are the circumstances that every combination of faults is tried under.
var worlds = []struct {
	name string
	options
	smdpAddress     string
	matchingIDFirst bool
	taken           int
	// wide worlds have so many calls that two faults must do.
	wide bool
}{
	{name: "the configured address", options: options{configured: "rsp.example.com"}},
	{name: "an answered address, none configured", smdpAddress: "other.example.com"},
	{name: "a server that looks at matching IDs first", options: options{configured: "rsp.example.com"}, matchingIDFirst: true},
	{name: "an answered address and matching IDs first", smdpAddress: "other.example.com", matchingIDFirst: true, wide: true},
	{name: "matching IDs that are in use", options: options{configured: "rsp.example.com"}, taken: 2, wide: true},
	{name: "the customer installs early", options: options{configured: "rsp.example.com", installs: true}},
	{name: "the Secret is deleted", options: options{configured: "rsp.example.com", tenantDeletes: true}},
	{name: "the Secret is deleted, the address answered", options: options{tenantDeletes: true}, smdpAddress: "other.example.com", wide: true},
	{name: "installed early and the Secret deleted", options: options{configured: "rsp.example.com", installs: true, tenantDeletes: true}},
	{name: "no address, until a person sets it", options: options{configuredLate: "rsp.example.com"}},
	{name: "no address, and matching IDs first", options: options{configuredLate: "rsp.example.com"}, matchingIDFirst: true, wide: true},
	{name: "a Secret that cannot be written at first", options: options{configured: "rsp.example.com", quota: 2}, wide: true},
}

const maxPasses = 16

// TestNoCombinationOfFaultsBuysTwice runs the whole life of an order through every
// combination of at most three faults (two with -short, or in a wide world): each call to the API server and
// to the SM-DP+ can fail, lose its answer before or after it was done, or be the manager's
// last.
func TestNoCombinationOfFaultsBuysTwice(t *testing.T) {
	for _, tc := range worlds {
		t.Run(tc.name, func(t *testing.T) {
			most := 3
			if tc.wide || testing.Short() {
				most = 2
			}
			runs := explore(most, func(choose func(n int) int) (violations, log []string) {
				w := &world{options: tc.options, smdp: double{smdpAddress: tc.smdpAddress, matchingIDFirst: tc.matchingIDFirst, taken: tc.taken}}
				w.status = orderStatus{phase: "PENDING", version: 1}
				w.step = func(string) effect { return effect(choose(int(effects))) }
				w.happens = func(string) bool { return choose(2) == 1 }
				w.live(w.manager(1))
				return w.violations(), w.log
			}, t.Errorf)
			if runs < 500 {
				t.Errorf("only %d combinations were tried", runs)
			}
			t.Logf("%d combinations", runs)
		})
	}
}

// live lets one manager work on the order until it is at rest.
func (w *world) live(m *manager) {
	for range maxPasses {
		w.events()
		m.seen = w.status
		m.pass()
		if w.status.phase != "PENDING" {
			return
		}
	}
}

// events happen between two passes.
func (w *world) events() {
	if w.secret == nil {
		return
	}
	standing := w.secret.profile
	if standing.Confirmed {
		if w.waits++; w.waits > 2 {
			w.configured = w.configuredLate
		}
	}
	profile := w.smdp.profiles[standing.ICCID]
	if w.installs && profile.state == stateReleased && profile.matchingID == standing.MatchingID.Reveal() && w.happens("install") {
		profile.state = stateInstalled
		w.faults++
		w.log = append(w.log, "## the customer installs the profile")
	}
	// Admission policies keep customers from that. Where they do not hold, the ICCID in the
	// status, which each pass that ends undelivered writes, is what is left.
	if w.tenantDeletes && w.status.iccid == standing.ICCID && w.happens("delete Secret") {
		w.secret = nil
		w.faults++
		w.log = append(w.log, "## the customer deletes the Secret")
	}
}

// explore calls run with every sequence of choices of which no more than most are not 0, and
// reports the shortest log of each violation.
func explore(most int, run func(choose func(n int) int) (violations, log []string), report func(string, ...any)) (runs int) {
	shortest := map[string][]string{}
	pending := [][]int{nil}
	for len(pending) > 0 {
		given := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		var widths []int
		violations, log := run(func(n int) int {
			at := len(widths)
			widths = append(widths, n)
			if at < len(given) {
				return given[at]
			}
			return 0
		})
		runs++
		for _, violation := range violations {
			if known, ok := shortest[violation]; !ok || len(log) < len(known) {
				shortest[violation] = log
			}
		}
		used := 0
		for _, choice := range given {
			if choice != 0 {
				used++
			}
		}
		if used == most {
			continue
		}
		for at := len(given); at < len(widths); at++ {
			for choice := 1; choice < widths[at]; choice++ {
				next := make([]int, at+1)
				copy(next, given)
				next[at] = choice
				pending = append(pending, next)
			}
		}
	}
	for violation, log := range shortest {
		report("%s:\n  %s", violation, strings.Join(log, "\n  "))
	}
	return runs
}

// TestTwoManagersOnOneOrderBuyOnce lets two managers overlap, as two leaders do for a moment,
// and steps them call by call in random order, with up to three faults.
func TestTwoManagersOnOneOrderBuyOnce(t *testing.T) {
	schedules := uint64(4000)
	if testing.Short() {
		schedules = 500
	}
	for _, tc := range worlds {
		if tc.quota > 0 || tc.installs || tc.tenantDeletes || tc.configuredLate != "" {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			shortest := map[string][]string{}
			for seed := range schedules {
				w := &world{options: tc.options, smdp: double{smdpAddress: tc.smdpAddress, matchingIDFirst: tc.matchingIDFirst, taken: tc.taken}}
				w.status = orderStatus{phase: "PENDING", version: 1}
				race(w, seed)
				for _, violation := range w.violations() {
					if known, ok := shortest[violation]; !ok || len(w.log) < len(known) {
						shortest[violation] = append([]string{fmt.Sprint("seed ", seed)}, w.log...)
					}
				}
			}
			for violation, log := range shortest {
				t.Errorf("%s:\n  %s", violation, strings.Join(log, "\n  "))
			}
		})
	}
}

// race runs two managers. Only one of them runs at a time: each waits for its turn before
// each call. The second stops after three passes, so that the first is alone in the end.
func race(w *world, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 42))
	budget := random.IntN(4)
	turns := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	yields := make(chan bool)
	running := 0
	w.step = func(label string) effect {
		me := running
		yields <- true
		<-turns[me]
		w.log = append(w.log, fmt.Sprintf("[%d] %s", me, label))
		if budget > 0 && random.Float64() < 0.06 {
			budget--
			return effect(1 + random.IntN(int(effects)-1))
		}
		return done
	}
	work := func(me, passes int) {
		<-turns[me]
		m := w.manager(2*seed + uint64(me))
		for range passes {
			m.seen = w.status
			if w.status.phase != "PENDING" {
				break
			}
			m.pass()
		}
		yields <- false
	}
	go work(0, maxPasses)
	go work(1, 3)
	bias := random.Float64()
	alive := [2]bool{true, true}
	for alive[0] || alive[1] {
		running = 0
		if random.Float64() < bias {
			running = 1
		}
		if !alive[running] {
			running = 1 - running
		}
		turns[running] <- struct{}{}
		alive[running] = <-yields
	}
}
