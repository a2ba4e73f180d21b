package settling

import (
	"container/list"
	"sync"
	"time"
)

// DefaultLimit is how many orders a Memory remembers: some 20 MB.
const DefaultLimit = 100_000

// Memory is what one process knows of the orders that it sent and looked for. Of an order that
// it does not know it assumes that it was sent right before the Memory was made, by a process
// that came before. It is safe for concurrent use.
//
// A driver asks it so: Begin right before the call that buys, with the returned end right after
// it; Missed after a look-up that found nothing; Found after one that found the order.
type Memory struct {
	settleAfter time.Duration
	now         func() time.Time
	limit       int

	mu sync.Mutex
	// floor is when an order that is not remembered may have been sent last.
	floor   time.Time
	entries map[string]*list.Element
	// touched holds *entry, the one touched last in front.
	touched *list.List
}

type entry struct {
	requestID string
	Evidence
	// proven tells that two look-ups counted.
	proven bool
}

// NewMemory makes an empty memory. A call that another process, or another driver of this one,
// had under way may last until inFlight from now. limit 0 is DefaultLimit; now nil is the
// system's clock.
func NewMemory(settleAfter, inFlight time.Duration, limit int, now func() time.Time) *Memory {
	if limit <= 0 {
		limit = DefaultLimit
	}
	if now == nil {
		now = time.Now
	}
	return &Memory{
		settleAfter: settleAfter, now: now, limit: limit,
		floor: now().Add(inFlight), entries: make(map[string]*list.Element), touched: list.New(),
	}
}

// Begin asks whether the order may be sent now. fresh says that nobody ever sent it: then it
// may, unless this process did. Otherwise it may once Missed has returned 0. end must be called
// after the call; sent false says that it is proven that nothing left, so that what was known
// before still holds. With ok false the order must be looked for first.
func (m *Memory) Begin(requestID string, fresh bool) (end func(sent bool), ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, found := m.find(requestID)
	switch {
	case found && !known.proven, !found && !fresh:
		return nil, false
	case !found:
		known = m.add(requestID)
	}
	before, wasProven := known.Evidence, known.proven
	known.Evidence, known.proven = Evidence{Sent: m.now(), Underway: true}, false
	return func(sent bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ended(requestID, sent, fresh && !found, before, wasProven)
	}, true
}

// Send notes that an order is being sent, whatever is known of it: for wholesalers that refuse
// a second order under one ID themselves. end is that of Begin.
func (m *Memory) Send(requestID string) (end func(sent bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, found := m.find(requestID)
	if !found {
		known = m.add(requestID)
	}
	before, wasProven := known.Evidence, known.proven
	known.Evidence, known.proven = Evidence{Sent: m.now(), Underway: true}, false
	return func(sent bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ended(requestID, sent, false, before, wasProven)
	}
}

// ended notes how a call that buys ended.
func (m *Memory) ended(requestID string, sent, first bool, before Evidence, wasProven bool) {
	known, found := m.find(requestID)
	switch {
	case sent && found:
		known.Evidence = Evidence{Sent: m.now()}
	case sent:
		m.add(requestID).Evidence = Evidence{Sent: m.now()}
	case first:
		m.remove(requestID)
	case found:
		known.Evidence, known.proven = before, wasProven
	}
}

// Missed notes that a look-up which was begun at asked did not find the order. It returns how
// long to wait before the next; 0 says that it is proven that the order was not sent.
func (m *Memory) Missed(requestID string, asked time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, found := m.find(requestID)
	if !found {
		known = m.add(requestID)
	}
	var wait time.Duration
	known.Evidence, wait = known.Weigh(asked, m.settleAfter)
	known.proven = wait == 0
	return wait
}

// Found notes that an order is in the wholesaler's books. It is not forgotten: lists that are
// served by several machines may show it and then not show it again.
func (m *Memory) Found(requestID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, found := m.find(requestID)
	if !found {
		known = m.add(requestID)
	}
	known.Sent, known.Missed, known.proven = m.now(), time.Time{}, false
}

// find returns what is known of an order. m.mu must be held.
func (m *Memory) find(requestID string) (*entry, bool) {
	element, ok := m.entries[requestID]
	if !ok {
		return nil, false
	}
	m.touched.MoveToFront(element)
	return element.Value.(*entry), true //nolint:errcheck // touched holds nothing else
}

// add begins to remember an order, and forgets another where there is no room. Of what is
// forgotten the floor keeps the time, so that to forget never makes an order look unsent.
func (m *Memory) add(requestID string) *entry {
	known := &entry{requestID: requestID, Evidence: Evidence{Sent: m.floor}}
	for len(m.entries) >= m.limit {
		oldest := m.touched.Back().Value.(*entry) //nolint:errcheck // touched holds nothing else
		sent := oldest.Sent
		if oldest.Underway {
			sent = m.now().Add(m.settleAfter)
		}
		if sent.After(m.floor) {
			m.floor = sent
		}
		m.remove(oldest.requestID)
	}
	m.entries[requestID] = m.touched.PushFront(known)
	return known
}

func (m *Memory) remove(requestID string) {
	if element, ok := m.entries[requestID]; ok {
		m.touched.Remove(element)
		delete(m.entries, requestID)
	}
}
