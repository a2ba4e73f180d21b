package access

import (
	"context"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

const (
	// awayTTL is how long the API server's last word about a token or a right counts, for who
	// only reads, while it cannot be asked.
	awayTTL = 5 * time.Minute
	// awayPause lies between two questions that are not answered.
	awayPause = awayRetry
)

type readingKey struct{}

// Reading marks what only reads: for that, the API server's last word counts while it gives no
// other, for five minutes. Whatever changes something takes its word of moments ago.
func Reading(ctx context.Context) context.Context { return context.WithValue(ctx, readingKey{}, true) }

func isReading(ctx context.Context) bool {
	reading, _ := ctx.Value(readingKey{}).(bool)
	return reading
}

// contextOf is a request's, marked where it only reads.
func contextOf(r *http.Request) context.Context {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return Reading(r.Context())
	}
	return r.Context()
}

// lastWords are what the API server said last, for when it says nothing. It is safe for
// concurrent use.
type lastWords[K comparable, T any] struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	words *lru.Cache // K → word[T]
}

type word[T any] struct {
	value T
	// until is when it counts no more.
	until time.Time
	// asked is when the next question is due, once one was not answered; zero before.
	asked time.Time
}

func newLastWords[K comparable, T any](c clock.PassiveClock, most int) *lastWords[K, T] {
	return &lastWords[K, T]{clock: c, words: lru.New(most)}
}

// heard remembers an answer, for as long as awayTTL and not beyond ends; the zero time is no end.
func (l *lastWords[K, T]) heard(key K, value T, ends time.Time) {
	until := l.clock.Now().Add(awayTTL)
	if !ends.IsZero() && ends.Before(until) {
		until = ends
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.words.Add(key, word[T]{value: value, until: until})
}

// forget drops an answer that counts no more.
func (l *lastWords[K, T]) forget(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.words.Remove(key)
}

// meanwhile is the last answer where the next question was not answered and it is too early for
// another. After that, one of those who come is to ask, and the others need not wait for it.
func (l *lastWords[K, T]) meanwhile(key K) (last T, ok bool) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.get(key, now)
	switch {
	case !ok || known.asked.IsZero():
		return last, false
	case now.Before(known.asked):
		return known.value, true
	}
	known.asked = now.Add(awayPause)
	l.words.Add(key, known)
	return last, false
}

// unanswered is the last answer, after a question that got none.
func (l *lastWords[K, T]) unanswered(key K) (last T, ok bool) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.get(key, now)
	if !ok {
		return last, false
	}
	known.asked = now.Add(awayPause)
	l.words.Add(key, known)
	return known.value, true
}

// get is an answer that still counts. The caller holds mu.
func (l *lastWords[K, T]) get(key K, now time.Time) (known word[T], ok bool) {
	value, _ := l.words.Get(key)
	known, ok = value.(word[T])
	return known, ok && now.Before(known.until)
}

// recalled is a token that was good, and the session that it ends with; the zero UID is none.
type recalled struct {
	identity *Identity
	session  boundSecret
}

// recall remembers a good token for when the API server is away: until it expires. What does
// not tell when that is, is not remembered.
func (g *Guard) recall(shown digest, token string, identity *Identity) {
	claims, err := claimsOf(token)
	if err != nil || claims.Expires <= 0 {
		return
	}
	last := recalled{identity: identity}
	if bound := claims.Kubernetes.Secret; bound != nil {
		last.session = *bound
	}
	g.tokensHeard.heard(shown, last, time.Unix(int64(claims.Expires), 0))
}

// stillGood is the Identity of a token that was good when it was last reviewed, unless its
// session was ended here since.
func (g *Guard) stillGood(last recalled, ok bool) (*Identity, bool) {
	if !ok || g.sessions.hasEnded(last.session.UID) {
		return nil, false
	}
	return last.identity, true
}
