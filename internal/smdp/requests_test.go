package smdp

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

const goodHeader = `"header":{"functionRequesterIdentifier":"OPERATOR-1","functionCallIdentifier":"1"}`

// malformed requests, and the code for each. The words are not pinned: the field must be named.
var malformed = []struct {
	name     string
	function es2plus.Function
	body     string
	code     string
	names    string
}{
	{"not JSON", es2plus.DownloadOrder, `hello`, "1.3.1/2.1", "body"},
	{"nothing", es2plus.DownloadOrder, ``, "1.3.1/2.1", "body"},
	{"an array", es2plus.DownloadOrder, `[]`, "1.3.1/2.1", "body"},
	{"two objects", es2plus.DownloadOrder, `{` + goodHeader + `,"profileType":"JP-1GB-7D"}{}`, "1.3.1/2.1", "body"},
	{"cut off", es2plus.DownloadOrder, `{` + goodHeader + `,"profileType":"JP-`, "1.3.1/2.1", "body"},
	{"no header", es2plus.DownloadOrder, `{"profileType":"JP-1GB-7D"}`, "1.6/2.2", "functionRequesterIdentifier"},
	{"no call identifier", es2plus.DownloadOrder, `{"header":{"functionRequesterIdentifier":"OPERATOR-1"},"profileType":"JP-1GB-7D"}`, "1.6/2.2", "functionCallIdentifier"},
	{"call identifier with a line break", es2plus.DownloadOrder, `{"header":{"functionRequesterIdentifier":"OPERATOR-1","functionCallIdentifier":"1\n2"},"profileType":"JP-1GB-7D"}`, "1.6/2.1", "functionCallIdentifier"},
	{"header of the wrong type", es2plus.DownloadOrder, `{"header":"x","profileType":"JP-1GB-7D"}`, "1.6/2.1", "header"},
	{"another requester", es2plus.DownloadOrder, `{"header":{"functionRequesterIdentifier":"OPERATOR-2","functionCallIdentifier":"1"},"profileType":"JP-1GB-7D"}`, "1.1/1.2", "functionRequesterIdentifier"},

	{"neither iccid nor profileType", es2plus.DownloadOrder, `{` + goodHeader + `}`, "8.2.5/2.3", "profileType"},
	{"profileType as a number", es2plus.DownloadOrder, `{` + goodHeader + `,"profileType":7}`, "8.2.5/2.1", "profileType"},
	{"profileType too long", es2plus.DownloadOrder, `{` + goodHeader + `,"profileType":"` + strings.Repeat("x", 256) + `"}`, "8.2.5/2.1", "profileType"},
	{"eid too short", es2plus.DownloadOrder, `{` + goodHeader + `,"profileType":"JP-1GB-7D","eid":"890"}`, "8.1.1/2.1", "eid"},
	{"eid with wrong check digits", es2plus.DownloadOrder, `{` + goodHeader + `,"profileType":"JP-1GB-7D","eid":"89001012012341234012345678901225"}`, "8.1.1/2.1", "eid"},
	{"iccid too short", es2plus.DownloadOrder, `{` + goodHeader + `,"iccid":"894701"}`, "8.2.1/2.1", "iccid"},

	{"no iccid", es2plus.ConfirmOrder, `{` + goodHeader + `,"releaseFlag":true}`, "8.2.1/2.2", "iccid"},
	{"iccid with a small f", es2plus.ConfirmOrder, `{` + goodHeader + `,"iccid":"8947010000123456784f","releaseFlag":true}`, "8.2.1/2.1", "iccid"},
	{"no releaseFlag", es2plus.ConfirmOrder, `{` + goodHeader + `,"iccid":"8947010000123456784"}`, "1.6/2.2", "releaseFlag"},
	{"releaseFlag null", es2plus.ConfirmOrder, `{` + goodHeader + `,"iccid":"8947010000123456784","releaseFlag":null}`, "1.6/2.2", "releaseFlag"},
	{"releaseFlag as text", es2plus.ConfirmOrder, `{` + goodHeader + `,"iccid":"8947010000123456784","releaseFlag":"true"}`, "1.6/2.1", "releaseFlag"},
	{"matchingId in small letters", es2plus.ConfirmOrder, `{` + goodHeader + `,"iccid":"8947010000123456784","releaseFlag":true,"matchingId":"k3t"}`, "8.2.6/2.1", "matchingId"},
	{"confirmationCode too long", es2plus.ConfirmOrder, `{` + goodHeader + `,"iccid":"8947010000123456784","releaseFlag":true,"confirmationCode":"` + strings.Repeat("1", 256) + `"}`, "8.2.7/2.1", "confirmationCode"},

	{"no iccid", es2plus.ReleaseProfile, `{` + goodHeader + `}`, "8.2.1/2.2", "iccid"},

	{"no iccid", es2plus.CancelOrder, `{` + goodHeader + `,"finalProfileStatusIndicator":"Available"}`, "8.2.1/2.2", "iccid"},
	{"no final status", es2plus.CancelOrder, `{` + goodHeader + `,"iccid":"8947010000123456784"}`, "1.6/2.2", "finalProfileStatusIndicator"},
	{"another final status", es2plus.CancelOrder, `{` + goodHeader + `,"iccid":"8947010000123456784","finalProfileStatusIndicator":"available"}`, "1.6/2.1", "finalProfileStatusIndicator"},
}

