package ledger

import (
	"errors"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// Refusal says why an order cannot be charged, in words for whoever placed it.
type Refusal struct {
	Code   v1alpha1.FailureCode
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

// Later says that it is not known yet whether an order can be charged: it waits, and FAILs not.
type Later struct {
	// After is how long to wait before the next try.
	After time.Duration
	// Cause is what is waited for, such as ErrNotHeld.
	Cause error
}

func (l *Later) Error() string { return l.Cause.Error() }

// Unwrap returns the cause.
func (l *Later) Unwrap() error { return l.Cause }

var (
	// ErrCharged says that the order is charged already: whoever asked works from an old cache.
	ErrCharged = errors.New("the order is charged already")
	// ErrNotHeld says that the wallet that pays has no finalizer yet. The wallet controller adds
	// it within moments. Until then the wallet could vanish, and what an order took from it
	// would be nowhere. It comes in a *Later.
	ErrNotHeld = errors.New("the wallet is new, and not yet kept from being deleted while orders count against it")
)

// holdDelay is how long an order waits for a wallet to be held.
const holdDelay = 200 * time.Millisecond

// refused gives pricing's refusals the failure codes of the contract.
func refused(err error) error {
	refusal := &Refusal{Reason: err.Error()}
	switch {
	case errors.Is(err, pricing.ErrUnknownWallet), errors.Is(err, pricing.ErrNoWallet):
		refusal.Code = v1alpha1.FailureInvalidWallet
	case errors.Is(err, pricing.ErrNoRate):
		refusal.Code = v1alpha1.FailureNoExchangeRate
	default:
		return err
	}
	return refusal
}
