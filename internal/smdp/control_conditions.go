package smdp

import (
	"net/http"
	"strconv"
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

// faultDocument is a Fault in JSON.
type faultDocument struct {
	ID          int                     `json:"id,omitempty"`
	Kind        FaultKind               `json:"kind"`
	Function    es2plus.Function        `json:"function,omitempty"`
	Times       int                     `json:"times,omitempty"`
	Fraction    float64                 `json:"fraction,omitempty"`
	Execution   Execution               `json:"execution,omitempty"`
	SubjectCode string                  `json:"subjectCode,omitempty"`
	ReasonCode  string                  `json:"reasonCode,omitempty"`
	Message     string                  `json:"message,omitempty"`
	Status      es2plus.ExecutionStatus `json:"status,omitempty"`
	HTTPStatus  int                     `json:"httpStatus,omitempty"`
	RetryAfter  span                    `json:"retryAfter,omitzero"`
	Delay       span                    `json:"delay,omitzero"`
	Hits        int                     `json:"hits"`
}

func (d faultDocument) fault() Fault {
	return Fault{
		Kind: d.Kind, Function: d.Function, Times: d.Times, Fraction: d.Fraction, Execution: d.Execution,
		SubjectCode: d.SubjectCode, ReasonCode: d.ReasonCode, Message: d.Message, Status: d.Status,
		HTTPStatus: d.HTTPStatus, RetryAfter: time.Duration(d.RetryAfter), Delay: time.Duration(d.Delay),
	}
}

func documentOf(f Fault) faultDocument {
	return faultDocument{
		ID: f.ID, Kind: f.Kind, Function: f.Function, Times: f.Times, Fraction: f.Fraction, Execution: f.Execution,
		SubjectCode: f.SubjectCode, ReasonCode: f.ReasonCode, Message: f.Message, Status: f.Status,
		HTTPStatus: f.HTTPStatus, RetryAfter: span(f.RetryAfter), Delay: span(f.Delay), Hits: f.Hits,
	}
}

func (s *Server) getFaults(*http.Request) (any, error) {
	out := []faultDocument{}
	for _, f := range s.Faults() {
		out = append(out, documentOf(f))
	}
	return out, nil
}

func (s *Server) postFault(r *http.Request) (any, error) {
	var wanted faultDocument
	if err := readControl(r, &wanted); err != nil {
		return nil, err
	}
	if err := wanted.fault().check(); err != nil {
		return nil, badRequest("%v", err)
	}
	id, err := s.inject(wanted.fault())
	return map[string]int{"id": id}, err
}

func (s *Server) deleteFaults(*http.Request) (any, error) { return nil, s.ClearFaults() }

func (s *Server) deleteFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return nil, badRequest("the id must be a number")
	}
	found, err := s.clearFault(id)
	if err == nil && !found {
		err = &controlError{http.StatusNotFound, "no fault has this id"}
	}
	return nil, err
}

// latencyDocument is a Latency in JSON.
type latencyDocument struct {
	Fixed     span               `json:"fixed,omitzero"`
	Min       span               `json:"min,omitzero"`
	Mean      span               `json:"mean,omitzero"`
	P99       span               `json:"p99,omitzero"`
	Functions []es2plus.Function `json:"functions,omitempty"`
}

func (s *Server) getLatency(*http.Request) (any, error) {
	out := make(map[es2plus.Function]latencyDocument)
	for _, f := range served {
		l := s.latencies.of(f)
		out[f] = latencyDocument{Fixed: span(l.Fixed), Min: span(l.Min), Mean: span(l.Mean), P99: span(l.P99)}
	}
	return out, nil
}

func (s *Server) putLatency(r *http.Request) (any, error) {
	var d latencyDocument
	if err := readControl(r, &d); err != nil {
		return nil, err
	}
	l := Latency{Fixed: time.Duration(d.Fixed), Min: time.Duration(d.Min), Mean: time.Duration(d.Mean), P99: time.Duration(d.P99)}
	if err := s.SetLatency(l, d.Functions...); err != nil {
		return nil, badRequest("%v", err)
	}
	return s.getLatency(r)
}

// notificationsDocument are Notifications in JSON.
type notificationsDocument struct {
	URL        string             `json:"url,omitempty"`
	CA         string             `json:"ca,omitempty"`
	Attempts   int                `json:"attempts,omitempty"`
	Repeat     int                `json:"repeat,omitempty"`
	OutOfOrder bool               `json:"outOfOrder,omitempty"`
	Points     Points             `json:"points,omitzero"`
	Sent       []SentNotification `json:"sent,omitempty"`
}

func (s *Server) getNotifications(*http.Request) (any, error) {
	n := s.notifier.current()
	return notificationsDocument{
		URL: n.URL, CA: string(n.CA), Attempts: n.Attempts, Repeat: n.Repeat, OutOfOrder: n.OutOfOrder, Points: n.Points,
		Sent: s.SentNotifications(),
	}, nil
}

func (s *Server) putNotifications(r *http.Request) (any, error) {
	var d notificationsDocument
	if err := readControl(r, &d); err != nil {
		return nil, err
	}
	n := Notifications{URL: d.URL, CA: []byte(d.CA), Attempts: d.Attempts, Repeat: d.Repeat, OutOfOrder: d.OutOfOrder, Points: d.Points}
	if err := s.SetNotifications(n); err != nil {
		return nil, badRequest("%v", err)
	}
	return s.getNotifications(r)
}

// settingsDocument is what can be set at run time and is neither fault nor latency.
type settingsDocument struct {
	SMDPAddress string `json:"smdpAddress"`
	Behaviour
}

func (s *Server) getSettings(*http.Request) (any, error) {
	b := s.behaviour()
	return settingsDocument{SMDPAddress: b.smdpAddress, Behaviour: b}, nil
}

func (s *Server) putSettings(r *http.Request) (any, error) {
	var d settingsDocument
	if err := readControl(r, &d); err != nil {
		return nil, err
	}
	s.SetBehaviour(d.Behaviour)
	s.SetSMDPAddress(d.SMDPAddress)
	return s.getSettings(r)
}

// clientDocument is a client's certificate as it is handed out.
type clientDocument struct {
	CA          string `json:"ca"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

func (s *Server) postClient(r *http.Request) (any, error) {
	cert, key, err := s.pki.Issue(r.PathValue("id"))
	if err != nil {
		return nil, badRequest("%v", err)
	}
	return clientDocument{CA: string(s.pki.CA), Certificate: string(cert), Key: string(key)}, nil
}
