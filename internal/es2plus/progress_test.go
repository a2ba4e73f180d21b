package es2plus

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	somebodysICCID = "8947010000123456784"
	literal        = `{"header":{"functionRequesterIdentifier":"SMDP","functionCallIdentifier":"7"},` +
		`"iccid":"8947010000123456784F","profileType":"JP-1GB-7D","timestamp":"2026-01-02T03:04:05Z",` +
		`"notificationPointId":4,"notificationPointStatus":{"status":"Executed-Success"}}`
)

var threeOhFour = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestNotificationsAreReadAsPeersWriteThem(t *testing.T) {
	usual := ProgressInfo{ICCID: somebodysICCID, Time: threeOhFour, Point: 4, Status: ExecutedSuccess}
	with := func(change func(*ProgressInfo)) ProgressInfo {
		out := usual
		change(&out)
		return out
	}
	replace := func(old, text string) string {
		if !strings.Contains(literal, old) {
			t.Fatalf("%s is not in the literal message", old)
		}
		return strings.Replace(literal, old, text, 1)
	}
	timestamp := `"timestamp":"2026-01-02T03:04:05Z"`
	status := `{"status":"Executed-Success"}`
	for name, test := range map[string]struct {
		body string
		want ProgressInfo
	}{
		"literally":                 {literal, usual},
		"with a byte order mark":    {"\xef\xbb\xbf\r\n" + literal + "\n", usual},
		"names in another case":     {strings.NewReplacer("iccid", "ICCID", "timestamp", "timeStamp", "notificationPointId", "NotificationPointID", "status", "Status").Replace(literal), usual},
		"without F":                 {replace("784F", "784"), usual},
		"with a small f":            {replace("784F", "784f"), usual},
		"ICCID as a number":         {replace(`"8947010000123456784F"`, `8947010000123456784`), usual},
		"point as a string":         {replace(`:4,`, `:" 4 ",`), usual},
		"a vendor's point":          {replace(`:4,`, `:101,`), with(func(p *ProgressInfo) { p.Point = 101 })},
		"without header":            {regexp.MustCompile(`"header":\{[^}]*\},`).ReplaceAllString(literal, ""), usual},
		"eid null, header a number": {strings.Replace(literal, `{"header":{`, `{"eid":null,"Header":7,"header":{`, 1), usual},
		"an object as resultData":   {replace(`{"header"`, `{"resultData":{"a":[{"b":{}}]},"header"`), usual},
		"no time":                   {replace(timestamp+",", ""), with(func(p *ProgressInfo) { p.Time = time.Time{} })},
		"a time that is none":       {replace(timestamp, `"timestamp":"soon"`), with(func(p *ProgressInfo) { p.Time = time.Time{} })},
		"an object as time":         {replace(timestamp, `"timestamp":{"seconds":1}`), with(func(p *ProgressInfo) { p.Time = time.Time{} })},
		"a time before time":        {replace(timestamp, `"timestamp":-5`), with(func(p *ProgressInfo) { p.Time = time.Time{} })},
		"no number as time":         {replace(timestamp, `"timestamp":"NaN"`), with(func(p *ProgressInfo) { p.Time = time.Time{} })},
		"seconds":                   {replace(timestamp, `"timestamp":1767323045`), usual},
		"seconds as a string":       {replace(timestamp, `"timestamp":"1767323045"`), usual},
		"milliseconds":              {replace(timestamp, `"timestamp":1767323045000`), usual},
		"with fractions":            {replace(timestamp, `"timestamp":"2026-01-02T03:04:05.250Z"`), with(func(p *ProgressInfo) { p.Time = threeOhFour.Add(250 * time.Millisecond) })},
		"with an offset":            {replace(timestamp, `"timestamp":"2026-01-02T04:04:05+01:00"`), usual},
		"offset without colon":      {replace(timestamp, `"timestamp":"2026-01-02T04:04:05+0100"`), usual},
		"offset in hours":           {replace(timestamp, `"timestamp":"2026-01-02T04:04:05+01"`), usual},
		"without zone":              {replace(timestamp, `"timestamp":"2026-01-02 03:04:05"`), usual},
		"in small letters":          {replace(timestamp, `"timestamp":"2026-01-02t03:04:05z"`), usual},
		"in basic form":             {replace(timestamp, `"timestamp":"20260102T030405Z"`), usual},
		"without seconds":           {replace(timestamp, `"timestamp":"2026-01-02T03:04Z"`), with(func(p *ProgressInfo) { p.Time = threeOhFour.Truncate(time.Minute) })},
		"a day":                     {replace(timestamp, `"timestamp":"2026-01-02"`), with(func(p *ProgressInfo) { p.Time = threeOhFour.Truncate(24 * time.Hour) })},
		"status alone":              {replace(status, `"Executed-Success"`), usual},
		"status in small letters":   {replace("Executed-Success", "executed-success"), usual},
		"another status":            {replace("Executed-Success", "Enabled"), with(func(p *ProgressInfo) { p.Status = "" })},
		"with a warning":            {replace("Executed-Success", "Executed-WithWarning"), with(func(p *ProgressInfo) { p.Status = ExecutedWithWarning })},
		"failed": {
			replace(status, `{"status":"Failed","statusCodeData":{"subjectCode":"8.1","reasonCode":"4.8","message":"K3TSECRET"}}`),
			with(func(p *ProgressInfo) { p.Status, p.Code = ExecutionFailed, "8.1/4.8" }),
		},
		"codes as numbers": {
			replace(status, `{"status":"Expired","statusCodeData":{"subjectCode":8.1,"reasonCode":4.10}}`),
			with(func(p *ProgressInfo) { p.Status, p.Code = ExecutionExpired, "8.1/4.10" }),
		},
		"a text for a code": {
			replace(status, `{"status":"Failed","statusCodeData":{"subjectCode":"8.1","reasonCode":"K3TSECRET"}}`),
			with(func(p *ProgressInfo) { p.Status = ExecutionFailed }),
		},
		"a text for both codes": {
			replace(status, `{"status":"Failed","statusCodeData":"K3TSECRET"}`),
			with(func(p *ProgressInfo) { p.Status = ExecutionFailed }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadProgressInfo([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoNotificationIsRefusedInWordsOfOurOwn(t *testing.T) {
	deep := func(depth int) string {
		return strings.Replace(literal, "{", `{"resultData":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+",", 1)
	}
	for name, test := range map[string]struct {
		body string
		want error
	}{
		"nothing":           {"", errNoObject},
		"text":              {"K3TSECRET", errNoObject},
		"an array":          {"[" + literal + "]", errNoObject},
		"half":              {literal[:len(literal)/2], errNoObject},
		"two":               {literal + literal, errNoObject},
		"deep":              {deep(maxDepth), errTooDeep},
		"no ICCID":          {strings.Replace(literal, "iccid", "K3TSECRET", 1), errICCID},
		"text for an ICCID": {strings.Replace(literal, "8947010000123456784F", "K3TSECRET", 1), errICCID},
		"short ICCID":       {strings.Replace(literal, "8947010000123456784F", "894701000012345678", 1), errICCID},
		"list of ICCIDs":    {strings.Replace(literal, `"8947010000123456784F"`, `["8947010000123456784F"]`, 1), errICCID},
		"no point":          {strings.Replace(literal, "notificationPointId", "point", 1), errPoint},
		"text for a point":  {strings.Replace(literal, `Id":4`, `Id":"K3TSECRET"`, 1), errPoint},
		"huge point":        {strings.Replace(literal, `Id":4`, `Id":4000000000`, 1), errPoint},
		"half a point":      {strings.Replace(literal, `Id":4`, `Id":4.5`, 1), errPoint},
		"no status":         {strings.Replace(literal, "notificationPointStatus", "status", 1), errNoStatus},
		"an empty status":   {strings.Replace(literal, "Executed-Success", "", 1), errNoStatus},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadProgressInfo([]byte(test.body))
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	if _, err := ReadProgressInfo([]byte(deep(maxDepth - 1))); err != nil {
		t.Errorf("as deep as allowed: %v", err)
	}
}

func FuzzReadProgressInfo(f *testing.F) {
	f.Add([]byte(literal))
	f.Add([]byte(`{"iccid":8947010000123456784,"TimeStamp":"1767323045","notificationPointId":"101","notificationPointStatus":"Failed"}`))
	f.Add([]byte(`{"iccid":"8947010000123456784","notificationPointId":3,"notificationPointStatus":{"status":"Expired","statusCodeData":{"subjectCode":8.1,"reasonCode":"4.8"}}}`))
	f.Add([]byte(`{"a":[[[[{"\"]":"\\"}]]]]}`))
	code := regexp.MustCompile(`^([0-9.]+/[0-9.]+)?$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		info, err := ReadProgressInfo(body)
		if err != nil {
			return
		}
		if !json.Valid([]byte(strings.TrimPrefix(string(body), "\xef\xbb\xbf"))) {
			t.Error("what is no JSON was read")
		}
		if !code.MatchString(info.Code) || len(info.Code) > 64 || knownStatus(string(info.Status)) != info.Status {
			t.Errorf("text of the sender's in %+v", info)
		}
		// What is read can be written as the standard says, and read again.
		again, err := json.Marshal(HandleDownloadProgressInfoRequest{
			ICCID: string(info.ICCID) + "F", NotificationPointID: info.Point,
			NotificationPointStatus: FunctionExecutionStatus{Status: ExecutionFailed},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(info.ICCID) == 20 {
			return // no room for an F
		}
		second, err := ReadProgressInfo(again)
		if err != nil || second.ICCID != info.ICCID || second.Point != info.Point {
			t.Errorf("%+v was read again as %+v, %v", info, second, err)
		}
	})
}
