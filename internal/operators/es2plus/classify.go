package es2plus

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

// Status codes that the recovery asks for by name (SGP.22 sections 5.3.1 to 5.3.5).
const (
	codeMatchingIDInUse = "8.2.6/3.3"
	codeWrongState      = "8.2.1/3.5"
	codeUnknownICCID    = "8.2.1/3.9"
	codeInstalled       = "8.2.1/3.3"
	codeOtherEID        = "8.2.1/3.10"
	codeOtherMatchingID = "8.2.6/3.10"
	codeNotOurICCID     = "8.2.1/1.2"
	// These two tell of a matching ID that the request lacks.
	codeMatchingIDMissing = "8.2.6/2.2"
	codeMatchingIDWanted  = "8.2.6/2.3"
)

// meaning is what an answer means to an order.
type meaning struct {
	class   operators.Class
	message string
}

var (
	wrongState      = meaning{operators.Restart, "the profile is in a state that it cannot leave by this call"}
	unknownICCID    = meaning{operators.Restart, "the SM-DP+ does not know the profile any more"}
	malformed       = meaning{operators.Misconfigured, "the SM-DP+ does not accept us as requester, or calls our request malformed"}
	notOurICCID     = meaning{operators.Misconfigured, "the SM-DP+ says that the profile is not ours"}
	notOurProfile   = meaning{operators.Misconfigured, "the SM-DP+ says that the profile which it reserved for this order is not ours"}
	typeUnknown     = meaning{operators.Rejected, "the SM-DP+ does not know the profile type"}
	typeMismatch    = meaning{operators.Rejected, "the profile does not match the profile type"}
	typeNotAllowed  = meaning{operators.Misconfigured, "the SM-DP+ does not allow us this profile type"}
	outOfStock      = meaning{operators.OutOfStock, "no profile of this type is left"}
	matchingIDInUse = meaning{operators.Restart, "the matching ID is in use"}
	eidMissing      = meaning{operators.Rejected, "the SM-DP+ wants an EID for this profile"}
	eidDiffers      = meaning{operators.Rejected, "the profile is bound to another EID"}
	smdsFailed      = meaning{operators.Transient, "the SM-DP+ could not reach the SM-DS"}
	tooLate         = meaning{operators.Rejected, "the profile is on a device already"}
	otherOwner      = meaning{operators.Rejected, "the SM-DP+ knows the profile with another EID or matching ID"}
	anythingElse    = meaning{operators.Transient, "the SM-DP+ could not execute the call"}
)

// ofOneOrder are the meanings that speak of one plan or one profile: the SM-DP+ serves others.
var ofOneOrder = map[meaning]bool{typeNotAllowed: true, notOurProfile: true}

// meanings holds what a status code means in answer to one function. What is not here is
// read by meaningOf's rules for all functions.
var meanings = map[es2plus.Function]map[string]meaning{
	es2plus.DownloadOrder: {
		"8.2.5/3.9": typeUnknown,
		"8.2.5/3.8": typeMismatch,
		"8.2.5/1.2": typeNotAllowed,
		"8.2.5/3.7": outOfStock,
	},
	es2plus.ConfirmOrder: {
		codeMatchingIDInUse: matchingIDInUse,
		codeWrongState:      wrongState,
		codeUnknownICCID:    unknownICCID,
		codeNotOurICCID:     notOurProfile,
		"8.1.1/2.2":         eidMissing,
		"8.1.1/3.10":        eidDiffers,
		"8.9/5.1":           smdsFailed,
		"8.9/4.2":           smdsFailed,
	},
	es2plus.ReleaseProfile: {
		codeNotOurICCID:  notOurProfile,
		codeWrongState:   wrongState,
		codeUnknownICCID: unknownICCID,
	},
	es2plus.CancelOrder: {
		codeWrongState:        wrongState,
		codeUnknownICCID:      unknownICCID,
		codeInstalled:         tooLate,
		codeOtherEID:          otherOwner,
		codeOtherMatchingID:   otherOwner,
		codeMatchingIDMissing: otherOwner,
		codeMatchingIDWanted:  otherOwner,
	},
}

// meaningOf reads a status code such as 8.2.5/3.7 as the answer to function. Empty stands for
// a code that is missing or no code.
func meaningOf(function es2plus.Function, code string) meaning {
	if found, ok := meanings[function][code]; ok {
		return found
	}
	subject, reason, _ := strings.Cut(code, "/")
	switch {
	case subject == "1" || strings.HasPrefix(subject, "1."), strings.HasPrefix(reason, "2."):
		return malformed
	case code == codeNotOurICCID:
		return notOurICCID
	default:
		return anythingElse
	}
}

