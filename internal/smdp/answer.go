package smdp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

const (
	// hugeBody is the size of the answer of FaultHugeBody, in bytes.
	hugeBody = 100 << 20
	// writeTimeout bounds how long a client may keep from reading a piece of an answer.
	writeTimeout = 30 * time.Second

	plainText = "text/plain; charset=utf-8"
)

// spoil sends the answer, or what the fate makes of it.
func (s *Server) spoil(w http.ResponseWriter, r *http.Request, what fate, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		s.log.Error("answer not encoded", "error", err)
		abort()
	}
	w.Header().Set(es2plus.HeaderAdminProtocol, es2plus.AdminProtocol(protocolVersion))
	fault := what.ending
	if fault == nil {
		s.send(w, http.StatusOK, "application/json", body)
		return
	}
	switch fault.Kind {
	case FaultStatusCode:
		s.sendStatusCode(w, *fault)
	case FaultHTTPStatus:
		if fault.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(fault.RetryAfter/time.Second)))
		}
		s.send(w, fault.HTTPStatus, plainText, []byte(http.StatusText(fault.HTTPStatus)+"\n"))
	case FaultDropAnswer:
		s.dropConnection(w)
	case FaultMalformedJSON:
		s.send(w, http.StatusOK, "application/json", body[:len(body)/2])
	case FaultHugeBody:
		s.sendHuge(w, body)
	case FaultWrongContentType:
		s.send(w, http.StatusOK, "text/html; charset=utf-8", body)
	case FaultHang:
		if fault.executes() && !s.hang(r, what) {
			abort()
		}
		s.send(w, http.StatusOK, "application/json", body)
	}
}

// send an answer. What goes wrong is the client's end of the line, and it knows.
func (s *Server) send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	if !s.gate.keeps() {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(status)
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		s.log.Debug("no limit for the answer", "error", err)
	}
	if _, err := w.Write(body); err != nil {
		s.log.Debug("answer not sent", "error", err)
	}
}

func (s *Server) sendStatusCode(w http.ResponseWriter, f Fault) {
	status := es2plus.FunctionExecutionStatus{Status: f.Status}
	if status.Status == "" {
		status.Status = es2plus.ExecutionFailed
	}
	if f.SubjectCode != "" {
		status.StatusCodeData = &es2plus.StatusCodeData{SubjectCode: f.SubjectCode, ReasonCode: f.ReasonCode, Message: f.Message}
	}
	body, err := json.Marshal(failedAnswer{Header: es2plus.ResponseHeader{FunctionExecutionStatus: status}})
	if err != nil {
		s.log.Error("answer not encoded", "error", err)
		abort()
	}
	s.send(w, http.StatusOK, "application/json", body)
}

// dropConnection resets the connection, so that the client cannot tell how far its call came.
func (s *Server) dropConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.log.Error("connection not reset; closing it instead", "error", err)
		abort()
	}
	reset(conn)
}

// sendHuge streams the answer with 100 MB of padding: right, if anybody read to its end.
func (s *Server) sendHuge(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close")
	control := http.NewResponseController(w)
	piece := make([]byte, 64<<10)
	for i := range piece {
		piece[i] = 'x'
	}
	if _, err := fmt.Fprintf(w, `%s,"padding":"`, body[:len(body)-1]); err != nil {
		s.log.Debug("huge answer not begun", "error", err)
		return
	}
	for sent := 0; sent < hugeBody; sent += len(piece) {
		err := control.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err == nil {
			_, err = w.Write(piece)
		}
		if err != nil {
			s.log.Debug("client went away from the huge answer", "sent", sent, "error", err)
			return
		}
	}
	if _, err := fmt.Fprint(w, `"}`); err != nil {
		s.log.Debug("huge answer not finished", "error", err)
	}
}