func TestMalformedRequestsAreRefusedByTheFieldThatIsWrong(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 1}})
	p := client(t, s, "OPERATOR-1")
	for _, tt := range malformed {
		t.Run(string(tt.function)+" with "+tt.name, func(t *testing.T) {
			response, err := p.send(tt.function, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			got, status := readReply(t, response)
			if got.code() != tt.code || status != http.StatusOK {
				t.Errorf("answered HTTP %d, %s, want HTTP 200, %s", status, got.code(), tt.code)
			}
			data := got.Header.FunctionExecutionStatus.StatusCodeData
			if data == nil || !strings.Contains(data.Message, tt.names) {
				t.Errorf("the message does not name %s: %+v", tt.names, data)
			}
		})
	}
	if profiles := s.Profiles(); len(profiles) != 0 {
		t.Errorf("malformed requests made profiles: %+v", profiles)
	}
}

func readReply(t *testing.T, response *http.Response) (reply, int) {
	t.Helper()
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out reply
	if refused := decodeReply(data, &out); refused != nil {
		t.Fatalf("the answer is not JSON: %v", refused)
	}
	return out, response.StatusCode
}

func TestWhatIsNotES2PlusIsNotServed(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 1}})
	p := client(t, s, "OPERATOR-1")
	good := `{` + goodHeader + `,"profileType":"JP-1GB-7D"}`
	for _, tt := range []struct {
		name, method, path, body string
		headers                  map[string]string
		status                   int
		code                     string
	}{
		{name: "GET", method: "GET", path: es2plus.DownloadOrder.Path(), status: http.StatusMethodNotAllowed},
		{name: "another path", method: "POST", path: "/gsma/rsp2/es2plus/getEID", body: good, status: http.StatusNotFound},
		{name: "the operator's own function", method: "POST", path: es2plus.HandleDownloadProgressInfo.Path(), body: good, status: http.StatusNotFound},
		{name: "a body too long", method: "POST", path: es2plus.DownloadOrder.Path(), body: strings.Repeat(" ", maxRequest) + good, status: http.StatusBadRequest},
		{name: "no protocol", method: "POST", path: es2plus.DownloadOrder.Path(), body: good,
			headers: map[string]string{es2plus.HeaderAdminProtocol: ""}, status: http.StatusOK, code: "1.3.2/3.1"},
		{name: "another protocol version", method: "POST", path: es2plus.DownloadOrder.Path(), body: good,
			headers: map[string]string{es2plus.HeaderAdminProtocol: "gsma/rsp/v3.0.0"}, status: http.StatusOK, code: "1.3.2/3.1"},
		{name: "a form", method: "POST", path: es2plus.DownloadOrder.Path(), body: good,
			headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, status: http.StatusOK, code: "1.3.1/2.1"},
		{name: "a charset that is fine", method: "POST", path: es2plus.DownloadOrder.Path(), body: good,
			headers: map[string]string{"Content-Type": "application/json;charset=UTF-8"}, status: http.StatusOK, code: done},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), tt.method, p.url+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set(es2plus.HeaderAdminProtocol, "gsma/rsp/v2.2.0")
			for name, value := range tt.headers {
				request.Header.Set(name, value)
			}
			response, err := p.http.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != tt.status {
				t.Fatalf("answered HTTP %d, want %d", response.StatusCode, tt.status)
			}
			if tt.code == "" {
				return
			}
			got, _ := readReply(t, response)
			if got.code() != tt.code {
				t.Errorf("answered %s, want %s", got.code(), tt.code)
			}
			if got := response.Header.Get(es2plus.HeaderAdminProtocol); got != "gsma/rsp/v2.2.0" {
				t.Errorf("answered protocol %q", got)
			}
		})
	}
}

func TestNamesOfFieldsAreReadInAnyCaseAndUnknownOnesPassedOver(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 1}})
	response, err := client(t, s, "OPERATOR-1").send(es2plus.DownloadOrder,
		`{"HEADER":{"FunctionRequesterIdentifier":"OPERATOR-1","functioncallidentifier":"1","extra":[1]},"ProfileType":"JP-1GB-7D","more":{}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := readReply(t, response); got.code() != done {
		t.Errorf("answered %s", got.code())
	}
}

func TestICCIDsAreAnsweredWithATrailingFWhereTold(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 2}, Behaviour: Behaviour{TrailingF: true}})
	p := client(t, s, "OPERATOR-1")
	iccid := p.order(plan)
	if len(iccid) != 20 || iccid[19] != 'F' {
		t.Fatalf("answered ICCID %s", iccid)
	}
	got := []string{
		p.call(es2plus.ConfirmOrder, fields{"iccid": iccid, "releaseFlag": false}).code(),
		p.call(es2plus.ReleaseProfile, fields{"iccid": iccid[:19]}).code(),
	}
	if diff := cmp.Diff([]string{done, done}, got); diff != "" {
		t.Errorf("ConfirmOrder with F, ReleaseProfile without (-want +got):\n%s", diff)
	}
}

func TestARepeatedCallIsReplayedOnlyWhereTold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		replay bool
		want   int
	}{{"not told", false, 2}, {"told", true, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			s := startServer(t, Options{Stock: map[string]int{plan: 5}, Behaviour: Behaviour{ReplayCalls: tt.replay}})
			p := client(t, s, "OPERATOR-1")
			first, second := p.order(plan), p.order(plan) // with one functionCallIdentifier
			if got := len(s.Profiles()); got != tt.want || (first == second) != tt.replay {
				t.Errorf("two calls made %d profiles, %s and %s; want %d", got, first, second, tt.want)
			}
			entries := s.Ledger()
			if len(entries) != 2 || entries[1].Replayed != tt.replay {
				t.Errorf("the ledger is %+v", entries)
			}
		})
	}
}
