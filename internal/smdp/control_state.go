package smdp

import (
	"math"
	"net/http"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

const (
	defaultPage = 1_000
	largestPage = 100_000
)

type stockDocument struct {
	ProfileType string `json:"profileType"`
	Available   int    `json:"available"`
}

func (s *Server) getStocks(*http.Request) (any, error) { return s.registry.stocks(), nil }

func (s *Server) getStock(r *http.Request) (any, error) {
	profileType := r.PathValue("type")
	available, known := s.registry.stock(profileType)
	if !known {
		return nil, &controlError{http.StatusNotFound, "the profile type is unknown; PUT its stock first"}
	}
	return stockDocument{profileType, available}, nil
}

func (s *Server) putStock(r *http.Request) (any, error) {
	var wanted struct {
		Available *int `json:"available"`
	}
	if err := readControl(r, &wanted); err != nil {
		return nil, err
	}
	if wanted.Available == nil || *wanted.Available < 0 || *wanted.Available > math.MaxInt32 {
		return nil, badRequest("available must be there, and 0 or more")
	}
	profileType := r.PathValue("type")
	if refused := checkProfileType(profileType); refused != nil {
		return nil, badRequest("%s", refused.message)
	}
	return stockDocument{profileType, *wanted.Available}, s.SetStock(profileType, *wanted.Available)
}

func (s *Server) deleteStock(r *http.Request) (any, error) {
	return nil, s.SetStock(r.PathValue("type"), -1)
}

func (s *Server) getProfiles(r *http.Request) (any, error) {
	limit, err := queryInt(r, "limit", defaultPage, 1, largestPage)
	if err != nil {
		return nil, err
	}
	wanted := r.URL.Query()
	found := []Profile{}
	for _, p := range s.Profiles() {
		if is(wanted.Get("state"), string(p.State)) && is(wanted.Get("owner"), p.Owner) &&
			is(wanted.Get("profileType"), p.ProfileType) && int64(len(found)) < limit {
			found = append(found, p)
		}
	}
	return found, nil
}

// is tells whether a value passes a filter; an empty filter lets all pass.
func is(filter, value string) bool { return filter == "" || filter == value }

func (s *Server) getProfile(r *http.Request) (any, error) {
	iccid, err := pathICCID(r)
	if err != nil {
		return nil, err
	}
	p, ok := s.Profile(iccid)
	if !ok {
		return nil, ErrUnknownProfile
	}
	return p, nil
}

func pathICCID(r *http.Request) (activation.ICCID, error) {
	iccid, err := activation.ParseICCID(r.PathValue("iccid"))
	if err != nil {
		return "", badRequest("%v", err)
	}
	return iccid, nil
}

// step is the handler of something that a device does. It answers the profile afterwards.
func (s *Server) step(take func(activation.ICCID) error) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		iccid, err := pathICCID(r)
		if err != nil {
			return nil, err
		}
		if err := take(iccid); err != nil {
			return nil, err
		}
		return s.getProfile(r)
	}
}

func (s *Server) postNotify(r *http.Request) (any, error) {
	var wanted struct {
		Point  *int `json:"notificationPointId"`
		Failed bool `json:"failed"`
	}
	if err := readControl(r, &wanted); err != nil {
		return nil, err
	}
	if wanted.Point == nil {
		return nil, badRequest("notificationPointId must be there, such as 4")
	}
	iccid, err := pathICCID(r)
	if err != nil {
		return nil, err
	}
	return nil, s.Notify(iccid, *wanted.Point, wanted.Failed)
}

// ledgerPage is some of the ledger.
type ledgerPage struct {
	Entries []LedgerEntry `json:"entries"`
	// More tells that there are others after the last one.
	More bool `json:"more"`
}

func (s *Server) getLedger(r *http.Request) (any, error) {
	limit, err := queryInt(r, "limit", defaultPage, 1, largestPage)
	if err != nil {
		return nil, err
	}
	after, err := queryInt(r, "after", 0, 0, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	wanted := r.URL.Query()
	page := ledgerPage{Entries: []LedgerEntry{}}
	for _, e := range s.Ledger() {
		if e.Sequence <= after || !is(wanted.Get("function"), string(e.Function)) ||
			!is(wanted.Get("requester"), e.Requester) || !is(wanted.Get("iccid"), string(e.ICCID)) ||
			!is(wanted.Get("profileType"), e.ProfileType) || !is(wanted.Get("statusCode"), e.outcome()) {
			continue
		}
		if int64(len(page.Entries)) == limit {
			page.More = true
			break
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}

// outcome is the status code, or a word where there is none.
func (e LedgerEntry) outcome() string {
	if e.Succeeded() {
		return "success"
	}
	return e.StatusCode
}

// Summary is the SM-DP+ at a glance.
type Summary struct {
	// Profiles that were ever ordered, by state.
	Profiles map[State]int `json:"profiles"`
	// Stock that can be ordered, by profile type.
	Stock map[string]int `json:"stock"`
	// Calls in the ledger, by function and then by status code or "success".
	Calls map[es2plus.Function]map[string]int `json:"calls"`
	// AnswersDropped of those calls.
	AnswersDropped int `json:"answersDropped"`
}

// Summary of profiles, stock and ledger.
func (s *Server) Summary() Summary {
	out := Summary{
		Profiles: make(map[State]int), Stock: s.registry.stocks(),
		Calls: make(map[es2plus.Function]map[string]int),
	}
	for _, p := range s.Profiles() {
		out.Profiles[p.State]++
	}
	for _, e := range s.Ledger() {
		if out.Calls[e.Function] == nil {
			out.Calls[e.Function] = make(map[string]int)
		}
		out.Calls[e.Function][e.outcome()]++
		if e.AnswerDropped {
			out.AnswersDropped++
		}
	}
	return out
}

func (s *Server) getSummary(*http.Request) (any, error) { return s.Summary(), nil }
