package es2plus

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	requestHeader = RequestHeader{FunctionRequesterIdentifier: "OPERATOR-1", FunctionCallIdentifier: "5JZ2-1-D"}
	success       = ResponseHeader{FunctionExecutionStatus: FunctionExecutionStatus{Status: ExecutedSuccess}}
)

const (
	requestHeaderJSON = `"header":{"functionRequesterIdentifier":"OPERATOR-1","functionCallIdentifier":"5JZ2-1-D"}`
	successJSON       = `"header":{"functionExecutionStatus":{"status":"Executed-Success"}}`
)

// golden are messages as the standard's JSON binding writes them, byte for byte.
var golden = []struct {
	name    string
	message any
	json    string
}{
	{"DownloadOrder by profile type", &DownloadOrderRequest{Header: requestHeader, ProfileType: "JP-1GB-7D"},
		`{` + requestHeaderJSON + `,"profileType":"JP-1GB-7D"}`},
	{"DownloadOrder by ICCID for an EID", &DownloadOrderRequest{Header: requestHeader, EID: "89001012012341234012345678901224", ICCID: "8947010000123456784"},
		`{` + requestHeaderJSON + `,"eid":"89001012012341234012345678901224","iccid":"8947010000123456784"}`},
	{"answer to DownloadOrder", &DownloadOrderResponse{Header: success, ICCID: "8947010000123456784F"},
		`{` + successJSON + `,"iccid":"8947010000123456784F"}`},
	{"ConfirmOrder", &ConfirmOrderRequest{Header: requestHeader, ICCID: "8947010000123456784", MatchingID: new("K3T"), ReleaseFlag: new(true)},
		`{` + requestHeaderJSON + `,"iccid":"8947010000123456784","matchingId":"K3T","releaseFlag":true}`},
	{"ConfirmOrder with an empty matching ID, to be released later", &ConfirmOrderRequest{Header: requestHeader, ICCID: "8947010000123456784", MatchingID: new(""), ReleaseFlag: new(false)},
		`{` + requestHeaderJSON + `,"iccid":"8947010000123456784","matchingId":"","releaseFlag":false}`},
	{"answer to ConfirmOrder", &ConfirmOrderResponse{Header: success, MatchingID: "K3T", SMDPAddress: "rsp.example.com"},
		`{` + successJSON + `,"matchingId":"K3T","smdpAddress":"rsp.example.com"}`},
	{"answer to ConfirmOrder with an empty matching ID", &ConfirmOrderResponse{Header: success, EID: "89001012012341234012345678901224"},
		`{` + successJSON + `,"eid":"89001012012341234012345678901224","matchingId":""}`},
	{"ReleaseProfile", &ReleaseProfileRequest{Header: requestHeader, ICCID: "8947010000123456784"},
		`{` + requestHeaderJSON + `,"iccid":"8947010000123456784"}`},
	{"answer to ReleaseProfile", &ReleaseProfileResponse{Header: success}, `{` + successJSON + `}`},
	{"CancelOrder", &CancelOrderRequest{Header: requestHeader, ICCID: "8947010000123456784", MatchingID: "K3T", FinalProfileStatusIndicator: FinalAvailable},
		`{` + requestHeaderJSON + `,"iccid":"8947010000123456784","matchingId":"K3T","finalProfileStatusIndicator":"Available"}`},
	{"answer to CancelOrder", &CancelOrderResponse{Header: success}, `{` + successJSON + `}`},
	{"HandleDownloadProgressInfo", &HandleDownloadProgressInfoRequest{
		Header: requestHeader, ICCID: "8947010000123456784F", ProfileType: "JP-1GB-7D", Timestamp: "2026-01-02T03:04:05Z",
		NotificationPointID: 4, NotificationPointStatus: FunctionExecutionStatus{Status: ExecutedSuccess},
	}, `{` + requestHeaderJSON + `,"iccid":"8947010000123456784F","profileType":"JP-1GB-7D","timestamp":"2026-01-02T03:04:05Z","notificationPointId":4,"notificationPointStatus":{"status":"Executed-Success"}}`},
	{"failure", &DownloadOrderResponse{Header: failure()},
		`{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":{"subjectCode":"8.2.5","reasonCode":"3.7","message":"no profile left"}}}}`},
	{"failed ConfirmOrder carries no function fields", &ConfirmOrderResponse{Header: failure()},
		`{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":{"subjectCode":"8.2.5","reasonCode":"3.7","message":"no profile left"}}}}`},
}

func failure() ResponseHeader {
	return ResponseHeader{FunctionExecutionStatus: FunctionExecutionStatus{
		Status:         ExecutionFailed,
		StatusCodeData: &StatusCodeData{SubjectCode: "8.2.5", ReasonCode: "3.7", Message: "no profile left"},
	}}
}

