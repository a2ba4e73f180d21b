package es2plus

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/smdp"
)

const (
	simulatedType    = "JP-1GB-7D"
	simulatedAddress = "rsp.example.com"
)

// startSMDP starts an SM-DP+ that has plenty of the type.
func startSMDP(t *testing.T, o smdp.Options) *smdp.Server {
	t.Helper()
	o.Stock = map[string]int{simulatedType: 1000}
	server, err := smdp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// simulated is a driver's configuration for the SM-DP+.
func simulated(server *smdp.Server, timeout time.Duration) Config {
	return Config{
		BaseURL: server.URL(), FunctionRequesterIdentifier: "OPERATOR-1", Timeout: timeout, InFlight: 2,
		CertificatePEM: server.PKI().ClientCert, KeyPEM: server.PKI().ClientKey, CAPEM: server.PKI().CA,
	}
}

// order lets an order live at the SM-DP+ until it is at rest, and holds the outcome against
// what the SM-DP+ itself knows.
func order(t *testing.T, server *smdp.Server, o options, timeout time.Duration) *world {
	t.Helper()
	w := newWorld(o, nil)
	m := w.manager(1)
	m.driver = newTestDriver(t, simulated(server, timeout))
	w.live(m)
	journey := strings.Join(w.log, "\n  ")
	if w.status.phase != "DELIVERED" {
		t.Fatalf("the order is %s:\n  %s", w.status.phase, journey)
	}
	code := w.secret.profile
	released, allocated := 0, 0
	for _, profile := range server.Profiles() {
		switch profile.State {
		case smdp.StateReleased:
			released++
		case smdp.StateAllocated:
			allocated++
		}
	}
	if released != 1 {
		t.Errorf("%d profiles are Released for one order:\n  %s", released, journey)
	}
	if allocated > int(w.answersLost) {
		t.Errorf("%d profiles are stranded, %d answers were counted as lost:\n  %s", allocated, w.answersLost, journey)
	}
	if profile, _ := server.Profile(code.ICCID); profile.State != smdp.StateReleased || !server.HasMatchingID(code.ICCID, code.MatchingID) {
		t.Errorf("the delivered code is dead: %s:\n  %s", profile.State, journey)
	}
	if code.SMDPAddress != simulatedAddress {
		t.Errorf("the code carries the address %q", code.SMDPAddress)
	}
	return w
}

func TestAnOrderAtTheSimulatorIsDeliveredByTwoCalls(t *testing.T) {
	server := startSMDP(t, smdp.Options{SMDPAddress: simulatedAddress})
	order(t, server, configured, 20*time.Second)
	if calls := server.Ledger(); len(calls) != 2 || calls[0].Function != es2plus.DownloadOrder || calls[1].Function != es2plus.ConfirmOrder {
		t.Errorf("the ledger holds %+v", calls)
	}
}

// Every fault hits a call of each function once. The faults before it lead the order there.
func TestOneFaultInAnyFunctionWouldBuyTwiceOrStrand(t *testing.T) {
	lostConfirm := smdp.Fault{Kind: smdp.FaultDropAnswer, Function: es2plus.ConfirmOrder, Times: 1}
	leadingTo := map[es2plus.Function]struct {
		options options
		faults  []smdp.Fault
	}{
		es2plus.DownloadOrder:  {options: configured},
		es2plus.ConfirmOrder:   {options: configured},
		es2plus.ReleaseProfile: {options: configured, faults: []smdp.Fault{lostConfirm}},
		es2plus.CancelOrder:    {faults: []smdp.Fault{lostConfirm}}, // no address is known: give back, buy anew
	}
	for _, tc := range []struct {
		name  string
		fault smdp.Fault
	}{
		{"answer dropped after execution", smdp.Fault{Kind: smdp.FaultDropAnswer}},
		{"dropped without execution", smdp.Fault{Kind: smdp.FaultDropAnswer, Execution: smdp.ExecuteNever}},
		{"malformed JSON after execution", smdp.Fault{Kind: smdp.FaultMalformedJSON}},
		{"100 MB after execution", smdp.Fault{Kind: smdp.FaultHugeBody}},
		{"wrong content type", smdp.Fault{Kind: smdp.FaultWrongContentType}},
		{"HTTP 500", smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 500}},
		{"HTTP 503 after execution", smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Execution: smdp.ExecuteFirst}},
		{"HTTP 429", smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 429, RetryAfter: time.Second}},
		{"Expired", smdp.Fault{Kind: smdp.FaultStatusCode, Status: es2plus.ExecutionExpired}},
		{"a code that nobody knows", smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2", ReasonCode: "4.10"}},
		{"hangs", smdp.Fault{Kind: smdp.FaultHang}},
	} {
		for function, before := range leadingTo {
			t.Run(tc.name+", "+string(function), func(t *testing.T) {
				t.Parallel()
				server := startSMDP(t, smdp.Options{SMDPAddress: simulatedAddress})
				fault := tc.fault
				fault.Function, fault.Times = function, 1
				for _, injected := range slices.Concat(before.faults, []smdp.Fault{fault}) {
					if err := server.Inject(injected); err != nil {
						t.Fatal(err)
					}
				}
				timeout := 20 * time.Second
				if fault.Kind == smdp.FaultHang {
					timeout = 2 * time.Second
				}
				order(t, server, before.options, timeout)
				for _, left := range server.Faults() {
					if left.Hits != left.Times {
						t.Errorf("the fault %s of %s hit %d calls: the order never came there", left.Kind, left.Function, left.Hits)
					}
				}
			})
		}
	}
}

