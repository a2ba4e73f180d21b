package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/lru"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/activation"
)

var (
	office = netip.MustParseAddr("203.0.113.7")
	street = netip.MustParseAddr("198.51.100.1")
)

func newTable(t interface{ Fatal(...any) }, perMinute int) (*attempts, *clocktesting.FakeClock) {
	clock := newClock()
	table, err := newAttempts(rand.Reader, clock, perMinute)
	if err != nil {
		t.Fatal(err)
	}
	return table, clock
}

// show is one attempt from beginning to end, and why it was refused.
func show(table *attempts, credential string, from netip.Addr, verdict error) error {
	try, err := table.begin(accessToken, credential, from, ErrInvalidToken)
	if err != nil {
		return err
	}
	try.end(verdict)
	return verdict
}

// exhaust shows bad tokens until the address may show no more, and says how many it could.
func exhaust(t testing.TB, table *attempts, from netip.Addr) int {
	t.Helper()
	for i := range 1000 {
		if err := show(table, fmt.Sprint("bad ", i), from, ErrInvalidToken); !errors.Is(err, ErrInvalidToken) {
			return i
		}
	}
	t.Fatal("a thousand bad tokens are checked")
	return 0
}

func TestGuessingIsStoppedAtTheAddressItComesFrom(t *testing.T) {
	table, clock := newTable(t, 30)
	if got := exhaust(t, table, office); got != 30 {
		t.Errorf("%d guesses are checked, want 30", got)
	}
	wait, refused := retryAfter(t, show(table, "another", office, ErrInvalidToken))
	if !refused || wait != 2*time.Second {
		t.Errorf("one guess more: refused %t, to come again in %s; want 2s", refused, wait)
	}
	if err := show(table, "another", street, ErrInvalidToken); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("another address is kept out: %v", err)
	}
	clock.Step(wait)
	if err := show(table, "another", office, ErrInvalidToken); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("who came when told to is kept out: %v", err)
	}
}

func TestGuessersDoNotKeepOutWhoSharesTheirAddress(t *testing.T) {
	table, clock := newTable(t, 30)
	if err := show(table, "good", office, nil); err != nil {
		t.Fatal(err)
	}
	table.issued(&Session{Access: activation.NewCredential("new"), Refresh: activation.NewCredential("renewal")})
	exhaust(t, table, office)
	for range 100 {
		if err := show(table, "good", office, nil); err != nil {
			t.Fatalf("a token that was good before is kept out: %v", err)
		}
	}
	if err := show(table, "new", office, nil); err != nil {
		t.Errorf("a token that was made here is kept out: %v", err)
	}
	if _, err := table.begin(refreshToken, "renewal", office, ErrInvalidCredentials); err != nil {
		t.Errorf("a refresh token that was made here is kept out: %v", err)
	}
	if _, refused := retryAfter(t, show(table, "newcomer", office, nil)); !refused {
		t.Error("a token that nobody knows is checked")
	}
	clock.Step(2 * time.Second)
	if err := show(table, "newcomer", office, nil); err != nil {
		t.Errorf("two seconds after the guessing ended a new token is kept out: %v", err)
	}
}

func TestWhoKeepsShowingOneBadTokenUsesUpNobodysPatience(t *testing.T) {
	table, _ := newTable(t, 30)
	asked := 0
	for range 1000 {
		try, err := table.begin(accessToken, "expired", office, ErrInvalidToken)
		if err == nil {
			asked++
			try.end(ErrInvalidToken)
		} else if !errors.Is(err, ErrInvalidToken) {
			t.Fatalf("it is refused with %v", err)
		}
	}
	if asked != 1 {
		t.Errorf("a bad token is checked %d times", asked)
	}
	if got := exhaust(t, table, office); got != 29 {
		t.Errorf("%d others are checked, want 29", got)
	}
}

func TestABadTokenIsCheckedAgainInTime(t *testing.T) {
	table, clock := newTable(t, 30)
	_ = show(table, "too early", office, ErrInvalidToken) // its clock is ahead of ours
	clock.Step(badTTL)
	if err := show(table, "too early", office, nil); err != nil {
		t.Errorf("a token that is good by now is refused: %v", err)
	}
}

func TestATokenThatIsBadAsOneThingMayBeGoodAsAnother(t *testing.T) {
	table, _ := newTable(t, 30)
	_ = show(table, "refresh token", office, ErrInvalidToken) // as an access token it is bad
	if _, err := table.begin(refreshToken, "refresh token", office, ErrInvalidCredentials); err != nil {
		t.Errorf("a refresh token is refused since it was shown in the wrong place: %v", err)
	}
}

func TestManyGuessesAtOneTimeAreNotMore(t *testing.T) {
	table, _ := newTable(t, 30)
	for i := range 100 {
		_, err := table.begin(accessToken, fmt.Sprint(i), office, ErrInvalidToken)
		if _, refused := retryAfter(t, err); refused != (i >= 30) {
			t.Fatalf("guess %d, while all before are being checked: refused %t", i+1, refused)
		}
	}
}

