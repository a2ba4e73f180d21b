package esimaccessfake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// answered is what the tests read of an answer.
type answered struct {
	Success   bool
	ErrorCode string
	Obj       struct {
		OrderNo  string
		ESIMList []struct {
			ICCID, AC, TransactionID, ESIMTranNo, SMDPStatus, ESIMStatus string
		}
		Pager   struct{ Total int }
		Balance int64
	}
}

// desk is a vendor with a clock of its own.
type desk struct {
	*testing.T
	*Vendor
	clock *clocktesting.FakeClock
}

func newDesk(t *testing.T, options Options) *desk {
	clock := clocktesting.NewFakeClock(began)
	options.Clock = clock
	v := New(options)
	v.AddPackage(Package{Code: "CKH101", Slug: "JP_1_7", Name: "Japan 1GB 7Days", Price: 15_000, Volume: 1 << 30, Duration: 7, Location: "JP"})
	return &desk{t, v, clock}
}

// post calls a function with headers.
func (d *desk) post(function Function, body string, header http.Header) answered {
	d.Helper()
	r := httptest.NewRequestWithContext(d.Context(), http.MethodPost, "https://api.example.com/api/v1/open"+string(function), strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	var got answered
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		d.Fatalf("%s answers HTTP %d: %s (%v)", function, w.Code, w.Body, err)
	}
	return got
}

// call calls a function as the owner of the access code.
func (d *desk) call(function Function, body string) answered {
	d.Helper()
	return d.post(function, body, http.Header{"Rt-Accesscode": {"access"}})
}

// signed are the headers of a signed request.
func signed(accessCode, secret, requestID string, when time.Time, body string) http.Header {
	timestamp := strconv.FormatInt(when.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + requestID + accessCode + body))
	return http.Header{
		"Rt-Accesscode": {accessCode}, "Rt-Timestamp": {timestamp}, "Rt-Requestid": {requestID},
		"Rt-Signature": {hex.EncodeToString(mac.Sum(nil))},
	}
}

func TestWhoCallsIsChecked(t *testing.T) {
	const id, other = "4ce9d9cd-ac9e-4e17-b3a2-c66c358c1ce2", "4ce9d9cd-ac9e-4e17-b3a2-c66c358c1ce3"
	d := newDesk(t, Options{AccessCode: "11111", Secret: "1111"})
	without := func(name string) http.Header {
		header := signed("11111", "1111", id, began, "{}")
		header.Del(name)
		return header
	}
	for _, tc := range []struct {
		name   string
		header http.Header
		want   string
	}{
		{"nobody", http.Header{}, "000101"},
		{"another account", signed("22222", "1111", id, began, "{}"), "101003"},
		{"without a signature", without("RT-Signature"), "000101"},
		{"without a timestamp", without("RT-Timestamp"), "000101"},
		{"without a request ID", without("RT-RequestID"), "000101"},
		{"with a request ID that is no UUID", signed("11111", "1111", "1", began, "{}"), "000102"},
		{"with another key", signed("11111", "2222", id, began, "{}"), "101003"},
		{"with another body", signed("11111", "1111", id, began, "{} "), "101003"},
		{"too late", signed("11111", "1111", id, began.Add(-6*time.Minute), "{}"), "101001"},
		{"too early", signed("11111", "1111", id, began.Add(6*time.Minute), "{}"), "101001"},
		{"rightly", signed("11111", "1111", id, began, "{}"), ""},
		{"the same again", signed("11111", "1111", id, began, "{}"), "101003"},
		{"rightly once more", signed("11111", "1111", other, began.Add(-4*time.Minute), "{}"), ""},
	} {
		if got := d.post(BalanceQuery, "{}", tc.header); got.ErrorCode != tc.want || got.Success != (tc.want == "") {
			t.Errorf("%s: got %v, %q, want %q", tc.name, got.Success, got.ErrorCode, tc.want)
		}
	}
}

