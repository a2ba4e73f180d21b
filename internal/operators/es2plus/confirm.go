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

// confirmed confirms and releases the profile, or finds that an earlier call did.
func (d *Driver) confirmed(ctx context.Context, p operators.Purchase, j operators.Journal, held operators.Profile, fresh bool) (operators.Profile, *operators.Error) {
	for try := 1; ; try++ {
		if held.Confirmed {
			return d.addressed(ctx, p, held)
		}
		profile, failure := d.confirmOrder(ctx, p, held, try)
		switch {
		case failure == nil:
			return profile, nil
		case profile.Confirmed:
			return operators.Profile{}, keep(ctx, j, profile, failure)
		case failure.Code != codeWrongState && failure.Code != codeMatchingIDInUse:
			return operators.Profile{}, failure
		}
		address := expected(p)
		inUse := failure.Code == codeMatchingIDInUse && fresh && try < maxMatchingIDs
		if address == "" && !inUse {
			return operators.Profile{}, addressLost()
		}
		failure = d.releaseProfile(ctx, p, held)
		switch {
		case failure == nil && address == "":
			return operators.Profile{}, addressLost()
		case failure == nil:
			held.SMDPAddress = address
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

// addressed is a profile that ConfirmOrder confirmed without an address, with the one that is
// configured by now. ReleaseProfile tells whether the profile can still be used. While none is
// configured nothing is called: what the SM-DP+ has to do is done.
func (d *Driver) addressed(ctx context.Context, p operators.Purchase, held operators.Profile) (operators.Profile, *operators.Error) {
	if p.ConfiguredAddress == "" {
		failure := noAddress()
		failure.OneOrder = true // the connection may have been mended since
		return operators.Profile{}, failure
	}
	if failure := d.releaseProfile(ctx, p, held); failure != nil {
		return operators.Profile{}, failure
	}
	held.SMDPAddress, held.Confirmed = p.ConfiguredAddress, false
	return held, nil
}

// keep journals that the profile is confirmed and lacks its address, so that no later pass
// takes it for one whose answer was lost. failure is why it lacks it.
func keep(ctx context.Context, j operators.Journal, profile operators.Profile, failure *operators.Error) *operators.Error {
	stands, err := j.Write(ctx, profile)
	switch {
	case err != nil:
		return notWritten(profile.ICCID, err)
	case stands.ICCID != profile.ICCID || !stands.Confirmed:
		return notWritten(profile.ICCID, errors.New("another entry stands there"))
	default:
		return failure
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
// count more than ours (SGP.22 section 5.3.2). An answer without an address leaves the
// configured one. With an error a profile is returned too where only its address is missing:
// it is Confirmed.
func confirmedAs(p operators.Purchase, held operators.Profile, answer es2plus.ConfirmOrderResponse) (operators.Profile, *operators.Error) {
	sent := held.MatchingID
	if answer.MatchingID != "" && !strings.EqualFold(answer.MatchingID, held.MatchingID.Reveal()) {
		matchingID, err := activation.ParseMatchingID(answer.MatchingID)
		if err != nil {
			return operators.Profile{}, &operators.Error{
				Class: operators.Restart, Function: string(es2plus.ConfirmOrder), Err: err,
				Message: "the SM-DP+ answered a matching ID that no activation code can carry",
			}
		}
		held.MatchingID = matchingID
	}
	held.SMDPAddress = p.ConfiguredAddress
	if answer.SMDPAddress != "" {
		address, err := activation.ParseSMDPAddress(answer.SMDPAddress)
		if err == nil && (repeats(address, sent) || repeats(address, held.MatchingID)) {
			err = errors.New("the SM-DP+ address repeats the matching ID")
		}
		if err != nil {
			held.SMDPAddress, held.Confirmed = "", true
			return held, &operators.Error{
				Class: operators.Misconfigured, Function: string(es2plus.ConfirmOrder), Err: err,
				Message: "the SM-DP+ answered an smdpAddress that no activation code can carry; spec.es2plus.smdpAddress must be set to the right one",
			}
		}
		held.SMDPAddress = address
	}
	if held.SMDPAddress == "" {
		held.Confirmed = true
		return held, noAddress()
	}
	return held, nil
}

// shortestRepeat is the length of the shortest matching ID that an address does not hold by
// accident. Ours are longer; an SM-DP+ may give out others.
const shortestRepeat = 8

// repeats tells whether an address, which everybody may see, holds a matching ID, which nobody
// may.
func repeats(address string, matchingID activation.Credential) bool {
	id := strings.ToLower(matchingID.Reveal())
	return len(id) >= shortestRepeat && strings.Contains(strings.ToLower(address), id)
}

// noAddress is a profile that is ready but for the address that its activation code shall name.
func noAddress() *operators.Error {
	return &operators.Error{
		Class:    operators.Misconfigured,
		Function: string(es2plus.ConfirmOrder),
		Message:  "the SM-DP+ answered no smdpAddress: spec.es2plus.smdpAddress must be set to the address that activation codes shall carry",
	}
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
