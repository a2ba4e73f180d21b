package webapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
)

// fate is how far a call came.
type fate int

const (
	// answered: a whole answer came, whatever it says.
	answered fate = iota
	// notSent: nothing of the request left.
	notSent
	// refused: we refuse the vendor's certificate, or it our terms; nothing was sent.
	refused
	// unanswered: the request left, and no whole answer came in time.
	unanswered
	// unreadable: an answer came that cannot be used.
	unreadable
)

// reply is what came of a call.
type reply struct {
	fate fate
	// status, retryAfter and body of the HTTP answer, where there is one.
	status     int
	retryAfter time.Duration
	body       []byte
	// err is why there is none, for logs: a cause, or in our own words.
	err error
}

// unsent marks the cause of a call of which nothing left.
type unsent struct{ err error }

func (u *unsent) Error() string {
	if u.err == nil {
		return "nothing was sent"
	}
	return u.err.Error()
}
func (u *unsent) Unwrap() error { return u.err }

// NotSent tells whether it is proven that nothing of the call which failed so has left.
func NotSent(failure *operators.Error) bool {
	var mark *unsent
	return failure != nil && errors.As(failure.Err, &mark)
}

// judgeFate judges a call by how far it came, and what means the same at every vendor; nil where
// the answer must be read.
func (c *Client) judgeFate(call Call, r reply) *operators.Error {
	switch r.fate {
	case answered:
		return c.judgeStatus(call, r)
	case notSent:
		failure := &operators.Error{Class: operators.Transient, Function: call.Function,
			Message: c.vendor + " cannot be reached; nothing was sent", Err: &unsent{r.err}}
		if errors.Is(r.err, context.Canceled) {
			failure.Message = "the call was given up before anything was sent"
		}
		return failure
	case refused:
		// It names no function: an answer to any of them shows that the handshake works again.
		return &operators.Error{Class: operators.Misconfigured,
			Message: "the TLS handshake with " + c.vendor + " failed; check " + c.field + " and ca.crt of its Secret", Err: &unsent{r.err}}
	default:
		return c.lost(call, r)
	}
}

// judgeStatus judges the HTTP statuses that the vendor's own code may not have written.
func (c *Client) judgeStatus(call Call, r reply) *operators.Error {
	switch {
	case call.Function == "": // a probe calls nothing and has no status
		return nil
	case r.status == http.StatusTooManyRequests:
		return &operators.Error{Class: operators.Busy, Function: call.Function, Code: code(r.status),
			Message: c.vendor + " is asked too often", RetryAfter: r.retryAfter}
	case r.status == http.StatusRequestTimeout:
		return &operators.Error{Class: operators.Transient, Function: call.Function, Code: code(r.status),
			Message: c.vendor + " did not wait for the request", RetryAfter: r.retryAfter}
	case r.status >= http.StatusInternalServerError:
		lost := c.lost(call, r)
		lost.Code, lost.RetryAfter = code(r.status), r.retryAfter
		lost.Message = c.vendor + " answered with a server error"
		return lost
	case r.status/100 == 3:
		lost := c.lost(call, r)
		lost.Code = code(r.status)
		lost.Message = c.vendor + " sends the call elsewhere, which is not followed; check " + c.field
		return lost
	default:
		return nil
	}
}

// lost is a call that may have been executed.
func (c *Client) lost(call Call, r reply) *operators.Error {
	failure := &operators.Error{Class: operators.Transient, Function: call.Function, Message: c.vendor + " did not answer", Err: r.err}
	if r.fate != unanswered {
		failure.Message = c.vendor + " sent an answer that cannot be read"
	}
	if call.Buys {
		failure.Class = operators.OutcomeUnknown
	}
	return failure
}

func code(status int) string { return "HTTP " + strconv.Itoa(status) }

// Refusal is the error for a 4xx status that a driver has no better reading of: 401 and 403
// refuse us, 404 and others the call. message may be empty.
func (c *Client) Refusal(status int) *operators.Error {
	failure := &operators.Error{Class: operators.Misconfigured, Code: code(status),
		Message: c.vendor + " refuses the request; check " + c.field}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		failure.Message = c.vendor + " refuses our credentials, or our address"
	}
	return failure
}

// callOf is the record of one call for metrics and the breaker.
func callOf(function string, r reply, failure *operators.Error, took time.Duration) operators.Call {
	call := operators.Call{
		Function: function,
		Outcome:  "ok",
		Answered: r.fate == answered && r.status < http.StatusInternalServerError,
		Duration: took,
	}
	if failure != nil {
		call.Outcome = string(failure.Class)
	}
	return call
}
