package vendorhooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secretHeader = "header-value-0123456789"
	hmacKey      = "hmac-key-0123456789"
	vendorsHost  = "203.0.113.7:4711"
	elsewhere    = "198.51.100.9:4711"
)

// told is a hint that arrived.
type told struct {
	Operator string
	About    About
}

// scene is a receiver of three EsimOperators' webhooks: zendit is known by a header, access by its
// network, signed by a signature and its network.
type scene struct {
	*Receiver
	t     *testing.T
	clock *testingclock.FakePassiveClock
	logs  bytes.Buffer
	// unread is why some EsimOperators cannot be read.
	unread error

	mu   sync.Mutex
	told []told
	fate Fate
	err  error
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, fate: Stored, clock: testingclock.NewFakePassiveClock(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC))}
	roster, err := NewRoster([]Vendor{
		{
			Operator: "zendit", Kind: Zendit, Header: activation.NewCredential(secretHeader + "\n"),
			Terms: v1alpha1.ResellerWebhook{HeaderName: "X-Webhook-Secret"},
		},
		{Operator: "access", Kind: ESIMAccess, Terms: v1alpha1.ResellerWebhook{SourceCIDRs: []v1alpha1.CIDR{"203.0.113.0/24", "2001:db8::/32"}}},
		{
			Operator: "signed", Kind: ESIMAccess, HMACKey: activation.NewCredential(hmacKey),
			Terms: v1alpha1.ResellerWebhook{
				SourceCIDRs: []v1alpha1.CIDR{"203.0.113.0/24"},
				HMAC:        &v1alpha1.WebhookHMAC{HeaderName: "X-Signature", Algorithm: v1alpha1.HMACSHA512},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	known := func(context.Context) (Roster, error) { return roster, s.unread }
	log := funcr.New(func(prefix, args string) { fmt.Fprintln(&s.logs, prefix, args) }, funcr.Options{Verbosity: 10})
	s.Receiver = NewReceiver(known, s, access.Proxies{netip.MustParsePrefix("10.0.0.0/8")}, s.clock, log)
	return s
}

// Hint implements Hints.
func (s *scene) Hint(_ context.Context, operator string, about About) (Fate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, told{operator, about})
	return s.fate, s.err
}

// post sends a webhook that differs as told from one of zendit's.
func (s *scene) post(operator, body string, differs ...func(*http.Request)) *httptest.ResponseRecorder {
	s.t.Helper()
	request := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "/v1/"+operator, strings.NewReader(body))
	request.RemoteAddr = vendorsHost
	request.Header.Set("X-Webhook-Secret", secretHeader)
	for _, change := range differs {
		change(request)
	}
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	return answer
}

func with(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

func signedWith(key, body string) func(*http.Request) {
	computed := hmac.New(sha512.New, []byte(key))
	computed.Write([]byte(body))
	return with("X-Signature", strings.ToUpper(hex.EncodeToString(computed.Sum(nil))))
}

func TestWhoIsHeard(t *testing.T) {
	for name, tc := range map[string]struct {
		operator, body string
		differs        []func(*http.Request)
		want           int
	}{
		"the right header":                    {"zendit", zenditDone, nil, 204},
		"the right header from anywhere":      {"zendit", zenditDone, []func(*http.Request){from(elsewhere)}, 204},
		"a wrong header":                      {"zendit", zenditDone, []func(*http.Request){with("X-Webhook-Secret", "guess")}, 404},
		"no header":                           {"zendit", zenditDone, []func(*http.Request){with("X-Webhook-Secret")}, 404},
		"an empty header":                     {"zendit", zenditDone, []func(*http.Request){with("X-Webhook-Secret", "")}, 404},
		"the right header and another":        {"zendit", zenditDone, []func(*http.Request){with("X-Webhook-Secret", secretHeader, "guess")}, 404},
		"the header's beginning":              {"zendit", zenditDone, []func(*http.Request){with("X-Webhook-Secret", secretHeader[:10])}, 404},
		"the right source":                    {"access", accessSMDP, nil, 204},
		"the right source over IPv6":          {"access", accessSMDP, []func(*http.Request){from("[2001:db8::7]:4711")}, 204},
		"another source":                      {"access", accessSMDP, []func(*http.Request){from(elsewhere)}, 404},
		"another source that claims":          {"access", accessSMDP, []func(*http.Request){from(elsewhere), with("X-Forwarded-For", "203.0.113.7")}, 404},
		"the right source behind our proxy":   {"access", accessSMDP, []func(*http.Request){from("10.1.2.3:80"), with("X-Forwarded-For", "203.0.113.7")}, 204},
		"another source behind our proxy":     {"access", accessSMDP, []func(*http.Request){from("10.1.2.3:80"), with("X-Forwarded-For", "203.0.113.7, 198.51.100.9")}, 404},
		"nonsense behind our proxy":           {"access", accessSMDP, []func(*http.Request){from("10.1.2.3:80"), with("X-Forwarded-For", "me")}, 404},
		"the right signature":                 {"signed", accessSMDP, []func(*http.Request){signedWith(hmacKey, accessSMDP)}, 204},
		"the right signature, another source": {"signed", accessSMDP, []func(*http.Request){signedWith(hmacKey, accessSMDP), from(elsewhere)}, 404},
		"a signature of another body":         {"signed", accessSMDP, []func(*http.Request){signedWith(hmacKey, accessESIM)}, 404},
		"a signature with another key":        {"signed", accessSMDP, []func(*http.Request){signedWith("guess", accessSMDP)}, 404},
		"a signature that is no number":       {"signed", accessSMDP, []func(*http.Request){with("X-Signature", "guess")}, 404},
		"no signature":                        {"signed", accessSMDP, nil, 404},
		"an EsimOperator that there is not":   {"telco-one", zenditDone, nil, 404},
		"a name that none can have":           {"%2e%2e", zenditDone, nil, 404},
		"a health check":                      {"access", accessCheck, nil, 200},
		"a health check of a stranger":        {"access", accessCheck, []func(*http.Request){from(elsewhere)}, 404},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			if got := s.post(tc.operator, tc.body, tc.differs...); got.Code != tc.want {
				t.Errorf("answered %d, want %d", got.Code, tc.want)
			}
			if heard := len(s.told) == 1; heard != (tc.want == 204) {
				t.Errorf("passed on: %v", s.told)
			}
		})
	}
}

