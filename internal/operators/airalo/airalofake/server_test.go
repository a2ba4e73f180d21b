package airalofake

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
)

const plan = "moshi-moshi-7days-1gb"

// partner is a client of the fake that makes the mistakes that it is told to make.
type partner struct {
	t     *testing.T
	fake  *Server
	clock *testingclock.FakePassiveClock
	token string
}

func newPartner(t *testing.T) *partner {
	t.Helper()
	clock := testingclock.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	fake, err := New(Options{
		ClientID: "id", ClientSecret: "secret", ListDelay: 30 * time.Second, UsageCache: DefaultUsageCache, Clock: clock,
		Packages: []Package{{ID: plan, Title: "1 GB", Countries: []string{"JP"}, AmountMB: 1000, Days: 7, NetPrices: map[string]string{"USD": "3.6"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &partner{t: t, fake: fake, clock: clock}
	_, answer := p.call("POST", "/token", `{"client_id":"id","client_secret":"secret","grant_type":"client_credentials"}`)
	p.token, _ = answer["data"].(map[string]any)["access_token"].(string)
	return p
}

// call the fake, rightly signed unless change does something about it.
func (p *partner) call(method, path, body string, change ...func(*http.Request)) (int, map[string]any) {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), method, "https://airalo.example/v2"+path, strings.NewReader(body))
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("airalo-signature", p.fake.signature([]byte(body)))
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	p.fake.Handler().ServeHTTP(w, r)
	var answer map[string]any
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			p.t.Fatal(err)
		}
	}
	return w.Code, answer
}

// orders that a page of the list shows for a text.
func (p *partner) orders(text string) int {
	p.t.Helper()
	_, answer := p.call("GET", "/orders?filter[description]="+text+"&include=sims,status", "")
	return len(answer["data"].([]any))
}

func orderOf(description string) string {
	return `{"package_id":"` + plan + `","quantity":1,"type":"sim","description":"` + description + `"}`
}

func TestTheFakeChecksWhatAiraloChecks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
		code   float64
	}{
		"nothing wrong":       {func(*http.Request) {}, http.StatusOK, 0},
		"no Accept header":    {func(r *http.Request) { r.Header.Del("Accept") }, http.StatusInternalServerError, 0},
		"no token":            {func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized, 0},
		"another's token":     {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, http.StatusUnauthorized, 0},
		"another's signature": {func(r *http.Request) { r.Header.Set("airalo-signature", "00") }, http.StatusUnprocessableEntity, 14},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPartner(t)
			status, answer := p.call("POST", "/orders", orderOf("a"), c.change)
			if code, _ := answer["code"].(float64); status != c.status || code != c.code {
				t.Errorf("got %d with code %v, want %d with %v", status, code, c.status, c.code)
			}
			if sold := p.fake.Bought(); (sold == 1) != (c.status == http.StatusOK) {
				t.Errorf("%d profiles were sold", sold)
			}
		})
	}
}

func TestTheFakeSellsTwiceWhatIsOrderedTwice(t *testing.T) {
	p := newPartner(t)
	p.call("POST", "/orders", orderOf("req-1"))
	p.call("POST", "/orders", orderOf("req-1"))
	p.call("POST", "/orders", orderOf("req-10"))
	if p.fake.Bought() != 3 {
		t.Errorf("%d profiles were sold", p.fake.Bought())
	}
	if n := p.orders("req-1"); n != 0 {
		t.Errorf("the list shows %d orders at once", n)
	}
	p.clock.SetTime(p.clock.Now().Add(30 * time.Second))
	if all, one := p.orders("req-1"), p.orders("req-10"); all != 3 || one != 1 {
		t.Errorf("the list shows %d orders that contain req-1, %d that contain req-10", all, one)
	}
}

func TestTheFakeCountsWhatIsAskedInAMinute(t *testing.T) {
	p := newPartner(t)
	const body = `{"client_id":"id","client_secret":"secret","grant_type":"client_credentials"}`
	statuses := func(n int, method, path, body string) (all []int) {
		for range n {
			status, _ := p.call(method, path, body)
			all = append(all, status)
		}
		return all
	}
	if got := statuses(3, "POST", "/token", body); got[1] != http.StatusOK || got[2] != http.StatusTooManyRequests {
		t.Errorf("the second to the fourth token in a minute: %v", got)
	}
	p.call("POST", "/orders", orderOf("a"))
	usage := "/sims/" + string(p.fake.Purchases()[0].ICCID) + "/usage"
	if got := statuses(11, "GET", usage, ""); got[9] != http.StatusOK || got[10] != http.StatusTooManyRequests {
		t.Errorf("eleven questions about a SIM: %v", got)
	}
	p.clock.SetTime(p.clock.Now().Add(time.Minute))
	if got := append(statuses(1, "POST", "/token", body), statuses(1, "GET", usage, "")...); got[0] != http.StatusOK || got[1] != http.StatusOK {
		t.Errorf("a minute later: %v", got)
	}
}

func TestTheFakeRepeatsOldNewsAboutASIM(t *testing.T) {
	p := newPartner(t)
	p.call("POST", "/orders", orderOf("a"))
	iccid := p.fake.Purchases()[0].ICCID
	status := func() any {
		_, answer := p.call("GET", "/sims/"+string(iccid)+"/usage", "")
		return answer["data"].(map[string]any)["status"]
	}
	if got := status(); got != "NOT_ACTIVE" {
		t.Errorf("a new SIM is %v", got)
	}
	if err := p.fake.SetUsage(iccid, UsageActive, 1); err != nil {
		t.Fatal(err)
	}
	if got := status(); got != "NOT_ACTIVE" {
		t.Errorf("at once it is %v", got)
	}
	p.clock.SetTime(p.clock.Now().Add(DefaultUsageCache))
	if got := status(); got != "ACTIVE" {
		t.Errorf("when the answer is old it is %v", got)
	}
}
