package es2plus

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

const heldICCID = activation.ICCID("8947010000123456784")

func TestGiveBackReadsEachAnswer(t *testing.T) {
	for _, tc := range []struct {
		name  string
		r     reply
		want  error
		class operators.Class
	}{
		{"cancelled", answer(nil, ""), nil, ""},
		{"unknown there: nothing to hold", answer(nil, "8.2.1/3.9"), operators.ErrUnknownProfile, ""},
		{"in a state that it cannot leave", answer(nil, "8.2.1/3.5"), operators.ErrUnknownProfile, ""},
		{"already downloaded", answer(nil, "8.2.1/3.3"), operators.ErrInstalled, ""},
		{"another EID", answer(nil, "8.2.1/3.10"), operators.ErrNotOurs, ""},
		{"another matching ID", answer(nil, "8.2.6/3.10"), operators.ErrNotOurs, ""},
		{"a matching ID that we do not know any more", answer(nil, "8.2.6/2.3"), operators.ErrNotOurs, ""},
		{"no answer", reply{fate: unanswered}, nil, unknown},
		{"HTTP 503", reply{status: 503}, nil, unknown},
		{"unreadable", reply{status: 200, body: []byte("{")}, nil, unknown},
		{"not reached", reply{fate: notSent}, nil, transient},
		{"asked too often", reply{status: 429}, nil, busy},
		{"not our ICCID", answer(nil, "8.2.1/1.2"), operators.ErrNotOurs, ""},
	} {
		d := newDriver(Config{}, replying(tc.r))
		err := d.GiveBack(t.Context(), operators.Held{RequestID: "R", ICCID: heldICCID, MatchingID: activation.NewCredential("OURS")})
		class, _ := operators.ClassOf(err)
		if class != tc.class || (tc.class == "" && !errors.Is(err, tc.want)) {
			t.Errorf("%s: got %v, want %v of class %q", tc.name, err, tc.want, tc.class)
		}
		var failed *operators.Error
		if errors.As(err, &failed) && failed.ICCID != heldICCID {
			t.Errorf("%s: the error carries the ICCID %q", tc.name, failed.ICCID)
		}
	}
}

func TestGiveBackSaysWhetherTheProfileMayBeSoldAgain(t *testing.T) {
	for _, tc := range []struct {
		held operators.Held
		want map[string]any
	}{
		{operators.Held{RequestID: "R", ICCID: heldICCID, MatchingID: activation.NewCredential("OURS")},
			map[string]any{"iccid": string(heldICCID), "matchingId": "OURS", "finalProfileStatusIndicator": "Unavailable"}},
		{operators.Held{RequestID: "R", ICCID: heldICCID, Reusable: true},
			map[string]any{"iccid": string(heldICCID), "finalProfileStatusIndicator": "Available"}},
	} {
		w := newWorld(options{}, nil)
		w.smdp.profiles = map[activation.ICCID]*sold{heldICCID: {state: stateAllocated}}
		if err := w.manager(1).driver.GiveBack(t.Context(), tc.held); err != nil {
			t.Fatal(err)
		}
		tc.want["header"] = map[string]any{"functionRequesterIdentifier": "OPERATOR-1", "functionCallIdentifier": "R-X"}
		if diff := cmp.Diff(tc.want, w.smdp.requests[0].body); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// ConfirmOrder never arrived, so the profile has no matching ID, and a strict server takes
// the journal's for another.
func TestAProfileThatWasNeverConfirmedCouldNotBeGivenBack(t *testing.T) {
	w := newWorld(options{}, nil)
	w.smdp.profiles = map[activation.ICCID]*sold{heldICCID: {state: stateAllocated}}
	err := w.manager(1).driver.GiveBack(t.Context(), operators.Held{RequestID: "R", ICCID: heldICCID, MatchingID: activation.NewCredential("OURS")})
	if err != nil || len(w.smdp.inState(stateUnavailable)) != 1 {
		t.Errorf("%v; profiles %v", err, w.smdp.profiles[heldICCID])
	}
	if ids := []string{w.smdp.requests[0].callID, w.smdp.requests[1].callID}; ids[0] == ids[1] {
		t.Errorf("two calls that ask for different things have one name: %v", ids)
	}
}

func TestAProfileThatMayBeSoldAgainIsNamedOnce(t *testing.T) {
	w := newWorld(options{}, nil)
	w.smdp.profiles = map[activation.ICCID]*sold{heldICCID: {state: stateReleased, matchingID: "ANOTHER-ORDERS"}}
	held := operators.Held{RequestID: "R", ICCID: heldICCID, MatchingID: activation.NewCredential("OURS"), Reusable: true}
	if err := w.manager(1).driver.GiveBack(t.Context(), held); !errors.Is(err, operators.ErrNotOurs) {
		t.Errorf("the error is %v", err)
	}
	if calls := len(w.smdp.requestsTo(es2plus.CancelOrder)); calls != 1 || len(w.smdp.inState(stateReleased)) != 1 {
		t.Errorf("%d calls; another order's profile was cancelled: %v", calls, w.smdp.profiles[heldICCID])
	}
}

// The second CancelOrder leaves the matching ID out; the text that refuses it may repeat it all
// the same, from the first.
func TestTheMatchingIDIsMaskedAlsoWhereTheCallDoesNotCarryIt(t *testing.T) {
	const secret = "K3TQX9ZW7VJ2M4PBN8RD"
	first, second := answer(nil, codeOtherMatchingID), answer(nil, "9.9/9.9")
	second.body = []byte(strings.Replace(string(second.body), `"9.9"`, `"9.9","message":"cancelled as `+secret+` before"`, 1))
	d := newDriver(Config{}, &inTurn{first, second})
	err := d.GiveBack(t.Context(), operators.Held{RequestID: "R", ICCID: heldICCID, MatchingID: activation.NewCredential(secret)})
	var failed *operators.Error
	if !errors.As(err, &failed) || failed.Err == nil || !strings.Contains(failed.Err.Error(), "cancelled as ") {
		t.Fatalf("the error is %v, because of %v", err, errors.Unwrap(err))
	}
	if strings.Contains(failed.Err.Error(), secret) {
		t.Errorf("the matching ID is shown: %v", failed.Err)
	}
}

// inTurn is a transport that answers one call after the other.
type inTurn []reply

func (r *inTurn) exchange(context.Context, string, []byte) reply {
	next := (*r)[0]
	*r = (*r)[1:]
	return next
}
func (r *inTurn) connect(context.Context) reply { return reply{} }
func (r *inTurn) close()                        {}
