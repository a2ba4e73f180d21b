package zendit

import (
	"context"
	"net/url"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// looks are the pauses before each look at a purchase that was just made.
var looks = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}

// Provision buys under the request ID, or finds what was bought under it. While Zendit is still
// at it, the error is Busy.
func (d *Driver) Provision(ctx context.Context, p operators.Purchase, _ operators.Journal) (operators.Profile, error) {
	if p.RequestID == "" || p.PlanID == "" {
		return operators.Profile{}, &operators.Error{Class: operators.Rejected, Message: "the source of the plan names no offer (planID)"}
	}
	if !p.Fresh {
		known, failure := d.lookUp(ctx, p.RequestID)
		if failure != nil {
			return operators.Profile{}, failure
		}
		if known != nil {
			return d.settled(ctx, p, known)
		}
	}
	made, failure := d.buy(ctx, p)
	if failure != nil {
		return operators.Profile{}, failure
	}
	for _, wait := range looks {
		if made != nil && !underway[made.Status] {
			break
		}
		if d.pause(ctx, wait); ctx.Err() != nil {
			break
		}
		if made, failure = d.lookUp(ctx, p.RequestID); failure != nil {
			return operators.Profile{}, failure
		}
	}
	return d.settled(ctx, p, made)
}

// settled is what a purchase in the books means to the order.
func (d *Driver) settled(ctx context.Context, p operators.Purchase, known *purchase) (operators.Profile, error) {
	switch {
	case known == nil || underway[known.Status]:
		return operators.Profile{}, d.stillAtIt(functionLookUp, known)
	case known.Status == statusFailed:
		return operators.Profile{}, d.whyFailed(ctx, p.PlanID)
	}
	profile, err := known.profile()
	if err != nil {
		return operators.Profile{}, &operators.Error{Class: operators.Transient, Function: functionLookUp,
			Message: "Zendit's purchase is done, and its confirmation holds no eSIM that can be read", Err: err}
	}
	return profile, nil
}

// stillAtIt asks to come again; known may be nil.
func (d *Driver) stillAtIt(function string, known *purchase) *operators.Error {
	var age time.Duration
	if known != nil {
		if created := moment(known.CreatedAt); !created.IsZero() {
			age = d.now().Sub(created)
		}
	}
	return &operators.Error{Class: operators.Busy, Function: function, Message: "Zendit is still at it", Pending: true, RetryAfter: patience(age)}
}

// buy sends the purchase. Nil without an error says that it is in the books, and that it must
// be looked up to know more.
func (d *Driver) buy(ctx context.Context, p operators.Purchase) (*purchase, *operators.Error) {
	if failure := d.covered(ctx, p.PlanID); failure != nil {
		failure.Unsent, failure.NotInBooks = true, true
		return nil, failure
	}
	var made purchase
	end := d.sends.Send(p.RequestID)
	refused, failure := d.post(ctx, functionBuy, "/esim/purchases", map[string]string{
		"offerId": p.PlanID, "transactionId": p.RequestID,
	}, &made)
	// What was refused is known not to buy, as is what never left.
	end(refused == nil && !webapi.NotSent(failure))
	if webapi.NotSent(failure) {
		failure.Unsent, failure.NotInBooks = true, true
	}
	understood := made.check(p.RequestID) == nil
	switch {
	case failure != nil:
		return nil, failure
	case refused != nil:
		return d.whyRefused(ctx, p, refused)
	case !understood || made.Status == statusDone:
		// It was taken. An answer that says less, or more than it can, is left for the look-up.
		return nil, nil
	default:
		return &made, nil
	}
}

// lookUp is the purchase under a request ID; nil where Zendit has none.
func (d *Driver) lookUp(ctx context.Context, requestID string) (*purchase, *operators.Error) {
	var known purchase
	found, failure := d.get(ctx, functionLookUp, "/esim/purchases/"+url.PathEscape(requestID), func(body []byte) error {
		if err := webapi.Decode(body, &known); err != nil {
			return err
		}
		return known.check(requestID)
	})
	if failure != nil {
		return nil, failure
	}
	if !found {
		return nil, d.reach(ctx)
	}
	d.sends.Found(requestID)
	return &known, nil
}