func TestAStrangerCannotTellWhichEsimOperatorsThereAre(t *testing.T) {
	for name, unread := range map[string]error{"when all can be read": nil, "when some cannot": errors.New("a Secret is missing")} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.unread = unread
			wrong := with("X-Webhook-Secret", "guess")
			for _, body := range []string{zenditDone, `{`, `{"notifyType":"CHECK_HEALTH"}`} {
				want := s.post("telco-one", body, wrong, from(elsewhere))
				for _, operator := range []string{"zendit", "access", "signed"} {
					got := s.post(operator, body, wrong, from(elsewhere))
					if diff := cmp.Diff(want.Result().Header, got.Result().Header); diff != "" || got.Code != want.Code || got.Body.String() != want.Body.String() {
						t.Errorf("%s is answered %d %q, one that there is not %d %q; headers:\n%s",
							operator, got.Code, got.Body, want.Code, want.Body, diff)
					}
				}
			}
			if got := s.post("zendit", zenditDone); got.Code != http.StatusNoContent {
				t.Errorf("who is known is answered %d", got.Code)
			}
		})
	}
}

func TestAWebhookIsPassedOnOnce(t *testing.T) {
	s := newScene(t)
	for range 3 {
		s.post("zendit", zenditDone)
		s.post("access", accessSMDP)
	}
	s.post("access", strings.Replace(accessSMDP, "n-2", "n-9", 1))
	want := []told{
		{"zendit", About{RequestID: requestID}},
		{"access", About{RequestID: requestID, ICCID: iccid}},
		{"access", About{RequestID: requestID, ICCID: iccid}},
	}
	if diff := cmp.Diff(want, s.told); diff != "" {
		t.Errorf("passed on (-want +got):\n%s", diff)
	}
}

