package esimaccess

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
)

// The vendor's errorCodes that the driver asks for by name.
const (
	codeServerError  = "000001"
	codeStatus       = "200002"
	codePrice        = "200005"
	codeAmount       = "200006"
	codeParameters   = "200008"
	codeAbnormal     = "200009"
	codeAllocating   = "200010"
	codeNoSuchPrefix = "310"
)

// busyAfter is when to come again where the vendor says that it is busy and not for how long.
const busyAfter = 5 * time.Second

// codeForm is an errorCode. Anything else is not shown: it could be anything.
var codeForm = regexp.MustCompile(`^[0-9]{1,8}$`)

// meaning is what a refusal means to an order.
type meaning struct {
	class   operators.Class
	message string
	// oneOrder tells that the vendor serves others.
	oneOrder bool
}

// meanings holds what an errorCode means in answer to any function. What buys or gives back, and
// is not certain to have been refused, is read by ofAct first.
var meanings = map[string]meaning{
	codeServerError: {operators.Transient, "the vendor had a server error", false},
	"101001":        {operators.Transient, "the vendor says that the request's timestamp has expired; check this machine's clock", false},
	"101002":        {operators.Misconfigured, "the vendor does not take calls from our address", false},
	"101003":        {operators.Misconfigured, "the vendor refuses our signature; check access-code and secret-key in the credentials' Secret", false},
	codeStatus:      {operators.Rejected, "the vendor says that the order's state forbids it", true},
	codePrice:       {operators.Rejected, "the plan has another price today", true},
	codeAmount:      {operators.Rejected, "the order has another price today", true},
	"200007":        {operators.Misconfigured, "our account at the vendor is empty; top it up", false},
	codeParameters:  {operators.Misconfigured, "the vendor calls the order's parameters wrong", true},
	codeAbnormal:    {operators.Rejected, "the vendor calls the order abnormal", true},
	codeAllocating:  {operators.Busy, "the vendor is still making the profile", false},
	"200011":        {operators.OutOfStock, "no profile of this plan is left", false},
	"900001":        {operators.Busy, "the vendor is busy", false},
}

// mayBeDuplicate are the codes by which the vendor might refuse an order for the reason that it
// has it already.
var mayBeDuplicate = []string{codeStatus, codeParameters, codeAbnormal}

// meaningOf reads an errorCode in answer to a function. again tells that the same order may
// have been sent before.
func meaningOf(f function, code string, again bool) meaning {
	known, found := meanings[code]
	switch {
	case f.acts && code == codeServerError:
		return meaning{operators.OutcomeUnknown, known.message, false}
	case f == order && code == codeAllocating:
		return meaning{operators.OutcomeUnknown, known.message, false}
	case f == order && again && slices.Contains(mayBeDuplicate, code):
		return meaning{operators.OutcomeUnknown, "the vendor refuses the order, perhaps because it has it already", false}
	case found:
		return known
	case strings.HasPrefix(code, "0001"):
		return meaning{operators.Misconfigured, "the vendor calls our request malformed; check spec.esimAccess.url", false}
	case strings.HasPrefix(code, codeNoSuchPrefix):
		return meaning{operators.Rejected, "the vendor does not know the plan, or the order", true}
	case f.acts:
		return meaning{operators.OutcomeUnknown, "the vendor refuses the call with a code that its documentation does not have", false}
	default:
		return meaning{operators.Transient, "the vendor refuses the call with a code that its documentation does not have", false}
	}
}

// classify makes a refusal an error. What the vendor says beside the code is not repeated.
func classify(f function, code string, again bool) *operators.Error {
	if !codeForm.MatchString(code) {
		code = ""
	}
	found := meaningOf(f, code, again)
	failure := &operators.Error{Class: found.class, Function: f.name, Code: code, Message: found.message}
	failure.OneOrder = found.oneOrder && found.class == operators.Misconfigured
	if found.class == operators.Busy {
		failure.RetryAfter = busyAfter
	}
	return failure
}
