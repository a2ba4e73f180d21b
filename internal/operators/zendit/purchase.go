package zendit

import (
	"errors"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// status of a purchase or of a refund.
type status string

// The statuses that say something; all others are on the way there.
const (
	statusDone   status = "DONE"
	statusFailed status = "FAILED"
)

// underway are the statuses of a purchase that Zendit is still at.
var underway = map[status]bool{"ACCEPTED": true, "PENDING": true, "AUTHORIZED": true, "IN_PROGRESS": true}

// purchase is one in Zendit's books.
type purchase struct {
	TransactionID webapi.Text `json:"transactionId"`
	OfferID       webapi.Text `json:"offerId"`
	Status        status      `json:"status"`
	CreatedAt     webapi.Text `json:"createdAt"`
	Confirmation  struct {
		ActivationCode webapi.Text `json:"activationCode"`
		ICCID          webapi.Text `json:"iccid"`
		SMDPAddress    webapi.Text `json:"smdpAddress"`
	} `json:"confirmation"`
}

// check refuses a purchase that is not the one that was asked for, or of a status that nobody
// knows.
func (p *purchase) check(requestID string) error {
	switch {
	case string(p.TransactionID) != requestID:
		return errors.New("the purchase has another transactionId than was asked for")
	case p.Status != statusDone && p.Status != statusFailed && !underway[p.Status]:
		return errors.New("the purchase has a status that is not documented")
	default:
		return nil
	}
}

// profile is the eSIM of a purchase that is done. The error does not repeat what cannot be read.
func (p *purchase) profile() (operators.Profile, error) {
	iccid, err := activation.ParseICCID(string(p.Confirmation.ICCID))
	if err != nil {
		return operators.Profile{}, err
	}
	written := string(p.Confirmation.ActivationCode)
	if code, err := activation.ParseCode(written); err == nil && !code.MatchingID.Empty() {
		return operators.Profile{ICCID: iccid, MatchingID: code.MatchingID, SMDPAddress: code.SMDPAddress}, nil
	}
	// Otherwise the activation code is the matching ID alone, and the address stands beside it.
	code, err := activation.ParseCode("1$" + string(p.Confirmation.SMDPAddress) + "$" + written)
	if err != nil {
		return operators.Profile{}, err
	}
	if code.MatchingID.Empty() || code.MatchingID.Reveal() != written {
		return operators.Profile{}, errors.New("the activation code is neither LPA:1$… nor a matching ID")
	}
	return operators.Profile{ICCID: iccid, MatchingID: code.MatchingID, SMDPAddress: code.SMDPAddress}, nil
}

// patience is how long to wait before the next look at a purchase or a refund of this age.
// Nearly all are done within 15 seconds.
func patience(age time.Duration) time.Duration {
	switch {
	case age < 15*time.Second:
		return 2 * time.Second
	case age < time.Minute:
		return 5 * time.Second
	case age < 10*time.Minute:
		return 30 * time.Second
	default:
		return 5 * time.Minute
	}
}
