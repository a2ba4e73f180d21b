package es2plus

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

func TestAnswersAreReadAsPeersWriteThem(t *testing.T) {
	for _, tc := range []struct{ name, body string }{
		{"literally", `{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"iccid":"8947010000123456784F"}`},
		{"ICCID without F", `{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"iccid":"8947010000123456784"}`},
		{"ICCID with f", `{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"iccid":"8947010000123456784f"}`},
		{"fields of another case", `{"Header":{"FunctionExecutionStatus":{"STATUS":"Executed-Success"}},"ICCID":"8947010000123456784"}`},
		{"unknown fields", `{"v":3,"header":{"x":[],"functionExecutionStatus":{"status":"Executed-Success","y":{}}},"iccid":"8947010000123456784","z":null}`},
		{"with a warning", `{"header":{"functionExecutionStatus":{"status":"Executed-WithWarning","statusCodeData":{"subjectCode":"8.1","reasonCode":"4.2"}}},"iccid":"8947010000123456784"}`},
		{"byte order mark", "\xef\xbb\xbf" + `{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"iccid":"8947010000123456784"}`},
		{"null status code data", `{"header":{"functionExecutionStatus":{"status":"Executed-Success","statusCodeData":null}},"iccid":"8947010000123456784"}`},
	} {
		d := newDriver(Config{}, replying{status: 200, body: []byte(tc.body)})
		iccid, failure := d.downloadOrder(t.Context(), operators.Purchase{RequestID: "R", PlanID: "P"})
		if failure != nil || iccid != "8947010000123456784" {
			t.Errorf("%s: read as %q, %v", tc.name, iccid, failure)
		}
	}
}

// Failed answers have no fields; what peers leave in them all the same must not hide the code.
func TestARefusalIsReadWhateverItsFieldsHold(t *testing.T) {
	body := `{"iccid":17,"smdpAddress":["x"],"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":{"subjectCode":" 8.2.5","reasonCode":"3.7 "}}}}`
	d := newDriver(Config{}, replying{status: 200, body: []byte(body)})
	_, failure := d.downloadOrder(t.Context(), operators.Purchase{RequestID: "R", PlanID: "P"})
	checkClass(t, "out of stock with odd fields", failure, outOfStockNow, 0)
}