// classifyStatus judges a function execution status; nil where the function was executed.
// cause is what the SM-DP+ said besides, cleared of credentials.
func classifyStatus(function es2plus.Function, status es2plus.FunctionExecutionStatus, cause error) *operators.Error {
	switch {
	case is(status.Status, es2plus.ExecutedSuccess), is(status.Status, es2plus.ExecutedWithWarning):
		return nil
	case is(status.Status, es2plus.ExecutionExpired):
		return &operators.Error{Class: operators.Transient, Function: string(function), Code: string(es2plus.ExecutionExpired),
			Message: "the SM-DP+ let the call expire", Err: cause}
	case is(status.Status, es2plus.ExecutionFailed):
		code := statusCode(status.StatusCodeData)
		found := meaningOf(function, code)
		return &operators.Error{Class: found.class, Function: string(function), Code: code, Message: found.message,
			OneOrder: ofOneOrder[found], Err: cause}
	default:
		return noAnswer(function, reply{fate: unreadable, err: cause})
	}
}

func is(status, word es2plus.ExecutionStatus) bool {
	return strings.EqualFold(strings.TrimSpace(string(status)), string(word))
}

// classifyFate judges a call by how far it came; nil where a whole HTTP answer of a 2xx
// status came, which must then be read.
func classifyFate(function es2plus.Function, r reply) *operators.Error {
	switch r.fate {
	case answered:
		return classifyHTTP(function, r)
	case notSent:
		failure := &operators.Error{Class: operators.Transient, Function: string(function),
			Message: "the SM-DP+ cannot be reached; nothing was sent", Err: r.err}
		if errors.Is(r.err, context.Canceled) {
			failure.Message = "the call was given up before anything was sent"
		}
		return failure
	case refused:
		// It names no function: an answer to any of them shows that the handshake works again.
		return &operators.Error{Class: operators.Misconfigured,
			Message: "the TLS handshake with the SM-DP+ failed; check spec.es2plus.serverName and tls.crt, tls.key and ca.crt of its Secret", Err: r.err}
	default:
		return noAnswer(function, r)
	}
}

// classifyHTTP judges an HTTP status. ES2+ functions answer 200 also when they fail, so any
// other status comes from something between us and the function, and a 5xx does not tell
// whether the function was executed.
func classifyHTTP(function es2plus.Function, r reply) *operators.Error {
	// A probe calls no function and has no status.
	if function == "" || r.status/100 == 2 {
		return nil
	}
	failure := operators.Error{Function: string(function), Code: "HTTP " + strconv.Itoa(r.status), Err: r.err}
	switch {
	case r.status == http.StatusTooManyRequests:
		failure.Class, failure.Message = operators.Busy, "the SM-DP+ is asked too often"
		failure.RetryAfter = r.retryAfter
	case r.status == http.StatusRequestTimeout:
		failure.Class, failure.Message = operators.Transient, "the SM-DP+ did not wait for the request"
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		failure.Class, failure.Message = operators.Misconfigured, "the SM-DP+ refuses our identity"
	case r.status/100 == 4:
		failure.Class, failure.Message = operators.Misconfigured, "the SM-DP+ refuses the request; check spec.es2plus.url"
	default:
		lost := noAnswer(function, r)
		lost.Code = failure.Code
		if r.status/100 == 5 {
			lost.Message = "the SM-DP+ answered with a server error"
			lost.RetryAfter = r.retryAfter
		}
		return lost
	}
	return &failure
}

// noAnswer is a call that may have been executed. DownloadOrder is repeated all the same: at
// worst a reserved profile is stranded. What buys, and what gives back, must be resolved.
func noAnswer(function es2plus.Function, r reply) *operators.Error {
	failure := &operators.Error{
		Class: operators.OutcomeUnknown, Function: string(function),
		Message: "the SM-DP+ did not answer", Err: r.err,
	}
	if r.fate != unanswered {
		failure.Message = "the SM-DP+ sent an answer that cannot be read"
	}
	if function == es2plus.DownloadOrder {
		failure.Class, failure.LostAnswers = operators.Transient, 1
	}
	return failure
}

// callOf is the record of one call for metrics and the breaker.
func callOf(function es2plus.Function, r reply, failure *operators.Error, took time.Duration) operators.Call {
	call := operators.Call{
		Function: string(function),
		Outcome:  "ok",
		Answered: r.fate == answered && r.status < http.StatusInternalServerError,
		Duration: took,
	}
	if failure != nil {
		call.Outcome = string(failure.Class)
		// What leaves open whether the request was executed has not answered it.
		if failure.Class == operators.OutcomeUnknown || failure.LostAnswers > 0 {
			call.Answered = false
		}
	}
	return call
}
