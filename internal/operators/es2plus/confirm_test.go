package es2plus

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

// What is delivered by the answer to ConfirmOrder, and what becomes of a profile that it leaves
// without an address.

func TestWhatTheSMDPAnswersCountsMoreThanWhatWeSent(t *testing.T) {
	const conf, old = "rsp.example.com", "old.example.com"
	for _, tc := range []struct {
		name, configured, learned   string
		answeredID, answeredAddress string
		wantID, wantAddress         string
		class                       operators.Class
		kept                        bool
	}{
		{"nothing answered, address configured", conf, "", "", "", "OURS", conf, "", false},
		{"nothing answered, another address learned", conf, old, "", "", "OURS", conf, "", false},
		{"our matching ID", conf, "", "OURS", "", "OURS", conf, "", false},
		{"our matching ID in lower case", conf, "", "ours", "", "OURS", conf, "", false},
		{"another matching ID", conf, "", "THEIRS", "", "THEIRS", conf, "", false},
		{"another address", conf, old, "OURS", "other.example.com", "OURS", "other.example.com", "", false},
		{"an address, none configured", "", "", "OURS", "other.example.com", "OURS", "other.example.com", "", false},
		{"no address anywhere", "", "", "THEIRS", "", "THEIRS", "", misconfigured, true},
		{"no address but a learned one", "", old, "OURS", "", "OURS", "", misconfigured, true},
		{"an address that is none", conf, "", "OURS", "https://rsp.example.com/", "OURS", "", misconfigured, true},
		{"a matching ID that ends the activation code's item", conf, "", "THEIRS$1", "", "", "", restart, false},
	} {
		w := newWorld(options{}, nil)
		m := w.manager(1)
		m.seen = orderStatus{attempt: 1}
		j := &memoryJournal{manager: m}
		ours := operators.Profile{ICCID: heldICCID, MatchingID: activation.NewCredential("OURS"), SMDPAddress: old}
		fields := map[string]any{}
		for name, value := range map[string]string{"matchingId": tc.answeredID, "smdpAddress": tc.answeredAddress} {
			if value != "" {
				fields[name] = value
			}
		}
		d := newDriver(Config{}, replying(answer(fields, "")))
		got, failure := d.confirmed(t.Context(), operators.Purchase{RequestID: "R", ConfiguredAddress: tc.configured, LearnedAddress: tc.learned}, j, ours, true)
		checkClass(t, tc.name, failure, tc.class, 0)
		if entry, ok := j.Profile(); ok != tc.kept || ok && !entry.Confirmed {
			t.Errorf("%s: the journal holds %+v", tc.name, entry)
		} else if ok {
			got = entry
		}
		if got.MatchingID.Reveal() != tc.wantID || got.SMDPAddress != tc.wantAddress {
			t.Errorf("%s: matching ID %q, address %q", tc.name, got.MatchingID.Reveal(), got.SMDPAddress)
		}
		if failure != nil && strings.Contains(fmt.Sprintf("%v %v", failure, failure.Err), "THEIRS") {
			t.Errorf("%s: the error shows the matching ID", tc.name)
		}
	}
}

func TestAnAddressThatRepeatsTheMatchingIDIsNotShown(t *testing.T) {
	const sent, theirs = "K3TQX9ZW7VJ2M4PBN8RD", "04386-AGYFT-A74Y8-3F815"
	held := operators.Profile{ICCID: heldICCID, MatchingID: activation.NewCredential(sent)}
	for _, tc := range []struct {
		address, answered string
		refused           bool
	}{
		{"rsp.example.com", sent, false},
		{"rsp.example.com", "RSP", false},
		{strings.ToLower(sent) + ".example.com", sent, true},
		{"x" + sent + ".example.com", theirs, true},
		{"rsp." + theirs + ".example.com", theirs, true},
	} {
		got, failure := confirmedAs(operators.Purchase{}, held, es2plus.ConfirmOrderResponse{MatchingID: tc.answered, SMDPAddress: tc.address})
		if !tc.refused {
			if failure != nil || got.SMDPAddress != tc.address {
				t.Errorf("%s with %s: %v", tc.address, tc.answered, failure)
			}
			continue
		}
		checkClass(t, tc.address, failure, misconfigured, 0)
		if got.SMDPAddress != "" || !got.Confirmed {
			t.Errorf("%s is kept as an address, or the profile is lost", tc.address)
		}
	}
}

func TestEachTryWithoutAnAddressWouldCostAProfile(t *testing.T) {
	for name, answered := range map[string]string{"none": "", "one that no activation code can carry": "localhost"} {
		w := newWorld(options{}, nil)
		w.smdp.smdpAddress = answered
		w.learned = "old.example.com" // of another answer: it is not for this one
		m := w.manager(1)
		var heard []operators.Call
		m.driver.onCall = func(call operators.Call) { heard = append(heard, call) }
		for range 5 {
			m.seen = w.status
			m.pass()
		}
		executedExactly(t, w, map[es2plus.Function]int{es2plus.DownloadOrder: 1, es2plus.ConfirmOrder: 1})
		if w.status.phase != "PENDING" || w.status.iccid == "" || !w.secret.profile.Confirmed || w.secret.profile.SMDPAddress != "" {
			t.Fatalf("answered %s: status %+v, journal %+v", name, w.status, w.secret.profile)
		}
		if last := heard[len(heard)-1]; len(heard) != 2 || last.Outcome != string(misconfigured) || !last.Answered {
			t.Errorf("answered %s: the calls were heard of as %+v", name, heard)
		}
		w.configured, w.smdp.smdpAddress = "rsp.example.com", ""
		m.seen = w.status
		m.pass()
		if violations := w.violations(); len(violations) > 0 || w.status.phase != "DELIVERED" {
			t.Errorf("answered %s: phase %s, violations %q", name, w.status.phase, violations)
		}
		executedExactly(t, w, map[es2plus.Function]int{es2plus.DownloadOrder: 1, es2plus.ConfirmOrder: 1, es2plus.ReleaseProfile: 1})
	}
}

