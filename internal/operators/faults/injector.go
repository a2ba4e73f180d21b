package faults

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
)

// maxRequest bounds what a fake reads of a request.
const maxRequest = 1 << 20

// Injector is the middleware. The zero value injects nothing and is safe for concurrent use.
type Injector struct {
	// Name names a request's function; nil for the method and the path.
	Name func(*http.Request) string
	// Chance draws a number in [0, 1) for Fraction; nil for math/rand.
	Chance func() float64

	mu     sync.Mutex
	faults []*injected
	calls  []Call
	last   int
}

// Call is a call that arrived, whatever became of it.
type Call struct {
	Function string `json:"function"`
	// Fault that hit it; empty for none.
	Fault Kind `json:"fault,omitempty"`
	// Executed tells whether the fake's handler saw it.
	Executed bool `json:"executed"`
}

type injected struct {
	Fault
	id, seen, hits int
}

// maxCalls bounds how many calls are remembered: the last of them.
const maxCalls = 100_000

// Inject makes something go wrong with calls to come, and returns the fault's number. A call
// takes the first fault, in the order of injection, that is meant for it. The error names the
// field that is wrong.
func (i *Injector) Inject(f Fault) (id int, err error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last++
	i.faults = append(i.faults, &injected{Fault: f, id: i.last})
	return i.last, nil
}

// Clear ends all faults.
func (i *Injector) Clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults = nil
}

// Hits is how many calls a fault has hit.
func (i *Injector) Hits(id int) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, fault := range i.faults {
		if fault.id == id {
			return fault.hits
		}
	}
	return 0
}

// Calls that arrived, oldest first.
func (i *Injector) Calls() []Call {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.calls)
}

// Wrap puts the injector before a fake.
func (i *Injector) Wrap(fake http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault := i.arrived(r)
		if fault.Kind == "" {
			fake.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
		if err != nil {
			panic(http.ErrAbortHandler) // the client is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if fault.Kind == Slow && !pause(r.Context(), fault.Delay) {
			panic(http.ErrAbortHandler)
		}
		if fault.Kind == Late {
			pause(context.WithoutCancel(r.Context()), fault.Delay)
		}
		answer := &recorded{header: http.Header{}, status: http.StatusOK}
		if fault.executes() {
			fake.ServeHTTP(answer, r)
		}
		if fault.Then != nil {
			fault.Then()
		}
		spoil(w, r, body, answer, fault)
	})
}

// arrived notes a call and returns the fault that hits it; none where it is empty.
func (i *Injector) arrived(r *http.Request) Fault {
	i.mu.Lock()
	defer i.mu.Unlock()
	function := r.Method + " " + r.URL.Path
	if i.Name != nil {
		function = i.Name(r)
	}
	call := Call{Function: function, Executed: true}
	var hit Fault
	for _, fault := range i.faults {
		if i.hits(fault, function) {
			hit = fault.Fault
			call.Fault, call.Executed = hit.Kind, hit.executes()
			break
		}
	}
	if len(i.calls) >= maxCalls {
		i.calls = slices.Delete(i.calls, 0, maxCalls/2)
	}
	i.calls = append(i.calls, call)
	return hit
}

// hits tells whether a fault hits a call of the function, and counts it. i.mu must be held.
func (i *Injector) hits(fault *injected, function string) bool {
	if fault.Function != "" && fault.Function != function {
		return false
	}
	fault.seen++
	chance := i.Chance
	if chance == nil {
		chance = rand.Float64
	}
	switch {
	case fault.seen <= fault.Skip, fault.Times > 0 && fault.hits >= fault.Times:
		return false
	case fault.Fraction > 0 && chance() >= fault.Fraction:
		return false
	default:
		fault.hits++
		return true
	}
}
