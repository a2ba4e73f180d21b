package es2plus

import (
	"context"

	"github.com/telcodev/esim-operator/internal/operators"
)

// GiveBack is CancelOrder (SGP.22 section 5.3.4). Nil is the answer that the profile was
// cancelled, or that there is nothing left to cancel. A call that may have been executed
// without an answer is of class OutcomeUnknown: repeat it, unless h is Reusable; a profile
// that may be sold again must not be named twice.
func (d *Driver) GiveBack(ctx context.Context, h operators.Held) error {
	failure := d.cancelOrder(ctx, h)
	if failure == nil {
		return nil
	}
	switch failure.Code {
	case codeUnknownICCID, codeWrongState:
		return nil
	case codeInstalled:
		return operators.ErrInstalled
	case codeOtherEID, codeOtherMatchingID:
		return operators.ErrNotOurs
	}
	failure.ICCID = h.ICCID
	return failure
}

// settled tells that the answer to CancelOrder is final: asking again changes nothing.
func settled(failure *operators.Error) bool {
	switch failure.Code {
	case codeUnknownICCID, codeWrongState, codeInstalled, codeOtherEID, codeOtherMatchingID:
		return true
	default:
		return false
	}
}
