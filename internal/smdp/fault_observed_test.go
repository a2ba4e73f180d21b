package smdp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

// observation is what a client sees of one DownloadOrder.
type observation struct {
	status      int
	contentType string
	retryAfter  string
	body        []byte
	err         error
	// sent tells that a connection was made and the request written to it.
	sent bool
}

func orderBody(name string) string {
	return `{"header":{"functionRequesterIdentifier":"` + name + `","functionCallIdentifier":"1"},"profileType":"` + plan + `"}`
}

// observe sends a DownloadOrder and reads at most 1 MiB of the answer.
func (p *peer) observe(ctx context.Context) observation {
	p.t.Helper()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+es2plus.DownloadOrder.Path(), strings.NewReader(orderBody(p.name)))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(es2plus.HeaderAdminProtocol, "gsma/rsp/v2.2.0")
	response, err := p.http.Do(request)
	if err != nil {
		return observation{err: err, sent: sent.Load()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return observation{
		status: response.StatusCode, contentType: response.Header.Get("Content-Type"),
		retryAfter: response.Header.Get("Retry-After"), body: body, err: err, sent: sent.Load(),
	}
}

// works tells whether the answer is one of a successful DownloadOrder.
func (o observation) works() bool {
	var r reply
	return o.err == nil && o.status == http.StatusOK && decodeReply(o.body, &r) == nil && r.code() == done && r.ICCID != ""
}

func inject(t *testing.T, s *Server, faults ...Fault) {
	t.Helper()
	for _, f := range faults {
		if err := s.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEachFaultIsSeenByARealClient(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault Fault
		// executed is how many profiles it makes.
		executed int
		seen     func(o observation) string // what is wrong with it
	}{
		{"status code", Fault{Kind: FaultStatusCode, SubjectCode: "8.2.5", ReasonCode: "3.7", Message: "gone"}, 0, func(o observation) string {
			return cmp.Diff(`{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":{"subjectCode":"8.2.5","reasonCode":"3.7","message":"gone"}}}}`, string(o.body))
		}},
		{"status Expired", Fault{Kind: FaultStatusCode, Status: es2plus.ExecutionExpired}, 0, func(o observation) string {
			return cmp.Diff(`{"header":{"functionExecutionStatus":{"status":"Expired"}}}`, string(o.body))
		}},
		{"status code after execution", Fault{Kind: FaultStatusCode, SubjectCode: "1.6", ReasonCode: "4.2", Execution: ExecuteFirst}, 1, func(o observation) string {
			return cmp.Diff(http.StatusOK, o.status)
		}},
		{"HTTP 500", Fault{Kind: FaultHTTPStatus, HTTPStatus: 500}, 0, func(o observation) string { return cmp.Diff(500, o.status) }},
		{"HTTP 503 after execution", Fault{Kind: FaultHTTPStatus, HTTPStatus: 503, Execution: ExecuteFirst}, 1, func(o observation) string { return cmp.Diff(503, o.status) }},
		{"HTTP 429 with Retry-After", Fault{Kind: FaultHTTPStatus, HTTPStatus: 429, RetryAfter: 30 * time.Second}, 0, func(o observation) string {
			return cmp.Diff(429, o.status) + cmp.Diff("30", o.retryAfter)
		}},
		{"dropped answer", Fault{Kind: FaultDropAnswer}, 1, func(o observation) string {
			return sayUnless(o.err != nil && o.sent, "the request was not sent, or answered")
		}},
		{"dropped before execution", Fault{Kind: FaultDropAnswer, Execution: ExecuteNever}, 0, func(o observation) string {
			return sayUnless(o.err != nil && o.sent, "the request was not sent, or answered")
		}},
		{"malformed JSON", Fault{Kind: FaultMalformedJSON}, 1, func(o observation) string {
			return cmp.Diff("application/json", o.contentType) + sayUnless(o.err == nil && len(o.body) > 0 && !json.Valid(o.body), "the JSON is good, or nothing")
		}},
		{"huge body", Fault{Kind: FaultHugeBody}, 1, func(o observation) string {
			return sayUnless(len(o.body) == 1<<20, "the body is shorter than a MiB")
		}},
		{"wrong content type", Fault{Kind: FaultWrongContentType}, 1, func(o observation) string {
			return cmp.Diff("text/html; charset=utf-8", o.contentType) + sayUnless(json.Valid(o.body), "the answer is not right otherwise")
		}},
		{"reset connection", Fault{Kind: FaultRefuseConnection}, 0, func(o observation) string {
			return sayUnless(o.err != nil && !o.sent, "something was sent")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startServer(t, Options{Stock: map[string]int{plan: 9}})
			p := client(t, s, "OPERATOR-1")
			tt.fault.Times = 1
			inject(t, s, tt.fault)
			if wrong := tt.seen(p.observe(t.Context())); wrong != "" {
				t.Errorf("seen differently (-want +got): %s", wrong)
			}
			if got := len(s.Profiles()); got != tt.executed || len(s.Ledger()) != tt.executed {
				t.Errorf("%d profiles were made, and %d calls are in the ledger; want %d", got, len(s.Ledger()), tt.executed)
			}
			if after := p.observe(t.Context()); !after.works() {
				t.Errorf("the next call does not work: HTTP %d, %v", after.status, after.err)
			}
		})
	}
}

func sayUnless(good bool, wrong string) string {
	if good {
		return ""
	}
	return wrong
}

func TestFaultsTakeTurnsInTheOrderOfInjection(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 9}, SMDPAddress: "rsp.example.com"})
	p := client(t, s, "OPERATOR-1")
	inject(t, s,
		Fault{Kind: FaultHTTPStatus, HTTPStatus: 503, Times: 2},
		Fault{Kind: FaultHTTPStatus, HTTPStatus: 500, Times: 1, Function: es2plus.ConfirmOrder},
		Fault{Kind: FaultRefuseConnection, Times: 1},
		Fault{Kind: FaultDropAnswer, Times: 1},
		Fault{Kind: FaultStatusCode, SubjectCode: "8.2.5", ReasonCode: "3.7", Times: 1},
	)
	var got []string
	for range 6 {
		o := p.observe(t.Context())
		switch {
		case o.err != nil && o.sent:
			got = append(got, "dropped")
		case o.err != nil:
			got = append(got, "refused")
		case o.works():
			got = append(got, "works")
		default:
			got = append(got, http.StatusText(o.status))
		}
	}
	want := []string{"Service Unavailable", "Service Unavailable", "refused", "dropped", "OK", "works"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("six calls (-want +got):\n%s", diff)
	}
	for _, f := range s.Faults() {
		if wantHits := map[bool]int{true: 0, false: f.Times}[f.Function == es2plus.ConfirmOrder]; f.Hits != wantHits {
			t.Errorf("fault %d, %s, has %d hits, want %d", f.ID, f.Kind, f.Hits, wantHits)
		}
	}
}