func TestAnOrderIsChecked(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"no JSON", `{`, "000104"},
		{"more than one object", `{}{}`, "000104"},
		{"no transactionId", `{"packageInfoList":[{"packageCode":"JP_1_7","count":1}]}`, "000105"},
		{"nothing ordered", `{"transactionId":"A"}`, "000105"},
		{"a transactionId too long", `{"transactionId":"` + strings.Repeat("A", 51) + `","packageInfoList":[{"packageCode":"JP_1_7","count":1}]}`, "000107"},
		{"an unknown plan", `{"transactionId":"A","packageInfoList":[{"packageCode":"XX","count":1}]}`, "310241"},
		{"none of a plan", `{"transactionId":"A","packageInfoList":[{"packageCode":"JP_1_7"}]}`, "200008"},
		{"yesterday's price", `{"transactionId":"A","packageInfoList":[{"packageCode":"JP_1_7","count":1,"price":14000}]}`, "200005"},
		{"yesterday's amount", `{"transactionId":"A","amount":14000,"packageInfoList":[{"packageCode":"JP_1_7","count":1,"price":15000}]}`, "200006"},
		{"more than is left", `{"transactionId":"A","packageInfoList":[{"packageCode":"JP_1_7","count":3}]}`, "200011"},
		{"more than is in the account", `{"transactionId":"A","packageInfoList":[{"packageCode":"JP_1_7","count":2}]}`, "200007"},
		{"one by its slug", `{"transactionId":"A","packageInfoList":[{"packageCode":"JP_1_7","count":1}]}`, ""},
		{"one by its code", `{"transactionId":"A","amount":15000,"packageInfoList":[{"packageCode":"CKH101","count":1,"price":15000}]}`, ""},
	} {
		d := newDesk(t, Options{Balance: 20_000})
		d.SetStock("CKH101", 2)
		got := d.call(Order, tc.body)
		if got.ErrorCode != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got.ErrorCode, tc.want)
		}
		bought, balance := 0, int64(20_000)
		if tc.want == "" {
			bought, balance = 1, 5_000
		}
		if d.Bought() != bought || d.Balance() != balance {
			t.Errorf("%s: %d are bought, %d is left", tc.name, d.Bought(), d.Balance())
		}
	}
}

const orderOne = `{"transactionId":"A","packageInfoList":[{"packageCode":"JP_1_7","count":1}]}`

func TestADuplicateDoesWhatWasChosen(t *testing.T) {
	for duplicate, want := range map[Duplicate]struct {
		code   string
		bought int
	}{DuplicateSame: {"", 1}, DuplicateRefused: {"200008", 1}, DuplicateBuys: {"", 2}} {
		d := newDesk(t, Options{Duplicate: duplicate})
		first := d.call(Order, orderOne)
		second := d.call(Order, orderOne)
		if second.ErrorCode != want.code || d.Bought() != want.bought {
			t.Errorf("%s: got %q, %d bought", duplicate, second.ErrorCode, d.Bought())
		}
		if same := second.Obj.OrderNo == first.Obj.OrderNo; same != (duplicate == DuplicateSame) {
			t.Errorf("%s: order %s, then %s", duplicate, first.Obj.OrderNo, second.Obj.OrderNo)
		}
	}
}

func TestAnOrderShowsInTheListLateAndHasItsProfileLate(t *testing.T) {
	d := newDesk(t, Options{ListDelay: time.Minute, AllocationDelay: 20 * time.Second})
	number := d.call(Order, orderOne).Obj.OrderNo
	byNumber := `{"orderNo":"` + number + `","pager":{"pageNum":1,"pageSize":5}}`
	byTime := `{"startTime":"2026-03-01T11:00+00:00","endTime":"2026-03-01T13:00+00:00","pager":{"pageNum":1,"pageSize":5}}`
	for _, step := range []struct {
		after  time.Duration
		number string
		listed int
	}{{0, "200010", 0}, {19 * time.Second, "200010", 0}, {20 * time.Second, "", 0}, {time.Minute, "", 1}} {
		d.clock.SetTime(began.Add(step.after))
		if got := d.call(Query, byNumber); got.ErrorCode != step.number {
			t.Errorf("after %v the order answers %q, want %q", step.after, got.ErrorCode, step.number)
		}
		if got := d.call(Query, byTime); got.Obj.Pager.Total != step.listed || got.ErrorCode != "" {
			t.Errorf("after %v the list has %d of it, want %d", step.after, got.Obj.Pager.Total, step.listed)
		}
	}
	got := d.call(Query, byNumber).Obj.ESIMList
	if len(got) != 1 || got[0].TransactionID != "A" || got[0].SMDPStatus != "RELEASED" || got[0].ESIMStatus != "GOT_RESOURCE" ||
		!d.HasMatchingID(got[0].ICCID, strings.TrimPrefix(got[0].AC, "LPA:1$rsp.example.com$")) {
		t.Errorf("the order has %+v", got)
	}
}

