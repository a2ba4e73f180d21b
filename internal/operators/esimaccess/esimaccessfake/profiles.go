package esimaccessfake

import (
	"errors"
	"fmt"
	"time"
)

// The words of smdpStatus and esimStatus.
const (
	smdpReleased  = "RELEASED"
	smdpDownload  = "DOWNLOAD"
	smdpInstalled = "INSTALLATION"
	smdpEnabled   = "ENABLED"
	smdpDeleted   = "DELETED"

	statusGetting = "GETTING_RESOURCE"
	statusGot     = "GOT_RESOURCE"
	statusInUse   = "IN_USE"
	statusCancel  = "CANCEL"
)

// downloadValid is how long a profile may stay undownloaded: what expiredTime says of it until
// it is used.
const downloadValid = 180 * 24 * time.Hour

// esim is a profile that was sold.
type esim struct {
	tranNo, orderNo, transactionID, iccid, matchingID string
	plan                                              Package
	paid                                              int64
	ordered, allocated, listed                        time.Time
	smdp, status                                      string
	eid                                               string
	activated, installed, expires                     time.Time
}

// object is the profile as queries answer it.
func (e *esim) object(address string, now time.Time) object {
	out := object{
		"esimTranNo": e.tranNo, "orderNo": e.orderNo, "transactionId": e.transactionID,
		"iccid": e.iccid, "ac": "LPA:1$" + address + "$" + e.matchingID, "qrCodeUrl": "https://p.qrsim.example/" + e.tranNo + ".png",
		"smdpStatus": e.smdp, "esimStatus": e.status, "eid": e.eid, "activeType": 2,
		"activateTime": written(e.activated), "installationTime": written(e.installed), "expiredTime": written(e.expires),
		"totalVolume": e.plan.Volume, "totalDuration": e.plan.Duration, "durationUnit": e.plan.DurationUnit, "orderUsage": int64(0),
		"packageList": []object{{
			"packageCode": e.plan.Code, "slug": e.plan.Slug, "packageName": e.plan.Name, "duration": e.plan.Duration,
			"volume": e.plan.Volume, "locationCode": e.plan.Location, "createTime": written(e.ordered),
		}},
	}
	if now.Before(e.allocated) {
		out["iccid"], out["ac"], out["qrCodeUrl"], out["smdpStatus"], out["esimStatus"] = "", "", "", "", statusGetting
	}
	return out
}

// written is a time as the vendor writes it; nil for none.
func written(when time.Time) any {
	if when.IsZero() {
		return nil
	}
	return when.UTC().Format("2006-01-02T15:04:05-0700")
}

// Profile is a profile that was sold, as a test may see it.
type Profile struct {
	ICCID, TransactionID, OrderNo, PackageCode string
	SMDPStatus, ESIMStatus                     string
	Paid                                       int64
}

// Profiles that were ever sold, oldest first.
func (v *Vendor) Profiles() []Profile {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]Profile, len(v.esims))
	for i, e := range v.esims {
		out[i] = Profile{e.iccid, e.transactionID, e.orderNo, e.plan.Code, e.smdp, e.status, e.paid}
	}
	return out
}

// HasMatchingID tells whether an activation code with the matching ID downloads the profile.
func (v *Vendor) HasMatchingID(iccid, matchingID string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.profile(iccid)
	return e != nil && e.matchingID == matchingID
}

// profile by its ICCID, the last that has it; nil where none has. v.mu must be held.
func (v *Vendor) profile(iccid string) *esim {
	for i := len(v.esims) - 1; i >= 0; i-- {
		if v.esims[i].iccid == iccid {
			return v.esims[i]
		}
	}
	return nil
}

// ErrWrongState says that a profile is in a state that it cannot leave that way.
var ErrWrongState = errors.New("the profile is in another state")

// move changes a profile that is in one of the states.
func (v *Vendor) move(iccid string, change func(*esim), states ...string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.profile(iccid)
	if e == nil {
		return fmt.Errorf("no profile %s was sold", iccid)
	}
	for _, state := range states {
		if e.smdp == state && (e.status == statusGot || e.status == statusInUse) {
			change(e)
			return v.keep(e)
		}
	}
	return fmt.Errorf("%w: %s, %s", ErrWrongState, e.smdp, e.status)
}

// Download lets a device download a profile, and no more.
func (v *Vendor) Download(iccid string) error {
	return v.move(iccid, func(e *esim) { e.smdp = smdpDownload }, smdpReleased)
}

// Install lets a device download and install a profile.
func (v *Vendor) Install(iccid string) error {
	return v.move(iccid, func(e *esim) {
		e.smdp, e.eid, e.installed = smdpInstalled, "89049032007108882600137544319616", v.now()
	}, smdpReleased, smdpDownload)
}

// Use lets an installed profile use data for the first time.
func (v *Vendor) Use(iccid string) error {
	return v.move(iccid, func(e *esim) {
		e.smdp, e.status, e.activated = smdpEnabled, statusInUse, v.now()
		e.expires = e.activated.AddDate(0, 0, e.plan.Duration)
	}, smdpInstalled)
}

// Delete lets the device delete a profile.
func (v *Vendor) Delete(iccid string) error {
	return v.move(iccid, func(e *esim) { e.smdp = smdpDeleted }, smdpDownload, smdpInstalled, smdpEnabled)
}

// SetStatus sets esimStatus, as a person at the vendor's console would.
func (v *Vendor) SetStatus(iccid, status string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.profile(iccid)
	if e == nil {
		return fmt.Errorf("no profile %s was sold", iccid)
	}
	e.status = status
	return v.keep(e)
}

// SellAgain gives the ICCID of a profile to another customer's profile, as the vendor does with
// those that are free again.
func (v *Vendor) SellAgain(iccid string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.profile(iccid)
	if e == nil {
		return fmt.Errorf("no profile %s was sold", iccid)
	}
	other := *e
	v.lastID++
	other.tranNo, other.orderNo, other.transactionID = fmt.Sprintf("T%d", v.lastID), fmt.Sprintf("B%d", v.lastID), "somebody-else"
	other.matchingID, other.smdp, other.status = v.matchingID(), smdpEnabled, statusInUse
	v.esims = append(v.esims, &other)
	return v.keep(&other)
}

// MatchingIDs of all profiles that were ever sold: what nothing may show.
func (v *Vendor) MatchingIDs() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]string, len(v.esims))
	for i, e := range v.esims {
		out[i] = e.matchingID
	}
	return out
}
