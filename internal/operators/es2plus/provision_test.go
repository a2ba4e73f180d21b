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

// The rules of recovery, one test each: what a test's name says is what happens without the
// rule that it is about. That their combinations hold too is explore_test.go's.

// newWorld is a world whose calls succeed, but for the first of each label in what.
func newWorld(o options, what map[string]effect) *world {
	w := &world{options: o, status: orderStatus{phase: "PENDING", version: 1}}
	w.step = func(label string) effect {
		next := what[label]
		delete(what, label)
		return next
	}
	w.happens = func(string) bool { return false }
	return w
}

var configured = options{configured: "rsp.example.com"}

// delivered fails the test unless the order ends DELIVERED and nothing is wrong.
func delivered(t *testing.T, w *world) {
	t.Helper()
	w.live(w.manager(1))
	if violations := w.violations(); len(violations) > 0 || w.status.phase != "DELIVERED" {
		t.Fatalf("phase %s, violations %q:\n  %s", w.status.phase, violations, strings.Join(w.log, "\n  "))
	}
}

func counted(w *world) map[es2plus.Function]int {
	count := map[es2plus.Function]int{}
	for _, request := range w.smdp.requests {
		count[request.function]++
	}
	return count
}

func executedExactly(t *testing.T, w *world, want map[es2plus.Function]int) {
	t.Helper()
	if diff := cmp.Diff(want, counted(w)); diff != "" {
		t.Errorf("calls (-want +got):\n%s\n  %s", diff, strings.Join(w.log, "\n  "))
	}
}

func TestAnUndisturbedOrderCostsTwoCalls(t *testing.T) {
	w := newWorld(configured, nil)
	delivered(t, w)
	executedExactly(t, w, map[es2plus.Function]int{es2plus.DownloadOrder: 1, es2plus.ConfirmOrder: 1})
	var ids []string
	for _, request := range w.smdp.requests {
		ids = append(ids, request.callID)
	}
	if diff := cmp.Diff([]string{"ORDER-1-D", "ORDER-1-C"}, ids); diff != "" {
		t.Errorf("functionCallIdentifiers (-want +got):\n%s", diff)
	}
}

func TestALostConfirmOrderAnswerWouldBuyASecondProfile(t *testing.T) {
	for _, lost := range []effect{lostAfterExecution, crashAfter} {
		for _, matchingIDFirst := range []bool{false, true} {
			w := newWorld(configured, map[string]effect{"ConfirmOrder": lost})
			w.smdp.matchingIDFirst = matchingIDFirst
			delivered(t, w)
			executedExactly(t, w, map[es2plus.Function]int{es2plus.DownloadOrder: 1, es2plus.ConfirmOrder: 2, es2plus.ReleaseProfile: 1})
		}
	}
}

func TestALostReleaseProfileAnswerWouldBuyASecondProfile(t *testing.T) {
	for _, lost := range []effect{lostAfterExecution, lostBeforeExecution, crashAfter, crashBefore, fails} {
		w := newWorld(configured, map[string]effect{"ConfirmOrder": lostAfterExecution, "ReleaseProfile": lost})
		delivered(t, w)
		if counted(w)[es2plus.DownloadOrder] != 1 {
			t.Errorf("%s: %v", lost, counted(w))
		}
	}
}

func TestALostDownloadOrderAnswerStrandsOneProfileAndIsCounted(t *testing.T) {
	w := newWorld(configured, map[string]effect{"DownloadOrder": lostAfterExecution})
	delivered(t, w)
	if stranded := len(w.smdp.inState(stateAllocated)); stranded != 1 || w.answersLost != 1 {
		t.Errorf("%d stranded, %d counted", stranded, w.answersLost)
	}
}

func TestAnUnwrittenSecretWouldStrandAProfilePerRetry(t *testing.T) {
	w := newWorld(configured, nil)
	refusals := 5
	w.step = func(label string) effect {
		if label == "write Secret" && refusals > 0 {
			refusals--
			return fails
		}
		return done
	}
	delivered(t, w)
	if reserved := counted(w)[es2plus.DownloadOrder]; reserved != 1 {
		t.Errorf("%d profiles were reserved", reserved)
	}
}

func TestAProfileThatCannotBeJournaledWouldStayReserved(t *testing.T) {
	w := newWorld(options{configured: "rsp.example.com", quota: 3}, nil)
	delivered(t, w)
	if stranded := w.smdp.inState(stateAllocated); len(stranded) > 0 {
		t.Errorf("stranded: %v", stranded)
	}
	for _, request := range w.smdp.requestsTo(es2plus.CancelOrder) {
		if request.body["finalProfileStatusIndicator"] != "Available" {
			t.Errorf("a profile that nobody named was taken out of sale: %v", request.body)
		}
	}
}

