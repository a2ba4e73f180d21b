package esimaccess

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

const (
	// pageSize of lists; the vendor takes 5 to 500.
	pageSize = 200
	// maxPages bounds a list: the vendor numbers pages up to 10,000.
	maxPages = 10_000
	// clockMargin is how far the vendor's clock may be from ours when a list is asked for by
	// time.
	clockMargin = time.Hour
	// windowForm is how the vendor's documentation writes the ends of a window, in UTC.
	windowForm = "2006-01-02T15:04-07:00"
)

// ever is where lists begin where it is not known since when an attempt is under way.
var ever = time.Unix(0, 0)

// The words of smdpStatus and esimStatus that the driver asks for.
const (
	smdpReleased     = "RELEASED"
	smdpDownload     = "DOWNLOAD"
	smdpInstallation = "INSTALLATION"
	smdpEnabled      = "ENABLED"
	smdpDisabled     = "DISABLED"
	smdpDeleted      = "DELETED"

	statusGot           = "GOT_RESOURCE"
	statusInUse         = "IN_USE"
	statusUsedUp        = "USED_UP"
	statusUsedExpired   = "USED_EXPIRED"
	statusUnusedExpired = "UNUSED_EXPIRED"
	statusCancel        = "CANCEL"
	statusRevoke        = "REVOKE"
	statusRevoked       = "REVOKED"
)

// profile is an eSIM as the vendor lists it.
type profile struct {
	TranNo        webapi.Text `json:"esimTranNo"`
	OrderNo       webapi.Text `json:"orderNo"`
	TransactionID webapi.Text `json:"transactionId"`
	ICCID         webapi.Text `json:"iccid"`
	// Code is the activation code: a credential. It goes nowhere but through ready.
	Code         secretText  `json:"ac"`
	SMDPStatus   webapi.Text `json:"smdpStatus"`
	ESIMStatus   webapi.Text `json:"esimStatus"`
	Activated    instant     `json:"activateTime"`
	Installation instant     `json:"installationTime"`
	Expires      instant     `json:"expiredTime"`
}

func (p profile) smdp() string   { return strings.ToUpper(string(p.SMDPStatus)) }
func (p profile) status() string { return strings.ToUpper(string(p.ESIMStatus)) }

// made tells whether the profile exists: before, the vendor may list its order without it.
func (p profile) made() bool { return p.ICCID != "" && !p.Code.Empty() }

// returnable tells whether the vendor takes the profile back.
func (p profile) returnable() bool { return p.status() == statusGot && p.smdp() == smdpReleased }

// dead tells that nobody can download the profile any more, and that nobody has.
func (p profile) dead() bool {
	switch p.status() {
	case statusCancel, statusRevoke, statusRevoked, statusUnusedExpired:
		return true
	default:
		return false
	}
}

// onDevice tells whether a device has, or had, at least begun to download the profile.
func (p profile) onDevice() bool {
	switch p.smdp() {
	case smdpDownload, smdpInstallation, smdpEnabled, smdpDisabled, smdpDeleted:
		return true
	}
	switch p.status() {
	case statusInUse, statusUsedUp, statusUsedExpired:
		return true
	default:
		return false
	}
}

// ready is the profile as it is delivered. The error repeats nothing of what the vendor sent.
func (p profile) ready() (operators.Profile, error) {
	iccid, err := activation.ParseICCID(string(p.ICCID))
	if err != nil {
		return operators.Profile{}, err
	}
	code, err := activation.ParseCode(p.Code.Reveal())
	if err != nil {
		return operators.Profile{}, err
	}
	if code.MatchingID.Empty() {
		return operators.Profile{}, errors.New("activation code: the matching ID is missing")
	}
	return operators.Profile{ICCID: iccid, MatchingID: code.MatchingID, SMDPAddress: code.SMDPAddress}, nil
}

