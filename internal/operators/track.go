package operators

import (
	"context"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
)

// Tracker is a Driver whose operator can be asked what became of a profile. ES2+ has no such
// question: its driver is none.
type Tracker interface {
	Driver

	// Track asks for a delivered profile. It buys nothing and changes nothing. Its errors are of
	// type *Error.
	Track(ctx context.Context, t Tracked) (Life, error)
}

// Tracked names a delivered profile.
type Tracked struct {
	// RequestID of the attempt that bought it.
	RequestID string
	ICCID     activation.ICCID
}

// Life is what an operator knows of a delivered profile. What it does not know is absent.
type Life struct {
	// Installed tells that the profile is, or was, on a device.
	Installed bool
	// InstalledTime is when it came there.
	InstalledTime time.Time
	// UsedTime is when it was used first.
	UsedTime time.Time
	// ExpiryTime is when the plan ends.
	ExpiryTime time.Time
	// Deleted tells that it was deleted from its device.
	Deleted bool
}
