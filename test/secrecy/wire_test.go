package secrecy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

// wire is what the manager's calls to the SM-DP+ go over. It notes every matching ID that
// passes, and plays tricks with the answers.
type wire struct {
	mu     sync.Mutex
	issued []issue
	tricks []trick
	played []string
}

// issue is a matching ID that was sent or answered for an order.
type issue struct {
	// request begins with the order's UID.
	request, matchingID string
}

// trick is what becomes of one call: the answer is made of what was sent.
type trick struct {
	name     string
	function es2plus.Function
	// executed tells that the SM-DP+ does what it is asked before.
	executed bool
	play     func(sent exchangeSent, answer []byte) (*http.Response, error)
}

// title names a trick in a report.
func (t trick) title() string { return string(t.function) + ": " + t.name }

// exchangeSent is what a call carried.
type exchangeSent struct {
	body []byte
	es2plus.ConfirmOrderRequest
}

func (s exchangeSent) matchingID() string {
	if s.MatchingID == nil {
		return ""
	}
	return *s.MatchingID
}

// everyWay is what was sent, in all the ways in which a foreign text could repeat it.
func (s exchangeSent) everyWay() string {
	id := s.matchingID()
	return strings.Join([]string{
		id, strings.ToLower(id), "matchingId=" + url.QueryEscape("LPA:1$rsp.example.com$"+id),
		base64.StdEncoding.EncodeToString([]byte(id)), string(s.body),
	}, " ")
}

func (w *wire) around(inner http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) { return w.carry(inner, r) })
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// arm has tricks played, each once, on the next calls that they are for.
func (w *wire) arm(tricks ...trick) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tricks = append(w.tricks, tricks...)
}

// left are the tricks that were not played.
func (w *wire) left() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := make([]string, 0, len(w.tricks))
	for _, t := range w.tricks {
		names = append(names, t.title())
	}
	return names
}

// seen are the tricks that were played.
func (w *wire) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.played)
}

// disarm takes back the tricks that were not played.
func (w *wire) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tricks = nil
}

func (w *wire) next(path string) (trick, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.tricks, func(t trick) bool { return t.function.Path() == path })
	if i < 0 {
		return trick{}, false
	}
	t := w.tricks[i]
	w.tricks = slices.Delete(w.tricks, i, i+1)
	w.played = append(w.played, t.title())
	return t, true
}

func (w *wire) note(request, matchingID string) {
	if matchingID == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.issued = append(w.issued, issue{request, matchingID})
}

func (w *wire) carry(inner http.RoundTripper, r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sent := exchangeSent{body: body}
	if err := json.Unmarshal(body, &sent.ConfirmOrderRequest); err != nil {
		return nil, err
	}
	w.note(sent.Header.FunctionCallIdentifier, sent.matchingID())
	t, tricked := w.next(r.URL.Path)
	if tricked && !t.executed {
		return t.play(sent, nil)
	}
	answer, err := inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if tricked {
		if answer, err = t.play(sent, content); err != nil {
			return nil, err
		}
		if content, err = io.ReadAll(answer.Body); err != nil {
			return nil, err
		}
	}
	var told es2plus.ConfirmOrderResponse
	if json.Unmarshal(content, &told) == nil {
		w.note(sent.Header.FunctionCallIdentifier, told.MatchingID)
	}
	answer.Body = io.NopCloser(bytes.NewReader(content))
	return answer, nil
}

// answered is an answer with a status and a body.
func answered(status int, body string, headers ...string) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, body), StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// refusal fails a call with a status code and a text for people.
func refusal(subject, reason, message, identifier string) string {
	text, err := json.Marshal(map[string]any{"header": es2plus.ResponseHeader{FunctionExecutionStatus: es2plus.FunctionExecutionStatus{
		Status:         es2plus.ExecutionFailed,
		StatusCodeData: &es2plus.StatusCodeData{SubjectCode: subject, ReasonCode: reason, Message: message, SubjectIdentifier: identifier},
	}}})
	if err != nil {
		panic(err) // strings can be written
	}
	return string(text)
}

// refuse is a trick that fails a call and says in its own words what was sent.
func refuse(function es2plus.Function, subject, reason string) trick {
	return trick{
		name: "Failed " + subject + "/" + reason + " that repeats what was sent", function: function,
		play: func(sent exchangeSent, _ []byte) (*http.Response, error) {
			return answered(http.StatusOK, refusal(subject, reason, sent.everyWay(), sent.matchingID()))
		},
	}
}

// garbled are tricks after which a call must be made again, or looked into.
func garbled(function es2plus.Function) []trick {
	tricks := []trick{refuse(function, "8.9", "5.1"), refuse(function, "9.9", "9.9")}
	add := func(name string, executed bool, play func(sent exchangeSent, answer []byte) (*http.Response, error)) {
		tricks = append(tricks, trick{name, function, executed, play})
	}
	add("HTTP 500 that repeats what was sent", false, func(sent exchangeSent, _ []byte) (*http.Response, error) {
		return answered(http.StatusInternalServerError, sent.everyWay(), "Retry-After", sent.matchingID(), "X-Trace", sent.matchingID())
	})
	add("HTTP 502 after it was done", true, func(sent exchangeSent, _ []byte) (*http.Response, error) {
		return answered(http.StatusBadGateway, sent.everyWay())
	})
	add("a redirect with what was sent", false, func(sent exchangeSent, _ []byte) (*http.Response, error) {
		return answered(http.StatusFound, "", "Location", "https://127.0.0.1:1/?m="+sent.matchingID())
	})
	add("no HTTP, quoted", true, func(sent exchangeSent, _ []byte) (*http.Response, error) {
		return nil, fmt.Errorf("malformed HTTP response %q", sent.everyWay())
	})
	add("a status code that is what was sent", false, func(sent exchangeSent, _ []byte) (*http.Response, error) {
		return answered(http.StatusOK, refusal(sent.matchingID(), sent.matchingID(), sent.everyWay(), sent.matchingID()))
	})
	add("a status that is what was sent", true, func(sent exchangeSent, _ []byte) (*http.Response, error) {
		return answered(http.StatusOK, fmt.Sprintf(`{"header":{"functionExecutionStatus":{"status":%q}}}`, sent.matchingID()))
	})
	add("no JSON but what was sent", true, func(sent exchangeSent, _ []byte) (*http.Response, error) {
		return answered(http.StatusOK, sent.everyWay())
	})
	add("half of the answer", true, func(_ exchangeSent, answer []byte) (*http.Response, error) {
		return answered(http.StatusOK, string(answer[:2*len(answer)/3]))
	})
	add("a field of another type", true, func(sent exchangeSent, _ []byte) (*http.Response, error) {
		return answered(http.StatusOK, fmt.Sprintf(`{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"matchingId":{%q:1},"smdpAddress":[%[1]q]}`, sent.matchingID()))
	})
	return tricks
}

// executedAs is a trick that answers a success with other fields.
func executedAs(name string, fields func(sent exchangeSent) string) trick {
	return trick{name, es2plus.ConfirmOrder, true, func(sent exchangeSent, _ []byte) (*http.Response, error) {
		return answered(http.StatusOK, `{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},`+fields(sent)+`}`)
	}}
}
