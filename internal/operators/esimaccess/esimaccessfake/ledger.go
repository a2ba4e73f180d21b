package esimaccessfake

import (
	"slices"
	"time"
)

// Entry is one call that the vendor executed: it decided about it, and answered or would have
// answered what stands here.
type Entry struct {
	Sequence int
	Time     time.Time
	Function Function
	// TransactionID, OrderNo and ICCID that the call was about, where it was about one.
	TransactionID, OrderNo, ICCID string
	// ErrorCode that was answered; empty for a success.
	ErrorCode string
}

// Ledger of every call that was executed, oldest first.
func (v *Vendor) Ledger() []Entry {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.ledger)
}

// Executed counts the ledger entries of a function.
func (v *Vendor) Executed(function Function) int {
	count := 0
	for _, entry := range v.Ledger() {
		if entry.Function == function {
			count++
		}
	}
	return count
}

// Bought counts the profiles that were ever sold.
func (v *Vendor) Bought() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.esims)
}

// GivenBack counts the profiles that were cancelled and refunded.
func (v *Vendor) GivenBack() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	count := 0
	for _, e := range v.esims {
		if e.status == statusCancel {
			count++
		}
	}
	return count
}

// Balance of the account in dollars × 10,000.
func (v *Vendor) Balance() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.balance
}

// note writes a call down.
func (v *Vendor) note(entry Entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	entry.Sequence, entry.Time = len(v.ledger)+1, v.now()
	v.ledger = append(v.ledger, entry)
}
