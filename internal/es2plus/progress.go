package es2plus

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
)

// maxDepth bounds how deep a notification's JSON is nested; the standard's own is 3 deep.
const maxDepth = 32

// ProgressInfo is what a notification tells, as far as an operator acts on it. It holds no
// text of the sender's: whatever is in it was checked to be of its form.
type ProgressInfo struct {
	// ICCID that it is about, without a trailing F.
	ICCID activation.ICCID
	// Time of the event as the sender tells it; zero where it tells none that can be read.
	Time time.Time
	// Point is the notificationPointId.
	Point PointID
	// Status that the point was reached with; empty where it is none of the standard's.
	Status ExecutionStatus
	// Code of a failure as the status code tables write it, such as 8.1/4.8; empty where there
	// is none.
	Code string
}

// Errors of ReadProgressInfo. They tell the field and its form, and nothing that was sent.
var (
	errNoObject = errors.New("the body must be one JSON object")
	errTooDeep  = errors.New("the body is nested too deep")
	errICCID    = errors.New("iccid must be 19 or 20 digits, or 19 digits and F")
	errPoint    = errors.New("notificationPointId must be a number")
	errNoStatus = errors.New("notificationPointStatus.status is missing")
)

// ReadProgressInfo reads a HandleDownloadProgressInfo (SGP.22 section 5.3.5) as tolerantly as
// peers need it: names in any case, numbers as strings and strings as numbers, a status without
// the object around it, and anything in the fields that nobody acts on. An error says what is
// wrong in words of our own, because what was sent may be a credential.
func ReadProgressInfo(body []byte) (ProgressInfo, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if len(body) == 0 || body[0] != '{' {
		return ProgressInfo{}, errNoObject
	}
	if deeperThan(body, maxDepth) {
		return ProgressInfo{}, errTooDeep
	}
	var wire struct {
		ICCID     looseText   `json:"iccid"`
		Timestamp looseText   `json:"timestamp"`
		Point     looseText   `json:"notificationPointId"`
		Status    looseStatus `json:"notificationPointStatus"`
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return ProgressInfo{}, errNoObject
	}
	iccid, err := activation.ParseICCID(string(wire.ICCID))
	if err != nil {
		return ProgressInfo{}, errICCID
	}
	point, err := strconv.ParseInt(string(wire.Point), 10, 32)
	if err != nil {
		return ProgressInfo{}, errPoint
	}
	if wire.Status.status == "" {
		return ProgressInfo{}, errNoStatus
	}
	return ProgressInfo{
		ICCID: iccid, Time: readTime(string(wire.Timestamp)), Point: PointID(point),
		Status: knownStatus(string(wire.Status.status)), Code: wire.Status.code(),
	}, nil
}

// deeperThan tells whether objects and arrays are nested deeper than limit. What is no JSON may
// be counted wrongly: it is refused anyway.
func deeperThan(body []byte, limit int) bool {
	depth, quoted, escaped := 0, false, false
	for _, c := range body {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// looseText is a JSON string, or a number as it was written; anything else is empty.
type looseText string

// UnmarshalJSON never fails: what is required is checked when all is read.
func (t *looseText) UnmarshalJSON(data []byte) error {
	*t = ""
	var text string
	if json.Unmarshal(data, &text) == nil {
		*t = looseText(strings.TrimSpace(text))
		return nil
	}
	var number json.Number
	if json.Unmarshal(data, &number) == nil {
		*t = looseText(number)
	}
	return nil
}

// looseStatus is a notificationPointStatus: the standard's object, or its status alone.
type looseStatus struct{ status, subject, reason looseText }

// UnmarshalJSON never fails, as that of looseText.
func (s *looseStatus) UnmarshalJSON(data []byte) error {
	*s = looseStatus{}
	var object struct {
		Status looseText       `json:"status"`
		Data   json.RawMessage `json:"statusCodeData"`
	}
	if json.Unmarshal(data, &object) != nil {
		return s.status.UnmarshalJSON(data)
	}
	s.status = object.Status
	var code struct {
		Subject looseText `json:"subjectCode"`
		Reason  looseText `json:"reasonCode"`
	}
	if json.Unmarshal(object.Data, &code) == nil {
		s.subject, s.reason = code.Subject, code.Reason
	}
	return nil
}

// codePart is a subject or reason code (SGP.22 section 5.2.6): numbers with dots.
var codePart = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){0,4}$`)

// code is empty where what came is no code, because it is shown to people.
func (s looseStatus) code() string {
	if !codePart.MatchString(string(s.subject)) || !codePart.MatchString(string(s.reason)) {
		return ""
	}
	return StatusCodeData{SubjectCode: string(s.subject), ReasonCode: string(s.reason)}.Code()
}

func knownStatus(text string) ExecutionStatus {
	for _, status := range []ExecutionStatus{ExecutedSuccess, ExecutedWithWarning, ExecutionFailed, ExecutionExpired} {
		if strings.EqualFold(text, string(status)) {
			return status
		}
	}
	return ""
}

// timeLayouts are W3C date-times (a profile of ISO 8601), and what peers take for them. Where
// the zone is missing it is UTC.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "20060102T150405Z0700", time.DateOnly,
}

const (
	// manyUnixSeconds is after the year 5000: so large a number counts milliseconds.
	manyUnixSeconds = 1e11
	mostUnixTime    = 1e14
)

// readTime reads a date-time, or seconds or milliseconds since 1970. It is zero where the text
// is neither.
func readTime(text string) time.Time {
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		switch {
		case number > 0 && number < manyUnixSeconds:
			return time.Unix(int64(number), 0).UTC()
		case number >= manyUnixSeconds && number < mostUnixTime:
			return time.UnixMilli(int64(number)).UTC()
		}
		return time.Time{}
	}
	text = strings.ToUpper(text)
	if len(text) > len(time.DateOnly) && text[len(time.DateOnly)] == ' ' {
		text = strings.Replace(text, " ", "T", 1)
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
