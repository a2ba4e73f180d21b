package esimaccess

import (
	"context"
	"strconv"
	"time"

	"github.com/go-logr/logr"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
)

// maxTransactionID is the vendor's limit for our request ID, in characters.
const maxTransactionID = 50

// polls are the pauses after which a new order is asked for its profile before the caller is
// told to come again. They are few, because the vendor takes 8 requests a second over all orders.
var polls = []time.Duration{time.Second, 2 * time.Second}

// unusable is how often an order is asked for whose activation code cannot be used.
const unusable = 30 * time.Second

// Provision orders a profile, or finds the one that was ordered under the request ID, and
// returns it once it exists. Its errors are of type *operators.Error.
func (d *Driver) Provision(ctx context.Context, p operators.Purchase, j operators.Journal) (operators.Profile, error) {
	if failure := checkPurchase(p); failure != nil {
		return operators.Profile{}, failure
	}
	leave, failure := d.turn(ctx, p.RequestID)
	if failure != nil {
		return operators.Profile{}, failure
	}
	defer leave()
	found, failure := d.ordered(ctx, p)
	if failure != nil {
		return operators.Profile{}, failure
	}
	profile, failure := d.adopt(ctx, found, j)
	switch {
	case failure == nil:
		return profile, nil
	case failure.Class == operators.Restart:
		return operators.Profile{}, failure
	default:
		return operators.Profile{}, taken(failure)
	}
}

// checkPurchase refuses what the vendor could not take.
func checkPurchase(p operators.Purchase) *operators.Error {
	switch {
	case p.PlanID == "":
		return &operators.Error{Class: operators.Rejected, Message: "the source of the plan names no planID: a slug such as JP_1_7, or a package code"}
	case p.RequestID == "" || len(p.RequestID) > maxTransactionID:
		return &operators.Error{Class: operators.Misconfigured, OneOrder: true, Message: "the request ID must have 1 to " + strconv.Itoa(maxTransactionID) + " characters"}
	default:
		return nil
	}
}

// turn waits until nobody else works on the request ID.
func (d *Driver) turn(ctx context.Context, requestID string) (leave func(), failure *operators.Error) {
	leave, err := d.turns.take(ctx, requestID)
	if err != nil {
		return nil, &operators.Error{Class: operators.Transient, Message: "another call for the same order is under way", Err: err}
	}
	return leave, nil
}

// ordered are the profiles of the order, which is sent now if it was never sent before.
func (d *Driver) ordered(ctx context.Context, p operators.Purchase) ([]profile, *operators.Error) {
	if _, known := d.orders.find(p.RequestID); p.Fresh && !known {
		if end, ok := d.sends.Begin(p.RequestID, true); ok {
			return d.send(ctx, p, false, end)
		}
	}
	asked := d.now()
	found, failure := d.lookUp(ctx, wanted{requestID: p.RequestID, since: p.Since})
	if failure != nil {
		return nil, failure
	}
	if len(found) > 0 {
		d.sends.Found(p.RequestID)
		return found, nil
	}
	if failure := d.missed(p.RequestID, asked); failure != nil {
		return nil, failure
	}
	end, ok := d.sends.Begin(p.RequestID, false)
	if !ok {
		return nil, &operators.Error{Class: operators.OutcomeUnknown, Function: order.name, RetryAfter: firstLook,
			Message: "the order is looked for once more before it is sent"}
	}
	return d.send(ctx, p, true, end)
}

// send orders the profile and waits a short while for it. end is told whether the order may
// have been taken.
func (d *Driver) send(ctx context.Context, p operators.Purchase, again bool, end func(sent bool)) ([]profile, *operators.Error) {
	orderNo, failure := d.buyWithin(ctx, p, again)
	sent := failure == nil || failure.Class == operators.OutcomeUnknown
	end(sent)
	if failure != nil {
		failure.Unsent, failure.NotInBooks = !sent, !sent
		return nil, failure
	}
	d.orders.note(placed{requestID: p.RequestID, orderNo: orderNo, at: d.now(), again: again})
	for _, pause := range polls {
		if !wait(ctx, pause) {
			break
		}
		var found []profile
		found, failure = d.lookUp(ctx, wanted{requestID: p.RequestID, since: p.Since})
		switch {
		case failure == nil && len(found) > 0:
			d.sends.Found(p.RequestID)
			return found, nil
		case failure != nil && failure.Class != operators.Busy:
			return nil, taken(failure)
		}
	}
	return nil, taken(failure)
}

// taken is the error for an order that the vendor took and whose profile is not there: whatever
// failed is only to ask for it, and the attempt holds a purchase. failure may be nil.
func taken(failure *operators.Error) *operators.Error {
	if failure == nil {
		failure = &operators.Error{Function: queryOrder.name, Message: "the vendor took the order and does not show its profile yet"}
	}
	failure.Class, failure.Pending, failure.OneOrder = operators.Busy, true, false
	failure.RetryAfter = max(failure.RetryAfter, pollAfter(0))
	return failure
}

// wait lets time pass; false where ctx ends first.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// adopt chooses the profile to deliver among those of the order, and gives the others back: the
// vendor may have taken a duplicate for another order. What the journal names is delivered
// before all else, because its code may be out already. Class Restart says that all are dead.
func (d *Driver) adopt(ctx context.Context, found []profile, j operators.Journal) (operators.Profile, *operators.Error) {
	chosen := -1
	for i, p := range found {
		switch {
		case !p.dead() && !p.made():
			return operators.Profile{}, &operators.Error{Class: operators.Busy, Function: queryOrder.name, Code: codeAllocating,
				RetryAfter: unnumbered, Message: "the vendor is still making the profile"}
		case p.dead():
		case chosen < 0, journaled(j, p), p.onDevice() && !journaled(j, found[chosen]) && !found[chosen].onDevice():
			chosen = i
		}
	}
	if chosen < 0 {
		return operators.Profile{}, &operators.Error{Class: operators.Restart, Function: queryOrder.name, ICCID: known(found[0].ICCID),
			Message: "the vendor cancelled the profile, or let it expire"}
	}
	for i, p := range found {
		if i == chosen || !p.returnable() {
			continue
		}
		logr.FromContextOrDiscard(ctx).Info("eSIM Access sold more than one profile under one transactionId; this one is given back", "iccid", known(p.ICCID))
		if failure := d.takeBack(ctx, p); failure != nil {
			return operators.Profile{}, failure
		}
	}
	profile, err := found[chosen].ready()
	if err != nil {
		return operators.Profile{}, &operators.Error{Class: operators.Busy, Function: queryOrder.name, ICCID: known(found[chosen].ICCID),
			RetryAfter: unusable, Message: "the vendor answers an activation code or an ICCID that cannot be used", Err: err}
	}
	return profile, nil
}

// journaled tells whether a profile stands in the order's journal.
func journaled(j operators.Journal, p profile) bool {
	if j == nil {
		return false
	}
	entry, ok := j.Profile()
	return ok && entry.ICCID == known(p.ICCID)
}

// known is an ICCID that can be read; empty for another.
func known[T ~string](text T) activation.ICCID {
	iccid, err := activation.ParseICCID(string(text))
	if err != nil {
		return ""
	}
	return iccid
}
