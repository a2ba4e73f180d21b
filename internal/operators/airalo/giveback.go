package airalo

import (
	"context"

	"github.com/telcodev/esim-operator/internal/operators"
)

// GiveBack finds out what an attempt holds: Airalo takes nothing back, so what was bought stays
// so (operators.ErrNotReturnable). What Airalo refunded, or did not execute, is of no use to
// anybody. operators.ErrUnknownProfile says that nothing was bought, and nothing will be.
func (d *Driver) GiveBack(ctx context.Context, h operators.Held) error {
	var found *order
	var failure *operators.Error
	if h.ICCID != "" {
		// It was bought, whatever the list shows or does not show yet.
		found, failure = d.lookUp(ctx, h.RequestID)
		if found == nil && failure == nil {
			return operators.ErrNotReturnable
		}
	} else {
		if end, proven := d.memory.Begin(h.RequestID, d.unsent.has(h.RequestID)); proven {
			end(false)
			return operators.ErrUnknownProfile
		}
		found, failure = d.resolve(ctx, h.RequestID)
	}
	switch {
	case failure != nil:
		return failure
	case found == nil || found.Status.Slug == statusFailed:
		return operators.ErrUnknownProfile
	case found.Status.Slug == statusRefunded:
		return nil
	default:
		return operators.ErrNotReturnable
	}
}
