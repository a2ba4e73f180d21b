package smdp

import (
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// releaseProfile releases a confirmed profile for download (SGP.22 section 5.3.5).
type releaseProfile struct {
	es2plus.ReleaseProfileRequest
}

func (o *releaseProfile) header() es2plus.RequestHeader { return o.Header }

func (o *releaseProfile) subject() (activation.ICCID, string) { return bareICCID(o.ICCID), "" }

func (o *releaseProfile) check() *refusal { return checkICCID(o.ICCID) }

func (o *releaseProfile) decide(r *registry, requester string, _ Behaviour) (decision, error) {
	p, refused := r.held(o.ICCID, requester)
	switch {
	case refused != nil:
		return refuse(*refused)
	case p.State != StateConfirmed && p.State != StateReleased:
		return refuse(refuseState)
	}
	done := decision{answer: es2plus.ReleaseProfileResponse{Header: executed()}}
	// What is released already is answered as done: the function is idempotent.
	if p.State == StateConfirmed {
		p.State = StateReleased
		done.change.profile = &p
	}
	return done, nil
}
