package orders

import (
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// RefreshPatience is how long whoever reads an order waits for what its mobile operator says.
const RefreshPatience = 2 * time.Second

// Refresh is what is to be done before a delivered order is shown.
type Refresh int

const (
	// NoRefresh shows it as it was recorded: the operator cannot be asked, has nothing new to
	// tell, or was asked a moment ago.
	NoRefresh Refresh = iota
	// RefreshUnderWay waits for what somebody else has asked for.
	RefreshUnderWay
	// RefreshDue asks.
	RefreshDue
)

// JudgeRefresh tells whether the operator is to be asked about an order: about one that is
// delivered and on no device yet, and not more often than status.activation.refreshInterval,
// also where the operator does not answer. What a request of ours asks for is when it was made.
func JudgeRefresh(order *v1alpha1.EsimOrder, now time.Time) Refresh {
	life := order.Status.Activation
	if order.Status.Phase != v1alpha1.PhaseDelivered || life == nil || life.Installed || life.RefreshInterval == nil ||
		!order.DeletionTimestamp.IsZero() {
		return NoRefresh
	}
	interval := life.RefreshInterval.Duration
	if life.RefreshedTime != nil && now.Before(life.RefreshedTime.Add(interval)) {
		return NoRefresh
	}
	wanted := order.Annotations[v1alpha1.RefreshAnnotation]
	asked, err := time.Parse(time.RFC3339Nano, wanted)
	switch {
	case err != nil, wanted == life.Refreshed, asked.After(now.Add(RefreshPatience)):
		return RefreshDue
	case now.Before(asked.Add(RefreshPatience)):
		return RefreshUnderWay
	case now.Before(asked.Add(interval)):
		return NoRefresh
	default:
		return RefreshDue
	}
}