func TestAnOutageIsNobodysFailureAndHangingUpIs(t *testing.T) {
	table, _ := newTable(t, 30)
	away := unavailable(errInDoubt)
	for i := range 100 {
		if err := show(table, fmt.Sprint(i), office, away); !errors.Is(err, away) {
			t.Fatalf("while the API server is away, token %d is refused with %v", i+1, err)
		}
	}
	for i := range 100 {
		_, refused := retryAfter(t, errOf(table.begin(accessToken, fmt.Sprint("short ", i), office, ErrInvalidToken)))
		if refused != (i >= 30) {
			t.Fatalf("the %dth who hung up: refused %t", i+1, refused)
		}
		if refused {
			continue
		}
		try := &attempt{table: table, digest: table.digests.of(accessToken, fmt.Sprint("short ", i)), from: neighbourhood(office), counts: true}
		try.end(unavailable(context.Canceled))
	}
}

func errOf(_ *attempt, err error) error { return err }

func TestTheMemoryForGuessersIsBounded(t *testing.T) {
	table, _ := newTable(t, 30)
	table.credentials, table.addresses = lru.New(10), lru.New(10)
	for i := range 1000 {
		from := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		_ = show(table, fmt.Sprint(i), from, ErrInvalidToken)
	}
	if table.credentials.Len() != 10 || table.addresses.Len() != 10 {
		t.Errorf("%d credentials and %d addresses are remembered, want 10 each", table.credentials.Len(), table.addresses.Len())
	}
}

func TestNoAddressGuessesMoreThanItsShareAndWhoWaitsIsHeard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMinute := rapid.IntRange(1, 100).Draw(t, "perMinute")
		table, clock := newTable(t, perMinute)
		start, checked := clock.Now(), 0
		for i := range rapid.IntRange(1, 200).Draw(t, "guesses") {
			clock.Step(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			verdict := rapid.SampledFrom([]error{ErrInvalidToken, nil, unavailable(errInDoubt)}).Draw(t, "verdict")
			try, err := table.begin(accessToken, fmt.Sprint(i), office, ErrInvalidToken)
			if wait, refused := retryAfter(t, err); refused {
				clock.Step(wait)
				if try, err = table.begin(accessToken, fmt.Sprint(i), office, ErrInvalidToken); err != nil {
					t.Fatalf("refused after the %s that it was told to wait: %v", wait, err)
				}
			}
			try.end(verdict)
			if errors.Is(verdict, ErrInvalidToken) {
				checked++
			}
		}
		if share := float64(perMinute) * (1 + clock.Since(start).Minutes()); float64(checked) > share+1e-6 {
			t.Fatalf("%d bad guesses in %s at %d per minute", checked, clock.Since(start), perMinute)
		}
	})
}

// The sums of fractions of a failure are a little more than what they stand for.
func TestWhoHasWaitedIsHeardWhateverWasRounded(t *testing.T) {
	table, clock := newTable(t, 4)
	for i, guess := range []struct {
		ms      int
		verdict error
	}{
		{0, ErrInvalidToken}, {1, ErrInvalidToken}, {1, ErrInvalidToken}, {1, ErrInvalidToken}, {2, ErrInvalidToken},
		{5, ErrInvalidToken}, {14, ErrInvalidToken}, {15, ErrInvalidToken}, {53, ErrInvalidToken}, {155, nil},
		{151, ErrInvalidToken}, {255, nil}, {1913, ErrInvalidToken}, {2434, ErrInvalidToken},
	} {
		clock.Step(time.Duration(guess.ms) * time.Millisecond)
		try, err := table.begin(accessToken, fmt.Sprint(i), office, ErrInvalidToken)
		if wait, refused := retryAfter(t, err); refused {
			clock.Step(wait)
			if try, err = table.begin(accessToken, fmt.Sprint(i), office, ErrInvalidToken); err != nil {
				t.Fatalf("guess %d is refused after the %s that it was told to wait: %v", i+1, wait, err)
			}
		}
		try.end(guess.verdict)
	}
}

func TestAFloodOfRandomTokensReachesTheAPIServerAsAFew(t *testing.T) {
	var reviews atomic.Int32
	apiServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reviews.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","status":{"error":"invalid bearer token"}}`)
	}))
	defer apiServer.Close()
	guard, err := New(Config{
		REST:  &rest.Config{Host: apiServer.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json", AcceptContentTypes: "application/json"}},
		Clock: newClock(), Random: rand.Reader, TrustedProxies: Proxies{netip.MustParsePrefix("10.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(token, client string) error {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		request.RemoteAddr = "10.0.0.1:4711"
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("X-Forwarded-For", client)
		_, err := guard.Admit(request, "listOrders")
		return err
	}
	var together sync.WaitGroup
	for flood := range 10 {
		together.Go(func() {
			for i := range 100 {
				// What it invents before its own address makes no difference.
				err := ask(fmt.Sprintf("a.%dx%d.c", flood, i), fmt.Sprintf("192.0.2.%d, 203.0.113.7", i))
				if err == nil {
					t.Error("a random token is let in")
				}
			}
		})
	}
	together.Wait()
	if got := reviews.Load(); got != DefaultFailures {
		t.Errorf("1000 random tokens cost %d reviews, want %d", got, DefaultFailures)
	}
	if _, refused := retryAfter(t, ask("a.b.c", "203.0.113.7")); !refused {
		t.Error("the flood is not told to wait")
	}
	if err := ask("a.b.c", "198.51.100.1"); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("another client behind the same proxy is refused with %v", err)
	}
	if _, err := guard.Login(t.Context(), office, "acme."+strings.Repeat("a", 16), activation.NewCredential("x")); reasonOfRefusal(err) != TooManyRequests {
		t.Errorf("the flood's address may guess API keys: %v", err)
	}
}

func reasonOfRefusal(err error) Reason {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return 0
	}
	return refusal.Reason
}
