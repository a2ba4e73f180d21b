package fairqueue

import (
	"context"
	"fmt"
	"math"

	"golang.org/x/time/rate"
)

// Pace lets so many calls a second through; those that wait go in turn by client. It is safe for
// concurrent use.
type Pace struct {
	// limiter is waited for by one call at a time, or it would serve first who came first. It is nil
	// where there is no limit.
	limiter *rate.Limiter
	gate    *Gate
}

// NewPace makes a pace of so many calls a second, of which a tenth of a second's worth, and at
// least one, may go at once: who allows 100 a second does not expect them at one moment. 0 is no
// limit.
func NewPace(perSecond int) *Pace {
	if perSecond <= 0 {
		return &Pace{}
	}
	burst := int(math.Ceil(float64(perSecond) / 10))
	return &Pace{limiter: rate.NewLimiter(rate.Limit(perSecond), burst), gate: NewGate(1)}
}

// Wait waits for the turn of a call, which is of the client that ctx names. Its error means that
// the call may not go.
func (p *Pace) Wait(ctx context.Context) error {
	if p.limiter == nil {
		return ctx.Err()
	}
	leave, err := p.gate.Enter(ctx, clientOf(ctx))
	if err != nil {
		return fmt.Errorf("waiting behind other calls: %w", err)
	}
	defer leave()
	return p.limiter.Wait(ctx)
}

// clientKey is what ctx names a client by.
type clientKey struct{}

// WithClient names the client for whom something is done. What names none has a turn of its own.
func WithClient(ctx context.Context, client string) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

func clientOf(ctx context.Context) string {
	client, _ := ctx.Value(clientKey{}).(string)
	return client
}
