package smdp

import (
	"testing"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

func TestADroppedAnswerIsExecutedAllTheSame(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{"JP-1GB-7D": 2}})
	p := client(t, s, "OPERATOR-2")
	if err := s.Inject(Fault{Kind: FaultDropAnswer, Function: es2plus.DownloadOrder, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if answer, err := p.try(es2plus.DownloadOrder, map[string]any{"profileType": "JP-1GB-7D"}); err == nil {
		t.Fatalf("the dropped answer arrived: %s", answer.code())
	}
	entries := s.Ledger()
	if len(entries) != 1 || !entries[0].AnswerDropped || !entries[0].Succeeded() {
		t.Fatalf("ledger is %+v, want one executed call with a dropped answer", entries)
	}
	if profiles := s.Profiles(); len(profiles) != 1 || profiles[0].State != StateAllocated || profiles[0].ICCID != entries[0].ICCID {
		t.Errorf("profiles are %+v, want the one of the ledger, Allocated", profiles)
	}
	p.order("JP-1GB-7D")
}
