package vendorhooks

import (
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

const (
	// webhooksPerSecond of one EsimOperator that a replica takes, and webhooksAtOnce at one
	// moment: each may cost a write.
	webhooksPerSecond, webhooksAtOnce = 100, 500
	// maxOperators bounds for how many EsimOperators something is remembered.
	maxOperators = 1024
	// maxSeen bounds how many webhooks of an EsimOperator are known again.
	maxSeen = 8192
)

// memories are what this process remembers of webhooks, for each EsimOperator: one that floods
// us neither delays nor displaces what others send. The zero value is ready for use.
type memories struct {
	mu         sync.Mutex
	byOperator *lru.Cache
}

// memory is of the webhooks of one EsimOperator.
type memory struct {
	pace *rate.Limiter
	// seen are the keys of those that are dealt with.
	seen *lru.Cache
}

func (m *memories) of(operator string) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byOperator == nil {
		m.byOperator = lru.New(maxOperators)
	}
	if found, ok := m.byOperator.Get(operator); ok {
		if known, ok := found.(*memory); ok {
			return known
		}
	}
	known := &memory{pace: rate.NewLimiter(webhooksPerSecond, webhooksAtOnce), seen: lru.New(maxSeen)}
	m.byOperator.Add(operator, known)
	return known
}

// allow tells whether one more webhook may be taken now.
func (m *memory) allow(now time.Time) bool { return m.pace.AllowN(now, 1) }

// knows tells whether a webhook was dealt with already.
func (m *memory) knows(key [sha256.Size]byte) bool {
	_, known := m.seen.Get(key)
	return known
}

// keep remembers a webhook that is dealt with.
func (m *memory) keep(key [sha256.Size]byte) { m.seen.Add(key, nil) }