func TestWhatOneEsimOperatorSentIsNotARepetitionAtAnother(t *testing.T) {
	s := newScene(t)
	s.post("access", accessSMDP)
	s.post("signed", accessSMDP, signedWith(hmacKey, accessSMDP))
	if len(s.told) != 2 {
		t.Errorf("passed on: %v", s.told)
	}
}

func TestAHintThatCouldNotBeStoredIsPassedOnWhenItComesAgain(t *testing.T) {
	s := newScene(t)
	s.err = errors.New("the API server is away")
	if got := s.post("access", accessSMDP); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("answered %d with %v", got.Code, got.Header())
	}
	s.err = nil
	if got := s.post("access", accessSMDP); got.Code != http.StatusNoContent || len(s.told) != 2 {
		t.Errorf("answered %d, passed on %v", got.Code, s.told)
	}
}

func TestAHintAtAnOrderThatIsNotKnownYetIsPassedOnWhenItComesAgain(t *testing.T) {
	s := newScene(t)
	s.fate = UnknownOrder
	for range 2 {
		if got := s.post("access", accessSMDP); got.Code != http.StatusNoContent {
			t.Errorf("answered %d", got.Code)
		}
	}
	if len(s.told) != 2 {
		t.Errorf("passed on: %v", s.told)
	}
}

func TestAFloodOfOneWholesalerHoldsBackNoOther(t *testing.T) {
	s := newScene(t)
	numbered := func(i int) string { return strings.Replace(accessSMDP, "n-2", fmt.Sprint("n-", i), 1) }
	for i := range webhooksAtOnce {
		if got := s.post("access", numbered(i)); got.Code != http.StatusNoContent {
			t.Fatalf("number %d is answered %d", i, got.Code)
		}
	}
	if got := s.post("access", numbered(webhooksAtOnce)); got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") == "" {
		t.Errorf("a flood is answered %d with %v", got.Code, got.Header())
	}
	if got := s.post("zendit", zenditDone); got.Code != http.StatusNoContent {
		t.Errorf("another wholesaler is answered %d", got.Code)
	}
	s.clock.SetTime(s.clock.Now().Add(time.Second))
	if got := s.post("access", numbered(webhooksAtOnce)); got.Code != http.StatusNoContent {
		t.Errorf("after a second it is answered %d", got.Code)
	}
}

func TestStrangersDoNotUseUpWhatAWholesalerMaySend(t *testing.T) {
	s := newScene(t)
	for range 2 * webhooksAtOnce {
		s.post("access", accessSMDP, from(elsewhere))
	}
	if got := s.post("access", accessSMDP); got.Code != http.StatusNoContent {
		t.Errorf("the wholesaler is answered %d", got.Code)
	}
	if lines := strings.Count(s.logs.String(), "\n"); lines > complaintsAtOnce {
		t.Errorf("strangers had %d lines logged", lines)
	}
}

func TestWhatIsNoWebhookIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		method, path, body string
		want               int
	}{
		"no JSON":            {http.MethodPost, "/v1/zendit", "hello", 400},
		"nothing":            {http.MethodPost, "/v1/zendit", "", 400},
		"64 KiB":             {http.MethodPost, "/v1/zendit", `{"transactionId":"x","a":"` + strings.Repeat("a", maxBody-28) + `"}`, 204},
		"more":               {http.MethodPost, "/v1/zendit", `{"transactionId":"x","a":"` + strings.Repeat("a", maxBody-27) + `"}`, 413},
		"a type of tomorrow": {http.MethodPost, "/v1/access", `{"notifyType":"MOON_PHASE"}`, 204},
		"another method":     {http.MethodGet, "/v1/zendit", "", 405},
		"another path":       {http.MethodPost, "/v1/zendit/more", zenditDone, 404},
		"no EsimOperator":    {http.MethodPost, "/v1/", zenditDone, 404},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			got := s.post("", tc.body, func(r *http.Request) { r.Method, r.URL.Path = tc.method, tc.path })
			if got.Code != tc.want {
				t.Errorf("answered %d %q, want %d", got.Code, got.Body, tc.want)
			}
		})
	}
}

