package zendit

import (
	"context"
	"net/url"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// Zendit documents no codes that tell why a purchase was refused or failed. What can be asked
// for tells it: whether the offer is sold, and whether our account covers it.

// obstacle is what stands between us and a purchase.
type obstacle int

const (
	noObstacle obstacle = iota
	notSold
	notCovered
)

// obstacleTo asks for the offer and, where it is sold, for our balance.
func (d *Driver) obstacleTo(ctx context.Context, planID string) (obstacle, *operators.Error) {
	var sold offer
	found, failure := d.get(ctx, functionOffer, "/esim/offers/"+url.PathEscape(planID), func(body []byte) error {
		return webapi.Decode(body, &sold)
	})
	if failure != nil {
		return noObstacle, failure
	}
	if !found {
		return notSold, d.reach(ctx)
	}
	if !sold.Enabled {
		return notSold, nil
	}
	cost, currency, priced := sold.Cost.amount()
	if !priced {
		return noObstacle, nil
	}
	ours, failure := d.balance(ctx)
	if failure != nil {
		return noObstacle, failure
	}
	if ours.Currency == currency && ours.Amount.Cmp(cost) < 0 {
		return notCovered, nil
	}
	return noObstacle, nil
}

// covered asks, after a purchase failed for want of money, whether there is money again: each
// purchase that fails costs the order an attempt.
func (d *Driver) covered(ctx context.Context, planID string) *operators.Error {
	if !d.short.Load() {
		return nil
	}
	found, failure := d.obstacleTo(ctx, planID)
	switch {
	case failure != nil:
		return failure
	case found == notCovered:
		return accountEmpty()
	default:
		d.short.Store(false)
		return nil
	}
}

// whyRefused says what a refused purchase means. Where the purchase is in the books all the
// same, an earlier request had arrived, and it is returned.
func (d *Driver) whyRefused(ctx context.Context, p operators.Purchase, refused *refusal) (*purchase, *operators.Error) {
	asked := d.now()
	known, failure := d.lookUp(ctx, p.RequestID)
	if failure != nil || known != nil {
		return known, failure
	}
	found, failure := d.obstacleTo(ctx, p.PlanID)
	switch {
	case failure != nil:
	case found == notCovered:
		failure = accountEmpty()
	case found == notSold || refused.ofOffer:
		return nil, d.offerRefused(p, asked)
	default:
		// The offer is sold, our account covers it, and no field of ours is named: it is the
		// request that Zendit does not like, and others may fare better.
		failure = d.client.Refusal(refused.status)
		failure.Function, failure.OneOrder = functionBuy, true
	}
	failure.NotInBooks = true
	return nil, failure
}

// whyFailed says what a purchase means that is FAILED in the books. It bought nothing, and its
// transactionId is spent.
func (d *Driver) whyFailed(ctx context.Context, planID string) *operators.Error {
	found, failure := d.obstacleTo(ctx, planID)
	switch {
	case failure != nil:
		return failure
	case found == notCovered:
		d.short.Store(true)
		return &operators.Error{Class: operators.Restart, Function: functionBuy, Code: string(statusFailed),
			Message: "the purchase failed, and our account at Zendit does not cover it; the next attempt waits for money"}
	default:
		return &operators.Error{Class: operators.Rejected, Function: functionBuy, Code: string(statusFailed),
			Message: "Zendit could not fulfil the purchase"}
	}
}

// mayArrive asks to come again once an earlier request has arrived, or cannot any more.
func mayArrive(wait time.Duration) *operators.Error {
	return &operators.Error{Class: operators.Busy, Function: functionLookUp, RetryAfter: wait,
		Message: "Zendit does not know the purchase; an earlier request for it may still arrive"}
}

func accountEmpty() *operators.Error {
	return &operators.Error{Class: operators.Misconfigured, Function: functionBuy,
		Message: "our account at Zendit does not cover the offer; pay money in"}
}

// offerRefused is final: the order may go elsewhere. So it has to wait for an earlier request
// that may still arrive.
func (d *Driver) offerRefused(p operators.Purchase, asked time.Time) *operators.Error {
	if !p.Fresh {
		if wait := d.sends.Missed(p.RequestID, asked); wait > 0 {
			return mayArrive(wait)
		}
	}
	return &operators.Error{Class: operators.Rejected, Function: functionBuy, Message: "Zendit does not sell the offer"}
}
