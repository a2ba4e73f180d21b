package es2plus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
	"github.com/telcodev/esim-operator/internal/smdp"
)

// conforming is the simulator as the suite for all drivers needs it. Faults are injected where
// the driver's calls leave: the simulator is told of those that it knows right before the call,
// and the answers to others are exchanged.
type conforming struct {
	*smdp.Server
	certificate, key []byte

	mu      sync.Mutex
	faults  []*faults.Fault
	calls   []faults.Call
	secrets map[string]bool
}

func startConforming(t *testing.T) *conforming {
	t.Helper()
	server := startSMDP(t, smdp.Options{
		SMDPAddress: simulatedAddress, Stock: map[string]int{"EMPTY": 0, "OTHERS": 5},
		ProfileTypes: map[string][]string{"OPERATOR-1": {simulatedType, "EMPTY", "UNKNOWN"}},
	})
	for profileType, stock := range map[string]int{"EMPTY": 0, "OTHERS": 5} {
		if err := server.SetStock(profileType, stock); err != nil {
			t.Fatal(err)
		}
	}
	return &conforming{Server: server, certificate: server.PKI().ClientCert, key: server.PKI().ClientKey, secrets: map[string]bool{}}
}

func (c *conforming) Connect(t testing.TB, o operatortest.Connection) operators.Driver {
	t.Helper()
	config := simulated(c.Server, o.Timeout)
	config.CertificatePEM, config.KeyPEM = c.certificate, c.key
	config.Guard, config.OnCall = o.Guard, o.OnCall
	config.WrapTransport = func(carrier http.RoundTripper) http.RoundTripper { return &spoiler{c, carrier} }
	driver, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

func (c *conforming) Inject(f faults.Fault) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.Skip += len(c.calls)
	if f.Function != "" {
		f.Skip = 0
	}
	c.faults = append(c.faults, &f)
	return len(c.faults), nil
}

func (c *conforming) Calls() []faults.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Refuse closes or opens the port.
func (c *conforming) Refuse(refused bool) {
	err := c.ClearFaults()
	if refused {
		err = c.Server.Inject(smdp.Fault{Kind: smdp.FaultRefuseConnection})
	}
	if err != nil {
		panic(err)
	}
}

// succeeded are the profiles for which a function was executed with success.
func (c *conforming) succeeded(function es2plus.Function) map[activation.ICCID]bool {
	found := map[activation.ICCID]bool{}
	for _, entry := range c.Ledger() {
		if entry.Function == function && entry.Succeeded() {
			found[entry.ICCID] = true
		}
	}
	return found
}

func (c *conforming) Bought() int { return len(c.succeeded(es2plus.ConfirmOrder)) }

func (c *conforming) GivenBack() int {
	confirmed, cancelled := c.succeeded(es2plus.ConfirmOrder), c.succeeded(es2plus.CancelOrder)
	count := 0
	for iccid := range cancelled {
		if confirmed[iccid] {
			count++
		}
	}
	return count
}

func (c *conforming) Install(t testing.TB, iccid activation.ICCID) {
	t.Helper()
	if err := c.Server.Install(iccid); err != nil {
		t.Fatal(err)
	}
}

func (c *conforming) Secrets() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := make([]string, 0, len(c.secrets))
	for secret := range c.secrets {
		found = append(found, secret)
	}
	return found
}

// spoiler has calls go wrong.
type spoiler struct {
	*conforming
	carrier http.RoundTripper
}

func (s *spoiler) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	if err := request.Body.Close(); err != nil {
		return nil, err
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	fault := s.arrived(functionOf(request.URL.Path), body)
	if fault.Kind == "" {
		return s.carrier.RoundTrip(request)
	}
	if known, ok := simulators(fault); ok {
		if err := s.Server.Inject(known); err != nil {
			return nil, err
		}
		answer, err := s.carrier.RoundTrip(request)
		if fault.Then != nil {
			fault.Then()
		}
		return answer, err
	}
	return s.exchange(request, fault)
}

