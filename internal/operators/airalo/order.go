package airalo

import (
	"errors"
	"fmt"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// What becomes of orders, in the field status.slug.
const (
	statusFailed   = "failed"
	statusRefunded = "refunded"
)

// order is one as answers have it.
type order struct {
	ID webapi.Int `json:"id"`
	// Description is our request ID; nil where the answer does not say.
	Description *webapi.Text `json:"description"`
	Status      struct {
		Slug webapi.Text `json:"slug"`
	} `json:"status"`
	SIMs webapi.List[sim] `json:"sims"`
}

// sim is the profile of an order. String and JSON forms of it are never made: it holds
// credentials.
type sim struct {
	ICCID webapi.Text `json:"iccid"`
	// LPA is the host of the SM-DP+.
	LPA              webapi.Text `json:"lpa"`
	MatchingID       webapi.Text `json:"matching_id"`
	QRCode           webapi.Text `json:"qrcode"`
	ConfirmationCode webapi.Text `json:"confirmation_code"`
}

// bought tells that Airalo sold a profile, or is about to.
func (o *order) bought() bool {
	return o.Status.Slug != statusFailed && o.Status.Slug != statusRefunded
}

var (
	errNoICCID = errors.New("the SIM has no ICCID that can be read")
	errNoCode  = errors.New("the SIM has no activation code that can be read")
)

// profile of an order that was bought. Until Airalo has it, the error is Busy; where it cannot
// be read it is OutcomeUnknown, because it was bought all the same.
func (o *order) profile(function string) (operators.Profile, *operators.Error) {
	if len(o.SIMs) == 0 {
		return operators.Profile{}, stillAtIt(function)
	}
	profile, err := o.SIMs[0].profile()
	if err != nil {
		return operators.Profile{}, &operators.Error{Class: operators.OutcomeUnknown, Function: function,
			Message: "Airalo sold a profile that cannot be read", Err: err}
	}
	return profile, nil
}

// profile is what the customer gets. The QR code is what devices read, so it counts; its parts
// stand beside it.
func (s *sim) profile() (operators.Profile, error) {
	iccid, err := activation.ParseICCID(string(s.ICCID))
	if err != nil {
		return operators.Profile{}, errNoICCID
	}
	code, err := activation.ParseCode(string(s.QRCode))
	if err != nil {
		code, err = activation.ParseCode("LPA:1$" + string(s.LPA) + "$" + string(s.MatchingID))
	}
	if err != nil || code.MatchingID.Empty() {
		return operators.Profile{}, errNoCode
	}
	if _, err := activation.ParseMatchingID(code.MatchingID.Reveal()); err != nil {
		return operators.Profile{}, fmt.Errorf("%w: %w", errNoCode, err)
	}
	return operators.Profile{
		ICCID: iccid, MatchingID: code.MatchingID, SMDPAddress: code.SMDPAddress,
		ConfirmationCode: activation.NewCredential(string(s.ConfirmationCode)),
	}, nil
}
