package smdp

import "github.com/telcodev/esim-operator/internal/es2plus"

// maxReplays bounds how many answers are kept for repeating.
const maxReplays = 10_000

// replayKey tells calls apart by what their callers say of them.
type replayKey struct {
	function  es2plus.Function
	requester string
	callID    string
}

// replay is what a call was answered.
type replay struct {
	answer any
	entry  LedgerEntry
}

// replays keeps the answers of the last calls, in memory only. The zero value is empty.
type replays struct {
	kept map[replayKey]replay
	// order of arrival; it goes round once it is full.
	order []replayKey
	next  int
}

func (r *replays) find(key replayKey) (replay, bool) {
	found, ok := r.kept[key]
	return found, ok && key.callID != ""
}

func (r *replays) keep(key replayKey, answered replay) {
	if r.kept == nil {
		r.kept = make(map[replayKey]replay)
	}
	if len(r.order) < maxReplays {
		r.order = append(r.order, key)
	} else {
		delete(r.kept, r.order[r.next])
		r.order[r.next] = key
		r.next = (r.next + 1) % maxReplays
	}
	r.kept[key] = answered
}

// replayedAs is the ledger entry of a call that was answered like the one of this entry.
func (e LedgerEntry) replayedAs(now LedgerEntry) LedgerEntry {
	e.Time, e.AnswerDropped, e.Fault, e.Replayed = now.Time, now.AnswerDropped, now.Fault, true
	return e
}