func TestAListIsReadByPages(t *testing.T) {
	d := newDesk(t, Options{})
	d.SellOthers("JP_1_7", 12)
	seen := map[string]bool{}
	for page, want := range map[int]int{1: 5, 2: 5, 3: 2, 4: 0} {
		got := d.call(Query, `{"startTime":"2026-03-01T11:00:00Z","endTime":"2026-03-01T13:00:00Z","pager":{"pageNum":`+strconv.Itoa(page)+`,"pageSize":5}}`)
		if len(got.Obj.ESIMList) != want || got.Obj.Pager.Total != 12 {
			t.Errorf("page %d has %d of %d, want %d of 12", page, len(got.Obj.ESIMList), got.Obj.Pager.Total, want)
		}
		for _, e := range got.Obj.ESIMList {
			seen[e.ICCID] = true
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d of 12 were seen", len(seen))
	}
	for body, want := range map[string]string{
		`{"orderNo":"B1"}`: "000105", `{"pager":{"pageNum":1,"pageSize":5}}`: "000105",
		`{"orderNo":"B1","pager":{"pageNum":1,"pageSize":501}}`:                           "000107",
		`{"orderNo":"B1","pager":{"pageNum":1,"pageSize":50}}`:                            "310272",
		`{"startTime":"yesterday","endTime":"today","pager":{"pageNum":1,"pageSize":50}}`: "200008",
	} {
		if got := d.call(Query, body); got.ErrorCode != want {
			t.Errorf("%s answers %q, want %q", body, got.ErrorCode, want)
		}
	}
}

func TestOnlyWhatNobodyTouchedIsRefunded(t *testing.T) {
	d := newDesk(t, Options{Balance: 100_000})
	d.SetStock("CKH101", 1)
	d.call(Order, orderOne)
	p := d.Profiles()[0]
	body := `{"iccid":"` + p.ICCID + `"}`
	if err := d.Install(p.ICCID); err != nil {
		t.Fatal(err)
	}
	if got := d.call(Cancel, body); got.ErrorCode != "200002" || d.GivenBack() != 0 {
		t.Errorf("an installed profile answers %q", got.ErrorCode)
	}
	d.SetStock("CKH101", 1)
	d.call(Order, strings.Replace(orderOne, `"A"`, `"B"`, 1))
	body = `{"iccid":"` + d.Profiles()[1].ICCID + `"}`
	if got := d.call(Cancel, body); got.ErrorCode != "" || d.GivenBack() != 1 || d.Balance() != 85_000 {
		t.Errorf("a profile that nobody touched answers %q; %d is in the account", got.ErrorCode, d.Balance())
	}
	if got := d.call(Cancel, body); got.ErrorCode != "200002" || d.Balance() != 85_000 {
		t.Errorf("asked again, it answers %q; %d is in the account", got.ErrorCode, d.Balance())
	}
	for body, want := range map[string]string{`{}`: "000105", `{"iccid":"8900000000000000000"}`: "310403"} {
		if got := d.call(Cancel, body); got.ErrorCode != want {
			t.Errorf("%s answers %q, want %q", body, got.ErrorCode, want)
		}
	}
}

func TestTheLedgerTellsEveryCallThatWasExecuted(t *testing.T) {
	d := newDesk(t, Options{})
	d.Refuse(Order, "900001")
	d.call(Order, orderOne)
	d.call(Order, orderOne)
	d.call(Order, `{"transactionId":"B","packageInfoList":[{"packageCode":"XX","count":1}]}`)
	p := d.Profiles()[0]
	want := []Entry{
		{Sequence: 1, Time: began, Function: Order, TransactionID: "A", OrderNo: p.OrderNo, ICCID: p.ICCID},
		{Sequence: 2, Time: began, Function: Order, TransactionID: "B", ErrorCode: "310241"},
	}
	if diff := cmp.Diff(want, d.Ledger()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
