package access

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/lru"
)

var errAway = errors.New("dial tcp: connection refused")

// reviews are an API server that says of every token the same, and counts.
type reviews struct {
	asked int
	fault error
	bad   bool
}

func (r *reviews) AuthenticateToken(context.Context, string) (*authenticator.Response, bool, error) {
	r.asked++
	if r.fault != nil || r.bad {
		return nil, false, r.fault
	}
	return &authenticator.Response{User: &user.DefaultInfo{
		Name: "system:serviceaccount:acme:esim-api", Groups: []string{"system:serviceaccounts:acme"},
	}}, true, nil
}

func newAwayGuard(t *testing.T) (*Guard, *reviews, *clocktesting.FakeClock) {
	t.Helper()
	now := clocktesting.NewFakeClock(time.Date(2026, time.May, 15, 14, 30, 0, 0, time.UTC))
	server := &reviews{}
	table, err := newAttempts(rand.Reader, now, DefaultFailures)
	if err != nil {
		t.Fatal(err)
	}
	return &Guard{
		clock: now, tokens: server, attempts: table, sessions: &sessions{ended: lru.New(10)},
		recognised:  cache.NewLRUExpireCacheWithClock(10, now),
		tokensHeard: newLastWords[digest, recalled](now, 10),
	}, server, now
}

func tokenWith(payload string) string {
	return "head." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".signature"
}

func showAs(g *Guard, method, token string) error {
	request := httptest.NewRequest(method, "/api/v1/esim/orders", http.NoBody)
	request.Header.Set("Authorization", "Bearer "+token)
	_, err := g.Authenticate(request)
	return err
}

func TestWithoutTheAPIServerItsLastWordAboutATokenCountsForReaders(t *testing.T) {
	g, server, now := newAwayGuard(t)
	expires := now.Now().Add(time.Hour).Unix()
	token := tokenWith(fmt.Sprintf(`{"exp":%d}`, expires))
	away := &Refusal{Reason: Unavailable, Message: "Service unavailable, try again later"}
	for _, step := range []struct {
		name   string
		later  time.Duration
		fault  error
		bad    bool
		method string
		want   error
		asks   int
	}{
		{"while it is there it is asked", 0, nil, false, http.MethodGet, nil, 1},
		{"a reader goes on without it", 3 * time.Second, errAway, false, http.MethodGet, nil, 1},
		{"another does not even ask", awayPause - time.Second, errAway, false, http.MethodGet, nil, 0},
		{"who writes does not go on", 0, errAway, false, http.MethodPost, away, 1},
		{"in its time it is asked again", time.Second, errAway, false, http.MethodHead, nil, 1},
		{"when it is back it is asked again", awayPause, nil, false, http.MethodGet, nil, 1},
		{"from then on the time counts", awayTTL - time.Second, errAway, false, http.MethodGet, nil, 1},
		{"and ends", time.Second, errAway, false, http.MethodGet, away, 1},
		{"it is back", 0, nil, false, http.MethodGet, nil, 1},
		{"it says that the token is revoked", reviewTTL + time.Second, nil, true, http.MethodGet, ErrInvalidToken, 1},
		{"a revoked token does not come back", badTTL, errAway, false, http.MethodGet, away, 1},
	} {
		now.Step(step.later)
		server.fault, server.bad = step.fault, step.bad
		before := server.asked
		if err := showAs(g, step.method, token); !errors.Is(err, step.want) || server.asked-before != step.asks {
			t.Errorf("%s: got %v after %d questions, want %v after %d", step.name, err, server.asked-before, step.want, step.asks)
		}
	}
}

func TestWhichTokensDoNotOutliveTheAPIServer(t *testing.T) {
	g, server, now := newAwayGuard(t)
	soon, late := now.Now().Add(time.Minute).Unix(), now.Now().Add(time.Hour).Unix()
	session := func(uid string) string {
		return tokenWith(fmt.Sprintf(`{"exp":%d,"kubernetes.io":{"namespace":"acme","secret":{"name":"esim-session-x","uid":%q}}}`, late, uid))
	}
	tokens := map[string]struct {
		token string
		good  bool
	}{
		"expires meanwhile":         {tokenWith(fmt.Sprintf(`{"exp":%d}`, soon)), false},
		"expires later":             {tokenWith(fmt.Sprintf(`{"exp":%d}`, late)), true},
		"does not say when":         {tokenWith(`{}`), false},
		"its session was ended":     {session("ended"), false},
		"its session was not ended": {session("going-on"), true},
	}
	for name, of := range tokens {
		if err := showAs(g, http.MethodGet, of.token); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	g.sessions.ended.Add(types.UID("ended"), nil)
	server.fault = errAway
	now.Step(time.Minute)
	// Also those who come while it is not asked.
	for range 2 {
		for name, of := range tokens {
			if err := showAs(g, http.MethodGet, of.token); (err == nil) != of.good {
				t.Errorf("a token that %s: %v", name, err)
			}
		}
	}
	if err := showAs(g, http.MethodGet, tokenWith(fmt.Sprintf(`{"exp":%d,"jti":"never seen"}`, late))); err == nil {
		t.Error("a token that was never reviewed is good")
	}
}

func TestWithoutTheAPIServerItsLastWordAboutARightCountsForReaders(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Date(2026, time.May, 15, 14, 30, 0, 0, time.UTC))
	var answer authorizer.Decision
	var fault error
	server := &oracle{answer: func(context.Context) (authorizer.Decision, error) { return answer, fault }}
	d := newDecisions(server, now)
	ask := seeing(&user.DefaultInfo{Name: "ann"})
	const yes, no = authorizer.DecisionAllow, authorizer.DecisionNoOpinion
	for _, step := range []struct {
		name    string
		later   time.Duration
		answer  authorizer.Decision
		fault   error
		reading bool
		want    authorizer.Decision
		fails   bool
		asks    int64
	}{
		{"what was never answered is not known", 0, no, errAway, true, no, true, 1},
		{"a yes", 0, yes, nil, true, yes, false, 1},
		{"is a yes for readers", allowTTL + time.Second, no, errAway, true, yes, false, 1},
		{"who do not ask each time", awayPause - time.Second, no, errAway, true, yes, false, 0},
		{"and none for others", 0, no, errAway, false, no, true, 1},
		{"it is back, and says no", time.Second, no, nil, true, no, false, 1},
		{"a no is a no", denyTTL + time.Second, yes, errAway, true, no, false, 1},
		{"it is back, and says yes", awayPause, yes, nil, true, yes, false, 1},
		{"which ends", awayTTL, yes, errAway, true, no, true, 1},
	} {
		now.SetTime(now.Now().Add(step.later))
		answer, fault = step.answer, step.fault
		ctx := t.Context()
		if step.reading {
			ctx = Reading(ctx)
		}
		before := server.asked.Load()
		got, _, err := d.Authorize(ctx, ask)
		if got != step.want || (err != nil) != step.fails || server.asked.Load()-before != step.asks {
			t.Errorf("%s: got %v, %v after %d questions", step.name, got, err, server.asked.Load()-before)
		}
	}
}
