package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

const (
	// DefaultFailures is how many bad credentials an address may show per minute and replica.
	DefaultFailures = 30
	// badTTL is how long a credential that was refused is refused without asking again.
	badTTL = 10 * time.Second
	// maxCredentials and maxAddresses bound what is remembered. Who was not heard of for the
	// longest time is forgotten first.
	maxCredentials = 50_000
	maxAddresses   = 50_000
)

// attempts keeps those who guess tokens and keys from costing the API server more than a few
// questions, and from locking out who shares their address: a credential that was good here
// goes on without a limit, and each bad one counts against its address, once.
type attempts struct {
	clock     clock.PassiveClock
	perMinute float64
	digests   digests

	mu          sync.Mutex
	credentials *lru.Cache // digest → standing
	addresses   *lru.Cache // neighbourhood → tally
}

// standing is what is known of a credential.
type standing struct {
	good bool
	// refused counts until then; asking, where it is not refused, likewise.
	refused bool
	until   time.Time
}

// tally is how many failures of an address count, as of a moment.
type tally struct {
	failures float64
	at       time.Time
}

func newAttempts(random io.Reader, c clock.PassiveClock, perMinute int) (*attempts, error) {
	secret := make([]byte, sha256.Size)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, fmt.Errorf("making the key of a table of credentials: %w", err)
	}
	return &attempts{
		clock: c, perMinute: float64(perMinute), digests: digests{secret: secret},
		credentials: lru.New(maxCredentials), addresses: lru.New(maxAddresses),
	}, nil
}

// rounding is the part of a failure that may be left of many sums of fractions: who has waited as
// long as they were told to is not refused for it.
const rounding = 1e-9

// attempt is one credential, on its way to be checked.
type attempt struct {
	table  *attempts
	digest digest
	from   string
	counts bool
}

// begin lets a credential of a kind be checked. Else the error is a Refusal: bad, where the same was
// refused moments ago, or that its address has shown too many that were. The attempt counts
// as a failure until its end says otherwise, so that many at one time are not too many.
func (a *attempts) begin(kind credentialKind, credential string, address netip.Addr, bad error) (*attempt, error) {
	try := &attempt{table: a, digest: a.digests.of(kind, credential), from: neighbourhood(address)}
	now := a.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.standing(try.digest)
	switch fresh := now.Before(known.until); {
	case known.good, fresh && !known.refused:
		return try, nil
	case fresh:
		return nil, bad
	}
	tally := a.tally(try.from, now)
	if excess := tally.failures + 1 - a.perMinute; excess > rounding {
		return nil, tooMany(time.Duration(excess / a.perMinute * float64(limitPeriod)))
	}
	tally.failures++
	a.addresses.Add(try.from, tally)
	a.credentials.Add(try.digest, standing{until: now.Add(badTTL)})
	try.counts = true
	return try, nil
}

// end remembers what came of an attempt: nil for a good credential, a Refusal with the reason
// Unauthorized for a bad one. With any other error there is no verdict, and it was no failure;
// but it was one of who hung up before the verdict, which costs the API server as much.
func (t *attempt) end(err error) {
	a, now := t.table, t.table.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	var refusal *Refusal
	switch {
	case err == nil:
		a.credentials.Add(t.digest, standing{good: true})
	case errors.As(err, &refusal) && refusal.Reason == Unauthorized:
		a.credentials.Add(t.digest, standing{refused: true, until: now.Add(badTTL)})
		return
	case t.counts:
		a.credentials.Remove(t.digest)
		if errors.Is(err, context.Canceled) {
			return
		}
	}
	if t.counts {
		tally := a.tally(t.from, now)
		tally.failures = max(0, tally.failures-1)
		a.addresses.Add(t.from, tally)
	}
}

// issued remembers the tokens of a session as good that was begun here.
func (a *attempts) issued(session *Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.credentials.Add(a.digests.of(accessToken, session.Access.Reveal()), standing{good: true})
	a.credentials.Add(a.digests.of(refreshToken, session.Refresh.Reveal()), standing{good: true})
}

// knows tells whether a credential was good when it was last checked.
func (a *attempts) knows(kind credentialKind, credential string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.standing(a.digests.of(kind, credential)).good
}

func (a *attempts) standing(of digest) standing {
	value, _ := a.credentials.Get(of)
	known, _ := value.(standing)
	return known
}

// tally is an address's as of now: failures are forgotten at the pace at which they may come.
func (a *attempts) tally(from string, now time.Time) tally {
	value, _ := a.addresses.Get(from)
	last, known := value.(tally)
	if known {
		last.failures = max(0, last.failures-a.perMinute*now.Sub(last.at).Minutes())
	}
	return tally{failures: last.failures, at: now}
}
