package smdp

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

const (
	someEID    = "89001012012341234012345678901224"
	anotherEID = "89044011112233441122334411223321"
	plan       = "JP-1GB-7D"
)

// fields of a request.
type fields = map[string]any

// scene is an SM-DP+ with one profile and two operators.
type scene struct {
	t           *testing.T
	s           *Server
	mine, other *peer
	// iccid of the profile that mine ordered.
	iccid string
}

func newScene(t *testing.T, o Options) *scene {
	t.Helper()
	if o.Stock == nil {
		o.Stock = map[string]int{plan: 3, "SOLD-OUT": 0, "NOT-FOR-1": 5}
	}
	o.ProfileTypes = map[string][]string{"OPERATOR-1": {plan, "SOLD-OUT"}}
	o.SMDPAddress = "rsp.example.com"
	s := startServer(t, o)
	sc := &scene{t: t, s: s, mine: client(t, s, "OPERATOR-1"), other: client(t, s, "OPERATOR-2")}
	return sc
}

// reach the state with a new profile.
func (sc *scene) reach(state State) {
	sc.t.Helper()
	if state != StateAllocated && state != StateLinked && state != StateConfirmed && state != StateReleased {
		sc.reach(StateReleased)
	}
	var err error
	switch state {
	case StateAllocated, StateConfirmed, StateReleased:
		sc.iccid = sc.mine.order(plan)
		if state != StateAllocated {
			sc.mine.success(es2plus.ConfirmOrder, fields{"iccid": sc.iccid, "matchingId": "MINE", "releaseFlag": state == StateReleased})
		}
	case StateLinked:
		sc.iccid = sc.mine.success(es2plus.DownloadOrder, fields{"profileType": plan, "eid": someEID}).ICCID
	case StateDownloaded:
		_, err = sc.s.registry.onDevice(activation.ICCID(sc.iccid), stepDownload)
	case StateInstalled:
		err = sc.s.Install(activation.ICCID(sc.iccid))
	case StateError:
		err = sc.s.FailInstall(activation.ICCID(sc.iccid))
	case StateAvailable, StateUnavailable:
		sc.mine.success(es2plus.CancelOrder, fields{"iccid": sc.iccid, "finalProfileStatusIndicator": string(state)})
	}
	p, _ := sc.s.Profile(activation.ICCID(sc.iccid))
	if err != nil || p.State != state {
		sc.t.Fatalf("the profile is %s, not %s: %v", p.State, state, err)
	}
}

// reachAnew reaches the state with another profile than before, whose matching ID is free.
func (sc *scene) reachAnew(state State) {
	sc.t.Helper()
	// An installed profile keeps its matching ID, so the next one is another operator's.
	sc.mine = client(sc.t, sc.s, "OPERATOR-FOR-"+string(state)+sc.iccid)
	sc.reach(state)
}

const done = string(es2plus.ExecutedSuccess)

