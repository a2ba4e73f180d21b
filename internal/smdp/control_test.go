package smdp

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// controller is a client of the control API.
type controller struct {
	t *testing.T
	s *Server
}

// do a request such as "PUT /stock/X" and return HTTP status and body.
func (c controller) do(request, body string, headers ...string) (int, string) {
	c.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.s.ControlURL()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

// get decodes what a request answers with success.
func get[T any](c controller, request, body string) T {
	c.t.Helper()
	status, text := c.do(request, body)
	var out T
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&out); err != nil || status != http.StatusOK {
		c.t.Fatalf("%s answered HTTP %d, %s (%v)", request, status, text, err)
	}
	return out
}

// drive does a request that answers nothing.
func (c controller) drive(request, body string) {
	c.t.Helper()
	if status, text := c.do(request, body); status != http.StatusNoContent {
		c.t.Fatalf("%s answered HTTP %d, %s", request, status, text)
	}
}

func TestTheGuideNamesEveryOperation(t *testing.T) {
	s := startServer(t, Options{})
	status, guide := controller{t, s}.do("GET /", "")
	if status != http.StatusOK {
		t.Fatalf("GET / answered HTTP %d", status)
	}
	for _, route := range s.controlRoutes() {
		method, path, _ := strings.Cut(route.pattern, " ")
		found := false
		for line := range strings.Lines(guide) {
			words := strings.Fields(line)
			found = found || (len(words) >= 2 && words[0] == method && words[1] == path)
		}
		if !found {
			t.Errorf("the guide does not name %s", route.pattern)
		}
	}
	for _, kind := range []FaultKind{
		FaultStatusCode, FaultHTTPStatus, FaultRefuseConnection, FaultHang, FaultDropAnswer,
		FaultMalformedJSON, FaultHugeBody, FaultWrongContentType, FaultOmitSMDPAddress, FaultDelay,
	} {
		if !strings.Contains(guide, "\n    "+string(kind)) {
			t.Errorf("the guide does not explain the fault %s", kind)
		}
	}
}

func TestStockIsSetOverTheControlAPI(t *testing.T) {
	s := startServer(t, Options{})
	c := controller{t, s}
	if diff := cmp.Diff(stockDocument{"JP 1GB/7D", 3}, get[stockDocument](c, "PUT /stock/JP%201GB%2F7D", `{"available":3}`)); diff != "" {
		t.Errorf("PUT (-want +got):\n%s", diff)
	}
	client(t, s, "OPERATOR-1").order("JP 1GB/7D")
	if diff := cmp.Diff(map[string]int{"JP 1GB/7D": 2}, get[map[string]int](c, "GET /stock", "")); diff != "" {
		t.Errorf("GET (-want +got):\n%s", diff)
	}
	c.drive("DELETE /stock/JP%201GB%2F7D", "")
	if status, _ := c.do("GET /stock/JP%201GB%2F7D", ""); status != http.StatusNotFound {
		t.Errorf("a type that was taken off is answered HTTP %d", status)
	}
}

func TestFaultsAndLatencyAreSetOverTheControlAPI(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	c, p := controller{t, s}, client(t, s, "OPERATOR-1")
	first := get[map[string]int](c, "POST /faults", `{"kind":"http-status","httpStatus":429,"retryAfter":"30s","times":2}`)["id"]
	get[map[string]int](c, "POST /faults", `{"kind":"delay","delay":"1ms","function":"ConfirmOrder","fraction":0.5}`)
	if o := p.observe(t.Context()); o.status != 429 || o.retryAfter != "30" {
		t.Errorf("answered HTTP %d, Retry-After %q", o.status, o.retryAfter)
	}
	want := []map[string]any{
		{"id": 1.0, "kind": "http-status", "httpStatus": 429.0, "retryAfter": "30s", "times": 2.0, "hits": 1.0},
		{"id": 2.0, "kind": "delay", "delay": "1ms", "function": "ConfirmOrder", "fraction": 0.5, "hits": 0.0},
	}
	if diff := cmp.Diff(want, get[[]map[string]any](c, "GET /faults", "")); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	c.drive("DELETE /faults/"+string(rune('0'+first)), "")
	if o := p.observe(t.Context()); !o.works() {
		t.Errorf("after the fault was cleared: HTTP %d, %v", o.status, o.err)
	}
	c.drive("DELETE /faults", "")
	if left := get[[]any](c, "GET /faults", ""); len(left) != 0 {
		t.Errorf("left: %v", left)
	}

	got := get[map[string]map[string]any](c, "PUT /latency", `{"min":"50ms","mean":"200ms","p99":"1.5s","functions":["ConfirmOrder"]}`)
	wantLatency := map[string]map[string]any{
		"DownloadOrder": {}, "ReleaseProfile": {}, "CancelOrder": {},
		"ConfirmOrder": {"min": "50ms", "mean": "200ms", "p99": "1.5s"},
	}
	if diff := cmp.Diff(wantLatency, got); diff != "" {
		t.Errorf("latency (-want +got):\n%s", diff)
	}
}

