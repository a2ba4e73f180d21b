package smdp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

const (
	// maxRequest bounds the body of a request; the largest legitimate one has a few hundred bytes.
	maxRequest = 64 << 10
	// bodyTimeout bounds how long a client may take to send it.
	bodyTimeout = 30 * time.Second
)

// adminProtocol is what the X-Admin-Protocol header must say (SGP.22 section 6.2); this
// SM-DP+ speaks version 2.
var adminProtocol = regexp.MustCompile(`^gsma/rsp/v2\.[0-9]{1,3}\.[0-9]{1,3}$`)

// served are the functions of an SM-DP+.
var served = []es2plus.Function{es2plus.DownloadOrder, es2plus.ConfirmOrder, es2plus.ReleaseProfile, es2plus.CancelOrder}

// es2plusHandler serves the four functions.
func (s *Server) es2plusHandler() http.Handler {
	mux := http.NewServeMux()
	for _, f := range served {
		mux.HandleFunc("POST "+f.Path(), func(w http.ResponseWriter, r *http.Request) { s.serve(f, w, r) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, ok := r.Context().Value(connKey{}).(net.Conn)
		if !ok || !s.gate.enter(conn) {
			abort()
		}
		defer s.gate.leave(conn)
		// The limit of the answer before, on the same connection, does not hold for this one.
		if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
			s.log.Debug("old limit for an answer still holds", "error", err)
		}
		mux.ServeHTTP(w, r)
	})
}

// serve answers one call: read it, let its fate take its course, execute it, answer.
func (s *Server) serve(f es2plus.Function, w http.ResponseWriter, r *http.Request) {
	c, err := s.readCall(f, w, r)
	if err != nil {
		s.log.Info("request not read", "function", f, "error", err)
		s.send(w, http.StatusBadRequest, plainText, []byte("the request could not be read\n"))
		return
	}
	what := s.faults.next(f)
	if s.wait(s.latencyOf(f)+what.delay) != nil {
		abort()
	}
	if fault := what.ending; fault != nil && !fault.executes() && fault.Kind != FaultHang {
		s.log.Info("call not executed", "function", f, "requester", c.requester, "fault", fault.Kind)
		s.spoil(w, r, what, failedAnswer{Header: executed()})
		return
	}
	if s.hangsBefore(r, what) {
		abort()
	}
	answer, err := s.execute(c, what)
	if err != nil {
		s.log.Error("call not executed", "function", f, "requester", c.requester, "error", err)
		s.send(w, http.StatusInternalServerError, plainText, []byte("the simulator is in trouble: see its log\n"))
		return
	}
	s.spoil(w, r, what, answer)
}

// abort ends the connection without an answer.
func abort() { panic(http.ErrAbortHandler) }

// hangsBefore holds a call that hangs before it is executed. It tells whether the call is to
// be dropped: its client is gone, the server ends, or it is never to be executed.
func (s *Server) hangsBefore(r *http.Request, what fate) bool {
	if what.ending == nil || what.ending.Kind != FaultHang || what.ending.executes() {
		return false
	}
	goesOn := s.hang(r, what)
	return !goesOn || what.ending.Execution == ExecuteNever
}

// hang waits until the fault is cleared, and tells whether it was: false where the client or
// the server went first.
func (s *Server) hang(r *http.Request, what fate) bool {
	select {
	case <-what.cleared:
		return true
	case <-r.Context().Done():
	case <-s.ending.Done():
	}
	return false
}

// wait for the latency; an error where the server ends first.
func (s *Server) wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := s.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-s.ending.Done():
		return context.Cause(s.ending)
	}
}

func (s *Server) latencyOf(f es2plus.Function) time.Duration {
	l := s.latencies.of(f)
	if l.Mean == 0 {
		return l.Fixed
	}
	normal, err := s.random.normal()
	if err != nil {
		s.log.Error("no randomness for the latency; using the mean", "error", err)
		return l.Mean
	}
	return l.at(normal)
}

// execute the call and tell the log, without credentials.
func (s *Server) execute(c call, what fate) (any, error) {
	entry := LedgerEntry{Time: s.clock.Now().UTC()}
	if what.ending != nil {
		entry.Fault = what.ending.Kind
		entry.AnswerDropped = what.ending.Kind == FaultDropAnswer
	}
	answer, entry, err := s.registry.execute(c, entry, s.behaviour())
	if err != nil {
		return nil, err
	}
	s.log.Debug("call executed", "function", c.function, "requester", c.requester, "iccid", entry.ICCID,
		"statusCode", entry.StatusCode, "fault", entry.Fault)
	if confirmed, ok := answer.(es2plus.ConfirmOrderResponse); ok && what.omitAddress {
		confirmed.SMDPAddress = ""
		answer = confirmed
	}
	return answer, nil
}

// readCall reads who calls, and what. An error is for what never becomes a call: a client that
// goes away, or a body without end.
func (s *Server) readCall(f es2plus.Function, w http.ResponseWriter, r *http.Request) (call, error) {
	c := call{function: f, requester: r.TLS.PeerCertificates[0].Subject.CommonName}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return call{}, fmt.Errorf("limit the time to read: %w", err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return call{}, fmt.Errorf("read the request: %w", err)
	}
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return call{}, fmt.Errorf("lift the limit: %w", err)
	}
	if c.refused = checkProtocol(r.Header); c.refused != nil {
		return c, nil
	}
	c.order, _ = newOrder(f)
	if c.refused = decode(body, c.order); c.refused != nil {
		c.order = nil
		return c, nil
	}
	c.refused = firstRefusal(checkHeader(c.order.header()), checkRequester(c), c.order.check())
	return c, nil
}

// checkProtocol checks the HTTP headers (SGP.22 sections 6.2 and 6.5.1).
func checkProtocol(h http.Header) *refusal {
	if !adminProtocol.MatchString(h.Get(es2plus.HeaderAdminProtocol)) {
		return &refusal{subjectProtocolVersion, reasonUnsupported, es2plus.HeaderAdminProtocol + " must be gsma/rsp/v2.<minor>.<revision>"}
	}
	media, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, given := parameters["charset"]
	if err != nil || media != "application/json" || (given && !strings.EqualFold(charset, "utf-8")) {
		return &refusal{subjectProtocolFormat, reasonInvalid, "Content-Type must be application/json"}
	}
	return nil
}

// checkRequester: the certificate is the identity, and the header must agree.
func checkRequester(c call) *refusal {
	switch c.requester {
	case "":
		return &refuseUnknownRequester
	case c.order.header().FunctionRequesterIdentifier:
		return nil
	}
	return &refuseOtherRequester
}

// subjectOf a request field, for status codes; other fields are the function's.
var subjectOf = map[string]string{
	"iccid": subjectICCID, "eid": subjectEID, "profileType": subjectProfileType,
	"matchingId": subjectMatchingID, "confirmationCode": subjectConfirmationCode,
}

// decode reads one JSON object, and nothing after it. Unknown fields are passed over, as the
// standard wants; fields of the wrong type are refused.
func decode(body []byte, into order) *refusal {
	err := json.Unmarshal(body, into)
	if err == nil {
		return nil
	}
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		path := strings.Split(wrongType.Field, ".")
		name := path[len(path)-1]
		subject, known := subjectOf[name]
		if !known {
			subject = subjectFunction
		}
		return &refusal{subject, reasonInvalid, name + " has the wrong JSON type"}
	}
	return &refusal{subjectProtocolFormat, reasonInvalid, "the body is not one JSON object"}
}
