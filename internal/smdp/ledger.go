package smdp

import (
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// LedgerEntry is one call that the SM-DP+ executed: it decided about it, and answered or would
// have answered what stands here. A call that a fault kept from being executed is not in the
// ledger; the fault counts it.
type LedgerEntry struct {
	// Sequence counts from 1, in the order of execution.
	Sequence int64            `json:"sequence"`
	Time     time.Time        `json:"time"`
	Function es2plus.Function `json:"function"`
	// Requester by its certificate.
	Requester              string `json:"requester"`
	FunctionCallIdentifier string `json:"functionCallIdentifier,omitempty"`
	// ICCID that was asked for or answered; empty where there is none.
	ICCID activation.ICCID `json:"iccid,omitempty"`
	// ProfileType of the profile, or the one that was asked for.
	ProfileType string                  `json:"profileType,omitempty"`
	Status      es2plus.ExecutionStatus `json:"status"`
	// StatusCode such as 8.2.5/3.7; empty for a success.
	StatusCode string `json:"statusCode,omitempty"`
	// Replayed tells that the answer was that of an earlier call with the same
	// functionCallIdentifier: nothing was done this time.
	Replayed bool `json:"replayed,omitempty"`
	// AnswerDropped tells that a fault kept the answer from the client.
	AnswerDropped bool `json:"answerDropped,omitempty"`
	// Fault that spoilt the answer, where one did.
	Fault FaultKind `json:"fault,omitempty"`
}

// Succeeded tells whether the function was executed with success.
func (e LedgerEntry) Succeeded() bool { return e.StatusCode == "" }

// ledger keeps the last entries in memory. Its owner guards it.
type ledger struct {
	entries []LedgerEntry
	// start is the index of the oldest entry once the ledger is full and goes round.
	start int
	limit int
	last  int64
}

func newLedger(limit int) *ledger { return &ledger{limit: limit} }

// add keeps the entry; the oldest goes when there is no room.
func (l *ledger) add(e LedgerEntry) {
	l.last = e.Sequence
	if len(l.entries) < l.limit {
		l.entries = append(l.entries, e)
		return
	}
	l.entries[l.start] = e
	l.start = (l.start + 1) % l.limit
}

// all is a copy, oldest first.
func (l *ledger) all() []LedgerEntry {
	out := make([]LedgerEntry, 0, len(l.entries))
	out = append(out, l.entries[l.start:]...)
	return append(out, l.entries[:l.start]...)
}
