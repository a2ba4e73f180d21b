package smdp

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// ControlGuide explains the control API, by example. GET / answers it.
//
//go:embed control.txt
var ControlGuide string

// maxControlRequest bounds the body of a request to the control API.
const maxControlRequest = 1 << 20

// controlRoute is one operation of the control API. Its handler returns what to answer as
// JSON, or nil for 204.
type controlRoute struct {
	pattern string
	handle  func(*http.Request) (any, error)
}

func (s *Server) controlRoutes() []controlRoute {
	return []controlRoute{
		{"GET /stock", s.getStocks},
		{"GET /stock/{type}", s.getStock},
		{"PUT /stock/{type}", s.putStock},
		{"DELETE /stock/{type}", s.deleteStock},
		{"GET /profiles", s.getProfiles},
		{"GET /profiles/{iccid}", s.getProfile},
		{"POST /profiles/{iccid}/install", s.step(s.Install)},
		{"POST /profiles/{iccid}/fail", s.step(s.FailInstall)},
		{"POST /profiles/{iccid}/enable", s.step(s.Enable)},
		{"POST /profiles/{iccid}/disable", s.step(s.Disable)},
		{"POST /profiles/{iccid}/delete", s.step(s.Delete)},
		{"POST /profiles/{iccid}/notify", s.postNotify},
		{"GET /ledger", s.getLedger},
		{"GET /summary", s.getSummary},
		{"GET /faults", s.getFaults},
		{"POST /faults", s.postFault},
		{"DELETE /faults", s.deleteFaults},
		{"DELETE /faults/{id}", s.deleteFault},
		{"GET /latency", s.getLatency},
		{"PUT /latency", s.putLatency},
		{"GET /notifications", s.getNotifications},
		{"PUT /notifications", s.putNotifications},
		{"GET /settings", s.getSettings},
		{"PUT /settings", s.putSettings},
		{"POST /clients/{id}", s.postClient},
	}
}

// controlHandler serves the control API. It keeps web pages out, which a browser on the same
// machine would let in: by their origin, and by host names that only pretend to be local.
func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", plainText)
		guide := ControlGuide
		for _, part := range s.options.ControlParts {
			guide += "\n" + part.Guide
		}
		if _, err := io.WriteString(w, guide); err != nil {
			s.log.Debug("guide not sent", "error", err)
		}
	})
	for _, part := range s.options.ControlParts {
		mux.Handle(part.Path, http.MaxBytesHandler(part.Handler, maxControlRequest))
	}
	for _, route := range s.controlRoutes() {
		mux.HandleFunc(route.pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxControlRequest)
			answer, err := route.handle(r)
			s.sendControl(w, answer, err)
		})
	}
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.options.AllowRemoteControl && !isLocalHost(r.Host) {
			s.sendControl(w, nil, &controlError{http.StatusForbidden, "the Host header must be localhost or a loopback address"})
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// isLocalHost tells whether a Host header names this machine.
func isLocalHost(host string) bool {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, "80")
	}
	return isLoopback(host)
}

// controlError is an error with the HTTP status to answer it with.
type controlError struct {
	status  int
	message string
}

func (e *controlError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return &controlError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// sendControl answers what a handler returned.
func (s *Server) sendControl(w http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		status = statusOf(err)
		answer = map[string]string{"error": err.Error()}
	}
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(answer); err != nil {
		s.log.Debug("control answer not sent", "error", err)
	}
}

// statusOf an error of a handler.
func statusOf(err error) int {
	var told *controlError
	switch {
	case errors.As(err, &told):
		return told.status
	case errors.Is(err, ErrUnknownProfile):
		return http.StatusNotFound
	case errors.Is(err, ErrWrongState):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

// readControl reads a JSON object whose fields are all known; an empty body is an empty one.
func readControl(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return badRequest("the body is not right: %v; GET / shows the form", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body holds more than one JSON object")
	}
	return nil
}

// queryInt is a number of the query.
func queryInt(r *http.Request, name string, missing, least, most int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest("%s must be a number from %d to %d", name, least, most)
	}
	return n, nil
}

// span is a duration that is written as text, such as 250ms.
type span time.Duration

func (d span) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *span) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = span(parsed)
	return err
}
