package smdp

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// memory is what an SM-DP+ remembers.
type memory struct {
	Profiles []Profile
	Ledger   []LedgerEntry
	Stock    map[string]int
}

func remembered(s *Server) memory {
	return memory{s.Profiles(), s.Ledger(), s.registry.stocks()}
}

// halfDone is an SM-DP+ with profiles in several states.
func halfDone(t *testing.T, o Options) (*Server, *peer) {
	t.Helper()
	s := startServer(t, o)
	p := client(t, s, "OPERATOR-1")
	iccids := []string{p.order(plan), p.order(plan), p.order(plan), p.order(plan)}
	for i, id := range []string{"ONE", "TWO", "THREE"} {
		p.success(es2plus.ConfirmOrder, fields{"iccid": iccids[i], "matchingId": id, "confirmationCode": "4711", "releaseFlag": i > 0})
	}
	p.success(es2plus.CancelOrder, fields{"iccid": iccids[2], "matchingId": "THREE", "finalProfileStatusIndicator": "Available"})
	if err := s.Install(activation.ICCID(iccids[1])); err != nil {
		t.Fatal(err)
	}
	if err := s.SetStock("GONE", -1); err != nil {
		t.Fatal(err)
	}
	return s, p
}

func TestNothingIsForgottenOverARestart(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Stock: map[string]int{plan: 5, "GONE": 1, "OTHER": 7}}
	s, p := halfDone(t, o)
	before := remembered(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Stock = map[string]int{plan: 5_000} // what the folder remembers counts more
	again := startServer(t, o)
	if diff := cmp.Diff(before, remembered(again)); diff != "" {
		t.Fatalf("after the restart (-before +after):\n%s", diff)
	}
	if again.Stock("OTHER") != 7 || again.Stock("GONE") != 0 {
		t.Errorf("stock: %v", again.registry.stocks())
	}

	// The first run's certificate still counts, and so do matching IDs and EIDs.
	p.url = again.URL()
	var confirmed string
	for _, profile := range again.Profiles() {
		if profile.State == StateConfirmed {
			confirmed = string(profile.ICCID)
		}
	}
	next := p.order(plan)
	if p, _ := again.Profile(activation.ICCID(next)); p.State != StateAllocated || !contains(before.Profiles, next) {
		t.Errorf("the next order got %s, not the profile that was given back", next)
	}
	got := []string{
		p.call(es2plus.ConfirmOrder, fields{"iccid": next, "matchingId": "ONE", "releaseFlag": true}).code(),
		p.call(es2plus.CancelOrder, fields{"iccid": confirmed, "matchingId": "WRONG", "finalProfileStatusIndicator": "Available"}).code(),
		p.call(es2plus.ReleaseProfile, fields{"iccid": confirmed}).code(),
	}
	if diff := cmp.Diff([]string{"8.2.6/3.3", "8.2.6/3.10", done}, got); diff != "" {
		t.Errorf("calls after the restart (-want +got):\n%s", diff)
	}
}

func contains(profiles []Profile, iccid string) bool {
	for _, p := range profiles {
		if string(p.ICCID) == iccid {
			return true
		}
	}
	return false
}

