package es2plus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

var errNotNow = errors.New("this process may not be the leader any more")

// gate is a Guard that can be shut, and knows who is inside.
type gate struct {
	shut            bool
	entered, inside int
}

func (g *gate) enter() (leave func(), err error) {
	if g.shut {
		return nil, fmt.Errorf("before the purchase: %w", errNotNow)
	}
	g.entered++
	g.inside++
	return func() { g.inside-- }, nil
}

// throughGate is a transport that notes who was inside the gate while a request was out.
type throughGate struct {
	*gate
	inside []int
	answer reply
}

func (g *throughGate) exchange(context.Context, string, []byte) reply {
	g.inside = append(g.inside, g.gate.inside)
	return g.answer
}
func (g *throughGate) connect(context.Context) reply { return g.answer }
func (g *throughGate) close()                        {}

// calls make one call of each function.
func calls(ctx context.Context, d *Driver) map[es2plus.Function]error {
	held := operators.Profile{ICCID: heldICCID}
	failures := map[es2plus.Function]error{es2plus.CancelOrder: d.GiveBack(ctx, operators.Held{RequestID: "R", ICCID: heldICCID})}
	note := func(function es2plus.Function, failure *operators.Error) {
		if failure != nil {
			failures[function] = failure
		}
	}
	_, failure := d.downloadOrder(ctx, anyPurchase)
	note(es2plus.DownloadOrder, failure)
	_, failure = d.confirmOrder(ctx, anyPurchase, held, 1)
	note(es2plus.ConfirmOrder, failure)
	note(es2plus.ReleaseProfile, d.releaseProfile(ctx, anyPurchase, held))
	return failures
}

func TestAProcessThatDoesNotLeadAnyMoreWouldBuyOrGiveBack(t *testing.T) {
	g := &gate{shut: true}
	wire := &throughGate{gate: g}
	d := newDriver(Config{Guard: g.enter, OnCall: func(call operators.Call) { t.Errorf("counted as a call: %+v", call) }}, wire)
	for function, err := range calls(t.Context(), d) {
		var failed *operators.Error
		if !errors.As(err, &failed) || failed.Class != transient || failed.LostAnswers != 0 || !errors.Is(err, errNotNow) {
			t.Errorf("%s: the error is %+v", function, err)
		}
	}
	if len(wire.inside) > 0 {
		t.Errorf("%d requests left", len(wire.inside))
	}
	if err := d.Probe(t.Context()); err != nil {
		t.Errorf("a probe buys nothing, and is refused: %v", err)
	}
}

func TestTheGuardIsHeldUntilTheExchangeEnds(t *testing.T) {
	g := &gate{}
	wire := &throughGate{gate: g, answer: answer(map[string]any{"iccid": string(heldICCID)}, "")}
	counted := 0
	d := newDriver(Config{Guard: g.enter, OnCall: func(operators.Call) { counted++ }}, wire)
	calls(t.Context(), d)
	if diff := cmp.Diff([]int{1, 1, 1, 1}, wire.inside); diff != "" {
		t.Errorf("inside during the exchange of each call (-want +got):\n%s", diff)
	}
	if g.inside != 0 || counted != 4 {
		t.Errorf("%d never left; %d calls were counted", g.inside, counted)
	}
}

// A call may wait for its turn for longer than this process leads.
func TestAPermitFromBeforeTheWaitForTheRateLimitWouldBeOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{}
		wire := &throughGate{gate: g, answer: answer(nil, "")}
		d := newDriver(Config{Guard: g.enter, RequestsPerSecond: 1}, wire)
		if failure := d.releaseProfile(t.Context(), anyPurchase, operators.Profile{ICCID: heldICCID}); failure != nil {
			t.Fatal(failure)
		}
		time.AfterFunc(500*time.Millisecond, func() { g.shut = true })
		failure := d.releaseProfile(t.Context(), anyPurchase, operators.Profile{ICCID: heldICCID})
		checkClass(t, "after the wait", failure, transient, 0)
		if failure == nil || !errors.Is(failure, errNotNow) || len(wire.inside) != 1 {
			t.Errorf("%d requests left: %v", len(wire.inside), failure)
		}
	})
}

// The refusal must be told as such whatever led to the call.
func TestAClosedGuardKeepsWhatWasObtained(t *testing.T) {
	for _, tc := range []struct {
		name  string
		quota int
		loses bool
	}{{"to be confirmed", 0, false}, {"to be given back, unjournaled", 1, false}, {"to be given back, lost a race", 0, true}} {
		w := newWorld(options{configured: "rsp.example.com", quota: tc.quota}, nil)
		m := w.manager(1)
		m.seen = orderStatus{attempt: 1}
		if tc.loses {
			w.secret = &storedSecret{attempt: 1, profile: other}
		}
		g := &gate{}
		d := newDriver(Config{Guard: func() (func(), error) {
			g.shut = g.entered == 1 // after DownloadOrder
			return g.enter()
		}}, m)
		_, err := d.Provision(t.Context(), anyPurchase, &memoryJournal{manager: m})
		class, _ := operators.ClassOf(err)
		if !errors.Is(err, errNotNow) || class != transient || len(w.smdp.requests) != 1 {
			t.Errorf("%s: %v after %v", tc.name, err, counted(w))
		}
		if kept := len(m.unwritten) == 1 || w.secret != nil && !tc.loses; !kept {
			t.Errorf("%s: the profile is forgotten", tc.name)
		}
	}
}