// TestEachFunctionInEachState is the state machine: what each function answers in each state,
// and the state afterwards.
func TestEachFunctionInEachState(t *testing.T) {
	confirm := func(release bool) fields { return fields{"matchingId": "NEW", "releaseFlag": release} }
	cancel := func(final es2plus.FinalProfileStatus) fields {
		return fields{"finalProfileStatusIndicator": string(final)}
	}
	for _, tt := range []struct {
		from     State
		function es2plus.Function
		with     fields
		code     string
		to       State
	}{
		{StateAvailable, es2plus.DownloadOrder, nil, done, StateAllocated},
		{StateAvailable, es2plus.DownloadOrder, fields{"eid": someEID}, done, StateLinked},
		{StateAllocated, es2plus.DownloadOrder, nil, "8.2.1/3.3", StateAllocated},
		{StateReleased, es2plus.DownloadOrder, nil, "8.2.1/3.3", StateReleased},
		{StateInstalled, es2plus.DownloadOrder, nil, "8.2.1/3.3", StateInstalled},
		{StateUnavailable, es2plus.DownloadOrder, nil, "8.2.1/3.3", StateUnavailable},

		{StateAvailable, es2plus.ConfirmOrder, confirm(true), "8.2.1/3.5", StateAvailable},
		{StateAllocated, es2plus.ConfirmOrder, confirm(true), done, StateReleased},
		{StateAllocated, es2plus.ConfirmOrder, confirm(false), done, StateConfirmed},
		{StateLinked, es2plus.ConfirmOrder, confirm(true), done, StateReleased},
		{StateConfirmed, es2plus.ConfirmOrder, confirm(true), "8.2.1/3.5", StateConfirmed},
		{StateReleased, es2plus.ConfirmOrder, confirm(true), "8.2.1/3.5", StateReleased},
		{StateReleased, es2plus.ConfirmOrder, fields{"matchingId": "MINE", "releaseFlag": true}, "8.2.1/3.5", StateReleased},
		{StateDownloaded, es2plus.ConfirmOrder, confirm(true), "8.2.1/3.5", StateDownloaded},
		{StateInstalled, es2plus.ConfirmOrder, confirm(true), "8.2.1/3.5", StateInstalled},
		{StateError, es2plus.ConfirmOrder, confirm(true), "8.2.1/3.5", StateError},
		{StateUnavailable, es2plus.ConfirmOrder, confirm(true), "8.2.1/3.5", StateUnavailable},

		{StateAvailable, es2plus.ReleaseProfile, nil, "8.2.1/3.5", StateAvailable},
		{StateAllocated, es2plus.ReleaseProfile, nil, "8.2.1/3.5", StateAllocated},
		{StateLinked, es2plus.ReleaseProfile, nil, "8.2.1/3.5", StateLinked},
		{StateConfirmed, es2plus.ReleaseProfile, nil, done, StateReleased},
		{StateReleased, es2plus.ReleaseProfile, nil, done, StateReleased},
		{StateDownloaded, es2plus.ReleaseProfile, nil, "8.2.1/3.5", StateDownloaded},
		{StateInstalled, es2plus.ReleaseProfile, nil, "8.2.1/3.5", StateInstalled},
		{StateError, es2plus.ReleaseProfile, nil, "8.2.1/3.5", StateError},
		{StateUnavailable, es2plus.ReleaseProfile, nil, "8.2.1/3.5", StateUnavailable},

		{StateAvailable, es2plus.CancelOrder, cancel(es2plus.FinalUnavailable), "8.2.1/3.9", StateAvailable},
		{StateAllocated, es2plus.CancelOrder, cancel(es2plus.FinalUnavailable), done, StateUnavailable},
		{StateAllocated, es2plus.CancelOrder, cancel(es2plus.FinalAvailable), done, StateAvailable},
		{StateLinked, es2plus.CancelOrder, cancel(es2plus.FinalAvailable), done, StateAvailable},
		{StateConfirmed, es2plus.CancelOrder, cancel(es2plus.FinalUnavailable), done, StateUnavailable},
		{StateReleased, es2plus.CancelOrder, cancel(es2plus.FinalAvailable), done, StateAvailable},
		{StateReleased, es2plus.CancelOrder, cancel(es2plus.FinalUnavailable), done, StateUnavailable},
		{StateDownloaded, es2plus.CancelOrder, cancel(es2plus.FinalUnavailable), "8.2.1/3.3", StateDownloaded},
		{StateInstalled, es2plus.CancelOrder, cancel(es2plus.FinalUnavailable), "8.2.1/3.3", StateInstalled},
		{StateError, es2plus.CancelOrder, cancel(es2plus.FinalUnavailable), "8.2.1/3.5", StateError},
		{StateUnavailable, es2plus.CancelOrder, cancel(es2plus.FinalAvailable), "8.2.1/3.9", StateUnavailable},
	} {
		t.Run(string(tt.function)+" when "+string(tt.from), func(t *testing.T) {
			sc := newScene(t, Options{})
			sc.reach(tt.from)
			got := sc.mine.call(tt.function, with(tt.with, "iccid", sc.iccid))
			if got.code() != tt.code {
				t.Errorf("answered %s, want %s", got.code(), tt.code)
			}
			want := Profile{ICCID: activation.ICCID(sc.iccid), ProfileType: plan, State: tt.to, Owner: "OPERATOR-1"}
			if tt.to == StateInstalled {
				want.Device = DeviceInstalled
			}
			p, _ := sc.s.Profile(activation.ICCID(sc.iccid))
			if diff := cmp.Diff(want, p); diff != "" {
				t.Errorf("profile (-want +got):\n%s", diff)
			}
			last := sc.s.Ledger()[len(sc.s.Ledger())-1]
			if last.Function != tt.function || last.Succeeded() != (tt.code == done) || (tt.code != done && last.StatusCode != tt.code) {
				t.Errorf("the ledger says %+v", last)
			}
		})
	}
}

