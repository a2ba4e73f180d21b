package operators

import (
	"errors"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
)

// Class decides what happens after an error. It depends on the call, not on the operator's
// code alone.
type Class string

// The classes of error.
const (
	// Rejected: this source will never fill the order.
	Rejected Class = "Rejected"
	// OutOfStock: this source cannot fill the order now.
	OutOfStock Class = "OutOfStock"
	// Busy: the operator says when to come again.
	Busy Class = "Busy"
	// Transient: nothing was bought; the same request may be sent again.
	Transient Class = "Transient"
	// OutcomeUnknown: a call that buys was not answered. The same request ID is resolved
	// first; no other source, no new request ID until then.
	OutcomeUnknown Class = "OutcomeUnknown"
	// Restart: what the attempt holds is of no use; it is given back, then bought anew.
	Restart Class = "Restart"
	// Misconfigured: the order will not work until a person mends the connection, and nobody
	// else's, unless Error.OneOrder says so.
	Misconfigured Class = "Misconfigured"
)

var (
	// ErrInstalled says that it is too late to give back: the profile is on a device.
	ErrInstalled = errors.New("the profile is already on a device")
	// ErrUnknownProfile says that the operator does not know the profile, or has it in a state
	// that it cannot leave by being given back. Nobody can download it any more: it was given
	// back before, or it is on a device.
	ErrUnknownProfile = errors.New("the operator does not know the profile any more, or not as one that can be given back")
	// ErrNotOurs says that the operator knows the profile with another EID or matching ID, or as
	// another customer's.
	ErrNotOurs = errors.New("the operator knows the profile with another EID or matching ID, or as another customer's")
	// ErrJournalRefused says that the journal was not and will not be written.
	ErrJournalRefused = errors.New("the activation Secret cannot be written")
)

// Error is what went wrong with a call, in words that may be shown to anybody.
type Error struct {
	Class Class
	// Function is the operator's name for the call, such as ConfirmOrder.
	Function string
	// Code is the operator's code, such as 8.2.5/3.7 or HTTP 503.
	Code string
	// Message says in plain words what went wrong. It is the same each time, and holds nothing
	// that the operator sent: that may repeat credentials.
	Message string
	// Pending tells of a Busy operator that it has taken the request and is at it: it may hold a
	// purchase.
	Pending bool
	// Unsent tells that this call bought nothing, and sent nothing that may still buy. Where it was
	// the first under its request ID, or those before it were Unsent too, the operator holds
	// nothing of the attempt. Only a Bookkeeper sets it, and only where it is proven.
	Unsent bool
	// NotInBooks tells that the operator holds nothing of the attempt, as far as its books say: they
	// were asked before what failed and do not know the request ID, or nothing was ever sent under
	// it. A request that was lost may still arrive; giving back, and buying, see to that. Only a
	// Bookkeeper sets it.
	NotInBooks bool
	// OneOrder tells that the error concerns this order's plan or profile only: the connection
	// serves others.
	OneOrder bool
	// RetryAfter is how long the operator asked us to wait; 0 where it did not.
	RetryAfter time.Duration
	// LostAnswers counts the calls that were not answered and may each have stranded a profile.
	LostAnswers int32
	// ICCID of the profile that the attempt holds, where it holds one.
	ICCID activation.ICCID
	// Err is the cause, for logs, cleared of credentials.
	Err error
}

// Error is for people: function, what went wrong, code.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Function != "" {
		b.WriteString(e.Function + ": ")
	}
	b.WriteString(e.Message)
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf is the class of err; false where err is not an operator's.
func ClassOf(err error) (Class, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Class, true
	}
	return "", false
}
