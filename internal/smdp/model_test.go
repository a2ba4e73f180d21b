package smdp

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// model is ES2+ in few words: what a profile is, who holds it, by which matching ID.
type model struct {
	t     *rapid.T
	dir   string
	s     *Server
	stock map[string]int
	held  map[string]*heldProfile
	calls int
}

type heldProfile struct {
	state       State
	owner, plan string
	matchingID  string
}

var (
	operators = []string{"OPERATOR-1", "OPERATOR-2"}
	plans     = []string{"A", "B"}
)

// call the function as if it came from the wire, and return its code and ICCID.
func (m *model) call(f es2plus.Function, requester string, with fields) (code, iccid string) {
	m.calls++
	body, err := json.Marshal(withHeader(with, requester))
	if err != nil {
		m.t.Fatal(err)
	}
	order, _ := newOrder(f)
	c := call{function: f, requester: requester, order: order}
	if c.refused = decode(body, order); c.refused == nil {
		c.refused = firstRefusal(checkHeader(order.header()), checkRequester(c), order.check())
	}
	answer, _, err := m.s.registry.execute(c, LedgerEntry{}, m.s.behaviour())
	if err != nil {
		m.t.Fatal(err)
	}
	data, err := json.Marshal(answer)
	if err != nil {
		m.t.Fatal(err)
	}
	var r reply
	if err := decodeReply(data, &r); err != nil {
		m.t.Fatal(err)
	}
	return r.code(), r.ICCID
}

func withHeader(f fields, requester string) fields {
	return with(f, "header", map[string]string{"functionRequesterIdentifier": requester, "functionCallIdentifier": "1"})
}

func (m *model) operator() string { return rapid.SampledFrom(operators).Draw(m.t, "operator") }

// someProfile is one that was ordered before; the step is skipped where there is none.
func (m *model) someProfile() (string, *heldProfile) {
	if len(m.held) == 0 {
		m.t.Skip("no profile yet")
	}
	iccids := make([]string, 0, len(m.held))
	for iccid := range m.held {
		iccids = append(iccids, iccid)
	}
	slices.Sort(iccids)
	iccid := rapid.SampledFrom(iccids).Draw(m.t, "iccid")
	return iccid, m.held[iccid]
}

func (m *model) expect(want, got string) {
	if got != want {
		m.t.Fatalf("answered %s, want %s", got, want)
	}
}

func (m *model) order(*rapid.T) {
	owner, plan := m.operator(), rapid.SampledFrom(plans).Draw(m.t, "plan")
	code, iccid := m.call(es2plus.DownloadOrder, owner, fields{"profileType": plan})
	if m.stock[plan] == 0 {
		m.expect("8.2.5/3.7", code)
		return
	}
	m.expect(done, code)
	m.stock[plan]--
	if !activation.ICCID(iccid).LuhnValid() {
		m.t.Fatalf("ICCID %s fails Luhn", iccid)
	}
	if old, sold := m.held[iccid]; sold && (old.state != StateAvailable || old.plan != plan) {
		m.t.Fatalf("%s was sold again, which is %+v", iccid, old)
	}
	m.held[iccid] = &heldProfile{state: StateAllocated, owner: owner, plan: plan}
}

func (m *model) orderByICCID(*rapid.T) {
	iccid, p := m.someProfile()
	owner := m.operator()
	code, _ := m.call(es2plus.DownloadOrder, owner, fields{"iccid": iccid})
	switch {
	case p.state == StateAvailable:
		m.expect(done, code)
		m.stock[p.plan] = max(0, m.stock[p.plan]-1)
		*p = heldProfile{state: StateAllocated, owner: owner, plan: p.plan}
	case p.owner != owner:
		m.expect("8.2.1/1.2", code)
	default:
		m.expect("8.2.1/3.3", code)
	}
}

func (m *model) confirm(*rapid.T) {
	iccid, p := m.someProfile()
	owner, id := m.operator(), rapid.SampledFrom([]string{"X", "Y", "Z"}).Draw(m.t, "matchingID")
	release := rapid.Bool().Draw(m.t, "release")
	code, _ := m.call(es2plus.ConfirmOrder, owner, fields{"iccid": iccid, "matchingId": id, "releaseFlag": release})
	taken := false
	for _, other := range m.held {
		taken = taken || (other != p && other.owner == owner && other.matchingID == id)
	}
	switch {
	case p.owner != owner:
		m.expect("8.2.1/1.2", code)
	case p.state != StateAllocated:
		m.expect("8.2.1/3.5", code)
	case taken:
		m.expect("8.2.6/3.3", code)
	default:
		m.expect(done, code)
		p.state, p.matchingID = map[bool]State{true: StateReleased, false: StateConfirmed}[release], id
	}
}

