package es2plus

import (
	"context"
	"errors"
	"strings"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

// maxMatchingIDs is how many matching IDs are tried for one profile in one pass.
const maxMatchingIDs = 3

// Provision is DownloadOrder, journal, ConfirmOrder with release, each repeatable after a
// crash. Its errors are of type *operators.Error and carry the ICCID that the attempt holds.
// Class Restart asks the caller to give that profile back and to begin a new attempt.
func (d *Driver) Provision(ctx context.Context, p operators.Purchase, j operators.Journal) (operators.Profile, error) {
	if failure := checkPurchase(p); failure != nil {
		return operators.Profile{}, failure
	}
	held, fresh, failure := d.journaled(ctx, p, j)
	if failure != nil {
		return operators.Profile{}, failure
	}
	profile, failure := d.confirmed(ctx, p, j, held, fresh)
	if failure != nil {
		failure.ICCID = held.ICCID
		return operators.Profile{}, failure
	}
	return profile, nil
}

// checkPurchase refuses, before anything is reserved, what could not be delivered.
func checkPurchase(p operators.Purchase) *operators.Error {
	if p.RequestID == "" || p.PlanID == "" {
		return &operators.Error{Class: operators.Rejected, Message: "the source of the plan names no profile type (planID)"}
	}
	if p.SMDPAddress == "" {
		return nil
	}
	if _, err := activation.ParseSMDPAddress(p.SMDPAddress); err != nil {
		return &operators.Error{Class: operators.Misconfigured, Message: "spec.es2plus.smdpAddress must be a full host name such as rsp.example.com", Err: err}
	}
	return nil
}

// journaled is the profile that stands in the journal for this attempt, reserved and written
// now where none does. fresh tells that no earlier pass can have confirmed it.
func (d *Driver) journaled(ctx context.Context, p operators.Purchase, j operators.Journal) (held operators.Profile, fresh bool, failure *operators.Error) {
	iccid, reserved := j.Unwritten()
	if held, ok := j.Profile(); ok {
		if reserved && iccid != held.ICCID {
			failure = d.giveUpOwn(ctx, p, j, iccid, held.ICCID)
		}
		return held, false, failure
	}
	if !reserved {
		if iccid, failure = d.downloadOrder(ctx, p); failure != nil {
			return operators.Profile{}, false, failure
		}
		j.Obtained(iccid)
	}
	own, failure := d.named(p, iccid)
	if failure != nil {
		return operators.Profile{}, false, failure
	}
	held, err := j.Write(ctx, own)
	switch {
	case errors.Is(err, operators.ErrJournalRefused):
		return operators.Profile{}, false, d.giveBackUnwritten(ctx, j, operators.Held{RequestID: p.RequestID, ICCID: iccid, Reusable: !reserved}, err)
	case err != nil:
		return operators.Profile{}, false, notWritten(iccid, err)
	case held.ICCID != iccid:
		return held, false, d.giveUpOwn(ctx, p, j, iccid, held.ICCID)
	default:
		return held, held.MatchingID.Equal(own.MatchingID), nil
	}
}

// named is the profile with a matching ID that nobody has seen yet.
func (d *Driver) named(p operators.Purchase, iccid activation.ICCID) (operators.Profile, *operators.Error) {
	matchingID, err := activation.NewMatchingID(d.random)
	if err != nil {
		return operators.Profile{}, &operators.Error{Class: operators.Transient, ICCID: iccid, Message: "no matching ID could be drawn", Err: err}
	}
	return operators.Profile{ICCID: iccid, MatchingID: matchingID, SMDPAddress: p.SMDPAddress}, nil
}

// notWritten is a journal that may or may not hold the profile. What the journal itself
// makes of it counts.
func notWritten(iccid activation.ICCID, err error) *operators.Error {
	var judged *operators.Error
	if errors.As(err, &judged) {
		return &operators.Error{Class: judged.Class, ICCID: iccid, Message: judged.Message, Err: err}
	}
	return &operators.Error{Class: operators.Transient, ICCID: iccid, Message: "the activation Secret was not written", Err: err}
}

// giveUpOwn gives a profile back that lost to the one in the journal, so that it does not
// stay reserved. It is never reusable: whoever wrote the journal may have named it too. With
// an answer that decides about the profile the order goes on with the journal's. Anything
// else, a refusal of our identity too, ends the pass, with the journal's ICCID as the one held.
func (d *Driver) giveUpOwn(ctx context.Context, p operators.Purchase, j operators.Journal, own, journaled activation.ICCID) *operators.Error {
	failure := d.cancelOrder(ctx, operators.Held{RequestID: p.RequestID, ICCID: own}, unjournaled(own))
	if !givenBack(failure) {
		j.Obtained(own) // the journal may take it for written, now that something is
		failure.ICCID = journaled
		if failure.Class == operators.OutcomeUnknown {
			// What bought is not in doubt: the journal's profile was reserved by another call.
			failure.Class = operators.Transient
		}
		return failure
	}
	j.Dropped()
	return nil
}

// giveBackUnwritten gives a profile back whose ICCID cannot be journaled. One that this very
// pass reserved was named in no other call and no other write, so h is Reusable: the SM-DP+
// may sell it again. That is why it is named only once: after the call it may be another
// order's, so an answer that is lost is counted, and the profile forgotten. Any other, and
// one whose CancelOrder provably was not executed, is kept for the next pass.
func (d *Driver) giveBackUnwritten(ctx context.Context, j operators.Journal, h operators.Held, cause error) *operators.Error {
	failure := d.cancelOrder(ctx, h, unjournaled(h.ICCID))
	refusal := &operators.Error{Class: operators.Transient, Err: cause}
	outcome := "; the profile was given back"
	switch {
	case givenBack(failure):
		j.Dropped()
	case failure.Class == operators.OutcomeUnknown && h.Reusable:
		j.Dropped()
		refusal.LostAnswers = 1
		refusal.Err = errors.Join(cause, failure)
		outcome = "; whether the profile was given back is not known"
	default:
		refusal.ICCID = h.ICCID
		refusal.Err = errors.Join(cause, failure)
		outcome = "; the profile could not be given back yet"
	}
	refusal.Message = operators.ErrJournalRefused.Error() + outcome
	return refusal
}

// unjournaled is the variant of a CancelOrder for a profile that is not in the journal: one
// request may have several.
func unjournaled(iccid activation.ICCID) string { return "-" + string(iccid) }

// confirmed confirms and releases the profile, or finds that an earlier call did.
func (d *Driver) confirmed(ctx context.Context, p operators.Purchase, j operators.Journal, held operators.Profile, fresh bool) (operators.Profile, *operators.Error) {
	for try := 1; ; try++ {
		answer, failure := d.confirmOrder(ctx, p, held, try)
		if failure == nil {
			return confirmedAs(p, held, answer)
		}
		if failure.Code != codeWrongState && failure.Code != codeMatchingIDInUse {
			return operators.Profile{}, failure
		}
		inUse := failure.Code == codeMatchingIDInUse && fresh && try < maxMatchingIDs
		if p.SMDPAddress == "" && !inUse {
			return operators.Profile{}, addressLost()
		}
		failure = d.releaseProfile(ctx, p, held)
		switch {
		case failure == nil && p.SMDPAddress == "":
			return operators.Profile{}, addressLost()
		case failure == nil:
			held.SMDPAddress = p.SMDPAddress
			return held, nil
		case !inUse || failure.Code != codeWrongState:
			return operators.Profile{}, failure
		}
		// It is not released, so the matching ID is in use for another profile.
		if held, fresh, failure = d.renamed(ctx, p, j, held); failure != nil {
			return operators.Profile{}, failure
		}
	}
}

// renamed journals a new matching ID for the profile, and returns what then stands there.
func (d *Driver) renamed(ctx context.Context, p operators.Purchase, j operators.Journal, held operators.Profile) (operators.Profile, bool, *operators.Error) {
	own, failure := d.named(p, held.ICCID)
	if failure != nil {
		return operators.Profile{}, false, failure
	}
	stands, err := j.Write(ctx, own)
	switch {
	case err != nil:
		return operators.Profile{}, false, notWritten(held.ICCID, err)
	case stands.ICCID != held.ICCID:
		// Another worker closed this attempt's profile and went on: this pass is stale.
		return operators.Profile{}, false, notWritten(held.ICCID, errors.New("another profile took its place"))
	default:
		return stands, stands.MatchingID.Equal(own.MatchingID), nil
	}
}

// confirmedAs is the profile by the answer to ConfirmOrder: its matching ID and its address
// count more than ours (SGP.22 section 5.3.2).
func confirmedAs(p operators.Purchase, held operators.Profile, answer es2plus.ConfirmOrderResponse) (operators.Profile, *operators.Error) {
	failure := &operators.Error{Function: string(es2plus.ConfirmOrder)}
	if answer.MatchingID != "" && !strings.EqualFold(answer.MatchingID, held.MatchingID.Reveal()) {
		matchingID, err := activation.ParseMatchingID(answer.MatchingID)
		if err != nil {
			failure.Class, failure.Err = operators.Restart, err
			failure.Message = "the SM-DP+ answered a matching ID that no activation code can carry"
			return operators.Profile{}, failure
		}
		held.MatchingID = matchingID
	}
	switch {
	case answer.SMDPAddress != "":
		address, err := activation.ParseSMDPAddress(answer.SMDPAddress)
		if err != nil {
			failure.Class, failure.Err = operators.Misconfigured, err
			failure.Message = "the SM-DP+ answered an smdpAddress that no activation code can carry"
			return operators.Profile{}, failure
		}
		held.SMDPAddress = address
	case p.SMDPAddress != "":
		held.SMDPAddress = p.SMDPAddress
	default:
		failure.Class = operators.Misconfigured
		failure.Message = "the SM-DP+ answered no smdpAddress: spec.es2plus.smdpAddress must be set to the address that activation codes shall carry"
		return operators.Profile{}, failure
	}
	return held, nil
}

// addressLost is a profile that an earlier call confirmed, whose answer with the address was
// lost, at an operator whose address is not known: an address is never guessed.
func addressLost() *operators.Error {
	return &operators.Error{
		Class:    operators.Restart,
		Function: string(es2plus.ConfirmOrder),
		Message:  "the answer with the SM-DP+ address was lost, and spec.es2plus.smdpAddress is not set; the profile is given back and bought anew",
	}
}