func TestMessagesAreWrittenExactly(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.message)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.json, string(got)); diff != "" {
				t.Errorf("written differently (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessagesAreReadWhateverTheCaseOfTheirNames(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			for _, spelling := range []struct {
				name string
				of   func(string) string
			}{
				{"as written", func(name string) string { return name }},
				{"upper case", strings.ToUpper},
				{"lower case", strings.ToLower},
			} {
				got := newLike(t, tt.message)
				if err := json.Unmarshal([]byte(renamed(t, tt.json, spelling.of)), got); err != nil {
					t.Fatalf("%s: %v", spelling.name, err)
				}
				if diff := cmp.Diff(tt.message, got); diff != "" {
					t.Errorf("%s: read differently (-want +got):\n%s", spelling.name, diff)
				}
			}
		})
	}
}

// newLike is an empty message of the same type.
func newLike(t *testing.T, message any) any {
	t.Helper()
	switch message.(type) {
	case *DownloadOrderRequest:
		return &DownloadOrderRequest{}
	case *DownloadOrderResponse:
		return &DownloadOrderResponse{}
	case *ConfirmOrderRequest:
		return &ConfirmOrderRequest{}
	case *ConfirmOrderResponse:
		return &ConfirmOrderResponse{}
	case *ReleaseProfileRequest:
		return &ReleaseProfileRequest{}
	case *ReleaseProfileResponse:
		return &ReleaseProfileResponse{}
	case *CancelOrderRequest:
		return &CancelOrderRequest{}
	case *CancelOrderResponse:
		return &CancelOrderResponse{}
	case *HandleDownloadProgressInfoRequest:
		return &HandleDownloadProgressInfoRequest{}
	}
	t.Fatalf("no empty message like %T", message)
	return nil
}

// renamed is the JSON with every field name spelt otherwise.
func renamed(t *testing.T, text string, spell func(string) string) string {
	t.Helper()
	var document any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	var walk func(any) any
	walk = func(value any) any {
		object, ok := value.(map[string]any)
		if !ok {
			return value
		}
		out := make(map[string]any, len(object))
		for name, inner := range object {
			out[spell(name)] = walk(inner)
		}
		return out
	}
	out, err := json.Marshal(walk(document))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAnAbsentReleaseFlagIsToldFromFalse(t *testing.T) {
	var request ConfirmOrderRequest
	if err := json.Unmarshal([]byte(`{"iccid":"8947010000123456784"}`), &request); err != nil {
		t.Fatal(err)
	}
	if request.ReleaseFlag != nil || request.MatchingID != nil {
		t.Error("absent releaseFlag and matchingId were read as present")
	}
}

func TestFunctionsHaveTheStandardsPaths(t *testing.T) {
	got := map[Function]string{}
	for _, f := range []Function{DownloadOrder, ConfirmOrder, CancelOrder, ReleaseProfile, HandleDownloadProgressInfo} {
		got[f] = f.Path()
	}
	want := map[Function]string{
		DownloadOrder:              "/gsma/rsp2/es2plus/downloadOrder",
		ConfirmOrder:               "/gsma/rsp2/es2plus/confirmOrder",
		CancelOrder:                "/gsma/rsp2/es2plus/cancelOrder",
		ReleaseProfile:             "/gsma/rsp2/es2plus/releaseProfile",
		HandleDownloadProgressInfo: "/gsma/rsp2/es2plus/handleDownloadProgressInfo",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestNotificationPointsAreReadAsNumbersAndStrings(t *testing.T) {
	for _, tt := range []struct {
		json string
		want PointID
		ok   bool
	}{
		{`4`, 4, true},
		{`"4"`, 4, true},
		{`" 101 "`, 101, true},
		{`"four"`, 0, false},
		{`4.5`, 0, false},
		{`null`, 0, false},
		{`{}`, 0, false},
		{`99999999999999999999`, 0, false},
	} {
		var got PointID
		err := got.UnmarshalJSON([]byte(tt.json))
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s was read as %d, error %v", tt.json, got, err)
		}
	}
}

// FuzzPointID: whatever a peer sends, a point is a number or an error, and is written as the
// number that was read.
func FuzzPointID(f *testing.F) {
	for _, seed := range []string{`4`, `"4"`, `null`, `-1`, `1e3`, `""`, `[`, "\"\\u0034\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var point PointID
		if json.Unmarshal(data, &point) != nil {
			return
		}
		written, err := json.Marshal(point)
		if err != nil {
			t.Fatal(err)
		}
		var again PointID
		if err := json.Unmarshal(written, &again); err != nil || again != point {
			t.Errorf("%q was read as %d, then %d (%v)", data, point, again, err)
		}
	})
}