type orderRequest struct {
	TransactionID string        `json:"transactionId"`
	Amount        *int64        `json:"amount,omitempty"`
	Packages      []orderedPlan `json:"packageInfoList"`
}

type orderedPlan struct {
	PackageCode string `json:"packageCode"`
	Count       int    `json:"count"`
	Price       *int64 `json:"price,omitempty"`
}

// buy orders one profile and returns the vendor's order number. price, where not nil, must be
// today's, in dollars × 10,000. again tells that the order may have been sent before.
func (d *Driver) buy(ctx context.Context, requestID, planID string, price *int64, again bool) (string, *operators.Error) {
	var taken struct {
		OrderNo       webapi.Text `json:"orderNo"`
		TransactionID webapi.Text `json:"transactionId"`
	}
	failure := d.call(ctx, order, orderRequest{
		TransactionID: requestID, Amount: price, Packages: []orderedPlan{{PackageCode: planID, Count: 1, Price: price}},
	}, again, func(obj []byte) error {
		if err := decodeObject(obj, &taken); err != nil {
			return err
		}
		if taken.TransactionID != "" && string(taken.TransactionID) != requestID {
			return errors.New("the answer is about another transactionId")
		}
		if taken.OrderNo == "" {
			return errors.New("the answer has no orderNo")
		}
		return nil
	})
	return string(taken.OrderNo), failure
}

type pager struct {
	PageNum  int `json:"pageNum"`
	PageSize int `json:"pageSize"`
}

type queryRequest struct {
	OrderNo string `json:"orderNo,omitempty"`
	ICCID   string `json:"iccid,omitempty"`
	Start   string `json:"startTime,omitempty"`
	End     string `json:"endTime,omitempty"`
	Pager   pager  `json:"pager"`
}

type queryAnswer struct {
	Profiles webapi.List[profile] `json:"esimList"`
	Pager    struct {
		Total *webapi.Int `json:"total"`
	} `json:"pager"`
}

// query lists all profiles that the request asks for and that keep takes.
func (d *Driver) query(ctx context.Context, request queryRequest, keep func(profile) bool) ([]profile, *operators.Error) {
	var kept []profile
	seen := 0
	for page := 1; page <= maxPages; page++ {
		request.Pager = pager{PageNum: page, PageSize: pageSize}
		var got queryAnswer
		failure := d.call(ctx, queryOrder, request, false, func(obj []byte) error {
			if err := decodeObject(obj, &got); err != nil {
				return err
			}
			if got.Profiles == nil && got.Pager.Total == nil {
				return errors.New("the answer has neither a list nor a total")
			}
			return nil
		})
		if failure != nil {
			return nil, failure
		}
		seen += len(got.Profiles)
		for _, p := range got.Profiles {
			if keep(p) {
				kept = append(kept, p)
			}
		}
		complete := len(got.Profiles) < pageSize
		if got.Pager.Total != nil {
			complete = seen >= int(*got.Pager.Total)
		}
		switch {
		case complete:
			return kept, nil
		case len(got.Profiles) == 0:
			return nil, &operators.Error{Class: operators.Transient, Function: queryOrder.name, Message: "the vendor's list ended before its total"}
		}
	}
	return nil, &operators.Error{Class: operators.Misconfigured, Function: queryOrder.name, OneOrder: true,
		Message: "the vendor's list of orders is longer than it can be asked for"}
}

// window asks for all orders since an attempt began.
func (d *Driver) window(since time.Time) queryRequest {
	start := ever
	if !since.IsZero() {
		start = since.Add(-clockMargin)
	}
	return queryRequest{
		Start: start.UTC().Format(windowForm),
		End:   d.now().Add(clockMargin).UTC().Format(windowForm),
	}
}

// take gives one profile back for its price.
func (d *Driver) take(ctx context.Context, p profile) *operators.Error {
	return d.call(ctx, cancel, struct {
		TranNo string `json:"esimTranNo"`
	}{string(p.TranNo)}, false, noFields)
}
