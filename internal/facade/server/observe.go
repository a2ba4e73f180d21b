package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/segmentio/ksuid"
	"go.uber.org/zap/zapcore"
)

const (
	requestIDHeader = "X-Request-Id"
	maxRequestID    = 128
)

// observe gives each request its id and logs it. The log has neither query nor headers nor
// bodies: tokens, activation codes, e-mail addresses and references are in those.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := s.Clock.Now()
		of := &request{id: requestID(r.Header)}
		w.Header().Set(requestIDHeader, of.id)
		// For an id that cannot be repeated no request is refused: from here on it has this one.
		r.Header.Set(requestIDHeader, of.id)
		answer := &answer{ResponseWriter: w}
		// Also of a request whose answer is cut off, which panics to the very end.
		defer func() {
			took := s.Clock.Since(begun)
			s.Metrics.answered(of.operation, method(r), answer.status, took)
			of.endSpan(answer.status)
			s.Log.Info("Request", "requestID", of.id, "request", newLine(of, r, answer, took))
		}()
		next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), requestKey{}, of)))
	})
}

// line is what the log says of a request.
type line struct {
	Method  string  `json:"method"`
	Route   string  `json:"route"`
	Status  int     `json:"status"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	// Client and ServiceAccount are empty where it is not known who is calling.
	Client         string `json:"client,omitempty"`
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// Address is empty where it could not be told.
	Address string `json:"address,omitempty"`
	// TraceID is empty where the request's trace is not recorded.
	TraceID string `json:"traceID,omitempty"`
}

func newLine(of *request, r *http.Request, sent *answer, took time.Duration) *line {
	l := &line{
		Method: method(r), Route: of.route, Status: sent.status, Bytes: sent.written, Seconds: took.Seconds(), TraceID: of.traceID,
	}
	if from := of.caller.Address; from.IsValid() {
		l.Address = from.String()
	}
	if who := of.caller.Identity; who != nil {
		l.Client, l.ServiceAccount = who.Namespace, who.ServiceAccount
	}
	return l
}

// MarshalLogObject writes the line as its JSON is, without looking at what fields it has each
// time: there is one for every request.
func (l *line) MarshalLogObject(to zapcore.ObjectEncoder) error {
	to.AddString("method", l.Method)
	to.AddString("route", l.Route)
	to.AddInt("status", l.Status)
	to.AddInt64("bytes", l.Bytes)
	to.AddFloat64("seconds", l.Seconds)
	if l.Client != "" {
		to.AddString("client", l.Client)
		to.AddString("serviceAccount", l.ServiceAccount)
	}
	if l.Address != "" {
		to.AddString("address", l.Address)
	}
	if l.TraceID != "" {
		to.AddString("traceID", l.TraceID)
	}
	return nil
}

// method is that of a request, where it is one that HTTP knows: others are anybody's text.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "other"
	}
}

// requestID is the caller's own, if it can be repeated in a header and in the log.
func requestID(header http.Header) string {
	if given := header.Values(requestIDHeader); len(given) == 1 && printable(given[0]) {
		return given[0]
	}
	return ksuid.New().String()
}

func printable(text string) bool {
	if text == "" || len(text) > maxRequestID {
		return false
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// errPanic is a fault in this program.
var errPanic = errors.New("panic")

// rescue answers 500 where an operation panics, and keeps the server running. Of the value
// only its type is logged, unless it is the runtime's own: it may hold anything.
func (s *Server) rescue(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			value := recover()
			if value == nil {
				return
			}
			err := fmt.Errorf("%w of type %T", errPanic, value)
			var fault runtime.Error
			if known, ok := value.(error); ok && errors.As(known, &fault) {
				err = fmt.Errorf("%w: %w", errPanic, fault)
			}
			s.logger(r.Context()).Error(err, "An operation panicked", "stack", string(debug.Stack()))
			if sent, ok := w.(*answer); ok && sent.status != 0 {
				// Part of an answer has gone out: cutting it off is all that tells.
				panic(http.ErrAbortHandler)
			}
			s.fail(w, r, internal(err))
		}()
		next.ServeHTTP(w, r)
	})
}

// answer notes what is sent.
type answer struct {
	http.ResponseWriter
	status  int
	written int64
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(body []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(body)
	a.written += int64(n)
	return n, err
}