func (m *model) release(*rapid.T) {
	iccid, p := m.someProfile()
	owner := m.operator()
	code, _ := m.call(es2plus.ReleaseProfile, owner, fields{"iccid": iccid})
	switch {
	case p.owner != owner:
		m.expect("8.2.1/1.2", code)
	case p.state != StateConfirmed && p.state != StateReleased:
		m.expect("8.2.1/3.5", code)
	default:
		m.expect(done, code)
		p.state = StateReleased
	}
}

func (m *model) cancel(*rapid.T) {
	iccid, p := m.someProfile()
	owner, final := m.operator(), rapid.SampledFrom([]State{StateAvailable, StateUnavailable}).Draw(m.t, "final")
	request := fields{"iccid": iccid, "finalProfileStatusIndicator": string(final)}
	id := rapid.SampledFrom([]string{"", "X", "Y"}).Draw(m.t, "matchingID")
	if id != "" {
		request["matchingId"] = id
	}
	code, _ := m.call(es2plus.CancelOrder, owner, request)
	switch {
	case p.owner != owner:
		m.expect("8.2.1/1.2", code)
	case p.state == StateAvailable || p.state == StateUnavailable:
		m.expect("8.2.1/3.9", code)
	case p.state == StateInstalled:
		m.expect("8.2.1/3.3", code)
	case p.state == StateError:
		m.expect("8.2.1/3.5", code)
	case id != "" && id != p.matchingID:
		m.expect("8.2.6/3.10", code)
	default:
		m.expect(done, code)
		p.state, p.matchingID = final, ""
		if final == StateAvailable {
			m.stock[p.plan]++
		}
	}
}

// device does something with a profile: it works where the model says so.
func (m *model) device(does func(activation.ICCID) error, to State) func(*rapid.T) {
	return func(*rapid.T) {
		iccid, p := m.someProfile()
		err := does(activation.ICCID(iccid))
		if (err == nil) != (p.state == StateReleased) {
			m.t.Fatalf("a device and a profile that is %s: %v", p.state, err)
		}
		if err == nil {
			p.state = to
		}
	}
}

func (m *model) restock(*rapid.T) {
	plan, n := rapid.SampledFrom(plans).Draw(m.t, "plan"), rapid.IntRange(0, 3).Draw(m.t, "n")
	if err := m.s.SetStock(plan, n); err != nil {
		m.t.Fatal(err)
	}
	m.stock[plan] = n
}

func (m *model) restart(*rapid.T) {
	if err := m.s.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.open()
}

func (m *model) open() {
	s, err := New(Options{DataDir: m.dir})
	if err != nil {
		m.t.Fatal(err)
	}
	m.s = s
}

// check that the SM-DP+ shows what the model holds.
func (m *model) check(*rapid.T) {
	shown := make(map[string]*heldProfile)
	for _, p := range m.s.Profiles() {
		seen := &heldProfile{state: p.State, owner: p.Owner, plan: p.ProfileType}
		if want := m.held[string(p.ICCID)]; want != nil && want.matchingID != "" &&
			m.s.HasMatchingID(p.ICCID, activation.NewCredential(want.matchingID)) {
			seen.matchingID = want.matchingID
		}
		shown[string(p.ICCID)] = seen
	}
	if diff := cmp.Diff(m.held, shown, cmp.AllowUnexported(heldProfile{})); diff != "" {
		m.t.Fatalf("profiles (-model +shown):\n%s", diff)
	}
	if diff := cmp.Diff(m.stock, m.s.registry.stocks()); diff != "" {
		m.t.Fatalf("stock (-model +shown):\n%s", diff)
	}
	entries := m.s.Ledger()
	if len(entries) != m.calls {
		m.t.Fatalf("the ledger has %d entries after %d calls", len(entries), m.calls)
	}
	if strings.Contains(string(mustJSON(m.t, entries)), "atchingId\":") {
		m.t.Fatal("the ledger shows a matching ID")
	}
}

func mustJSON(t *rapid.T, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTheStateMachineBehavesLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "") //nolint:usetesting // one folder a run, under the test's own
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{t: rt, dir: dir, stock: map[string]int{"A": 2, "B": 1}, held: map[string]*heldProfile{}}
		m.open()
		defer func() {
			if err := m.s.Close(); err != nil {
				rt.Error(err)
			}
		}()
		for plan, n := range m.stock {
			if err := m.s.SetStock(plan, n); err != nil {
				rt.Fatal(err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"order": m.order, "order by ICCID": m.orderByICCID, "confirm": m.confirm, "release": m.release,
			"cancel": m.cancel, "restock": m.restock, "restart": m.restart,
			"install": m.device(func(i activation.ICCID) error { return m.s.Install(i) }, StateInstalled),
			"fail":    m.device(func(i activation.ICCID) error { return m.s.FailInstall(i) }, StateError),
			"":        m.check,
		})
	})
}
