package airalo

import (
	"context"
	"net/http"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// maxPackageID bounds what can be a package's ID.
const maxPackageID = 200

// pauses between the looks for an order that Airalo has accepted and not executed; after them
// the caller comes again in comeAgain.
var pauses = []time.Duration{time.Second, 2 * time.Second}

const comeAgain = 5 * time.Second

// patience bounds how long those looks may keep the caller, slow answers included.
const patience = 5 * time.Second

// Provision places an order, or finds the one that was placed under the request ID. Nothing is
// written to the journal: Airalo's books are it. What stands there already is the order's.
func (d *Driver) Provision(ctx context.Context, p operators.Purchase, j operators.Journal) (operators.Profile, error) {
	if written, ok := j.Profile(); ok && !written.MatchingID.Empty() {
		return written, nil
	}
	if failure := checkPlan(p.PlanID); failure != nil {
		return operators.Profile{}, failure
	}
	fresh := p.Fresh || d.unsent.has(p.RequestID)
	end, may := d.memory.Begin(p.RequestID, fresh)
	if !may {
		fresh = false
		found, failure := d.resolve(ctx, p.RequestID)
		if failure != nil {
			return operators.Profile{}, failure
		}
		if found != nil {
			return delivered(found)
		}
		if end, may = d.memory.Begin(p.RequestID, false); !may {
			return operators.Profile{}, &operators.Error{Class: operators.Busy, Function: submitOrder,
				Message: "the order is being placed already", Pending: true, RetryAfter: leastWait}
		}
	}
	placed, failure := d.submit(ctx, p)
	// Every other answer proves that nothing was bought: what was known before still holds.
	sent := failure == nil || failure.Class == operators.OutcomeUnknown
	if !sent {
		failure.Unsent, failure.NotInBooks = true, true
	}
	d.unsent.set(p.RequestID, fresh && !sent)
	end(sent)
	switch {
	case failure != nil:
		return operators.Profile{}, failure
	case placed == nil:
		return d.await(ctx, p.RequestID)
	default:
		return delivered(placed)
	}
}

// delivered is the profile of an order that was found, or why there is none.
func delivered(o *order) (operators.Profile, error) {
	if !o.bought() {
		return operators.Profile{}, &operators.Error{Class: operators.Rejected, Function: submitOrder, Code: string(o.Status.Slug),
			Message: "Airalo took the order and did not fill it", OneOrder: true}
	}
	profile, failure := o.profile(submitOrder)
	if failure != nil {
		return operators.Profile{}, failure
	}
	return profile, nil
}

// resolve tells what became of an order that may have been sent: the order, or nil where it is
// proven that it was not. While that is open the error says so.
func (d *Driver) resolve(ctx context.Context, requestID string) (*order, *operators.Error) {
	asked := d.now()
	found, failure := d.lookUp(ctx, requestID)
	if failure != nil {
		return nil, failure
	}
	if found != nil {
		d.memory.Found(requestID)
		return found, nil
	}
	if wait := d.memory.Missed(requestID, asked); wait > 0 {
		return nil, &operators.Error{Class: operators.OutcomeUnknown, Function: submitOrder,
			Message:    "whether the order was placed is not known; Airalo's list does not show it yet",
			RetryAfter: nextLook(wait, d.settle)}
	}
	return nil, nil
}

// submit is POST /orders. A nil order without an error was accepted, and will be executed.
func (d *Driver) submit(ctx context.Context, p operators.Purchase) (*order, *operators.Error) {
	call, failure := d.post(submitOrder, "/orders", struct {
		PackageID   string `json:"package_id"`
		Quantity    int    `json:"quantity"`
		Type        string `json:"type"`
		Description string `json:"description"`
	}{p.PlanID, 1, "sim", p.RequestID})
	if failure != nil {
		return nil, failure
	}
	var placed *order
	call.Buys, call.Guarded = true, true
	call.Read = func(answer webapi.Answer) error {
		switch answer.Status {
		case http.StatusAccepted:
			return nil
		case http.StatusOK, http.StatusCreated:
		default:
			return d.refusal(submitOrder, answer)
		}
		var body struct {
			Data *order `json:"data"`
		}
		if err := webapi.Decode(answer.Body, &body); err != nil {
			return err
		}
		if body.Data == nil || body.Data.ID == 0 {
			return errNoOrder
		}
		placed = body.Data
		return nil
	}
	failure = d.withToken(ctx, call)
	return placed, failure
}

// await looks for an order that was accepted, for a short while. A look that fails says nothing
// about the order.
func (d *Driver) await(ctx context.Context, requestID string) (operators.Profile, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, pause := range pauses {
		if !sleep(ctx, pause) {
			break
		}
		found, failure := d.lookUp(ctx, requestID)
		if failure != nil {
			break
		}
		if found != nil && (len(found.SIMs) > 0 || !found.bought()) {
			d.memory.Found(requestID)
			return delivered(found)
		}
	}
	return operators.Profile{}, stillAtIt(submitOrder)
}

// stillAtIt is an order that Airalo has and has not executed.
func stillAtIt(function string) *operators.Error {
	return &operators.Error{Class: operators.Busy, Function: function, Message: "Airalo is still preparing the order", Pending: true, RetryAfter: comeAgain}
}

// sleep waits, and tells whether it did to the end: false where ctx ends before.
func sleep(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// checkPlan refuses what no package is called. What is signed must be written by PHP as it is
// by us, so anything beyond printable ASCII, and what JSON escapes, is no ID.
func checkPlan(planID string) *operators.Error {
	ok := planID != "" && len(planID) <= maxPackageID && isPrintable(planID)
	for i := 0; ok && i < len(planID); i++ {
		ok = planID[i] != '"' && planID[i] != '\\'
	}
	if ok {
		return nil
	}
	return &operators.Error{Class: operators.Rejected, Function: submitOrder, OneOrder: true,
		Message: "planID must be the ID of one of Airalo's packages, such as kallur-digital-7days-1gb"}
}
