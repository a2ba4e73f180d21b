package smdp

import (
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// downloadOrder reserves a profile (SGP.22 section 5.3.1).
type downloadOrder struct {
	es2plus.DownloadOrderRequest
}

func (o *downloadOrder) header() es2plus.RequestHeader { return o.Header }

func (o *downloadOrder) subject() (activation.ICCID, string) {
	return bareICCID(o.ICCID), o.ProfileType
}

func (o *downloadOrder) check() *refusal {
	if o.ICCID == "" && o.ProfileType == "" {
		return &refusal{subjectProfileType, reasonConditionalMissing, "profileType is missing: it or iccid must be there"}
	}
	var iccid *refusal
	if o.ICCID != "" {
		iccid = checkICCID(o.ICCID)
	}
	return firstRefusal(iccid, checkProfileType(o.ProfileType), checkEID(o.EID))
}

func (o *downloadOrder) decide(r *registry, requester string, b Behaviour) (decision, error) {
	p, refused, err := o.choose(r, requester)
	if err != nil || refused != nil {
		return decision{refused: refused}, err
	}
	p.Owner, p.State = requester, StateAllocated
	if o.EID != "" {
		p.State, p.eid = StateLinked, activation.EID(o.EID)
	}
	made := change{profile: &p}
	if left, known := r.available(p.ProfileType); known {
		made.stock = &stockLevel{profileType: p.ProfileType, available: max(0, left-1)}
	}
	return decision{
		change: made,
		answer: es2plus.DownloadOrderResponse{Header: executed(), ICCID: b.iccidOnWire(p.ICCID)},
	}, nil
}

// choose is the Available profile that the order gets.
func (o *downloadOrder) choose(r *registry, requester string) (profile, *refusal, error) {
	profileType := o.ProfileType
	if o.ICCID != "" {
		p, refused := o.named(r, requester)
		if refused != nil {
			return profile{}, refused, nil
		}
		profileType = p.ProfileType
		if !r.mayOrder(requester, profileType) {
			return profile{}, &refuseTypeNotAllowed, nil
		}
		return p, nil, nil
	}
	left, known := r.available(profileType)
	switch {
	case !known:
		return profile{}, &refuseTypeUnknown, nil
	case !r.mayOrder(requester, profileType):
		return profile{}, &refuseTypeNotAllowed, nil
	case left == 0:
		return profile{}, &refuseOutOfStock, nil
	}
	p, err := r.nextOfType(profileType)
	return p, nil, err
}

// named is the Available profile that the order names by its ICCID.
func (o *downloadOrder) named(r *registry, requester string) (profile, *refusal) {
	p, ok := r.profiles[bareICCID(o.ICCID)]
	switch {
	case !ok:
		return profile{}, &refuseNoProfile
	case p.State != StateAvailable && p.Owner != requester:
		return profile{}, &refuseNotYours
	case p.State != StateAvailable:
		return profile{}, &refuseTaken
	case o.ProfileType != "" && o.ProfileType != p.ProfileType:
		return profile{}, &refuseTypeMismatch
	}
	return p, nil
}