// TestASuddenEndCostsNothingThatWasAnswered cuts the journal at every byte of its last line.
func TestASuddenEndCostsNothingThatWasAnswered(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Stock: map[string]int{plan: 5}}
	s, _ := halfDone(t, o)
	path := filepath.Join(o.DataDir, journalName)
	whole, err := os.ReadFile(path) // as a process that is killed leaves it
	if err != nil {
		t.Fatal(err)
	}
	before := remembered(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	torn := []byte(`{"profile":{"iccid":"8947010000123456784","profileType":"X","state":"Released"}}`)
	for cut := range len(torn) {
		if err := os.WriteFile(path, append(bytes.Clone(whole), torn[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := New(o)
		if err != nil {
			t.Fatalf("torn after %d bytes: %v", cut, err)
		}
		if diff := cmp.Diff(before, remembered(again)); diff != "" {
			t.Errorf("torn after %d bytes (-before +after):\n%s", cut, diff)
		}
		if err := again.SetStock("LATER", 1); err != nil {
			t.Fatal(err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		again, err = New(o)
		if err != nil {
			t.Fatalf("reopened after a torn line of %d bytes: %v", cut, err)
		}
		if got := again.Stock("LATER"); got != 1 {
			t.Errorf("what came after a torn line of %d bytes was lost", cut)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedJournalIsAClearErrorWithoutItsSecrets(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Stock: map[string]int{plan: 5}}
	path := filepath.Join(o.DataDir, journalName)
	for _, line := range []string{
		`{"profile":{"matchingId":"K3T"},"oops` + "\n",
		`{"profile":{"matchingId":["K3T"]}}` + "\n",
		strings.Repeat("K3T", maxRecord) + "\n",
	} {
		if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := New(o)
		if err == nil {
			t.Fatal(errors.Join(errors.New("a damaged journal was read"), s.Close()))
		}
		if text := err.Error(); !strings.Contains(text, "line 1") || !strings.Contains(text, "move the data folder away") || strings.Contains(text, "K3T") {
			t.Errorf("the error is: %s", text)
		}
	}
}

func TestAFailedWriteIsAnAnswerThatNothingWasDone(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Stock: map[string]int{plan: 5}}
	s := startServer(t, o)
	p := client(t, s, "OPERATOR-1")
	j, ok := s.registry.journal.(*fileJournal)
	if !ok {
		t.Fatalf("the journal is a %T", s.registry.journal)
	}
	good := j.file
	readOnly, err := os.Open(filepath.Join(o.DataDir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = readOnly.Close() })
	s.registry.mu.Lock()
	j.file = readOnly
	s.registry.mu.Unlock()
	if o := p.observe(t.Context()); o.status != 500 {
		t.Errorf("answered HTTP %d, %v; want 500", o.status, o.err)
	}
	s.registry.mu.Lock()
	j.file, j.broken = good, nil
	s.registry.mu.Unlock()
	if profiles, entries := s.Profiles(), s.Ledger(); len(profiles) != 0 || len(entries) != 0 || s.Stock(plan) != 5 {
		t.Errorf("there are %d profiles, %d calls and a stock of %d", len(profiles), len(entries), s.Stock(plan))
	}
}

func TestAWriteThatStoppedHalfWayLeavesNoTrace(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Stock: map[string]int{plan: 5}}
	s, _ := halfDone(t, o)
	before := remembered(s)
	j, ok := s.registry.journal.(*fileJournal)
	if !ok {
		t.Fatalf("the journal is a %T", s.registry.journal)
	}
	written, err := j.file.WriteString(`{"stock":{"profileTy`)
	if err != nil {
		t.Fatal(err)
	}
	j.undo(written)
	if err := s.SetStock("LATER", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before.Stock["LATER"] = 1
	if diff := cmp.Diff(before, remembered(startServer(t, o))); diff != "" {
		t.Errorf("after the restart (-before +after):\n%s", diff)
	}
}

func TestARestartThatStoppedHalfWayDoesNotHinderTheNext(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Stock: map[string]int{plan: 5}}
	s, _ := halfDone(t, o)
	before := remembered(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left := strings.Repeat(`{"stock":{"profileType":"LEFT","available":9}}`+"\n", 50)
	if err := os.WriteFile(filepath.Join(o.DataDir, journalName+".new"), []byte(left), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again := startServer(t, o)
		if diff := cmp.Diff(before, remembered(again)); diff != "" {
			t.Errorf("after the restart (-before +after):\n%s", diff)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTwoCannotShareADataFolder(t *testing.T) {
	o := Options{DataDir: t.TempDir()}
	startServer(t, o)
	second, err := New(o)
	if err == nil {
		t.Fatal(errors.Join(errors.New("a second one opened the folder"), second.Close()))
	}
	if !strings.Contains(err.Error(), "in use") {
		t.Errorf("the error is: %v", err)
	}
}

func TestTheDataFolderIsItsOwnersAlone(t *testing.T) {
	o := Options{DataDir: filepath.Join(t.TempDir(), "data"), Stock: map[string]int{plan: 5}}
	halfDone(t, o)
	files := 0
	err := filepath.WalkDir(o.DataDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			files++
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Errorf("looked at %d files: %v", files, err)
	}
}
