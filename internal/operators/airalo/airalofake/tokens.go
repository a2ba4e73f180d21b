package airalofake

import (
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// tokens are those that were given out and not revoked.
type tokens struct {
	clock clock.PassiveClock

	mu sync.Mutex
	// expiry by token.
	expiry map[string]time.Time
	// asked are the times of the last requests.
	asked []time.Time
}

func newTokens(c clock.PassiveClock) *tokens {
	return &tokens{clock: c, expiry: make(map[string]time.Time)}
}

// allowed counts a request, and tells whether it is within what a minute allows.
func (t *tokens) allowed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return within(&t.asked, t.clock.Now(), tokensPerMinute)
}

// issue a token.
func (t *tokens) issue() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	token := rand.Text()
	t.expiry[token] = t.clock.Now().Add(tokenLifetime)
	return token
}

func (t *tokens) valid(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clock.Now().Before(t.expiry[token])
}

func (t *tokens) revoke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for token := range t.expiry {
		t.expiry[token] = time.Time{}
	}
}

// within notes a request at now unless most were made within the minute before.
func within(asked *[]time.Time, now time.Time, most int) bool {
	*asked = slices.DeleteFunc(*asked, func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	if len(*asked) >= most {
		return false
	}
	*asked = append(*asked, now)
	return true
}

// all tokens that were given out.
func (t *tokens) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.expiry))
}
