package access

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const (
	// limitPeriod is what limits are counted in.
	limitPeriod = time.Minute
	// maxBuckets bounds the memory of a limiter. Those who come when it is full share one
	// bucket, until the next minute makes room.
	maxBuckets = 100_000
)

// DefaultLimits are the contract's, per client and minute.
func DefaultLimits() v1alpha1.RateLimits {
	return v1alpha1.RateLimits{Read: 300, Order: 60, Quote: 120, Change: 60, Login: 10, Refresh: 20}
}

// limitOf is the limit of a class: the client's own where it has one.
func limitOf(class Class, client *v1alpha1.RateLimits, defaults v1alpha1.RateLimits) v1alpha1.RequestsPerMinute {
	pick := func(from v1alpha1.RateLimits) v1alpha1.RequestsPerMinute {
		switch class {
		case Read:
			return from.Read
		case Order:
			return from.Order
		case Quote:
			return from.Quote
		case Change:
			return from.Change
		case Login:
			return from.Login
		case Refresh:
			return from.Refresh
		default:
			return 0
		}
	}
	if client != nil && pick(*client) > 0 {
		return pick(*client)
	}
	return pick(defaults)
}

// limiter counts requests, in token buckets that hold a minute's worth.
type limiter struct {
	clock clock.PassiveClock
	most  int

	mu      sync.Mutex
	buckets map[bucketKey]*rate.Limiter
	tidied  time.Time
}

type bucketKey struct {
	class Class
	// who is a client's namespace, or an address before the client is known.
	who string
}

func newLimiter(c clock.PassiveClock) *limiter {
	return &limiter{clock: c, most: maxBuckets, buckets: map[bucketKey]*rate.Limiter{}, tidied: c.Now()}
}

// take counts a request; the error is a Refusal that says when to come again.
func (l *limiter) take(class Class, who string, perMinute v1alpha1.RequestsPerMinute) error {
	if class == Unlimited {
		return nil
	}
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tidy(now)
	bucket := l.bucket(bucketKey{class: class, who: who}, int(perMinute), now)
	reservation := bucket.ReserveN(now, 1)
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return tooMany(wait)
	}
	return nil
}

// bucket is the one of key, with the limit as it is now.
func (l *limiter) bucket(key bucketKey, perMinute int, now time.Time) *rate.Limiter {
	limit := rate.Limit(float64(perMinute) / limitPeriod.Seconds())
	bucket, found := l.buckets[key]
	if !found && len(l.buckets) >= l.most {
		key.who = ""
		bucket, found = l.buckets[key]
	}
	if !found {
		bucket = rate.NewLimiter(limit, perMinute)
		l.buckets[key] = bucket
		return bucket
	}
	if bucket.Burst() != perMinute {
		bucket.SetLimitAt(now, limit)
		bucket.SetBurstAt(now, perMinute)
	}
	return bucket
}

// tidy drops the buckets that are full again: they are as good as none.
func (l *limiter) tidy(now time.Time) {
	if now.Sub(l.tidied) < limitPeriod {
		return
	}
	l.tidied = now
	for key, bucket := range l.buckets {
		if bucket.TokensAt(now) >= float64(bucket.Burst()) {
			delete(l.buckets, key)
		}
	}
}
