package es2plus

import (
	"context"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
)

// withoutMatchingID is the variant of a CancelOrder that leaves the matching ID out.
const withoutMatchingID = "2"

// GiveBack is CancelOrder (SGP.22 section 5.3.4). Nil is the answer that the profile was
// cancelled, or that there is nothing left to cancel. A call that may have been executed
// without an answer is of class OutcomeUnknown: repeat it, unless h is Reusable; a profile
// that may be sold again must not be named twice.
func (d *Driver) GiveBack(ctx context.Context, h operators.Held) error {
	failure := d.cancelOrder(ctx, h, "")
	if failure != nil && failure.Code == codeOtherMatchingID && !h.MatchingID.Empty() && !h.Reusable {
		// The matching ID is the journal's, and ConfirmOrder may never have arrived: then the
		// profile has none, which strict servers take for another.
		journaled := h.MatchingID
		h.MatchingID = activation.Credential{}
		failure = d.cancelOrder(ctx, h, withoutMatchingID, journaled)
	}
	final, err := verdict(failure)
	if !final {
		failure.ICCID = h.ICCID
		return failure
	}
	return err
}

// verdict reads the answer to CancelOrder: nil, operators.ErrInstalled, ErrUnknownProfile or
// ErrNotOurs where it is final. An answer that is not final is worth asking again.
func verdict(failure *operators.Error) (final bool, err error) {
	if failure == nil {
		return true, nil
	}
	switch failure.Code {
	case codeUnknownICCID, codeWrongState:
		return true, operators.ErrUnknownProfile
	case codeInstalled:
		return true, operators.ErrInstalled
	case codeOtherEID, codeOtherMatchingID, codeNotOurICCID, codeMatchingIDMissing, codeMatchingIDWanted:
		return true, operators.ErrNotOurs
	default:
		return false, nil
	}
}

// givenBack tells that no more can be done for a profile that no journal names: it was taken
// back, or there is a final answer that it cannot be.
func givenBack(failure *operators.Error) bool {
	final, _ := verdict(failure)
	return final
}
