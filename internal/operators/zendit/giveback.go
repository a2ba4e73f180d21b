package zendit

import (
	"context"
	"errors"
	"net/url"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// refund is one in Zendit's books.
type refund struct {
	Status status `json:"status"`
}

func (r *refund) read(body []byte) error {
	if err := webapi.Decode(body, r); err != nil {
		return err
	}
	if r.Status != statusDone && r.Status != statusFailed && !underway[r.Status] {
		return errors.New("the refund has a status that is not documented")
	}
	return nil
}

// GiveBack refunds what was bought under the request ID. A purchase that is not done yet, and a
// refund that is not, are waited for: the error is Busy. A purchase that Zendit does not know
// is final once a request that was sent before cannot arrive any more.
func (d *Driver) GiveBack(ctx context.Context, h operators.Held) error {
	asked := d.now()
	known, failure := d.lookUp(ctx, h.RequestID)
	switch {
	case failure != nil:
		return failure
	case known == nil:
		if wait := d.sends.Missed(h.RequestID, asked); wait > 0 {
			return mayArrive(wait)
		}
		return operators.ErrUnknownProfile
	case known.Status == statusFailed:
		return operators.ErrUnknownProfile
	case underway[known.Status]:
		return d.stillAtIt(functionLookUp, known)
	}
	if err := d.refunded(ctx, h.RequestID, known); err != nil {
		var failure *operators.Error
		if errors.As(err, &failure) {
			failure.ICCID = h.ICCID
		}
		return err
	}
	return nil
}

// refunded asks for the refund of a purchase that is done, and asks for one where there is none.
func (d *Driver) refunded(ctx context.Context, requestID string, known *purchase) error {
	path := "/esim/purchases/" + url.PathEscape(requestID) + "/refund"
	var ours refund
	found, failure := d.get(ctx, functionGetRefund, path, ours.read)
	if failure != nil {
		return failure
	}
	if !found {
		refused, failure := d.post(ctx, functionRefund, path, struct{}{}, &ours)
		if failure != nil {
			return failure
		}
		if refused != nil {
			return d.whyNotRefunded(ctx, refused, known)
		}
	}
	switch ours.Status {
	case statusDone:
		return nil
	case statusFailed:
		return d.notReturnable(ctx, known)
	default:
		return d.stillAtIt(functionGetRefund, known)
	}
}

// whyNotRefunded says what a refused refund means. It is final only where the eSIM is on a
// device; otherwise a person has to look.
func (d *Driver) whyNotRefunded(ctx context.Context, refused *refusal, known *purchase) error {
	installed, failure := d.installed(ctx, known)
	switch {
	case failure != nil:
		return failure
	case installed:
		return operators.ErrInstalled
	default:
		failure := d.client.Refusal(refused.status)
		failure.Function, failure.OneOrder = functionRefund, true
		failure.Message = "Zendit refuses the refund of an eSIM that is on no device"
		return failure
	}
}

// notReturnable is the final answer to a refund that Zendit tried and that failed.
func (d *Driver) notReturnable(ctx context.Context, known *purchase) error {
	installed, failure := d.installed(ctx, known)
	switch {
	case failure != nil:
		return failure
	case installed:
		return operators.ErrInstalled
	default:
		return operators.ErrNotReturnable
	}
}

func (d *Driver) installed(ctx context.Context, known *purchase) (bool, *operators.Error) {
	iccid, err := activation.ParseICCID(string(known.Confirmation.ICCID))
	if err != nil {
		return false, &operators.Error{Class: operators.Transient, Function: functionLookUp,
			Message: "Zendit's purchase is done, and its confirmation holds no eSIM that can be read", Err: err}
	}
	life, failure := d.life(ctx, iccid)
	return life.Installed, failure
}
