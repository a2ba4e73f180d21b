package es2plus

import (
	"context"
	"errors"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
)

// Provision is DownloadOrder, journal, ConfirmOrder with release, each repeatable after a
// crash. An SM-DP+ that answers no address for activation codes, where none is configured
// either, costs nothing: the profile is kept in the journal until one is. Its errors are of type *operators.Error and carry the ICCID that the attempt holds.
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
	if failure := checkAddress("spec.es2plus.smdpAddress", p.ConfiguredAddress); failure != nil {
		return failure
	}
	return checkAddress("status.smdpAddress", p.LearnedAddress)
}

func checkAddress(field, address string) *operators.Error {
	if address == "" {
		return nil
	}
	if _, err := activation.ParseSMDPAddress(address); err != nil {
		return &operators.Error{Class: operators.Misconfigured, Message: field + " must be a full host name such as rsp.example.com", Err: err}
	}
	return nil
}

// expected is the address that counts where an answer with one was lost: what the SM-DP+
// answered last, else the configured one; empty where neither is known.
func expected(p operators.Purchase) string {
	if p.LearnedAddress != "" {
		return p.LearnedAddress
	}
	return p.ConfiguredAddress
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
	return operators.Profile{ICCID: iccid, MatchingID: matchingID, SMDPAddress: expected(p)}, nil
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
