package controllers

import (
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/mail"
)

// stop is one notification to one recipient. An event that is put into the outbox again has
// another time. A receipt goes to an address once, however often it is put in.
type stop struct {
	kind, recipient string
	since           int64
	// address of a receipt, as the order remembers it.
	address string
}

func stopOf(order *v1alpha1.EsimOrder, notification *v1alpha1.OrderNotification, recipient string) stop {
	if isReceipt(notification.Type) {
		return stop{kind: notification.Type, recipient: recipient, address: recipientOf(order)}
	}
	return stop{kind: notification.Type, recipient: recipient, since: notification.Time.Unix()}
}

type stopState int

const (
	stopOpen stopState = iota
	stopUnderWay
	stopDone
)

// result is what became of one sending.
type result struct {
	err error
	// dropped tells that it was not sent, because nobody wants it any more.
	dropped bool
	at      time.Time
}

// toRemember tells whether the order is to remember a receipt that ended so: its address had it,
// or refused it for the reason that is returned.
func (s stop) toRemember(r result) (refused string, ok bool) {
	var no *mail.Refused
	switch {
	case s.address == "" || r.dropped:
		return "", false
	case r.err == nil:
		return "", true
	case errors.As(r.err, &no):
		return r.err.Error(), true
	}
	return "", false
}

// trip is what this process did for one order's outbox and did not record yet.
type trip struct {
	mu sync.Mutex
	// uid of the order.
	uid types.UID
	// written is the version of the order that our last write made.
	written  string
	underWay map[stop]bool
	results  map[stop]result
	// later is when those come again that failed for a reason of ours: that was no try.
	later map[stop]time.Time
	// begun is when the last sending was handed over.
	begun time.Time
}

func (t *trip) state(s stop) stopState {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.results[s]; ok {
		return stopDone
	}
	if t.underWay[s] {
		return stopUnderWay
	}
	return stopOpen
}

func (t *trip) begin(s stop, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underWay[s], t.begun = true, at
}

func (t *trip) end(s stop, r result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.underWay, s)
	delete(t.later, s)
	t.results[s] = r
}

// postpone has a stop come again at a time.
func (t *trip) postpone(s stop, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.underWay, s)
	t.later[s] = until
}

// laterThan is how long a stop that was postponed waits yet.
func (t *trip) laterThan(s stop, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.later[s].Sub(now), 0)
}

// worthAWrite tells whether what is known is to be recorded. What was sent for an order that has
// not ended is recorded with what will be sent at its end, so that the pipeline is not disturbed;
// a failure is recorded at once, for its retry.
func (t *trip) worthAWrite(order *v1alpha1.EsimOrder) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.results {
		if order.Terminal() || r.err != nil {
			return true
		}
	}
	return false
}

// ripe tells whether what is known is to be recorded now: nothing is under way any more, or it
// takes long. What was known long before waits for what has just begun.
func (t *trip) ripe(order *v1alpha1.EsimOrder, underWay bool, now time.Time) bool {
	if !t.worthAWrite(order) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	oldest := now
	for _, r := range t.results {
		if r.at.Before(oldest) {
			oldest = r.at
		}
	}
	if t.begun.After(oldest) {
		oldest = t.begun
	}
	return !underWay || now.Sub(oldest) >= settledAfter
}

// remains is what there is to do of a trip whose outbox is empty.
type remains int

const (
	leftNothing remains = iota
	// leftUnderWay: a sending has not ended.
	leftUnderWay
	// leftToRemember: a receipt has ended that the order is to remember.
	leftToRemember
)

// left is what remains of a trip whose outbox is empty. After leftNothing nothing comes any more.
func (t *trip) left() remains {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, r := range t.results {
		if _, ok := s.toRemember(r); ok {
			return leftToRemember
		}
	}
	if len(t.underWay) > 0 {
		return leftUnderWay
	}
	return leftNothing
}

// receipts is how many went out, or may, that the order does not remember yet.
func (t *trip) receipts() (count int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range t.underWay {
		if s.address != "" {
			count++
		}
	}
	for s, r := range t.results {
		if _, ok := s.toRemember(r); ok {
			count++
		}
	}
	return count
}

// snapshot is what is known now.
func (t *trip) snapshot() map[stop]result {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := make(map[stop]result, len(t.results))
	for s, r := range t.results {
		known[s] = r
	}
	return known
}

// recorded forgets what stands in the order from now on.
func (t *trip) recorded(stops []stop, version string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range stops {
		delete(t.results, s)
	}
	t.written = version
}

// courierMemory holds the trips of orders that have something in their outbox.
type courierMemory struct {
	mu      sync.Mutex
	byOrder map[types.NamespacedName]*trip
}

// of is the trip for an order; a new one for another order of the same name.
func (m *courierMemory) of(order *v1alpha1.EsimOrder) *trip {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := client.ObjectKeyFromObject(order)
	known := m.byOrder[key]
	if known == nil || known.uid != order.UID {
		known = &trip{uid: order.UID, underWay: map[stop]bool{}, results: map[stop]result{}, later: map[stop]time.Time{}}
		if m.byOrder == nil {
			m.byOrder = map[types.NamespacedName]*trip{}
		}
		m.byOrder[key] = known
	}
	return known
}

func (m *courierMemory) forget(order types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byOrder, order)
}

// notBegun takes back what begin noted.
func (t *trip) notBegun(s stop) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.underWay, s)
}
