package esimaccess

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
)

const (
	// firstLook is how soon an order that was not found is looked for again.
	firstLook = 5 * time.Second
	// unnumbered is how often an order is asked for of which it is not known when it was made.
	unnumbered = 5 * time.Second
)

// wanted is what is looked for.
type wanted struct {
	requestID string
	iccid     activation.ICCID
	since     time.Time
}

// lookUp finds all profiles that were sold under a request ID: by the order's number where this
// process knows it, by ICCID where one is known, else in the list since the attempt began. More
// than one there are where the vendor took a duplicate for another order; they come in the order
// of their numbers.
//
// None found proves nothing by itself: see settling.Memory.
func (d *Driver) lookUp(ctx context.Context, w wanted) ([]profile, *operators.Error) {
	ours := func(p profile) bool { return string(p.TransactionID) == w.requestID }
	known, placed := d.orders.find(w.requestID)
	if placed {
		found, failure := d.query(ctx, queryRequest{OrderNo: known.orderNo}, func(p profile) bool {
			return p.TransactionID == "" || ours(p)
		})
		switch {
		case failure == nil && len(found) > 0 && !known.again:
			return found, nil
		case failure == nil && len(found) > 0:
			listed, failure := d.query(ctx, d.window(w.since), ours)
			if failure != nil {
				return nil, reading(failure)
			}
			return union(found, listed), nil
		case failure != nil && !unknownThere(failure):
			return nil, d.stillMade(failure, known.at)
		}
		d.orders.forget(w.requestID) // the list tells
	}
	if w.iccid != "" {
		// ICCIDs are sold again to other customers once they are free: the request ID decides.
		found, failure := d.query(ctx, queryRequest{ICCID: string(w.iccid)}, ours)
		switch {
		case failure == nil && len(found) > 0:
			return union(found), nil
		case failure != nil && !unknownThere(failure):
			return nil, reading(failure)
		}
	}
	found, failure := d.query(ctx, d.window(w.since), ours)
	if failure != nil {
		return nil, reading(failure)
	}
	return union(found), nil
}

// union is all profiles of some lists, each once, in the order of their numbers.
func union(lists ...[]profile) []profile {
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b profile) int { return strings.Compare(string(a.TranNo), string(b.TranNo)) })
	return slices.CompactFunc(all, func(a, b profile) bool { return a.TranNo == b.TranNo && a.ICCID == b.ICCID })
}

// unknownThere tells whether the vendor does not know what a look-up named.
func unknownThere(failure *operators.Error) bool {
	return failure.Class == operators.Rejected && strings.HasPrefix(failure.Code, codeNoSuchPrefix)
}

// reading makes sure that a refused list does not count as a refused order.
func reading(failure *operators.Error) *operators.Error {
	if failure.Class == operators.Rejected || failure.Class == operators.OutOfStock {
		failure.Class, failure.OneOrder = operators.Transient, false
	}
	return failure
}

// stillMade says when to ask again for an order whose profile does not exist yet.
func (d *Driver) stillMade(failure *operators.Error, placed time.Time) *operators.Error {
	if failure.Class == operators.Busy && failure.Code == codeAllocating {
		failure.Pending, failure.RetryAfter = true, pollAfter(d.now().Sub(placed))
	}
	return reading(failure)
}

// pollAfter is how long to wait before an order of this age is asked for again. Most profiles
// exist within seconds, all but a few within half a minute.
func pollAfter(age time.Duration) time.Duration {
	switch {
	case age < 5*time.Second:
		return 2 * time.Second
	case age < time.Minute:
		return 5 * time.Second
	case age < 10*time.Minute:
		return 30 * time.Second
	default:
		return 2 * time.Minute
	}
}

// missed is the error for an order that was not found and may exist all the same; nil where it
// is proven that it was never made.
func (d *Driver) missed(requestID string, asked time.Time) *operators.Error {
	wait := d.sends.Missed(requestID, asked)
	if wait <= 0 {
		return nil
	}
	return &operators.Error{Class: operators.OutcomeUnknown, Function: queryOrder.name, RetryAfter: lookAfter(wait, d.settleAfter),
		Message: "the vendor's list does not show the order, which may have been sent a short time ago"}
}

// lookAfter is how long to wait before an order is looked for again, where what was found out
// counts after wait. It looks often at first, when the order is most likely to show, and then
// ever less often.
func lookAfter(wait, settleAfter time.Duration) time.Duration {
	passed := max(settleAfter-wait, 0)
	return min(max(passed/2, firstLook), wait)
}