func TestNothingOfAWebhookIsLoggedOrAnswered(t *testing.T) {
	s := newScene(t)
	const foreign = "FOREIGN"
	bodies := []string{
		strings.ReplaceAll(zenditDone, "SECRET", foreign), `{"transactionId":"` + foreign + `"}`, `{"notifyType":"` + foreign + `"}`, `{"` + foreign,
	}
	for _, s.err = range []error{nil, errors.New("the API server is away")} {
		for _, body := range bodies {
			for _, operator := range []string{"zendit", "access", foreign} {
				answer := s.post(operator, body, with("User-Agent", foreign))
				s.post(operator, body, with("X-Webhook-Secret", foreign))
				if strings.Contains(answer.Body.String(), foreign) {
					t.Errorf("it is answered %q", answer.Body)
				}
			}
		}
	}
	if strings.Contains(s.logs.String(), foreign) || strings.Contains(s.logs.String(), secretHeader) {
		t.Errorf("it is logged:\n%s", s.logs.String())
	}
	if !strings.Contains(s.logs.String(), "zendit") {
		t.Error("nothing was logged at all")
	}
}

// counted is what a counter stands at.
func counted(t *testing.T, counter prometheus.Counter) float64 {
	t.Helper()
	var metric dto.Metric
	if err := counter.Write(&metric); err != nil {
		t.Fatal(err)
	}
	return metric.GetCounter().GetValue()
}

// series is how many a metric has.
func series(c prometheus.Collector) int {
	metrics := make(chan prometheus.Metric)
	go func() {
		c.Collect(metrics)
		close(metrics)
	}()
	n := 0
	for range metrics {
		n++
	}
	return n
}

func TestMetricsTellWhatBecameOfWebhooks(t *testing.T) {
	s := newScene(t)
	counters := []prometheus.Counter{
		webhooksTotal.WithLabelValues("zendit", "stored"), webhooksTotal.WithLabelValues("zendit", "repeated"),
		refusedTotal.WithLabelValues("stranger"),
	}
	var before []float64
	for _, c := range counters {
		before = append(before, counted(t, c))
	}
	s.post("zendit", zenditDone)
	s.post("zendit", zenditDone)
	known := series(webhooksTotal)
	s.post("invented", zenditDone)
	if got := series(webhooksTotal); got != known {
		t.Errorf("a stranger added %d series", got-known)
	}
	for i, c := range counters {
		if got := counted(t, c) - before[i]; got != 1 {
			t.Errorf("%s went up by %v", c.Desc(), got)
		}
	}
}

func TestAVendorThatCannotBeCheckedIsNamedAndTheOthersAreKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		vendor Vendor
		want   string
	}{
		"nothing to be known by": {Vendor{}, "one of headerName, hmac and sourceCIDRs must be set"},
		"an empty header":        {Vendor{Terms: v1alpha1.ResellerWebhook{HeaderName: "X-Key"}}, "the Secret needs a webhook-header"},
		"an empty key":           {Vendor{Terms: v1alpha1.ResellerWebhook{HMAC: &v1alpha1.WebhookHMAC{HeaderName: "X-Key"}}}, "the Secret needs a webhook-hmac-key"},
		"no network":             {Vendor{Terms: v1alpha1.ResellerWebhook{SourceCIDRs: []v1alpha1.CIDR{"here"}}}, "must be a network"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.vendor.Operator = "bad"
			good := Vendor{Operator: "good", Terms: v1alpha1.ResellerWebhook{SourceCIDRs: []v1alpha1.CIDR{"203.0.113.0/24"}}}
			roster, err := NewRoster([]Vendor{tc.vendor, good})
			if err == nil || !strings.Contains(err.Error(), "EsimOperator bad") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v", err)
			}
			if roster.gates["good"] == nil || roster.gates["bad"] != nil {
				t.Errorf("known are %v", roster.gates)
			}
		})
	}
}
