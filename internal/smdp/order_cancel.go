package smdp

import (
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// cancelOrder gives a profile back before it is downloaded (SGP.22 section 5.3.4).
type cancelOrder struct {
	es2plus.CancelOrderRequest
}

func (o *cancelOrder) header() es2plus.RequestHeader { return o.Header }

func (o *cancelOrder) subject() (activation.ICCID, string) { return bareICCID(o.ICCID), "" }

func (o *cancelOrder) check() *refusal {
	if found := firstRefusal(checkICCID(o.ICCID), checkEID(o.EID), checkMatchingID(o.MatchingID)); found != nil {
		return found
	}
	switch o.FinalProfileStatusIndicator {
	case es2plus.FinalAvailable, es2plus.FinalUnavailable:
		return nil
	case "":
		return &refusal{subjectFunction, reasonMandatoryMissing, "finalProfileStatusIndicator is missing"}
	}
	return &refusal{subjectFunction, reasonInvalid, "finalProfileStatusIndicator must be Available or Unavailable"}
}

func (o *cancelOrder) decide(r *registry, requester string, b Behaviour) (decision, error) {
	p, refused := r.held(o.ICCID, requester)
	if refused == nil {
		refused = o.fits(p, b)
	}
	if refused != nil {
		return refuse(*refused)
	}
	made := change{}
	if o.FinalProfileStatusIndicator == es2plus.FinalAvailable {
		p = p.forgetOrder(StateAvailable)
		// A type that was taken off meanwhile does not come back by a cancelled order.
		if left, known := r.available(p.ProfileType); known {
			made.stock = &stockLevel{profileType: p.ProfileType, available: left + 1}
		}
	} else {
		p = p.forgetOrder(StateUnavailable)
	}
	made.profile = &p
	return decision{change: made, answer: es2plus.CancelOrderResponse{Header: executed()}}, nil
}

// fits tells why this order cannot be cancelled like this; nil where it can.
func (o *cancelOrder) fits(p profile, b Behaviour) *refusal {
	switch p.State {
	case StateAvailable, StateUnavailable:
		return &refuseNotHeld
	case StateDownloaded, StateInstalled:
		return &refuseTooLate
	case StateError:
		return &refuseState
	}
	switch {
	case o.EID != "" && activation.EID(o.EID) != p.eid:
		return &refuseCancelOtherEID
	case o.MatchingID != "" && (!p.hasMatchingID || !p.matchingID.Equal(activation.NewCredential(o.MatchingID))):
		return &refuseOtherMatchingID
	case o.MatchingID == "" && b.CancelNeedsMatchingID && !p.matchingID.Empty():
		return &refuseNoMatchingID
	}
	return nil
}
