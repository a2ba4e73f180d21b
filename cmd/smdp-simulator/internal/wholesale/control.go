package wholesale

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// ControlGuide explains the wholesalers' parts of the control API, by example.
//
//go:embed control.txt
var ControlGuide string

// refuseConnection is a fault of the port: it is closed until all faults are cleared.
const refuseConnection faults.Kind = "refuse-connection"

// control serves the wholesaler's part of the control API.
func (s *stall) control() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"GET /ledger":                    func(*http.Request) (any, error) { return s.ledger(), nil },
		"GET /calls":                     func(*http.Request) (any, error) { return s.calls(), nil },
		"PUT /stock/{plan}":              s.putStock,
		"PUT /delays":                    s.putDelays,
		"PUT /balance":                   s.putBalance,
		"POST /profiles/{iccid}/install": onProfile(s.vendor.install),
		"POST /profiles/{iccid}/use":     onProfile(s.vendor.use),
		"POST /faults":                   s.postFault,
		"DELETE /faults":                 func(r *http.Request) (any, error) { return nil, s.clear(r) },
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := handle(r)
			send(w, answer, err)
		})
	}
	return http.StripPrefix("/"+s.name, mux)
}

// ledger as it is shown: what was sold, and what it comes to.
type ledger struct {
	Bought    int        `json:"bought"`
	GivenBack int        `json:"givenBack"`
	Purchases []Purchase `json:"purchases"`
}

func (s *stall) ledger() ledger {
	l := ledger{Purchases: append([]Purchase{}, s.vendor.purchases()...)}
	l.Bought = len(l.Purchases)
	for _, p := range l.Purchases {
		if p.GivenBack {
			l.GivenBack++
		}
	}
	return l
}

// tally is how many calls of a function arrived, and how many of them a fault hit.
type tally struct {
	Arrived  int `json:"arrived"`
	Faults   int `json:"faults"`
	Executed int `json:"executed"`
}

func (s *stall) calls() map[string]*tally {
	found := map[string]*tally{}
	for _, call := range s.faults.Calls() {
		of := found[call.Function]
		if of == nil {
			of = &tally{}
			found[call.Function] = of
		}
		of.Arrived++
		if call.Fault != "" {
			of.Faults++
		}
		if call.Executed {
			of.Executed++
		}
	}
	return found
}

func (s *stall) putStock(r *http.Request) (any, error) {
	wanted := struct {
		Available *int `json:"available"`
	}{}
	if err := read(r, &wanted); err != nil {
		return nil, err
	}
	if wanted.Available == nil || *wanted.Available > math.MaxInt32 {
		return nil, errors.New("available must be there: a number, negative for no end")
	}
	return nil, s.vendor.setStock(r.PathValue("plan"), *wanted.Available)
}

func (s *stall) putDelays(r *http.Request) (any, error) {
	var wanted struct{ List, Delivery span }
	if err := read(r, &wanted); err != nil {
		return nil, err
	}
	if wanted.List < 0 || wanted.Delivery < 0 {
		return nil, errors.New("list and delivery must not be negative")
	}
	return nil, s.vendor.setDelays(time.Duration(wanted.List), time.Duration(wanted.Delivery))
}

func (s *stall) putBalance(r *http.Request) (any, error) {
	wanted := struct {
		Cents *int64 `json:"cents"`
	}{}
	if err := read(r, &wanted); err != nil {
		return nil, err
	}
	if wanted.Cents == nil || *wanted.Cents < 0 || *wanted.Cents > math.MaxInt64/perCent {
		return nil, errors.New("cents must be there: a number, 0 or more")
	}
	return nil, s.vendor.setBalance(*wanted.Cents)
}

func onProfile(do func(activation.ICCID) error) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		iccid, err := activation.ParseICCID(r.PathValue("iccid"))
		if err != nil {
			return nil, err
		}
		return nil, do(iccid)
	}
}

// faultDocument is faults.Fault with its delay as text.
type faultDocument struct {
	Kind       faults.Kind      `json:"kind"`
	Function   string           `json:"function"`
	Skip       int              `json:"skip"`
	Times      int              `json:"times"`
	Fraction   float64          `json:"fraction"`
	Execution  faults.Execution `json:"execution"`
	Status     int              `json:"status"`
	RetryAfter string           `json:"retryAfter"`
	Delay      span             `json:"delay"`
}

func (s *stall) postFault(r *http.Request) (any, error) {
	var d faultDocument
	if err := read(r, &d); err != nil {
		return nil, err
	}
	id, err := s.inject(faults.Fault{
		Kind: d.Kind, Function: d.Function, Skip: d.Skip, Times: d.Times, Fraction: d.Fraction,
		Execution: d.Execution, Status: d.Status, RetryAfter: d.RetryAfter, Delay: time.Duration(d.Delay),
	})
	return map[string]int{"id": id}, err
}

// span is a duration that is written as text, such as 250ms.
type span time.Duration

// UnmarshalText reads a duration.
func (d *span) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = span(parsed)
	return err
}

// read reads a JSON object whose fields are all known.
func read(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the body is not right: %w; GET / shows the form", err)
	}
	return nil
}

// send answers what a handler returned; a client that is gone does not get it.
func send(w http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		status, answer = http.StatusBadRequest, map[string]string{"error": err.Error()}
	}
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(answer)
}
