package smdp

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

func TestAnOrderGoesFromStockToDevice(t *testing.T) {
	s := startServer(t, Options{SMDPAddress: "rsp.example.com", Stock: map[string]int{"JP-1GB-7D": 2}})
	p := clientWith(t, s, DefaultRequester, s.PKI().ClientCert, s.PKI().ClientKey)

	iccid := p.order("JP-1GB-7D")
	if !activation.ICCID(iccid).LuhnValid() {
		t.Errorf("ICCID %s fails Luhn", iccid)
	}
	confirmed := p.success(es2plus.ConfirmOrder, map[string]any{"iccid": iccid, "matchingId": "K3T-1", "releaseFlag": false})
	if confirmed.MatchingID != "K3T-1" || confirmed.SMDPAddress != "rsp.example.com" {
		t.Errorf("ConfirmOrder answered address %q and another matching ID than was sent", confirmed.SMDPAddress)
	}
	p.success(es2plus.ReleaseProfile, map[string]any{"iccid": iccid + "F"})
	if err := s.Install(activation.ICCID(iccid)); err != nil {
		t.Fatal(err)
	}
	if answer := p.call(es2plus.CancelOrder, map[string]any{"iccid": iccid, "finalProfileStatusIndicator": "Unavailable"}); answer.code() != "8.2.1/3.3" {
		t.Errorf("CancelOrder of an installed profile answered %s", answer.code())
	}
	if got := s.Stock("JP-1GB-7D"); got != 1 {
		t.Errorf("stock is %d after one of two was sold", got)
	}
}

func TestOtherTypesHaveTheDefaultStockWhereThePatternMatches(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{"JP-SET": 1}, DefaultStock: 3, DefaultStockPattern: regexp.MustCompile(`^JP-`)})
	p := client(t, s, "OPERATOR-1")
	var got []int
	got = append(got, s.Stock("JP-1GB-7D"), s.Stock("JP-SET"), s.Stock("FR-1GB-7D"))
	p.order("JP-1GB-7D")
	got = append(got, s.Stock("JP-1GB-7D"), s.Stock("JP-5GB-7D"))
	if diff := cmp.Diff([]int{3, 1, 0, 2, 3}, got); diff != "" {
		t.Errorf("stock (-want +got):\n%s", diff)
	}
	if code := p.call(es2plus.DownloadOrder, fields{"profileType": "FR-1GB-7D"}).code(); code != "8.2.5/3.9" {
		t.Errorf("a type that does not match is answered %s", code)
	}
}

func TestTypesThatComeIntoBeingByBeingAskedForAreBounded(t *testing.T) {
	s, err := New(Options{DefaultStock: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for i := range maxProfileTypes {
		if err := s.SetStock(strconv.Itoa(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := s.registry.stock("ONE-MORE"); known {
		t.Error("there is no end to types")
	}
}

func TestTheLedgerKeepsTheLastEntries(t *testing.T) {
	s := startServer(t, Options{DataDir: t.TempDir(), Stock: map[string]int{plan: 9}, LedgerLimit: 3})
	p := client(t, s, "OPERATOR-1")
	for range 5 {
		p.order(plan)
	}
	var got []int64
	for _, e := range s.Ledger() {
		got = append(got, e.Sequence)
	}
	if diff := cmp.Diff([]int64{3, 4, 5}, got); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
}

func TestAnswersThatAreKeptForReplayAreBounded(t *testing.T) {
	var r replays
	key := func(i int) replayKey { return replayKey{callID: strconv.Itoa(i)} }
	for i := range maxReplays + 10 {
		r.keep(key(i), replay{answer: i})
	}
	if _, found := r.find(key(9)); found {
		t.Error("an answer beyond the bound is still kept")
	}
	if last, found := r.find(key(maxReplays + 9)); !found || last.answer != maxReplays+9 || len(r.kept) != maxReplays {
		t.Errorf("the last answer is %v; %d are kept", last.answer, len(r.kept))
	}
}

func TestATypeThatIsNotSoldToAClientIsRefused(t *testing.T) {
	s := startServer(t, Options{DefaultStock: 5, ProfileTypes: map[string][]string{"OPERATOR-1": {plan}}})
	limited, free := client(t, s, "OPERATOR-1"), client(t, s, "OPERATOR-2")
	got := []string{
		limited.call(es2plus.DownloadOrder, fields{"profileType": plan}).code(),
		limited.call(es2plus.DownloadOrder, fields{"profileType": "OTHER"}).code(),
		free.call(es2plus.DownloadOrder, fields{"profileType": "OTHER"}).code(),
	}
	if diff := cmp.Diff([]string{done, "8.2.5/1.2", done}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestItServesFromStartToTheEndOfItsContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.URL() != "" || s.ControlURL() != "" {
		t.Errorf("URLs before Start: %q, %q", s.URL(), s.ControlURL())
	}
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(ctx); err == nil {
		t.Error("it was started twice")
	}
	address := strings.TrimPrefix(s.URL(), "https://")
	stop()
	eventually(t, "the port is closed", func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if err := s.Start(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("started after Close: %v", err)
	}
}

func TestAPortThatIsTakenIsAClearError(t *testing.T) {
	first := startServer(t, Options{})
	address := strings.TrimPrefix(first.ControlURL(), "http://")
	for _, o := range []Options{{Address: address}, {ControlAddress: address}} {
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), address) {
			t.Errorf("the error is %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, tt := range []struct {
		names string
		o     Options
	}{
		{"ICCIDPrefix", Options{ICCIDPrefix: "89X"}},
		{"ICCIDPrefix", Options{ICCIDPrefix: "8947010123456"}},
		{"LedgerLimit", Options{LedgerLimit: -1}},
		{"DefaultStock", Options{DefaultStock: -1}},
		{`"X"`, Options{Stock: map[string]int{"X": -1}}},
		{`"a\nb"`, Options{Stock: map[string]int{"a\nb": 1}}},
	} {
		s, err := New(tt.o)
		if err == nil {
			t.Errorf("%+v was taken; close: %v", tt.o, s.Close())
		} else if !strings.Contains(err.Error(), tt.names) {
			t.Errorf("the error does not name %s: %v", tt.names, err)
		}
	}
}
