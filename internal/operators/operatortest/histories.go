package operatortest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/telcodev/esim-operator/internal/operators"
)

const (
	// histories that are drawn; each is named by its seed, and drawn alike each time.
	histories = 60
	// disturbed is how many calls of a history may go wrong, and frequency how many of them do.
	disturbed = 12
	frequency = 0.4
)

// misfortunes are histories in which several calls go wrong, processes end, and some orders are
// cancelled on the way.
func misfortunes(t *testing.T, s Subject) {
	all := s.disturbances()
	for seed := range uint64(histories) {
		s.in(t, fmt.Sprintf("history %d", seed), func(t *testing.T, b *bench) {
			draw := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a history must be drawn alike each time
			for n := range disturbed {
				if draw.Float64() < frequency {
					fault := all[draw.IntN(len(all))].fault
					fault.Skip, fault.Times = n, 1
					b.inject(t, fault)
				}
			}
			b.suffer(t, draw)
		})
	}
}

// suffer lives a history to its end: a profile is delivered, or everything is given back.
func (b *bench) suffer(t *testing.T, draw *rand.Rand) {
	cancelAt := draw.IntN(2 * maxPasses / 10)
	for pass := range maxPasses {
		if pass == cancelAt && b.holdsSomething() {
			verdict := b.giveBack(t)
			b.wait(2 * passTimeout) // what is late arrives
			if b.subject.NotReturnable && errors.Is(verdict, operators.ErrNotReturnable) {
				b.checkBooks(t, 1)
				return
			}
			b.checkReturn(t, verdict, nil, operators.ErrUnknownProfile)
			b.checkBooks(t, 0)
			return
		}
		if draw.IntN(3) == 0 {
			b.restart(t)
		}
		profile, err := b.provision(t.Context())
		if err == nil {
			b.checkProfile(t, profile)
			b.wait(2 * passTimeout)
			b.checkBooks(t, 1)
			return
		}
		b.endure(t, b.failureOf(t, err))
	}
	t.Errorf("after %d passes the order is not at rest; the last error is %v", maxPasses, b.failed[len(b.failed)-1])
}

// holdsSomething tells whether there may be something to give back.
func (b *bench) holdsSomething() bool {
	if b.keepsBooks() {
		return true
	}
	_, journaled := b.journal.Profile()
	return journaled
}