func TestTheLedgerIsFilteredAndPaged(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 2}})
	c, p := controller{t, s}, client(t, s, "OPERATOR-1")
	first := p.order(plan)
	p.order(plan)
	p.call(es2plus.DownloadOrder, fields{"profileType": plan})
	client(t, s, "OPERATOR-2").call(es2plus.ReleaseProfile, fields{"iccid": first})
	for _, tt := range []struct {
		query string
		want  []int64
		more  bool
	}{
		{"", []int64{1, 2, 3, 4}, false},
		{"?limit=2", []int64{1, 2}, true},
		{"?limit=2&after=2", []int64{3, 4}, false},
		{"?function=DownloadOrder&statusCode=success", []int64{1, 2}, false},
		{"?statusCode=8.2.5/3.7", []int64{3}, false},
		{"?requester=OPERATOR-2", []int64{4}, false},
		{"?iccid=" + first, []int64{1, 4}, false},
		{"?profileType=OTHER", nil, false},
	} {
		page := get[ledgerPage](c, "GET /ledger"+tt.query, "")
		var got []int64
		for _, e := range page.Entries {
			got = append(got, e.Sequence)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || page.More != tt.more {
			t.Errorf("%s: more is %v (-want +got):\n%s", tt.query, page.More, diff)
		}
	}
	want := Summary{
		Profiles: map[State]int{StateAllocated: 2}, Stock: map[string]int{plan: 0},
		Calls: map[es2plus.Function]map[string]int{
			es2plus.DownloadOrder: {"success": 2, "8.2.5/3.7": 1}, es2plus.ReleaseProfile: {"8.2.1/1.2": 1},
		},
	}
	if diff := cmp.Diff(want, get[Summary](c, "GET /summary", "")); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestProfilesAreDrivenOverTheControlAPI(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 2}})
	c := controller{t, s}
	o := newOperator(t, s)
	to := get[notificationsDocument](c, "PUT /notifications", `{"url":"`+o.url+`","points":{"deleted":5}}`)
	if diff := cmp.Diff(Points{Deleted: 5}, to.Points); diff != "" {
		t.Errorf("a vendor's points (-want +got):\n%s", diff)
	}
	iccid := string(released(t, s))
	var got []DeviceState
	for _, step := range []string{"install", "enable", "disable", "delete"} {
		got = append(got, get[Profile](c, "POST /profiles/"+iccid+"/"+step, "").Device)
	}
	if diff := cmp.Diff([]DeviceState{DeviceInstalled, DeviceEnabled, DeviceDisabled, DeviceDeleted}, got); diff != "" {
		t.Errorf("device (-want +got):\n%s", diff)
	}
	c.drive("POST /profiles/"+iccid+"/notify", `{"notificationPointId":101}`)
	if diff := cmp.Diff([]int{3, 4, 6, 7, 5, 101}, o.points(6)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	want := []Profile{{ICCID: activation.ICCID(iccid), ProfileType: plan, State: StateInstalled, Owner: "OPERATOR-1", Device: DeviceDeleted}}
	if diff := cmp.Diff(want, get[[]Profile](c, "GET /profiles?state=Installed&owner=OPERATOR-1&profileType="+plan, "")); diff != "" {
		t.Errorf("profiles (-want +got):\n%s", diff)
	}
	if other := get[[]Profile](c, "GET /profiles?state=Released", ""); len(other) != 0 {
		t.Errorf("other profiles: %+v", other)
	}
	if failed := get[Profile](c, "POST /profiles/"+string(released(t, s))+"/fail", ""); failed.State != StateError {
		t.Errorf("failed: %+v", failed)
	}
}

func TestSettingsAndClientsOverTheControlAPI(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	c := controller{t, s}
	wanted := `{"smdpAddress":"other.example.com","trailingF":true,"replayCalls":true,"matchingIdFirst":true,"cancelNeedsMatchingId":true}`
	set := get[settingsDocument](c, "PUT /settings", wanted)
	if diff := cmp.Diff(set, get[settingsDocument](c, "GET /settings", ""), cmp.AllowUnexported(Behaviour{})); diff != "" {
		t.Errorf("settings (-PUT +GET):\n%s", diff)
	}
	issued := get[clientDocument](c, "POST /clients/OPERATOR-7", "")
	p := clientWith(t, s, "OPERATOR-7", []byte(issued.Certificate), []byte(issued.Key))
	iccid := p.order(plan)
	answer := p.success(es2plus.ConfirmOrder, fields{"iccid": iccid, "releaseFlag": true})
	if answer.SMDPAddress != "other.example.com" || len(iccid) != 20 {
		t.Errorf("answered address %q, ICCID %s", answer.SMDPAddress, iccid)
	}
}

