package es2plus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

var functions = []es2plus.Function{es2plus.DownloadOrder, es2plus.ConfirmOrder, es2plus.ReleaseProfile, es2plus.CancelOrder}

// byFunction is the class that an answer has for each function, in the order of functions.
type byFunction [4]operators.Class

const (
	rejected      = operators.Rejected
	outOfStockNow = operators.OutOfStock
	busy          = operators.Busy
	transient     = operators.Transient
	unknown       = operators.OutcomeUnknown
	restart       = operators.Restart
	misconfigured = operators.Misconfigured
)

func TestEachStatusCodeHasItsClassByCall(t *testing.T) {
	for _, tc := range []struct {
		code string
		//    DownloadOrder, ConfirmOrder, ReleaseProfile, CancelOrder
		want byFunction
	}{
		{"1.1/1.1", byFunction{misconfigured, misconfigured, misconfigured, misconfigured}},
		{"1.1/1.2", byFunction{misconfigured, misconfigured, misconfigured, misconfigured}},
		{"1.6/3.1", byFunction{misconfigured, misconfigured, misconfigured, misconfigured}},
		{"1.3.2/3.1", byFunction{misconfigured, misconfigured, misconfigured, misconfigured}},
		{"1/3.7", byFunction{misconfigured, misconfigured, misconfigured, misconfigured}},
		{"8.2.1/2.1", byFunction{misconfigured, misconfigured, misconfigured, misconfigured}},
		{"8.2.5/2.2", byFunction{misconfigured, misconfigured, misconfigured, misconfigured}},
		{"8.2.1/1.2", byFunction{misconfigured, misconfigured, misconfigured, misconfigured}},
		{"8.2.5/3.9", byFunction{rejected, transient, transient, transient}},
		{"8.2.5/3.8", byFunction{rejected, transient, transient, transient}},
		{"8.2.5/1.2", byFunction{misconfigured, transient, transient, transient}},
		{"8.2.5/3.7", byFunction{outOfStockNow, transient, transient, transient}},
		{"8.2.6/3.3", byFunction{transient, restart, transient, transient}},
		{"8.2.1/3.5", byFunction{transient, restart, restart, restart}},
		{"8.2.1/3.9", byFunction{transient, restart, restart, restart}},
		{"8.1.1/2.2", byFunction{misconfigured, rejected, misconfigured, misconfigured}},
		{"8.1.1/3.10", byFunction{transient, rejected, transient, transient}},
		{"8.9/5.1", byFunction{transient, transient, transient, transient}},
		{"8.9/4.2", byFunction{transient, transient, transient, transient}},
		{"8.2.1/3.3", byFunction{transient, transient, transient, rejected}},
		{"8.2.1/3.10", byFunction{transient, transient, transient, rejected}},
		{"8.2.6/3.10", byFunction{transient, transient, transient, rejected}},
		{"8.2.6/2.2", byFunction{misconfigured, misconfigured, misconfigured, rejected}},
		{"8.2.6/2.3", byFunction{misconfigured, misconfigured, misconfigured, rejected}},
		{"8.1/4.2", byFunction{transient, transient, transient, transient}},
		{"8.1/4.10", byFunction{transient, transient, transient, transient}},
		{"8.1/5.1", byFunction{transient, transient, transient, transient}},
		{"12.34/56.7", byFunction{transient, transient, transient, transient}},
		{"10.1/3.7", byFunction{transient, transient, transient, transient}},
	} {
		for i, function := range functions {
			failure := judge(function, new(answer(nil, tc.code)), noFields)
			want := &operators.Error{
				Class: tc.want[i], Function: string(function), Code: tc.code,
				OneOrder: slices.Contains(onlyThisOrder, string(function)+" "+tc.code),
			}
			if diff := cmp.Diff(want, failure, ignoreWords); diff != "" {
				t.Errorf("%s answers %s (-want +got):\n%s", function, tc.code, diff)
			}
			if failure != nil && failure.Message == "" {
				t.Errorf("%s answers %s: the error says nothing to people", function, tc.code)
			}
		}
	}
}

// onlyThisOrder are the answers that speak of one plan or one profile: at the same connection
// other orders can be filled.
var onlyThisOrder = []string{"DownloadOrder 8.2.5/1.2", "ConfirmOrder 8.2.1/1.2", "ReleaseProfile 8.2.1/1.2"}

// A failed handshake served no function: an answer to any shows that it works again.
func TestARefusedHandshakeConcernsNoFunction(t *testing.T) {
	failure := judge(es2plus.CancelOrder, &reply{fate: refused}, noFields)
	if failure.Function != "" || failure.OneOrder {
		t.Errorf("the error is %+v", failure)
	}
}

// ignoreWords leaves out what is for people and for logs.
var ignoreWords = cmpopts.IgnoreFields(operators.Error{}, "Message", "Err")

