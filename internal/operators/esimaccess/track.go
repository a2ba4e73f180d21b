package esimaccess

import (
	"context"

	"github.com/telcodev/esim-operator/internal/operators"
)

// Track asks what became of a delivered profile.
func (d *Driver) Track(ctx context.Context, t operators.Tracked) (operators.Life, error) {
	// ICCIDs are sold again to other customers once they are free: the request ID decides.
	found, failure := d.query(ctx, queryRequest{ICCID: string(t.ICCID)}, func(p profile) bool {
		return string(p.TransactionID) == t.RequestID && known(p.ICCID) == t.ICCID
	})
	if failure != nil && !unknownThere(failure) {
		return operators.Life{}, reading(failure)
	}
	if len(found) == 0 {
		return operators.Life{}, &operators.Error{Class: operators.Transient, Function: queryOrder.name, OneOrder: true, ICCID: t.ICCID,
			Message: "the vendor does not know the profile under the order's request ID"}
	}
	return found[0].life(), nil
}

// life is what the vendor knows of the profile. Until it is used, its expiredTime is when it can
// be downloaded last, which says nothing of the plan.
func (p profile) life() operators.Life {
	life := operators.Life{
		Installed:     p.installed(),
		InstalledTime: p.Installation.Time,
		UsedTime:      p.Activated.Time,
		Deleted:       p.smdp() == smdpDeleted,
	}
	if p.used() {
		life.ExpiryTime = p.Expires.Time
	}
	return life
}

// installed tells whether the profile is, or was, on a device: downloaded alone is not.
func (p profile) installed() bool {
	switch p.smdp() {
	case smdpInstallation, smdpEnabled, smdpDisabled, smdpDeleted:
		return true
	default:
		return p.used() || !p.Installation.IsZero()
	}
}

// used tells whether the plan has begun.
func (p profile) used() bool {
	switch p.status() {
	case statusInUse, statusUsedUp, statusUsedExpired:
		return true
	default:
		return !p.Activated.IsZero()
	}
}