func TestAFaultColoursTheCallThatAnotherEnds(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 9}, SMDPAddress: "rsp.example.com"})
	p := client(t, s, "OPERATOR-1")
	iccid := p.order(plan)
	inject(t, s, Fault{Kind: FaultOmitSMDPAddress, Times: 1}, Fault{Kind: FaultWrongContentType, Times: 1})
	response, err := p.send(es2plus.ConfirmOrder, `{`+goodHeader+`,"iccid":"`+iccid+`","releaseFlag":false}`)
	if err != nil {
		t.Fatal(err)
	}
	contentType := response.Header.Get("Content-Type")
	got, _ := readReply(t, response)
	if contentType != "text/html; charset=utf-8" || got.code() != done || got.SMDPAddress != "" {
		t.Errorf("answered %s as %s with address %q", got.code(), contentType, got.SMDPAddress)
	}
}

func TestAFractionOfTheCallsIsHit(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 99}})
	p := client(t, s, "OPERATOR-1")
	inject(t, s, Fault{Kind: FaultHTTPStatus, HTTPStatus: 503, Fraction: 0.5})
	hit := 0
	const calls = 200
	for range calls {
		if p.observe(t.Context()).status == http.StatusServiceUnavailable {
			hit++
		}
	}
	// 200 fair coins fall outside of 50…150 once in 10^12 runs.
	if hit < 50 || hit > 150 {
		t.Errorf("%d of %d calls were hit by a fraction of one half", hit, calls)
	}
	if got := len(s.Ledger()); got != calls-hit {
		t.Errorf("%d calls were executed, want the %d that were not hit", got, calls-hit)
	}
}

func TestAClosedPortRefusesUntilTheFaultIsCleared(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 9}})
	p := client(t, s, "OPERATOR-1")
	if o := p.observe(t.Context()); !o.works() { // leaves a connection that is kept
		t.Fatal("the first call does not work")
	}
	inject(t, s, Fault{Kind: FaultRefuseConnection})
	for range 3 {
		if o := p.observe(t.Context()); !errors.Is(o.err, syscall.ECONNREFUSED) || o.sent {
			t.Fatalf("seen: %v, sent %v; want a refused connection", o.err, o.sent)
		}
	}
	if err := s.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	if o := p.observe(t.Context()); !o.works() {
		t.Errorf("after the fault was cleared: HTTP %d, %v", o.status, o.err)
	}
	if got := len(s.Ledger()); got != 2 {
		t.Errorf("%d calls were executed, want 2", got)
	}
}

func TestKeptConnectionsAreRefusedToo(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 99}})
	p := client(t, s, "OPERATOR-1")
	for range 20 {
		if o := p.observe(t.Context()); !o.works() {
			t.Fatalf("a call does not work: %v", o.err)
		}
		inject(t, s, Fault{Kind: FaultRefuseConnection, Times: 1})
		if o := p.observe(t.Context()); o.err == nil || o.sent {
			t.Fatalf("seen: %v, sent %v; want a refused connection", o.err, o.sent)
		}
	}
	if got := len(s.Ledger()); got != 20 {
		t.Errorf("%d calls were executed, want the 20 that were let in", got)
	}
}

