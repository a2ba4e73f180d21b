package esimaccess

import (
	"context"

	"github.com/telcodev/esim-operator/internal/operators"
)

// GiveBack cancels what was ordered under the request ID; the vendor refunds its price. It does
// so only while nobody has begun to download the profile.
func (d *Driver) GiveBack(ctx context.Context, h operators.Held) error {
	leave, failure := d.turn(ctx, h.RequestID)
	if failure != nil {
		return failure
	}
	defer leave()
	asked := d.now()
	found, failure := d.lookUp(ctx, wanted{requestID: h.RequestID, iccid: h.ICCID, since: h.Since})
	if failure != nil {
		return failure
	}
	if len(found) == 0 {
		if failure := d.missed(h.RequestID, asked); failure != nil {
			return failure
		}
		return operators.ErrUnknownProfile
	}
	d.sends.Found(h.RequestID)
	installed := false
	for _, p := range found {
		switch {
		case p.dead():
		case p.onDevice():
			installed = true
		case !p.made():
			return &operators.Error{Class: operators.Busy, Function: queryOrder.name, Code: codeAllocating, Pending: true, RetryAfter: unnumbered,
				Message: "the vendor is still making the profile"}
		case !p.returnable():
			return &operators.Error{Class: operators.Transient, Function: queryOrder.name, ICCID: known(p.ICCID),
				Message: "the vendor has the profile in a state in which it takes none back, such as suspended"}
		default:
			if failure := d.takeBack(ctx, p); failure != nil {
				return failure
			}
		}
	}
	if installed {
		return operators.ErrInstalled
	}
	return nil
}

// takeBack gives one profile back. A refusal that speaks of its state says that the state
// changed since it was asked for: it is asked for again, later.
func (d *Driver) takeBack(ctx context.Context, p profile) *operators.Error {
	failure := d.take(ctx, p)
	if failure == nil {
		return nil
	}
	failure.ICCID = known(p.ICCID)
	if failure.Class == operators.Rejected {
		failure.Class, failure.RetryAfter = operators.Transient, firstLook
		failure.Message = "the vendor did not take the profile back; its state is asked for again"
	}
	return failure
}