// Given to another order meanwhile, a second CancelOrder would hit that one.
func TestAProfileOfferedForSaleAgainWouldBeNamedTwice(t *testing.T) {
	w := newWorld(options{configured: "rsp.example.com", quota: 1}, map[string]effect{"CancelOrder": lostAfterExecution})
	m := w.manager(1)
	m.seen = w.status
	m.pass()
	sold := w.smdp.inState(stateAvailable)
	if len(sold) != 1 || m.status.iccid != "" || len(m.unwritten) != 0 || w.answersLost != 1 {
		t.Fatalf("for sale %v, noted %q, kept %v, lost answers counted %d", sold, m.status.iccid, m.unwritten, w.answersLost)
	}
}

func TestAProfileThatAnEarlierWriteMayNameWouldBeOfferedForSale(t *testing.T) {
	w := newWorld(options{configured: "rsp.example.com"}, map[string]effect{"write Secret": lostBeforeExecution})
	m := w.manager(1)
	m.seen = w.status
	m.pass()
	w.quota = 1
	m.seen = w.status
	m.pass()
	cancelled := w.smdp.requestsTo(es2plus.CancelOrder)
	if len(cancelled) != 1 || cancelled[0].body["finalProfileStatusIndicator"] != "Unavailable" {
		t.Errorf("cancelled: %v", cancelled)
	}
}

func TestARefusedJournalIsToldAsSuchWhateverBecomesOfTheProfile(t *testing.T) {
	for _, tc := range []struct {
		what  effect
		held  bool
		count int32
	}{{done, false, 0}, {fails, true, 0}, {lostAfterExecution, false, 1}, {lostBeforeExecution, false, 1}} {
		w := newWorld(options{quota: 1}, map[string]effect{"CancelOrder": tc.what})
		m := w.manager(1)
		m.seen = orderStatus{attempt: 1}
		_, err := m.driver.Provision(t.Context(), operators.Purchase{RequestID: "R", PlanID: "P"}, &memoryJournal{manager: m})
		var failed *operators.Error
		if !errors.Is(err, operators.ErrJournalRefused) || !errors.As(err, &failed) {
			t.Fatalf("CancelOrder %s: the error is %v", tc.what, err)
		}
		if (failed.ICCID != "") != tc.held || failed.LostAnswers != tc.count || len(m.unwritten) != int(bit(tc.held)) {
			t.Errorf("CancelOrder %s: ICCID %q, %d lost answers, kept %v", tc.what, failed.ICCID, failed.LostAnswers, m.unwritten)
		}
	}
}

// other is what another manager wrote while this one was at the SM-DP+.
var other = operators.Profile{ICCID: "8947010000123456784", MatchingID: activation.NewCredential("OTHERS"), SMDPAddress: "rsp.example.com"}

func TestTheLoserOfARaceWouldBuyASecondProfile(t *testing.T) {
	w := newWorld(configured, nil)
	m := w.manager(1)
	m.seen = orderStatus{attempt: 1}
	w.secret = &storedSecret{attempt: 1, profile: other}
	w.smdp.profiles = map[activation.ICCID]*sold{other.ICCID: {state: stateAllocated}}
	profile, err := m.driver.Provision(t.Context(), operators.Purchase{RequestID: "R", PlanID: "P", ConfiguredAddress: "rsp.example.com"}, &memoryJournal{manager: m})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(other, profile); diff != "" {
		t.Errorf("provisioned (-the journal's +got):\n%s", diff)
	}
	cancelled := w.smdp.requestsTo(es2plus.CancelOrder)
	if len(cancelled) != 1 || cancelled[0].body["finalProfileStatusIndicator"] != "Unavailable" || len(w.smdp.inState(stateAllocated)) != 0 {
		t.Errorf("cancelled %v, stranded %v", cancelled, w.smdp.inState(stateAllocated))
	}
}

func TestTheLosersProfileWouldBeForgottenWhereCancelOrderIsNotAnswered(t *testing.T) {
	w := newWorld(configured, map[string]effect{"CancelOrder": lostBeforeExecution})
	m := w.manager(1)
	m.seen = orderStatus{attempt: 1}
	w.secret = &storedSecret{attempt: 1, profile: other}
	w.smdp.profiles = map[activation.ICCID]*sold{other.ICCID: {state: stateAllocated}}
	purchase := operators.Purchase{RequestID: "R", PlanID: "P", ConfiguredAddress: "rsp.example.com"}
	j := &memoryJournal{manager: m}
	_, err := m.driver.Provision(t.Context(), purchase, j)
	var failed *operators.Error
	if !errors.As(err, &failed) || failed.Class != operators.Transient || failed.ICCID != other.ICCID {
		t.Fatalf("the error is %+v", failed)
	}
	if profile, err := m.driver.Provision(t.Context(), purchase, j); err != nil || profile.ICCID != other.ICCID {
		t.Fatalf("the next pass: %v, %v", profile, err)
	}
	if stranded := w.smdp.inState(stateAllocated); len(stranded) > 0 || len(m.unwritten) > 0 {
		t.Errorf("stranded %v, still kept %v", stranded, m.unwritten)
	}
}

