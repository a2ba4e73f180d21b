package main

import (
	"bytes"
	_ "embed" // for the page's template
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

const (
	// kept events, at most; the oldest go first.
	kept = 1000
	// maxBody bounds a request's body in bytes.
	maxBody = 64 << 10
	// tolerance of timestamps, which Standard Webhooks' libraries have too.
	tolerance = 5 * time.Minute
	// policy of the page: it loads nothing.
	policy = "default-src 'none'; style-src 'unsafe-inline'"
)

//go:embed page.html
var pageTemplate string

var page = template.Must(template.New("page").Parse(pageTemplate))

// event as it was received.
type event struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	// ReceivedAt is ours.
	ReceivedAt time.Time `json:"received_at"`
	// Valid tells that the signature is by a known secret, and Error why it is not.
	Valid bool   `json:"valid"`
	Error string `json:"error,omitempty"`
	Path  string `json:"path"`
	// Status that it was answered with.
	Status int             `json:"status"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// answer that events get in place of 204.
type answer struct {
	Status int `json:"status"`
	// Count of events that get it; 0 means all.
	Count int `json:"count,omitempty"`
}

// receiver keeps what it gets.
type receiver struct {
	secrets []webhook.Secret
	clock   clock.PassiveClock

	mu     sync.Mutex
	events []event
	answer answer
}

func newReceiver(secrets []webhook.Secret, now clock.PassiveClock) *receiver {
	return &receiver{secrets: secrets, clock: now, answer: answer{Status: http.StatusNoContent}}
}

// handler of all routes. Pages of other sites must not get at them by a name of their own that
// they let point to this machine.
func (r *receiver) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks/{path...}", r.receive)
	mux.HandleFunc("GET /events", r.showEvents)
	mux.HandleFunc("PUT /answer", r.setAnswer)
	mux.HandleFunc("GET /{$}", r.showPage)
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		host := request.Host
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "80")
		}
		if !loopback(host) {
			http.Error(w, "the Host header must be localhost or a loopback address", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, request)
	})
}

// receive an event, and answer as told.
func (r *receiver) receive(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	if err != nil {
		if tooLarge, found := errors.AsType[*http.MaxBytesError](err); found {
			http.Error(w, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit), http.StatusRequestEntityTooLarge)
			return
		}
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	received, err := r.read(request, body)
	received.Valid = err == nil
	if err != nil {
		received.Error = err.Error()
	}
	w.WriteHeader(r.keep(received))
}

// read an event, as far as it can be read; the error is why it does not count.
func (r *receiver) read(request *http.Request, body []byte) (event, error) {
	now := r.clock.Now()
	received := event{ID: request.Header.Get(webhook.HeaderID), ReceivedAt: now.UTC(), Path: request.URL.Path}
	var content struct {
		ID        string          `json:"id"`
		Type      string          `json:"type"`
		CreatedAt time.Time       `json:"created_at"`
		Data      json.RawMessage `json:"data"`
	}
	unreadable := json.Unmarshal(body, &content)
	if unreadable == nil {
		received.Type, received.CreatedAt, received.Data = content.Type, content.CreatedAt, content.Data
	}
	if err := webhook.Verify(r.secrets, request.Header, body, now, tolerance); err != nil {
		return received, err
	}
	if unreadable != nil {
		return received, fmt.Errorf("the body is no event: %w", unreadable)
	}
	if content.ID != received.ID {
		return received, errors.New("the body's id is not the header's")
	}
	return received, nil
}

// keep an event, and decide the answer's status. What is not valid never gets the one that
// somebody wanted to see.
func (r *receiver) keep(received event) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	received.Status = http.StatusUnauthorized
	if received.Valid {
		received.Status = r.answer.Status
		if r.answer.Count > 0 {
			if r.answer.Count--; r.answer.Count == 0 {
				r.answer = answer{Status: http.StatusNoContent}
			}
		}
	}
	r.events = append(r.events, received)
	if extra := len(r.events) - kept; extra > 0 {
		r.events = slices.Delete(r.events, 0, extra)
	}
	return received.Status
}

// newest events first.
func (r *receiver) newest() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := append([]event{}, r.events...)
	slices.Reverse(events)
	return events
}

func (r *receiver) showEvents(w http.ResponseWriter, _ *http.Request) {
	sendJSON(w, r.newest())
}

// setAnswer for the events to come.
func (r *receiver) setAnswer(w http.ResponseWriter, request *http.Request) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, request.Body, maxBody))
	decoder.DisallowUnknownFields()
	var wanted answer
	err := decoder.Decode(&wanted)
	if err != nil || wanted.Status < 200 || wanted.Status > 599 || wanted.Count < 0 {
		http.Error(w, `the body must be such as {"status": 500, "count": 3}: a status from 200 to 599, a count that is not negative`, http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.answer = wanted
	r.mu.Unlock()
	sendJSON(w, wanted)
}

func (r *receiver) showPage(w http.ResponseWriter, _ *http.Request) {
	var out bytes.Buffer
	if err := page.Execute(&out, r.newest()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", policy)
	send(w, "text/html; charset=utf-8", out.Bytes())
}

func sendJSON(w http.ResponseWriter, value any) {
	out, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, "application/json", append(out, '\n'))
}

// send an answer. Who hangs up is not to be told that it could not be written.
func send(w http.ResponseWriter, kind string, content []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(content)
}