func TestARefusedConnectionAtTheSimulatorLosesNothing(t *testing.T) {
	server := startSMDP(t, smdp.Options{SMDPAddress: simulatedAddress})
	if err := server.Inject(smdp.Fault{Kind: smdp.FaultRefuseConnection, Times: 3}); err != nil {
		t.Fatal(err)
	}
	if w := order(t, server, configured, 20*time.Second); w.answersLost != 0 {
		t.Errorf("%d answers were counted as lost", w.answersLost)
	}
	if calls := server.Ledger(); len(calls) != 2 {
		t.Errorf("the ledger holds %+v", calls)
	}
}

func TestAnAddressThatIsNotAnsweredIsTheConfiguredOne(t *testing.T) {
	server := startSMDP(t, smdp.Options{SMDPAddress: "other.example.com"})
	if err := server.Inject(smdp.Fault{Kind: smdp.FaultOmitSMDPAddress, Function: es2plus.ConfirmOrder}); err != nil {
		t.Fatal(err)
	}
	order(t, server, configured, 20*time.Second)
}

func TestServersThatDifferFromTheStandardAreUnderstood(t *testing.T) {
	for name, behaviour := range map[string]smdp.Behaviour{
		"looks at the matching ID first":            {MatchingIDFirst: true},
		"wants the matching ID to cancel an order":  {CancelNeedsMatchingID: true},
		"repeats answers by functionCallIdentifier": {ReplayCalls: true},
		"answers ICCIDs with F":                     {TrailingF: true},
	} {
		for _, o := range []options{configured, {}} {
			server := startSMDP(t, smdp.Options{SMDPAddress: simulatedAddress, Behaviour: behaviour})
			if err := server.Inject(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: es2plus.ConfirmOrder, Times: 1}); err != nil {
				t.Fatal(err)
			}
			t.Log(name)
			order(t, server, o, 20*time.Second)
		}
	}
}

func TestTheSimulatorsRefusalsHaveTheirClass(t *testing.T) {
	server := startSMDP(t, smdp.Options{SMDPAddress: simulatedAddress, ProfileTypes: map[string][]string{"OPERATOR-1": {simulatedType, "EMPTY", "UNKNOWN"}}})
	for profileType, stock := range map[string]int{"EMPTY": 0, "OTHERS": 5} {
		if err := server.SetStock(profileType, stock); err != nil {
			t.Fatal(err)
		}
	}
	stranger, key, err := server.PKI().Issue("STRANGER")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, profileType string
		change            func(*Config)
		want              operators.Class
	}{
		{"no profile left", "EMPTY", nil, outOfStockNow},
		{"unknown type", "UNKNOWN", nil, rejected},
		{"a type that we may not order", "OTHERS", nil, misconfigured},
		{"another requester's certificate", simulatedType, func(c *Config) { c.CertificatePEM, c.KeyPEM = stranger, key }, misconfigured},
	} {
		config := simulated(server, 20*time.Second)
		if tc.change != nil {
			tc.change(&config)
		}
		_, failure := newTestDriver(t, config).downloadOrder(t.Context(), operators.Purchase{RequestID: "R", PlanID: tc.profileType})
		checkClass(t, tc.name, failure, tc.want, 0)
	}
}

func TestAProfileAtTheSimulatorIsGivenBackInEveryState(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(*testing.T, *smdp.Server, *Driver, operators.Held)
		want    error
		state   smdp.State
	}{
		{"reserved, never confirmed", nil, nil, smdp.StateUnavailable},
		{"released", confirmHeld, nil, smdp.StateUnavailable},
		{"given back already", func(t *testing.T, _ *smdp.Server, d *Driver, h operators.Held) {
			if err := d.GiveBack(t.Context(), h); err != nil {
				t.Fatal(err)
			}
		}, operators.ErrUnknownProfile, smdp.StateUnavailable},
		{"installed", func(t *testing.T, s *smdp.Server, d *Driver, h operators.Held) {
			confirmHeld(t, s, d, h)
			if err := s.Install(h.ICCID); err != nil {
				t.Fatal(err)
			}
		}, operators.ErrInstalled, smdp.StateInstalled},
	} {
		server := startSMDP(t, smdp.Options{SMDPAddress: simulatedAddress})
		driver := newTestDriver(t, simulated(server, 20*time.Second))
		iccid, failure := driver.downloadOrder(t.Context(), operators.Purchase{RequestID: "R", PlanID: simulatedType})
		if failure != nil {
			t.Fatal(failure)
		}
		named, failure := driver.named(operators.Purchase{}, iccid)
		if failure != nil {
			t.Fatal(failure)
		}
		held := operators.Held{RequestID: "R", ICCID: iccid, MatchingID: named.MatchingID}
		if tc.prepare != nil {
			tc.prepare(t, server, driver, held)
		}
		if err := driver.GiveBack(t.Context(), held); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
		}
		if profile, _ := server.Profile(iccid); profile.State != tc.state {
			t.Errorf("%s: the profile is %s, want %s", tc.name, profile.State, tc.state)
		}
	}
}

func confirmHeld(t *testing.T, _ *smdp.Server, d *Driver, h operators.Held) {
	t.Helper()
	if _, failure := d.confirmOrder(t.Context(), operators.Purchase{RequestID: h.RequestID}, operators.Profile{ICCID: h.ICCID, MatchingID: h.MatchingID}, 1); failure != nil {
		t.Fatal(failure)
	}
}