// refusing answers every CancelOrder alike, and has everything else executed.
type refusing struct {
	*manager
	cancelOrder reply
}

func (r refusing) exchange(ctx context.Context, path string, request []byte) reply {
	if functionOf(path) == es2plus.CancelOrder {
		return r.cancelOrder
	}
	return r.manager.exchange(ctx, path, request)
}

// A refusal of our identity, or of whatever we send, decides nothing about the profile.
func TestTheLosersProfileWouldBeForgottenWhereCancelOrderIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name    string
		refusal reply
	}{
		{"the TLS handshake fails", reply{fate: refused}},
		{"HTTP 401", reply{status: 401}},
		{"HTTP 403", reply{status: 403}},
		{"HTTP 404", reply{status: 404}},
		{"the requester is not known", answer(nil, "1.1/1.1")},
		{"a mandatory field is missing", answer(nil, "8.2.1/2.2")},
	} {
		w := newWorld(configured, nil)
		m := w.manager(1)
		m.seen = orderStatus{attempt: 1}
		w.secret = &storedSecret{attempt: 1, profile: other}
		w.smdp.profiles = map[activation.ICCID]*sold{other.ICCID: {state: stateAllocated}}
		j := &memoryJournal{manager: m}
		_, err := newDriver(Config{}, refusing{m, tc.refusal}).Provision(t.Context(), anyPurchase, j)
		var failed *operators.Error
		if !errors.As(err, &failed) || failed.Class != misconfigured || failed.ICCID != other.ICCID {
			t.Errorf("%s: the error is %+v", tc.name, failed)
		}
		if own, kept := m.unwritten[1]; !kept || own == other.ICCID || len(w.smdp.requestsTo(es2plus.ConfirmOrder)) > 0 {
			t.Errorf("%s: kept %v, and went on with %v", tc.name, m.unwritten, counted(w))
		}
		if profile, err := m.driver.Provision(t.Context(), anyPurchase, j); err != nil || profile.ICCID != other.ICCID {
			t.Errorf("%s: the next pass: %v, %v", tc.name, profile, err)
		}
		if stranded := w.smdp.inState(stateAllocated); len(stranded) > 0 || len(m.unwritten) > 0 {
			t.Errorf("%s: stranded %v, still kept %v", tc.name, stranded, m.unwritten)
		}
	}
}

func TestAnInstalledProfileWouldBeBoughtAgain(t *testing.T) {
	w := newWorld(options{configured: "rsp.example.com", installs: true}, map[string]effect{"ConfirmOrder": lostAfterExecution})
	w.happens = func(string) bool { return true }
	delivered(t, w)
	executedExactly(t, w, map[es2plus.Function]int{
		es2plus.DownloadOrder: 1, es2plus.ConfirmOrder: 2, es2plus.ReleaseProfile: 1, es2plus.CancelOrder: 1,
	})
}

func TestEveryErrorAfterTheReservationCarriesTheICCID(t *testing.T) {
	for _, code := range []string{"8.2.1/3.5", "8.2.1/3.9", "8.1.1/2.2", "8.9/5.1", "1.1/1.1", "8.2.1/1.2", "9.9/9.9"} {
		w := newWorld(configured, nil)
		m := w.manager(1)
		m.seen = orderStatus{attempt: 1}
		reserved := activation.ICCID("8947010000123456784")
		m.unwritten[1] = reserved
		d := newDriver(Config{}, replying(answer(nil, code)))
		_, err := d.Provision(t.Context(), operators.Purchase{RequestID: "R", PlanID: "P", ConfiguredAddress: "rsp.example.com"}, &memoryJournal{manager: m})
		var failed *operators.Error
		if !errors.As(err, &failed) || failed.ICCID != reserved {
			t.Errorf("%s: the error is %+v", code, failed)
		}
	}
}

func TestWhatCannotBeDeliveredIsNotReserved(t *testing.T) {
	for _, tc := range []struct {
		name     string
		purchase operators.Purchase
		want     operators.Class
	}{
		{"no profile type", operators.Purchase{RequestID: "R"}, rejected},
		{"an address that no activation code can carry", operators.Purchase{RequestID: "R", PlanID: "P", ConfiguredAddress: "localhost"}, misconfigured},
	} {
		w := newWorld(configured, nil)
		m := w.manager(1)
		m.seen = orderStatus{attempt: 1}
		_, err := m.driver.Provision(t.Context(), tc.purchase, &memoryJournal{manager: m})
		if class, ok := operators.ClassOf(err); !ok || class != tc.want || len(w.smdp.requests) != 0 {
			t.Errorf("%s: %v after %d calls", tc.name, err, len(w.smdp.requests))
		}
	}
}