func with(f fields, name string, value any) fields {
	out := fields{name: value}
	for n, v := range f {
		out[n] = v
	}
	return out
}

// TestWhatIsRefused has what does not depend on the state alone.
func TestWhatIsRefused(t *testing.T) {
	const unknown = "8947010000123456784"
	cancelled := fields{"finalProfileStatusIndicator": "Unavailable"}
	for _, tt := range []struct {
		name     string
		from     State
		options  Options
		other    bool // called by the other operator
		function es2plus.Function
		with     fields
		code     string
	}{
		{name: "unknown profile type", function: es2plus.DownloadOrder, with: fields{"profileType": "NO-SUCH"}, code: "8.2.5/3.9"},
		{name: "profile type of other operators", function: es2plus.DownloadOrder, with: fields{"profileType": "NOT-FOR-1"}, code: "8.2.5/1.2"},
		{name: "no profile left", function: es2plus.DownloadOrder, with: fields{"profileType": "SOLD-OUT"}, code: "8.2.5/3.7"},
		{name: "unknown ICCID", function: es2plus.DownloadOrder, with: fields{"iccid": unknown}, code: "8.2.1/3.9"},
		{name: "ICCID of another type", from: StateAvailable, function: es2plus.DownloadOrder, with: fields{"profileType": "SOLD-OUT"}, code: "8.2.5/3.8"},
		{name: "ICCID that another operator holds", from: StateAllocated, other: true, function: es2plus.DownloadOrder, code: "8.2.1/1.2"},
		{name: "ICCID that another operator gave back", from: StateAvailable, other: true, function: es2plus.DownloadOrder, code: done},

		{name: "unknown ICCID", function: es2plus.ConfirmOrder, with: fields{"iccid": unknown, "releaseFlag": true}, code: "8.2.1/3.9"},
		{name: "another operator's profile", from: StateAllocated, other: true, function: es2plus.ConfirmOrder, with: fields{"releaseFlag": true}, code: "8.2.1/1.2"},
		{name: "the EID that was linked", from: StateLinked, function: es2plus.ConfirmOrder, with: fields{"releaseFlag": true, "eid": someEID}, code: done},
		{name: "another EID than was linked", from: StateLinked, function: es2plus.ConfirmOrder, with: fields{"releaseFlag": true, "eid": anotherEID}, code: "8.1.1/3.10"},
		{name: "an EID for a profile without one", from: StateAllocated, function: es2plus.ConfirmOrder, with: fields{"releaseFlag": true, "eid": someEID}, code: done},
		{name: "empty matching ID without EID", from: StateAllocated, function: es2plus.ConfirmOrder, with: fields{"releaseFlag": true, "matchingId": ""}, code: "8.1.1/2.2"},
		{name: "empty matching ID with EID", from: StateLinked, function: es2plus.ConfirmOrder, with: fields{"releaseFlag": true, "matchingId": ""}, code: done},
		{name: "SM-DS without EID", from: StateAllocated, function: es2plus.ConfirmOrder, with: fields{"releaseFlag": true, "smdsAddress": "ds.example.com"}, code: "8.1.1/2.2"},
		{name: "repeat, where the matching ID is looked at first", from: StateReleased, options: Options{Behaviour: Behaviour{MatchingIDFirst: true}},
			function: es2plus.ConfirmOrder, with: fields{"releaseFlag": true, "matchingId": "MINE"}, code: "8.2.6/3.3"},

		{name: "unknown ICCID", function: es2plus.ReleaseProfile, with: fields{"iccid": unknown}, code: "8.2.1/3.9"},
		{name: "another operator's profile", from: StateConfirmed, other: true, function: es2plus.ReleaseProfile, code: "8.2.1/1.2"},

		{name: "unknown ICCID", function: es2plus.CancelOrder, with: with(cancelled, "iccid", unknown), code: "8.2.1/3.9"},
		{name: "another operator's profile", from: StateReleased, other: true, function: es2plus.CancelOrder, with: cancelled, code: "8.2.1/1.2"},
		{name: "the EID that was linked", from: StateLinked, function: es2plus.CancelOrder, with: with(cancelled, "eid", someEID), code: done},
		{name: "another EID than was linked", from: StateLinked, function: es2plus.CancelOrder, with: with(cancelled, "eid", anotherEID), code: "8.2.1/3.10"},
		{name: "the matching ID", from: StateReleased, function: es2plus.CancelOrder, with: with(cancelled, "matchingId", "MINE"), code: done},
		{name: "another matching ID", from: StateReleased, function: es2plus.CancelOrder, with: with(cancelled, "matchingId", "YOURS"), code: "8.2.6/3.10"},
		{name: "a matching ID before there is one", from: StateAllocated, function: es2plus.CancelOrder, with: with(cancelled, "matchingId", "MINE"), code: "8.2.6/3.10"},
		{name: "no matching ID, where it is demanded", from: StateReleased, options: Options{Behaviour: Behaviour{CancelNeedsMatchingID: true}},
			function: es2plus.CancelOrder, with: cancelled, code: "8.2.6/2.3"},
	} {
		t.Run(string(tt.function)+" with "+tt.name, func(t *testing.T) {
			sc := newScene(t, tt.options)
			if tt.from != "" {
				sc.reach(tt.from)
			}
			caller := sc.mine
			if tt.other {
				caller = sc.other
			}
			request := with(tt.with, "iccid", sc.iccid)
			if sc.iccid == "" {
				request = tt.with
			}
			if got := caller.call(tt.function, request); got.code() != tt.code {
				t.Errorf("answered %s, want %s", got.code(), tt.code)
			}
		})
	}
}

