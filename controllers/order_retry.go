package controllers

import (
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

// Backoff grows from Initial to Max, twofold with each try.
type Backoff struct {
	Initial metav1.Duration `json:"initial"`
	Max     metav1.Duration `json:"max"`
}

// Pace is how long an order waits before it is tried again.
type Pace struct {
	// Transient is for errors that prove that nothing was bought, and for looking up what an
	// unanswered call did.
	Transient Backoff `json:"transient"`
	// Scarce is for sources without stock, and for operators that leave one order's calls
	// unanswered again and again.
	Scarce Backoff `json:"scarce"`
	// Misconfigured is for orders that failed because of our own configuration; they are
	// tried at once when that changes.
	Misconfigured Backoff `json:"misconfigured"`
	// ProductGrace is how long an order waits for a product that is not there yet: manifests
	// that are applied together arrive in any order.
	ProductGrace metav1.Duration `json:"productGrace"`
	// Waiting is after how long an order that waits for its operator says so.
	Waiting metav1.Duration `json:"waiting"`
}

// DefaultPace is what the manager uses unless told otherwise.
var DefaultPace = Pace{
	Transient:     backoff(time.Second, 5*time.Minute),
	Scarce:        backoff(30*time.Second, 30*time.Minute),
	Misconfigured: backoff(10*time.Second, 5*time.Minute),
	ProductGrace:  metav1.Duration{Duration: 30 * time.Second},
	Waiting:       metav1.Duration{Duration: 10 * time.Second},
}

func backoff(initial, most time.Duration) Backoff {
	return Backoff{Initial: metav1.Duration{Duration: initial}, Max: metav1.Duration{Duration: most}}
}

// retryPriority lets new orders, whose priority is 0, go before those that tried already.
var retryPriority = -10

// delay after the given number of tries; jitter from 0 to 1 shortens it by up to a fifth, so
// that orders that failed together do not come back together.
func (b Backoff) delay(tries int32, jitter float64) time.Duration {
	exponent := min(max(tries-1, 0), 30)
	full := min(float64(b.Initial.Duration)*math.Pow(2, float64(exponent)), float64(b.Max.Duration))
	return time.Duration(full * (1 - jitter/5))
}

// retryDelay is how long an order waits after an error of a class.
func (p Pace) retryDelay(failed *operators.Error, tries int32, answersLost bool, jitter float64) time.Duration {
	switch {
	case failed.RetryAfter > 0:
		return failed.RetryAfter + time.Duration(jitter*float64(time.Second))
	case failed.Class == operators.OutOfStock || answersLost:
		return p.Scarce.delay(tries, jitter)
	case failed.Class == operators.Misconfigured:
		return p.Misconfigured.delay(tries, jitter)
	default:
		return p.Transient.delay(tries, jitter)
	}
}

// clockSkew is how much the clocks of two machines that lead one after another may differ.
const clockSkew = time.Minute

// due tells whether an order may be tried now. connectedAt is when its operator's connection
// was last made: what failed for want of configuration before then is due at once. hinted is
// when its operator was last said to have news (hintedAt). A last try far in the future tells of a
// clock that was set back since: how much of the wait is over cannot be known, and the order
// would wait for as long as the clock was wrong.
func due(p *v1alpha1.OrderProvisioning, now, connectedAt, hinted time.Time) (time.Duration, bool) {
	if p == nil || p.NextAttemptTime == nil {
		return 0, true
	}
	if p.LastError != nil && p.LastError.Time.After(now.Add(clockSkew)) {
		return 0, true
	}
	if p.LastError != nil && p.LastError.Class == string(operators.Misconfigured) && connectedAt.After(p.LastError.Time.Time) {
		return 0, true
	}
	next := p.NextAttemptTime.Time
	if wakeable(p) && hinted.After(p.LastError.Time.Time) && hinted.Before(next) {
		next = hinted
	}
	if wait := next.Sub(now); wait > 0 {
		return wait, false
	}
	return 0, true
}

// wakeable tells whether a hint that the operator has news makes an order due: where the next
// try looks up what the last one began. One that waits for stock or for our own configuration
// gains nothing by it; and each lost answer of an SM-DP+ may have stranded a profile, so that
// nobody may hurry the next.
func wakeable(p *v1alpha1.OrderProvisioning) bool {
	if p == nil || p.NextAttemptTime == nil || p.LastError == nil || p.LostAnswers > 0 {
		return false
	}
	switch operators.Class(p.LastError.Class) {
	case operators.Busy, operators.OutcomeUnknown, operators.Transient:
		return true
	default:
		return false
	}
}

// hintedAt is when somebody last asked for an order's operator to be asked, rounded up to the
// second that a status counts in: a try within the same second comes before it, the next one
// after it, and no order is hurried more often than once a second. Zero where nobody did.
func hintedAt(order *v1alpha1.EsimOrder) time.Time {
	at, err := time.Parse(time.RFC3339Nano, order.Annotations[v1alpha1.RefreshAnnotation])
	if err != nil {
		return time.Time{} // some other request, which only delivered orders act on
	}
	if whole := at.Truncate(time.Second); whole.Before(at) {
		return whole.Add(time.Second)
	}
	return at
}

// dueSince is since when an order could have been tried.
func dueSince(order *v1alpha1.EsimOrder) time.Time {
	switch p := order.Status.Provisioning; {
	case p == nil:
		return order.CreationTimestamp.Time
	case p.NextAttemptTime != nil:
		return p.NextAttemptTime.Time
	default:
		return p.StartTime.Time
	}
}

// exhausted tells whether an order that cannot be filled has been kept going long enough.
// One whose outcome is unknown never has.
func exhausted(p *v1alpha1.OrderProvisioning, giveUpAfter time.Duration, now time.Time) bool {
	if p == nil || p.LastError == nil {
		return false
	}
	if p.LastError.Class == string(operators.OutcomeUnknown) {
		return false
	}
	return now.Sub(p.StartTime.Time) >= giveUpAfter
}