func TestTheControlAPITellsWhatIsWrong(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	c := controller{t, s}
	iccid := client(t, s, "OPERATOR-1").order(plan)
	for _, tt := range []struct {
		request, body string
		status        int
		names         string
	}{
		{"PUT /stock/X", `{}`, 400, "available"},
		{"PUT /stock/X", `{"available":-1}`, 400, "available"},
		{"PUT /stock/X", `{"availabel":1}`, 400, "availabel"},
		{"PUT /stock/X", `{"available":1}{}`, 400, "more than one"},
		{"PUT /stock/X", strings.Repeat(" ", maxControlRequest+1), 400, "too large"},
		{"PUT /stock/%0A", `{"available":1}`, 400, "profileType"},
		{"POST /faults", `{"kind":"earthquake"}`, 400, "earthquake"},
		{"POST /faults", `{"kind":"delay","delay":"soon"}`, 400, "soon"},
		{"DELETE /faults/x", "", 400, "id"},
		{"DELETE /faults/99", "", 404, "id"},
		{"PUT /latency", `{"fixed":"-1s"}`, 400, "negative"},
		{"PUT /notifications", `{"url":"ftp://x"}`, 400, "https"},
		{"GET /ledger?limit=0", "", 400, "limit"},
		{"GET /ledger?after=-1", "", 400, "after"},
		{"GET /profiles?limit=x", "", 400, "limit"},
		{"GET /profiles/123", "", 400, "ICCID"},
		{"GET /profiles/8947010000123456784", "", 404, "ICCID"},
		{"POST /profiles/8947010000123456784/install", "", 404, "ICCID"},
		{"POST /profiles/" + iccid + "/install", "", 409, "Allocated"},
		{"POST /profiles/" + iccid + "/notify", "", 400, "notificationPointId"},
		{"POST /clients/" + strings.Repeat("x", 65), "", 400, "64"},
	} {
		status, text := c.do(tt.request, tt.body)
		if status != tt.status || !strings.Contains(text, tt.names) {
			t.Errorf("%s %.40s answered HTTP %d, %s; want HTTP %d that names %s", tt.request, tt.body, status, text, tt.status, tt.names)
		}
	}
}

func TestTheControlAPIKeepsWebPagesOut(t *testing.T) {
	s := startServer(t, Options{})
	c := controller{t, s}
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"another site's script", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"another site's form", []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"a name that was rebound", []string{"Host", "evil.example:18444"}, http.StatusForbidden},
		{"curl", nil, http.StatusOK},
		{"curl by name", []string{"Host", "localhost:18444"}, http.StatusOK},
	} {
		if status, text := c.do("PUT /stock/X", `{"available":1}`, tt.headers...); status != tt.status {
			t.Errorf("%s is answered HTTP %d, %s; want %d", tt.name, status, text, tt.status)
		}
	}
}

func TestTheControlAPIBindsToLoopbackUnlessTold(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "nonsense"} {
		s, err := New(Options{ControlAddress: address})
		if err == nil {
			t.Errorf("%s was taken; close: %v", address, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: %v", address, err)
		}
	}
	s := startServer(t, Options{ControlAddress: "0.0.0.0:0", AllowRemoteControl: true})
	if status, _ := (controller{t, s}).do("GET /stock", "", "Host", "smdp.example.com"); status != http.StatusOK {
		t.Errorf("answered HTTP %d", status)
	}
}

// TestCredentialsAreShownNowhere sends credentials through every function and every step of a
// device, and looks at everything that is shown.
func TestCredentialsAreShownNowhere(t *testing.T) {
	var logs syncBuffer
	s := startServer(t, Options{Stock: map[string]int{plan: 9}, Logger: logs.logger()})
	c, p := controller{t, s}, client(t, s, "OPERATOR-1")
	iccid, other := p.order(plan), p.order(plan)
	const id, code = "SECRET-MATCHING-ID", "SECRET-CODE"
	good := fields{"iccid": iccid, "matchingId": id, "confirmationCode": code, "releaseFlag": true}
	answers := []reply{
		p.call(es2plus.ConfirmOrder, fields{"iccid": iccid, "matchingId": id, "confirmationCode": code, "releaseFlag": "yes"}),
		p.call(es2plus.ConfirmOrder, good),
		p.call(es2plus.ConfirmOrder, good), // a repeat
		p.call(es2plus.ConfirmOrder, fields{"iccid": other, "matchingId": id, "releaseFlag": true}),
		p.call(es2plus.CancelOrder, fields{"iccid": other, "matchingId": id, "finalProfileStatusIndicator": "Available"}),
	}
	if err := s.Install(activation.ICCID(iccid)); err != nil {
		t.Fatal(err)
	}
	for i, answer := range answers {
		if data := answer.Header.FunctionExecutionStatus.StatusCodeData; (data == nil) != (i == 1) {
			t.Fatalf("answer %d is %+v", i, data)
		} else if data != nil && strings.Contains(data.Message, "SECRET") {
			t.Errorf("a status message shows a credential: %s", data.Message)
		}
	}
	for _, route := range s.controlRoutes() {
		if !strings.HasPrefix(route.pattern, "GET ") {
			continue
		}
		path := strings.NewReplacer("{type}", plan, "{iccid}", iccid).Replace(route.pattern)
		if status, text := c.do(path, ""); status != http.StatusOK || strings.Contains(text, "SECRET") {
			t.Errorf("%s answered HTTP %d, %s", path, status, text)
		}
	}
	if text := logs.String(); strings.Contains(text, "SECRET") || !strings.Contains(text, "ConfirmOrder") {
		t.Errorf("the log shows a credential, or nothing: %s", text)
	}
}