func TestEachExecutionStatusHasItsClass(t *testing.T) {
	for _, tc := range []struct {
		status string
		want   byFunction
		lost   int32 // for DownloadOrder
	}{
		{"Executed-Success", byFunction{}, 0},
		{"executed-success", byFunction{}, 0},
		{"Executed-WithWarning", byFunction{}, 0},
		{"Expired", byFunction{transient, transient, transient, transient}, 0},
		{"Failed", byFunction{transient, transient, transient, transient}, 0}, // without statusCodeData
		{"Perhaps", byFunction{transient, unknown, unknown, unknown}, 1},
		{"", byFunction{transient, unknown, unknown, unknown}, 1},
	} {
		for i, function := range functions {
			body := fmt.Sprintf(`{"header":{"functionExecutionStatus":{"status":%q}}}`, tc.status)
			failure := judge(function, &reply{status: 200, body: []byte(body)}, noFields)
			checkClass(t, fmt.Sprintf("%s answers status %q", function, tc.status), failure, tc.want[i], tc.lost*bit(i == 0))
		}
	}
}

func TestAnHTTPErrorOnlyProvesSomethingIfNothingCanHaveBeenExecuted(t *testing.T) {
	for _, tc := range []struct {
		status int
		want   byFunction
		lost   int32 // for DownloadOrder
	}{
		{500, byFunction{transient, unknown, unknown, unknown}, 1},
		{502, byFunction{transient, unknown, unknown, unknown}, 1},
		{503, byFunction{transient, unknown, unknown, unknown}, 1},
		{504, byFunction{transient, unknown, unknown, unknown}, 1},
		{301, byFunction{transient, unknown, unknown, unknown}, 1},
		{307, byFunction{transient, unknown, unknown, unknown}, 1},
		{101, byFunction{transient, unknown, unknown, unknown}, 1},
		{429, byFunction{busy, busy, busy, busy}, 0},
		{400, byFunction{misconfigured, misconfigured, misconfigured, misconfigured}, 0},
		{401, byFunction{misconfigured, misconfigured, misconfigured, misconfigured}, 0},
		{403, byFunction{misconfigured, misconfigured, misconfigured, misconfigured}, 0},
		{404, byFunction{misconfigured, misconfigured, misconfigured, misconfigured}, 0},
		{415, byFunction{misconfigured, misconfigured, misconfigured, misconfigured}, 0},
		{408, byFunction{transient, transient, transient, transient}, 0},
	} {
		for i, function := range functions {
			r := answer(map[string]any{"iccid": "8947010000123456784"}, "")
			r.status = tc.status
			failure := judge(function, &r, noFields)
			what := fmt.Sprintf("%s answers HTTP %d", function, tc.status)
			checkClass(t, what, failure, tc.want[i], tc.lost*bit(i == 0))
			if failure != nil && failure.Code != fmt.Sprintf("HTTP %d", tc.status) {
				t.Errorf("%s: the code is %q", what, failure.Code)
			}
		}
	}
}

func TestACallWithoutAnswerIsJudgedByHowFarItCame(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    reply
		want byFunction
		lost int32 // for DownloadOrder
	}{
		{"connection refused", reply{fate: notSent}, byFunction{transient, transient, transient, transient}, 0},
		{"given up before it left", reply{fate: notSent, err: context.Canceled}, byFunction{transient, transient, transient, transient}, 0},
		{"TLS refused", reply{fate: refused}, byFunction{misconfigured, misconfigured, misconfigured, misconfigured}, 0},
		{"reset after it left", reply{fate: unanswered}, byFunction{transient, unknown, unknown, unknown}, 1},
		{"answer too long", reply{fate: unreadable, status: 200}, byFunction{transient, unknown, unknown, unknown}, 1},
		{"no JSON", reply{status: 200, body: []byte("<html>")}, byFunction{transient, unknown, unknown, unknown}, 1},
		{"empty answer", reply{status: 200}, byFunction{transient, unknown, unknown, unknown}, 1},
		{"204", reply{status: 204}, byFunction{transient, unknown, unknown, unknown}, 1},
		{"cut off", reply{status: 200, body: []byte(`{"header":{"functionExecutionStatus":{"status":"Executed-Succ`)}, byFunction{transient, unknown, unknown, unknown}, 1},
		{"another document", reply{status: 200, body: []byte(`{"status":"ok"}`)}, byFunction{transient, unknown, unknown, unknown}, 1},
	} {
		for i, function := range functions {
			checkClass(t, fmt.Sprintf("%s: %s", function, tc.name), judge(function, &tc.r, noFields), tc.want[i], tc.lost*bit(i == 0))
		}
	}
}

func TestFieldsThatCannotBeReadAreNoAnswer(t *testing.T) {
	for _, tc := range []struct{ name, body string }{
		{"no ICCID", `{"header":{"functionExecutionStatus":{"status":"Executed-Success"}}}`},
		{"an ICCID too short", `{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"iccid":"8947"}`},
		{"an ICCID that is a number", `{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"iccid":8947010000123456784}`},
	} {
		d := newDriver(Config{}, replying{status: 200, body: []byte(tc.body)})
		iccid, failure := d.downloadOrder(t.Context(), operators.Purchase{RequestID: "R", PlanID: "P"})
		checkClass(t, tc.name, failure, transient, 1)
		if iccid != "" {
			t.Errorf("%s: taken as the ICCID %q", tc.name, iccid)
		}
	}
}

