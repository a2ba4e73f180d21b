package smdp

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

const (
	// maxFaults bounds the faults that are waiting.
	maxFaults = 10_000
	// maxSpent is how many faults without calls left are still shown.
	maxSpent = 100
)

// faults are those that were injected and not cleared, in order.
type faults struct {
	// chance tells whether something with this probability happens.
	chance func(fraction float64) bool

	mu     sync.Mutex
	lastID int
	active []*activeFault
	spent  []*activeFault
}

type activeFault struct {
	Fault
	// cleared is closed when the fault is cleared.
	cleared chan struct{}
}

// fate is what the faults do to one call. The zero value is nothing.
type fate struct {
	delay       time.Duration
	omitAddress bool
	// ending is the fault that decides how the call ends; nil where it ends well.
	ending *Fault
	// cleared of the ending.
	cleared <-chan struct{}
}

// inject adds a fault that was checked.
func (fs *faults) inject(f Fault) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.active) >= maxFaults {
		return 0, fmt.Errorf("fault: there are %d already; clear some", maxFaults)
	}
	fs.lastID++
	f.ID, f.Hits = fs.lastID, 0
	fs.active = append(fs.active, &activeFault{Fault: f, cleared: make(chan struct{})})
	return f.ID, nil
}

// next is the fate of a call of the function.
func (fs *faults) next(function es2plus.Function) fate {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var out fate
	for _, f := range slices.Clone(fs.active) {
		if f.Kind == FaultRefuseConnection || (f.Function != "" && f.Function != function) || !fs.hits(f) {
			continue
		}
		switch f.Kind {
		case FaultDelay:
			out.delay += f.Delay
		case FaultOmitSMDPAddress:
			out.omitAddress = true
		default:
			ending := f.Fault
			out.ending, out.cleared = &ending, f.cleared
			return out
		}
	}
	return out
}

// refuses tells whether the next connection is refused. A refusal waits for its turn behind
// the counted faults that hit every function: which call the others hit is not known yet.
func (fs *faults) refuses() bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range slices.Clone(fs.active) {
		if f.Kind == FaultRefuseConnection {
			if fs.hits(f) {
				return true
			}
			continue
		}
		if f.Times > 0 && f.Function == "" && !f.colours() {
			return false
		}
	}
	return false
}

// hits draws whether the fault hits this time, and counts it. The caller holds mu.
func (fs *faults) hits(f *activeFault) bool {
	if f.Fraction > 0 && f.Fraction < 1 && !fs.chance(f.Fraction) {
		return false
	}
	f.Hits++
	if f.Times > 0 && f.Hits == f.Times {
		fs.active = slices.DeleteFunc(fs.active, func(other *activeFault) bool { return other == f })
		fs.spend(f)
	}
	return true
}

// spend keeps a fault without calls left, for showing. One that calls may be hanging on is kept
// until it is cleared.
func (fs *faults) spend(f *activeFault) {
	fs.spent = append(fs.spent, f)
	if len(fs.spent) > maxSpent {
		if i := slices.IndexFunc(fs.spent, func(f *activeFault) bool { return f.Kind != FaultHang }); i >= 0 {
			fs.spent = slices.Delete(fs.spent, i, i+1)
		}
	}
}

// list is all faults that were not cleared, spent ones included, by ID.
func (fs *faults) list() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out := make([]Fault, 0, len(fs.active)+len(fs.spent))
	for _, f := range slices.Concat(fs.spent, fs.active) {
		out = append(out, f.Fault)
	}
	slices.SortFunc(out, func(a, b Fault) int { return a.ID - b.ID })
	return out
}

// clear takes the faults away that match, lets go what hangs on them, and tells whether there
// were any.
func (fs *faults) clear(match func(Fault) bool) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	found := false
	gone := func(f *activeFault) bool {
		if !match(f.Fault) {
			return false
		}
		found = true
		close(f.cleared)
		return true
	}
	fs.active = slices.DeleteFunc(fs.active, gone)
	fs.spent = slices.DeleteFunc(fs.spent, gone)
	return found
}

// refusing tells whether connections are being refused, and whether all of them are.
func (fs *faults) refusing() (some, all bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.active {
		some = some || f.Kind == FaultRefuseConnection
		all = all || f.closesPort()
	}
	return some, all
}
