package smdp

import (
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// order is the request of one of the four functions, as its file here reads and decides it.
type order interface {
	// header of the request.
	header() es2plus.RequestHeader
	// check finds what is missing or malformed; nil where nothing is.
	check() *refusal
	// subject is the ICCID and the profile type that the request names, for the ledger.
	subject() (activation.ICCID, string)
	// decide what the function does to the registry, without doing it. A refusal is an answer;
	// an error is the simulator's own trouble. The caller holds the registry's lock.
	decide(r *registry, requester string, b Behaviour) (decision, error)
}

// decision is what a function does and what it answers: the refusal, or the answer.
type decision struct {
	change  change
	answer  any
	refused *refusal
}

func refuse(r refusal) (decision, error) { return decision{refused: &r}, nil }

// newOrder is an empty request of the function; false where the function is not served.
func newOrder(f es2plus.Function) (order, bool) {
	switch f {
	case es2plus.DownloadOrder:
		return &downloadOrder{}, true
	case es2plus.ConfirmOrder:
		return &confirmOrder{}, true
	case es2plus.ReleaseProfile:
		return &releaseProfile{}, true
	case es2plus.CancelOrder:
		return &cancelOrder{}, true
	}
	return nil, false
}

// call is one call of a function, read from the wire.
type call struct {
	function  es2plus.Function
	requester string
	// order is nil where the request could not be read; refused tells why.
	order   order
	refused *refusal
}

// callID is the functionCallIdentifier, once it is known to be well-formed.
func (c call) callID() string {
	if c.order == nil || checkHeader(c.order.header()) != nil {
		return ""
	}
	return c.order.header().FunctionCallIdentifier
}

// execute decides about a call, makes the change, and enters the call in the ledger, as one
// step. The entry brings what the caller knows: the time, and what a fault will do to the
// answer; it is returned as it is in the ledger.
func (r *registry) execute(c call, entry LedgerEntry, b Behaviour) (any, LedgerEntry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := replayKey{c.function, c.requester, c.callID()}
	if b.ReplayCalls {
		if earlier, ok := r.replays.find(key); ok {
			entry = earlier.entry.replayedAs(entry)
			entry.Sequence = r.ledger.last + 1
			err := r.commit(change{entry: &entry})
			return earlier.answer, entry, err
		}
	}
	d, err := r.decide(c, b)
	if err != nil {
		return nil, entry, err
	}
	entry.Sequence = r.ledger.last + 1
	r.describe(&entry, c, d)
	d.change.entry = &entry
	if err := r.commit(d.change); err != nil {
		return nil, entry, err
	}
	if b.ReplayCalls && key.callID != "" {
		r.replays.keep(key, replay{answer: d.answer, entry: entry})
	}
	return d.answer, entry, nil
}

// decide is the order's decision, unless the request was refused before.
func (r *registry) decide(c call, b Behaviour) (decision, error) {
	var d decision
	if c.refused != nil {
		d.refused = c.refused
	} else {
		var err error
		if d, err = c.order.decide(r, c.requester, b); err != nil {
			return decision{}, err
		}
	}
	if d.refused != nil {
		return decision{refused: d.refused, answer: d.refused.failed()}, nil
	}
	return d, nil
}

// describe fills in what the ledger says of the decision.
func (r *registry) describe(e *LedgerEntry, c call, d decision) {
	e.Function, e.Requester, e.FunctionCallIdentifier = c.function, c.requester, c.callID()
	if c.order != nil {
		e.ICCID, e.ProfileType = c.order.subject()
	}
	if p := d.change.profile; p != nil {
		e.ICCID, e.ProfileType = p.ICCID, p.ProfileType
	} else if known, ok := r.profiles[e.ICCID]; ok {
		e.ProfileType = known.ProfileType
	}
	e.Status = es2plus.ExecutedSuccess
	if d.refused != nil {
		e.Status, e.StatusCode = es2plus.ExecutionFailed, d.refused.code()
	}
}

// held is the profile that a request names, if the requester holds it or held it last.
func (r *registry) held(iccid, requester string) (profile, *refusal) {
	p, ok := r.profiles[bareICCID(iccid)]
	switch {
	case !ok:
		return profile{}, &refuseNoProfile
	case p.Owner != requester:
		return profile{}, &refuseNotYours
	}
	return p, nil
}