func TestOnlyTheOperatorsOwnWordsForWaitingAreKept(t *testing.T) {
	for _, tc := range []struct {
		status int
		want   time.Duration
	}{{429, 7 * time.Second}, {503, 7 * time.Second}, {403, 0}, {200, 0}} {
		r := answer(nil, "8.2.5/3.7")
		r.status, r.retryAfter = tc.status, 7*time.Second
		if got := judge(es2plus.DownloadOrder, &r, noFields).RetryAfter; got != tc.want {
			t.Errorf("HTTP %d: RetryAfter is %s, want %s", tc.status, got, tc.want)
		}
	}
}

func TestRetryAfterIsReadAndBounded(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		name, value, date string
		want              time.Duration
	}{
		{"absent", "", "", 0},
		{"seconds", "120", "", 2 * time.Minute},
		{"space around", " 5 ", "", 5 * time.Second},
		{"negative", "-5", "", 0},
		{"longer than anybody waits", "86400", "", maxRetryAfter},
		{"more than a duration holds", "9223372036854775807", "", maxRetryAfter},
		{"more than a number holds", "99999999999999999999", "", 0},
		{"a date", "Fri, 02 Jan 2026 03:05:05 GMT", "", time.Minute},
		{"a date by the server's clock", "Fri, 02 Jan 2026 05:00:30 GMT", "Fri, 02 Jan 2026 05:00:00 GMT", 30 * time.Second},
		{"a date that has passed", "Fri, 02 Jan 2015 03:05:05 GMT", "", 0},
		{"a date far away", "Fri, 02 Jan 2099 03:05:05 GMT", "", maxRetryAfter},
		{"no date", "soon", "", 0},
	} {
		header := http.Header{}
		header.Set("Retry-After", tc.value)
		if tc.date != "" {
			header.Set("Date", tc.date)
		}
		if got := retryAfter(header, now); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestACallIsReportedAsWhatItWas(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    reply
		want []operators.Call
	}{
		{"executed", answer(nil, ""), []operators.Call{{Function: "ReleaseProfile", Outcome: "ok", Answered: true}}},
		{"refused by a code", answer(nil, "8.2.1/3.5"), []operators.Call{{Function: "ReleaseProfile", Outcome: "Restart", Answered: true}}},
		{"HTTP 503", reply{status: 503}, []operators.Call{{Function: "ReleaseProfile", Outcome: "OutcomeUnknown"}}},
		{"unreadable", reply{status: 200, body: []byte("x")}, []operators.Call{{Function: "ReleaseProfile", Outcome: "OutcomeUnknown"}}},
		{"unanswered", reply{fate: unanswered}, []operators.Call{{Function: "ReleaseProfile", Outcome: "OutcomeUnknown"}}},
		{"connection refused", reply{fate: notSent}, []operators.Call{{Function: "ReleaseProfile", Outcome: "Transient"}}},
	} {
		var got []operators.Call
		d := newDriver(Config{OnCall: func(call operators.Call) { got = append(got, call) }, Now: func() time.Time { return time.Time{} }}, replying(tc.r))
		d.releaseProfile(t.Context(), operators.Purchase{RequestID: "R"}, operators.Profile{ICCID: "8947010000123456784"})
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestACallThatItsCallerGaveUpIsNotHeldAgainstTheOperator(t *testing.T) {
	d := newDriver(Config{OnCall: func(call operators.Call) { t.Errorf("reported: %+v", call) }}, replying{fate: notSent, err: context.Canceled})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failure := d.releaseProfile(ctx, operators.Purchase{RequestID: "R"}, operators.Profile{ICCID: "8947010000123456784"})
	checkClass(t, "given up", failure, transient, 0)
	if !errors.Is(failure, context.Canceled) {
		t.Errorf("the error does not tell that the caller gave up: %v", failure.Err)
	}
}

// replying is a transport that answers everything alike.
type replying reply

func (r replying) exchange(context.Context, string, []byte) reply { return reply(r) }
func (r replying) connect(context.Context) reply                  { return reply(r) }
func (r replying) close()                                         {}

func checkClass(t *testing.T, what string, failure *operators.Error, class operators.Class, lost int32) {
	t.Helper()
	switch {
	case class == "" && failure != nil:
		t.Errorf("%s: failed as %s, want success", what, failure.Class)
	case class != "" && failure == nil:
		t.Errorf("%s: succeeded, want %s", what, class)
	case failure != nil && (failure.Class != class || failure.LostAnswers != lost):
		t.Errorf("%s: class %s with %d lost answers, want %s with %d", what, failure.Class, failure.LostAnswers, class, lost)
	case failure != nil && failure.Message == "":
		t.Errorf("%s: the error says nothing to people", what)
	}
}

func bit(set bool) int32 {
	if set {
		return 1
	}
	return 0
}