func TestAMatchingIDIsUniquePerOperator(t *testing.T) {
	sc := newScene(t, Options{})
	first, second := sc.mine.order(plan), sc.mine.order(plan)
	theirs := sc.other.order(plan)
	confirm := func(p *peer, iccid string) string {
		return p.call(es2plus.ConfirmOrder, fields{"iccid": iccid, "matchingId": "SAME", "releaseFlag": true}).code()
	}
	got := []string{confirm(sc.mine, first), confirm(sc.mine, second), confirm(sc.other, theirs)}
	sc.mine.success(es2plus.CancelOrder, fields{"iccid": first, "finalProfileStatusIndicator": "Unavailable"})
	got = append(got, confirm(sc.mine, second))
	want := []string{done, "8.2.6/3.3", done, done}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("first, second, another operator's, second once the first was cancelled (-want +got):\n%s", diff)
	}
}

func TestConfirmOrderMakesAMatchingIDWhereNoneIsSent(t *testing.T) {
	sc := newScene(t, Options{})
	iccid := sc.mine.order(plan)
	answer := sc.mine.success(es2plus.ConfirmOrder, fields{"iccid": iccid, "releaseFlag": true})
	if len(answer.MatchingID) < 20 || checkMatchingID(answer.MatchingID) != nil {
		t.Errorf("the matching ID has %d characters, or wrong ones", len(answer.MatchingID))
	}
	if !sc.s.HasMatchingID(activation.ICCID(iccid), activation.NewCredential(answer.MatchingID)) {
		t.Error("the answered matching ID does not download the profile")
	}
	if sc.s.HasMatchingID(activation.ICCID(iccid), activation.NewCredential("ANOTHER")) {
		t.Error("another matching ID downloads the profile")
	}
}

func TestACancelledCodeIsDead(t *testing.T) {
	sc := newScene(t, Options{})
	sc.reach(StateReleased)
	iccid, id := activation.ICCID(sc.iccid), activation.NewCredential("MINE")
	if !sc.s.HasMatchingID(iccid, id) {
		t.Fatal("the matching ID of the released profile is not known")
	}
	sc.mine.success(es2plus.CancelOrder, fields{"iccid": sc.iccid, "finalProfileStatusIndicator": "Available"})
	if sc.s.HasMatchingID(iccid, id) {
		t.Error("the matching ID outlived its order")
	}
}

func TestStockIsCountedThroughOrdersAndCancellations(t *testing.T) {
	sc := newScene(t, Options{})
	var got []int
	note := func() { got = append(got, sc.s.Stock(plan)) }
	note()
	first := sc.mine.order(plan)
	note()
	sc.mine.order(plan)
	note()
	sc.mine.success(es2plus.CancelOrder, fields{"iccid": first, "finalProfileStatusIndicator": "Available"})
	note()
	if again := sc.mine.order(plan); again != first {
		t.Errorf("the next order got %s, not %s which was given back", again, first)
	}
	note()
	sc.mine.success(es2plus.CancelOrder, fields{"iccid": first, "finalProfileStatusIndicator": "Unavailable"})
	note()
	if diff := cmp.Diff([]int{3, 2, 1, 2, 1, 1}, got); diff != "" {
		t.Errorf("stock (-want +got):\n%s", diff)
	}
}
