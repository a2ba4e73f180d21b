package controllers

import (
	"cmp"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/instruments"
)

var (
	oldestPending = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_oldest_pending_order_age_seconds",
		"How long ago the oldest order that is PENDING was made, in seconds; 0 where none is.")

	pendingAge = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_pending_order_age_seconds",
		"How long ago each of the ten oldest orders was made that are PENDING for five minutes or more, in seconds, "+
			"by client (its namespace), order, EsimOperator (empty before one is chosen) and the reason of its Ready condition.",
		"client", "order", "operator", "reason")

	outcomesUnknown = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_outcome_unknown_orders",
		"Orders with the condition OutcomeUnknown: it is not known whether something was bought for them.")

	outcomeUnknownAge = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_outcome_unknown_order_age_seconds",
		"For how long the condition OutcomeUnknown holds, in seconds, for the ten orders for which it has held the longest, "+
			"by client (its namespace), order, EsimOperator and the condition's reason.",
		"client", "order", "operator", "reason")

	longestWaits = instruments.Registered(instruments.NewLive(oldestPending, pendingAge, outcomesUnknown, outcomeUnknownAge))
)

// longPending is how old a PENDING order is that is named: most are delivered in seconds, and
// are not worth a series.
const longPending = 5 * time.Minute

// wait is an order that waits since a time.
type wait struct {
	order            types.NamespacedName
	since            time.Time
	operator, reason string
}

func longer(a, b wait) int {
	return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.order.String(), b.order.String()))
}

// orderWaits follows the orders that are PENDING, and those whose outcome is unknown.
type orderWaits struct {
	clock clock.PassiveClock

	mu               sync.Mutex
	pending, unknown map[types.UID]wait
}

func (w *orderWaits) seen(order *v1alpha1.EsimOrder) {
	waits := wait{order: client.ObjectKeyFromObject(order), since: order.CreationTimestamp.Time, reason: standOf(order).reason}
	if provisioning := order.Status.Provisioning; provisioning != nil {
		waits.operator = provisioning.OperatorRef.Name
	}
	doubt := waits
	inDoubt := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionOutcomeUnknown)
	if inDoubt != nil {
		doubt.since, doubt.reason = inDoubt.LastTransitionTime.Time, inDoubt.Reason
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending == nil {
		w.pending, w.unknown = map[types.UID]wait{}, map[types.UID]wait{}
	}
	note(w.pending, order.UID, waits, !order.Terminal())
	note(w.unknown, order.UID, doubt, inDoubt != nil && inDoubt.Status == metav1.ConditionTrue)
}

func note(waits map[types.UID]wait, uid types.UID, one wait, holds bool) {
	if holds {
		waits[uid] = one
	} else {
		delete(waits, uid)
	}
}

func (w *orderWaits) gone(order *v1alpha1.EsimOrder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pending, order.UID)
	delete(w.unknown, order.UID)
}

// tell names the orders that have waited the longest.
func (w *orderWaits) tell(tell instruments.Tell) {
	w.mu.Lock()
	pending := instruments.Worst(namedAtMost, maps.Values(w.pending), longer)
	unknown := instruments.Worst(namedAtMost, maps.Values(w.unknown), longer)
	inDoubt := len(w.unknown)
	w.mu.Unlock()
	now := w.clock.Now()
	age := func(one wait) time.Duration { return max(now.Sub(one.since), 0) }
	oldest := time.Duration(0)
	for _, one := range pending {
		oldest = max(oldest, age(one))
		if age(one) >= longPending {
			tell(pendingAge, age(one).Seconds(), one.order.Namespace, one.order.Name, one.operator, one.reason)
		}
	}
	tell(oldestPending, oldest.Seconds())
	tell(outcomesUnknown, float64(inDoubt))
	for _, one := range unknown {
		tell(outcomeUnknownAge, age(one).Seconds(), one.order.Namespace, one.order.Name, one.operator, one.reason)
	}
}