// The connection may have been mended since: then only this order still waits for its address.
func TestAnOrderThatLacksItsAddressWouldHoldUpOthersEachTimeItIsTried(t *testing.T) {
	w := newWorld(options{}, nil)
	m := w.manager(1)
	m.seen = orderStatus{attempt: 1}
	j := &memoryJournal{manager: m}
	for try, ofOne := range []bool{false, true, true} {
		_, err := m.driver.Provision(t.Context(), operators.Purchase{RequestID: "R", PlanID: "P"}, j)
		var failed *operators.Error
		if !errors.As(err, &failed) || failed.Class != misconfigured || failed.OneOrder != ofOne || failed.ICCID == "" {
			t.Errorf("try %d: the error is %+v", try, failed)
		}
		if !strings.Contains(err.Error(), "spec.es2plus.smdpAddress") {
			t.Errorf("try %d: the error names no remedy: %v", try, err)
		}
	}
}

func TestAProfileWhoseMissingAddressIsNotJournaledIsNoneThatWaits(t *testing.T) {
	for _, tc := range []struct {
		name    string
		write   effect
		quota   bool
		class   operators.Class
		refused bool
	}{
		{"refused before it was done", fails, false, transient, false},
		{"lost before it was done", lostBeforeExecution, false, transient, false},
		{"done, the answer lost", lostAfterExecution, false, misconfigured, false},
		{"definitely refused", done, true, transient, true},
	} {
		w := newWorld(options{}, nil)
		m := w.manager(1)
		m.seen = orderStatus{attempt: 1}
		writes := 0
		w.step = func(label string) effect {
			if label != "write Secret" {
				return done
			}
			if writes++; writes == 1 {
				return done
			}
			if tc.quota {
				w.quota = 1
			}
			return tc.write
		}
		_, err := m.driver.Provision(t.Context(), operators.Purchase{RequestID: "R", PlanID: "P"}, &memoryJournal{manager: m})
		var failed *operators.Error
		if !errors.As(err, &failed) || failed.Class != tc.class || failed.ICCID == "" || errors.Is(err, operators.ErrJournalRefused) != tc.refused {
			t.Errorf("%s: the error is %+v", tc.name, failed)
		}
	}
}

func TestTheAddressOfALostAnswerWouldBeGuessed(t *testing.T) {
	w := newWorld(options{}, map[string]effect{"ConfirmOrder": lostAfterExecution})
	w.smdp.smdpAddress = "other.example.com"
	delivered(t, w)
	executedExactly(t, w, map[es2plus.Function]int{es2plus.DownloadOrder: 2, es2plus.ConfirmOrder: 3, es2plus.CancelOrder: 1})
	if taken := w.smdp.inState(stateUnavailable); len(taken) != 1 {
		t.Errorf("the profile whose address was lost is not taken out of use: %v", taken)
	}
}

func TestALearnedAddressSavesTheProfileWhoseAnswerWasLost(t *testing.T) {
	w := newWorld(options{configured: "wrong.example.com"}, map[string]effect{"ConfirmOrder": lostAfterExecution})
	w.smdp.smdpAddress, w.learned = "other.example.com", "other.example.com"
	delivered(t, w)
	executedExactly(t, w, map[es2plus.Function]int{es2plus.DownloadOrder: 1, es2plus.ConfirmOrder: 2, es2plus.ReleaseProfile: 1})
}

func TestAMatchingIDInUseWouldBlockTheOrder(t *testing.T) {
	w := newWorld(configured, nil)
	w.smdp.taken = maxMatchingIDs - 1
	delivered(t, w)
	executedExactly(t, w, map[es2plus.Function]int{
		es2plus.DownloadOrder: 1, es2plus.ConfirmOrder: maxMatchingIDs, es2plus.ReleaseProfile: maxMatchingIDs - 1,
	})
	ids := map[string]bool{}
	for _, request := range w.smdp.requestsTo(es2plus.ConfirmOrder) {
		ids[request.callID] = true
	}
	if len(ids) != maxMatchingIDs {
		t.Errorf("a server that repeats answers by functionCallIdentifier would repeat its refusal: %v", ids)
	}
}

func TestMatchingIDsAreNotTriedForEver(t *testing.T) {
	w := newWorld(configured, nil)
	w.smdp.taken = 1000
	m := w.manager(1)
	m.seen = orderStatus{attempt: 1}
	_, err := m.driver.Provision(t.Context(), operators.Purchase{RequestID: "R", PlanID: "P", ConfiguredAddress: "rsp.example.com"}, &memoryJournal{manager: m})
	var failed *operators.Error
	if !errors.As(err, &failed) || failed.Class != operators.Restart || failed.ICCID == "" {
		t.Errorf("the error is %+v", failed)
	}
	if tried := counted(w)[es2plus.ConfirmOrder]; tried != maxMatchingIDs {
		t.Errorf("%d matching IDs were tried", tried)
	}
}