// exchange has the answer to a call exchanged by the injector for all drivers.
func (s *spoiler) exchange(request *http.Request, fault faults.Fault) (*http.Response, error) {
	var injector faults.Injector
	fault.Skip, fault.Times, fault.Function = 0, 1, ""
	if _, err := injector.Inject(fault); err != nil {
		return nil, err
	}
	var failed error
	recorder := httptest.NewRecorder()
	injector.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := s.carrier.RoundTrip(r)
		if err != nil {
			failed = err
			return
		}
		defer func() { _ = answer.Body.Close() }()
		w.WriteHeader(answer.StatusCode)
		_, failed = io.Copy(w, answer.Body)
	})).ServeHTTP(recorder, request)
	if failed != nil {
		return nil, failed
	}
	return recorder.Result(), nil
}

// arrived notes a call and the secret that it carries, and returns its fault; none where empty.
func (s *spoiler) arrived(function es2plus.Function, body []byte) faults.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var carried struct {
		MatchingID string `json:"matchingId"`
	}
	if err := json.Unmarshal(body, &carried); err != nil {
		panic(fmt.Sprintf("the driver sent no JSON: %v", err))
	}
	if carried.MatchingID != "" {
		s.secrets[carried.MatchingID] = true
	}
	call := faults.Call{Function: string(function), Executed: true}
	var hit faults.Fault
	for _, fault := range s.faults {
		if fault.Times >= 0 && len(s.calls) >= fault.Skip && (fault.Function == "" || fault.Function == string(function)) {
			hit = *fault
			fault.Times = -1
			call.Fault, call.Executed = fault.Kind, fault.Executed()
			break
		}
	}
	s.calls = append(s.calls, call)
	return hit
}

// simulators is the fault as the simulator knows it.
func simulators(f faults.Fault) (smdp.Fault, bool) {
	known := smdp.Fault{Times: 1, Execution: smdp.Execution(f.Execution)}
	switch f.Kind {
	case faults.Drop:
		known.Kind = smdp.FaultDropAnswer
	case faults.Malformed:
		known.Kind = smdp.FaultMalformedJSON
	case faults.Huge:
		known.Kind = smdp.FaultHugeBody
	case faults.Status:
		known.Kind, known.HTTPStatus = smdp.FaultHTTPStatus, f.Status
		if f.RetryAfter != "" {
			wait, err := time.ParseDuration(f.RetryAfter + "s")
			if err != nil {
				panic(err)
			}
			known.RetryAfter = wait
		}
	default:
		return smdp.Fault{}, false
	}
	return known, true
}

func TestTheDriverPassesTheSuiteForAllDrivers(t *testing.T) {
	status := func(function es2plus.Function, status int, retryAfter string) func(testing.TB, operatortest.Vendor) {
		return func(t testing.TB, v operatortest.Vendor) {
			if _, err := v.Inject(faults.Fault{Kind: faults.Status, Function: string(function), Status: status, RetryAfter: retryAfter}); err != nil {
				t.Fatal(err)
			}
		}
	}
	operatortest.Run(t, operatortest.Subject{
		Start:       func(t *testing.T) operatortest.Vendor { return startConforming(t) },
		Plan:        simulatedType,
		Buys:        []string{string(es2plus.ConfirmOrder)},
		Returns:     []string{string(es2plus.CancelOrder)},
		Lacks:       []faults.Kind{faults.Hang, faults.Late, faults.Slow, faults.Truncated},
		RealNetwork: true,
		Refusals: []operatortest.Refusal{
			{Name: "a type that is unknown", Plan: "UNKNOWN", Want: operators.Rejected, Code: "8.2.5/3.9"},
			{Name: "a type of which nothing is left", Plan: "EMPTY", Want: operators.OutOfStock, Code: "8.2.5/3.7"},
			{Name: "a type that we may not order", Plan: "OTHERS", Want: operators.Misconfigured, Code: "8.2.5/1.2", OneOrder: true},
			{Name: "too many requests", Arrange: status(es2plus.DownloadOrder, 429, "7"), Want: operators.Busy, RetryAfter: 7 * time.Second},
			{Name: "a server error before anything is bought", Arrange: status(es2plus.DownloadOrder, 503, ""), Want: operators.Transient, Code: "HTTP 503"},
			{Name: "a server error to the purchase", Arrange: status(es2plus.ConfirmOrder, 503, ""), Want: operators.OutcomeUnknown, Code: "HTTP 503"},
			{Name: "a port that is closed", Arrange: func(_ testing.TB, v operatortest.Vendor) { v.(*conforming).Refuse(true) }, Want: operators.Transient},
		},
	})
}
