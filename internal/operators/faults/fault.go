// Package faults makes the calls to a fake of a wholesaler go wrong. It stands between the
// network and the fake's own handler, so that every fake takes the same faults and needs to
// know none of them.
package faults

import (
	"fmt"
	"net/http"
	"time"
)

// Kind is what goes wrong.
type Kind string

// The kinds of fault. Each says whether the call is executed where Fault.Execution does not.
const (
	// Drop closes the connection without an answer. Executed.
	Drop Kind = "drop"
	// Status answers Fault.Status with an empty object. Not executed.
	Status Kind = "status"
	// HTML answers Fault.Status, 502 where it is 0, with a page of HTML. Not executed.
	HTML Kind = "html"
	// Empty answers nothing with status 200. Executed.
	Empty Kind = "empty"
	// Truncated ends the connection in the middle of the answer. Executed.
	Truncated Kind = "truncated"
	// Malformed leaves out the second half of the answer's JSON. Executed.
	Malformed Kind = "malformed"
	// Huge answers 100 MB. Executed.
	Huge Kind = "huge"
	// Deep answers JSON that is nested 100,000 times. Executed.
	Deep Kind = "deep"
	// WrongTypes answers with JSON in which every text is a list and every number an object.
	// Executed.
	WrongTypes Kind = "wrong-types"
	// Redirect answers 307 with the same address on another host. Not executed.
	Redirect Kind = "redirect"
	// Echo answers 400 with everything that was sent, headers included. Not executed.
	Echo Kind = "echo"
	// NumbersAsStrings puts every number of the answer in quotes. Executed.
	NumbersAsStrings Kind = "numbers-as-strings"
	// ObjectsForLists writes every list of the answer as an object, keyed by index. Executed.
	ObjectsForLists Kind = "objects-for-lists"
	// BooleansAsStrings puts every boolean of the answer in quotes. Executed.
	BooleansAsStrings Kind = "booleans-as-strings"
	// Slow waits for Fault.Delay before the call goes on. Executed.
	Slow Kind = "slow"
	// Late waits for Fault.Delay and executes the call then, whether or not the client is still
	// there. Executed.
	Late Kind = "late"
	// Hang holds the call until the client is gone. Not executed.
	Hang Kind = "hang"
	// Watch lets the call be and calls Fault.Then. Executed.
	Watch Kind = "watch"
)

// Kinds are all kinds.
var Kinds = []Kind{
	Drop, Status, HTML, Empty, Truncated, Malformed, Huge, Deep, WrongTypes, Redirect, Echo,
	NumbersAsStrings, ObjectsForLists, BooleansAsStrings, Slow, Late, Hang, Watch,
}

// Execution tells whether the call is executed before it goes wrong.
type Execution string

// Whether the call is executed.
const (
	// Usually is what the kind says.
	Usually Execution = ""
	// First executes the call before anything goes wrong.
	First Execution = "first"
	// Never keeps the call from being executed.
	Never Execution = "never"
)

// Fault is something that goes wrong with calls.
type Fault struct {
	Kind Kind `json:"kind"`
	// Function that is hit, as the fake names it; empty for all.
	Function string `json:"function,omitempty"`
	// Skip is how many calls of the function are let through first.
	Skip int `json:"skip,omitempty"`
	// Times is how many calls are hit; 0 for all until the fault is cleared.
	Times int `json:"times,omitempty"`
	// Fraction of the calls that are hit, between 0 and 1; 0 for all.
	Fraction float64 `json:"fraction,omitempty"`
	// Execution, where the kind's usual is not wanted.
	Execution Execution `json:"execution,omitempty"`
	// Status of Status and HTML.
	Status int `json:"status,omitempty"`
	// RetryAfter is the header of that name, of Status and HTML; empty for none.
	RetryAfter string `json:"retryAfter,omitempty"`
	// Delay of Slow and Late.
	Delay time.Duration `json:"delay,omitempty"`
	// Then is called once the call was executed, or would have been, before anything is
	// answered; may be nil.
	Then func() `json:"-"`
}

// executes tells whether the call is executed.
func (f Fault) executes() bool {
	if f.Execution != Usually {
		return f.Execution == First
	}
	switch f.Kind {
	case Status, HTML, Redirect, Echo, Hang:
		return false
	default:
		return true
	}
}

// Executed tells whether the call is executed when this fault hits it.
func (f Fault) Executed() bool { return f.executes() }

// check says which field is wrong.
func (f Fault) check() error {
	known := false
	for _, kind := range Kinds {
		known = known || kind == f.Kind
	}
	switch {
	case !known:
		return fmt.Errorf("fault: unknown kind %q; the kinds are %v", f.Kind, Kinds)
	case f.Times < 0 || f.Skip < 0:
		return fmt.Errorf("fault: times and skip must be 0 or more")
	case !(f.Fraction >= 0 && f.Fraction <= 1):
		return fmt.Errorf("fault: fraction must lie between 0 and 1, not %v", f.Fraction)
	case f.Execution != Usually && f.Execution != First && f.Execution != Never:
		return fmt.Errorf("fault: execution must be first, never or absent, not %q", f.Execution)
	case f.Kind == Status && (f.Status < http.StatusBadRequest || f.Status > 599):
		return fmt.Errorf("fault: status must lie between 400 and 599, not %d", f.Status)
	case (f.Kind == Slow || f.Kind == Late) && f.Delay <= 0:
		return fmt.Errorf("fault: delay must be longer than 0")
	default:
		return nil
	}
}
