package smdp

import (
	"fmt"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// confirmOrder gives a profile its matching ID and, with releaseFlag, releases it for download
// (SGP.22 section 5.3.2).
type confirmOrder struct {
	es2plus.ConfirmOrderRequest
}

func (o *confirmOrder) header() es2plus.RequestHeader { return o.Header }

func (o *confirmOrder) subject() (activation.ICCID, string) { return bareICCID(o.ICCID), "" }

func (o *confirmOrder) check() *refusal {
	found := firstRefusal(checkICCID(o.ICCID), checkEID(o.EID), checkConfirmationCode(o.ConfirmationCode))
	switch {
	case found != nil:
		return found
	case o.ReleaseFlag == nil:
		return &refusal{subjectFunction, reasonMandatoryMissing, "releaseFlag is missing"}
	case o.MatchingID != nil:
		return checkMatchingID(*o.MatchingID)
	}
	return nil
}

func (o *confirmOrder) decide(r *registry, requester string, b Behaviour) (decision, error) {
	p, refused := r.held(o.ICCID, requester)
	if refused == nil {
		refused = o.fits(r, p, b)
	}
	if refused != nil {
		return refuse(*refused)
	}
	id, err := o.chosenMatchingID(r, requester)
	if err != nil {
		return decision{}, err
	}
	p.hasMatchingID, p.matchingID = true, id
	p.confirmationCode = activation.NewCredential(o.ConfirmationCode)
	if o.EID != "" {
		p.eid = activation.EID(o.EID)
	}
	p.State = StateConfirmed
	if *o.ReleaseFlag {
		p.State = StateReleased
	}
	return decision{
		change: change{profile: &p},
		answer: es2plus.ConfirmOrderResponse{
			Header: executed(), EID: string(p.eid), MatchingID: id.Reveal(), SMDPAddress: b.smdpAddress,
		},
	}, nil
}

// fits tells why this order does not go with the profile; nil where it does.
func (o *confirmOrder) fits(r *registry, p profile, b Behaviour) *refusal {
	if b.MatchingIDFirst && o.inUse(r, p, true) {
		return &refuseMatchingIDInUse
	}
	needsEID := o.SMDSAddress != "" || (o.MatchingID != nil && *o.MatchingID == "")
	switch {
	case p.State != StateAllocated && p.State != StateLinked:
		return &refuseState
	case p.eid != "" && o.EID != "" && p.eid != activation.EID(o.EID):
		return &refuseOtherEID
	case needsEID && p.eid == "" && o.EID == "":
		return &refuseNoEID
	case o.inUse(r, p, false):
		return &refuseMatchingIDInUse
	}
	return nil
}

// inUse tells whether the matching ID belongs to another profile of the same operator, or,
// where own counts, to this one.
func (o *confirmOrder) inUse(r *registry, p profile, own bool) bool {
	if o.MatchingID == nil || *o.MatchingID == "" {
		return false
	}
	user, used := r.matchingIDs[matchingKey{p.Owner, *o.MatchingID}]
	return used && (own || user != p.ICCID)
}

// chosenMatchingID is the requester's, which may be empty, or a new one where it sent none.
func (o *confirmOrder) chosenMatchingID(r *registry, requester string) (activation.Credential, error) {
	if o.MatchingID != nil {
		return activation.NewCredential(*o.MatchingID), nil
	}
	for {
		id, err := activation.NewMatchingID(r.random)
		if err != nil {
			return activation.Credential{}, fmt.Errorf("confirm an order: %w", err)
		}
		if _, used := r.matchingIDs[matchingKey{requester, id.Reveal()}]; !used {
			return id, nil
		}
	}
}