// hanging starts a DownloadOrder and returns once the fault holds it.
func hanging(t *testing.T, s *Server, p *peer, f Fault) (seen <-chan observation, leave context.CancelFunc) {
	t.Helper()
	inject(t, s, f)
	ctx, leave := context.WithCancel(t.Context())
	t.Cleanup(leave)
	answers := make(chan observation, 1)
	go func() { answers <- p.observe(ctx) }()
	eventually(t, "the call hangs", func() bool { return s.Faults()[0].Hits == 1 })
	return answers, leave
}

// eventually waits for what another goroutine brings about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !is() {
		select {
		case <-tick.C:
		case <-limit.Done():
			t.Fatalf("not within 20 seconds: %s", what)
		}
	}
}

func TestAHangingCallGoesOnOnceTheFaultIsCleared(t *testing.T) {
	for _, tt := range []struct {
		name      string
		execution Execution
		before    int
		works     bool
		after     int
	}{
		{"not executed before", ExecuteUsually, 0, true, 1},
		{"executed before", ExecuteFirst, 1, true, 1},
		{"never executed", ExecuteNever, 0, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startServer(t, Options{Stock: map[string]int{plan: 9}})
			p := client(t, s, "OPERATOR-1")
			answers, _ := hanging(t, s, p, Fault{Kind: FaultHang, Times: 1, Execution: tt.execution})
			eventually(t, "the ledger is as it is while the call hangs", func() bool { return len(s.Ledger()) == tt.before })
			if err := s.ClearFaults(); err != nil {
				t.Fatal(err)
			}
			if o := <-answers; o.works() != tt.works {
				t.Errorf("answered HTTP %d, %v", o.status, o.err)
			}
			if got := len(s.Profiles()); got != tt.after {
				t.Errorf("%d profiles were made, want %d", got, tt.after)
			}
		})
	}
}

func TestAHangingCallIsForgottenOnceItsClientIsGone(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 9}})
	p := client(t, s, "OPERATOR-1")
	answers, leave := hanging(t, s, p, Fault{Kind: FaultHang, Times: 1})
	leave()
	if o := <-answers; !errors.Is(o.err, context.Canceled) {
		t.Fatalf("seen: %v", o.err)
	}
	if err := s.Close(); err != nil { // waits for the calls under way
		t.Fatal(err)
	}
	if got := len(s.Ledger()); got != 0 {
		t.Errorf("%d calls were executed, want none", got)
	}
}

func TestClosingEndsWhatHangs(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 9}})
	p := client(t, s, "OPERATOR-1")
	answers, _ := hanging(t, s, p, Fault{Kind: FaultHang})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if o := <-answers; o.err == nil {
		t.Errorf("answered HTTP %d by a closed server", o.status)
	}
}

func TestAFaultThatMakesNoSenseIsNotInjected(t *testing.T) {
	s := startServer(t, Options{})
	for _, tt := range []struct {
		names string
		fault Fault
	}{
		{"kind", Fault{Kind: "earthquake"}},
		{"times", Fault{Kind: FaultDropAnswer, Times: -1}},
		{"fraction", Fault{Kind: FaultDropAnswer, Fraction: 1.5}},
		{"function", Fault{Kind: FaultDropAnswer, Function: es2plus.HandleDownloadProgressInfo}},
		{"function", Fault{Kind: FaultRefuseConnection, Function: es2plus.ConfirmOrder}},
		{"execution", Fault{Kind: FaultDropAnswer, Execution: "later"}},
		{"subjectCode", Fault{Kind: FaultStatusCode}},
		{"httpStatus", Fault{Kind: FaultHTTPStatus, HTTPStatus: 200}},
		{"retryAfter", Fault{Kind: FaultHTTPStatus, HTTPStatus: 503, RetryAfter: time.Millisecond}},
		{"delay", Fault{Kind: FaultDelay}},
	} {
		if err := s.Inject(tt.fault); err == nil || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%+v: the error does not name %s: %v", tt.fault, tt.names, err)
		}
	}
	if got := s.Faults(); len(got) != 0 {
		t.Errorf("faults: %+v", got)
	}
}

func TestADroppedAnswerStandsInTheLedger(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 2}})
	p := client(t, s, "OPERATOR-1")
	inject(t, s, Fault{Kind: FaultDropAnswer, Function: es2plus.DownloadOrder, Times: 1})
	p.observe(t.Context())
	entries, profiles := s.Ledger(), s.Profiles()
	if len(entries) != 1 || len(profiles) != 1 {
		t.Fatalf("%d calls and %d profiles, want one each", len(entries), len(profiles))
	}
	if !entries[0].ICCID.LuhnValid() {
		t.Errorf("ICCID %s fails Luhn", entries[0].ICCID)
	}
	want := LedgerEntry{
		Sequence: 1, Time: entries[0].Time, Function: es2plus.DownloadOrder, Requester: "OPERATOR-1",
		FunctionCallIdentifier: "1", ICCID: profiles[0].ICCID, ProfileType: plan,
		Status: es2plus.ExecutedSuccess, AnswerDropped: true, Fault: FaultDropAnswer,
	}
	if diff := cmp.Diff(want, entries[0]); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}