func TestNothingThatAPeerWritesReachesPeople(t *testing.T) {
	const secret = "K3TQX9ZW7VJ2M4PBN8RD"
	matchingID := activation.NewCredential(secret)
	inBase64 := base64.StdEncoding.EncodeToString([]byte("x" + secret))
	for _, tc := range []struct{ name, subject, reason, identifier, message string }{
		{"echo in the message", "8.2.6", "3.3", "", "matching ID " + secret + " is in use"},
		{"echo in lower case", "8.2.6", "3.3", "", "matching ID k3tqx9zw7vj2m4pbn8rd is in use"},
		{"echo with control characters in it", "8.2.6", "3.3", "", "K3TQX\x009ZW7VJ\u200b2M4PB\nN8RD"},
		{"echo at the cut", "8.2.6", "3.3", "", strings.Repeat("x", maxPeerText-5) + secret},
		{"twice", "8.2.6", "3.3", "", secret + secret},
		{"echo in base64", "8.2.6", "3.3", "", "you sent " + inBase64},
		{"echo after much else", "8.2.6", "3.3", "", strings.Repeat("A1", maxPeerScan/2-10) + " " + secret},
		{"echo as subject identifier", "8.2.6", "3.3", secret, "in use"},
		{"echo as code", secret, secret, "", ""},
		{"numbers that are no code", "8.2.6.1.1.1.1.1.1.1.1", "1234567", "", ""},
	} {
		body, err := json.Marshal(map[string]any{"header": map[string]any{"functionExecutionStatus": map[string]any{
			"status": "Failed", "statusCodeData": map[string]any{
				"subjectCode": tc.subject, "reasonCode": tc.reason, "subjectIdentifier": tc.identifier, "message": tc.message,
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		d := newDriver(Config{}, replying{status: 200, body: body})
		_, failure := d.confirmOrder(t.Context(), operators.Purchase{RequestID: "R"}, operators.Profile{ICCID: "8947010000123456784", MatchingID: matchingID}, 1)
		if failure == nil {
			t.Fatalf("%s: succeeded", tc.name)
		}
		if failure.Message != matchingIDInUse.message && failure.Message != anythingElse.message {
			t.Errorf("%s: the message for people is not one of ours: %s", tc.name, failure)
		}
		for _, shown := range []string{failure.Error(), fmt.Sprint(failure.Err), fmt.Sprintf("%+v", *failure)} {
			if strings.Contains(strings.ToLower(shown), strings.ToLower(secret[:8])) || strings.Contains(shown, inBase64) {
				t.Errorf("%s: the matching ID is shown: %s", tc.name, shown)
			}
		}
		if len(failure.Code) > 20 || strings.Trim(failure.Code, "0123456789./") != "" {
			t.Errorf("%s: the code is the peer's text %q", tc.name, failure.Code)
		}
	}
}

func TestAPeersWordsAreKeptForLogsAndCut(t *testing.T) {
	data := &es2plus.StatusCodeData{Message: "no profile left"}
	if got := fmt.Sprint(peerText(data)); got != "the SM-DP+ says: no profile left" {
		t.Errorf("got %q", got)
	}
	for _, long := range []string{strings.Repeat("x", 1<<20), strings.Repeat("ä", 1<<19), "a" + strings.Repeat("€", 1000)} {
		got := scrub(long)
		if len(got) > maxPeerText || len(got) < maxPeerText-3 || !utf8.ValidString(got) {
			t.Errorf("a text of %d bytes is cut to %d, valid: %t", len(long), len(got), utf8.ValidString(got))
		}
	}
	if peerText(nil) != nil || peerText(&es2plus.StatusCodeData{}) != nil {
		t.Error("silence was taken for words")
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"iccid":"8947010000123456784F"}`,
		`{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"matchingId":"K3TQX9ZW7VJ2M4PBN8RD","smdpAddress":"rsp.example.com"}`,
		`{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":{"subjectCode":"8.2.5","reasonCode":"3.7","message":"no profile left"}}}}`,
		`{"header":{"functionExecutionStatus":{"status":"Expired"}}}`,
		`{"HEADER":{"functionexecutionstatus":{"Status":"executed-success"}},"SMDPADDRESS":"x:1"}`,
		"\xef\xbb\xbf{}", "null", "[]", "{", strings.Repeat("[", 20_000),
	} {
		f.Add([]byte(seed), byte(1))
	}
	held := operators.Profile{ICCID: "8947010000123456784", MatchingID: activation.NewCredential("K3TQX9ZW7VJ2M4PBN8RD")}
	f.Fuzz(func(t *testing.T, body []byte, which byte) {
		d := newDriver(Config{}, replying{status: 200, body: body})
		purchase := operators.Purchase{RequestID: "R", PlanID: "P", ConfiguredAddress: "rsp.example.com"}
		var failure *operators.Error
		if which%2 == 0 {
			var iccid activation.ICCID
			iccid, failure = d.downloadOrder(t.Context(), purchase)
			if _, err := activation.ParseICCID(string(iccid)); failure == nil && err != nil {
				t.Errorf("took the ICCID %q", iccid)
			}
		} else {
			var profile operators.Profile
			if profile, failure = d.confirmOrder(t.Context(), purchase, held, 1); failure == nil {
				code := activation.Code{SMDPAddress: profile.SMDPAddress, MatchingID: profile.MatchingID}
				if _, err := code.LPA(); err != nil && !strings.Contains(err.Error(), "characters long") {
					t.Errorf("took an answer that makes no activation code: %v", err)
				}
			}
		}
		if failure == nil {
			return
		}
		if failure.Message == "" || failure.Class == "" {
			t.Errorf("an error without class or words: %+v", failure)
		}
		for _, shown := range []string{failure.Error(), fmt.Sprint(errors.Unwrap(failure))} {
			if strings.ContainsFunc(shown, unicode.IsControl) || len(shown) > 1000 {
				t.Errorf("the error carries what the peer wrote: %q", shown)
			}
		}
	})
}
