package smdp

import (
	"fmt"
	"net/http"
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

// FaultKind is what goes wrong.
type FaultKind string

// The kinds of fault. Those that spoil an answer execute the function first unless told
// otherwise; those that give another answer do not.
const (
	// FaultStatusCode answers Failed, or Status, with SubjectCode and ReasonCode. Not executed.
	FaultStatusCode FaultKind = "status-code"
	// FaultHTTPStatus answers HTTPStatus, with Retry-After where RetryAfter is set. Not executed.
	FaultHTTPStatus FaultKind = "http-status"
	// FaultRefuseConnection lets nobody in, so that a client knows that nothing was sent. With
	// Times or Fraction, connections are reset before anything is read from them; without,
	// the port is closed until the fault is cleared. It knows no Function.
	FaultRefuseConnection FaultKind = "refuse-connection"
	// FaultHang holds the call until the fault is cleared, and then goes on; or until the client
	// is gone. Not executed before it goes on.
	FaultHang FaultKind = "hang"
	// FaultDropAnswer executes the function, then resets the connection without an answer.
	FaultDropAnswer FaultKind = "drop-answer"
	// FaultMalformedJSON cuts the answer's JSON in half. Executed.
	FaultMalformedJSON FaultKind = "malformed-json"
	// FaultHugeBody streams an answer of 100 MB. Executed.
	FaultHugeBody FaultKind = "huge-body"
	// FaultWrongContentType says text/html of an answer that is right otherwise. Executed.
	FaultWrongContentType FaultKind = "wrong-content-type"
	// FaultOmitSMDPAddress leaves smdpAddress out of an answer. It goes together with others.
	FaultOmitSMDPAddress FaultKind = "omit-smdp-address"
	// FaultDelay waits for Delay before the call is executed. It goes together with others.
	FaultDelay FaultKind = "delay"
)

// Execution tells whether a fault lets the function be executed.
type Execution string

// Whether the function is executed.
const (
	// ExecuteUsually is what FaultKind says of the kind.
	ExecuteUsually Execution = ""
	// ExecuteFirst executes the function before anything goes wrong.
	ExecuteFirst Execution = "first"
	// ExecuteNever keeps the function from being executed.
	ExecuteNever Execution = "never"
)

// Fault is something that goes wrong with calls.
//
// Faults are used in the order in which they were injected: a call takes the first that is
// meant for it and has calls left. FaultOmitSMDPAddress and FaultDelay only colour a call,
// which takes the next one as well. So two HTTP 503 and a dropped answer, injected one after
// the other, are the fate of the next three calls.
type Fault struct {
	// ID is given by Inject.
	ID   int
	Kind FaultKind
	// Function that is hit; empty for all.
	Function es2plus.Function
	// Times is how many calls are hit; 0 for all until the fault is cleared.
	Times int
	// Fraction of the calls that are hit, between 0 and 1; 0 for all.
	Fraction float64
	// Execution, where the kind's usual is not wanted.
	Execution Execution

	// SubjectCode and ReasonCode such as 8.2.5 and 3.7, with Message for people, and Status,
	// Failed where empty: of FaultStatusCode.
	SubjectCode, ReasonCode, Message string
	Status                           es2plus.ExecutionStatus
	// HTTPStatus from 400 to 599, of FaultHTTPStatus.
	HTTPStatus int
	// RetryAfter of FaultHTTPStatus, in whole seconds; 0 for none.
	RetryAfter time.Duration
	// Delay of FaultDelay.
	Delay time.Duration

	// Hits counts the calls that were hit.
	Hits int
}

// colours tells that a call takes the next fault as well.
func (f Fault) colours() bool { return f.Kind == FaultOmitSMDPAddress || f.Kind == FaultDelay }

// executes tells whether the function is executed before the fault.
func (f Fault) executes() bool {
	switch f.Execution {
	case ExecuteFirst:
		return true
	case ExecuteNever:
		return false
	}
	switch f.Kind {
	case FaultStatusCode, FaultHTTPStatus, FaultHang, FaultRefuseConnection:
		return false
	}
	return true
}

// closesPort tells a refusal that needs no counting.
func (f Fault) closesPort() bool {
	return f.Kind == FaultRefuseConnection && f.Times == 0 && (f.Fraction == 0 || f.Fraction == 1)
}

// check says which field is wrong.
func (f Fault) check() error {
	switch {
	case f.Times < 0:
		return fmt.Errorf("fault: times must be 0 or more, not %d", f.Times)
	case !(f.Fraction >= 0 && f.Fraction <= 1):
		return fmt.Errorf("fault: fraction must lie between 0 and 1, not %v", f.Fraction)
	case f.Execution != ExecuteUsually && f.Execution != ExecuteFirst && f.Execution != ExecuteNever:
		return fmt.Errorf("fault: execution must be first, never or absent, not %q", f.Execution)
	}
	if _, known := newOrder(f.Function); f.Function != "" && !known {
		return fmt.Errorf("fault: function must be DownloadOrder, ConfirmOrder, ReleaseProfile, CancelOrder or absent, not %q", f.Function)
	}
	return f.checkKind()
}

func (f Fault) checkKind() error {
	switch f.Kind {
	case FaultStatusCode:
		if f.SubjectCode == "" && f.Status == "" {
			return fmt.Errorf("fault: %s needs subjectCode and reasonCode, such as 8.2.5 and 3.7, or a status", f.Kind)
		}
	case FaultHTTPStatus:
		if f.HTTPStatus < http.StatusBadRequest || f.HTTPStatus > 599 {
			return fmt.Errorf("fault: httpStatus must lie between 400 and 599, not %d", f.HTTPStatus)
		}
		if f.RetryAfter < 0 || f.RetryAfter%time.Second != 0 {
			return fmt.Errorf("fault: retryAfter must be whole seconds, not %v", f.RetryAfter)
		}
	case FaultRefuseConnection:
		if f.Function != "" || f.Execution != ExecuteUsually {
			return fmt.Errorf("fault: %s takes no function and no execution: the connection is refused before the call is known", f.Kind)
		}
	case FaultDelay:
		if f.Delay <= 0 {
			return fmt.Errorf("fault: delay must be longer than 0")
		}
	case FaultDropAnswer, FaultMalformedJSON, FaultHugeBody, FaultWrongContentType, FaultHang, FaultOmitSMDPAddress:
	default:
		return fmt.Errorf("fault: unknown kind %q; see the list of kinds", f.Kind)
	}
	return nil
}
