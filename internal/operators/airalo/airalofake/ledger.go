package airalofake

import (
	"slices"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
)

// ledgerLimit is how many calls the ledger keeps.
const ledgerLimit = 250_000

// LedgerEntry is one call that was executed or refused.
type LedgerEntry struct {
	// Sequence counts from 1, in the order of arrival.
	Sequence int64     `json:"sequence"`
	Time     time.Time `json:"time"`
	Call     string    `json:"call"`
	// Status of the HTTP answer, whether or not it arrived.
	Status int `json:"status"`
	// Code of the refusal, where it was one with a code.
	Code int `json:"code,omitempty"`
}

// Purchase is one profile that was sold.
type Purchase struct {
	// RequestID is the order's description.
	RequestID string           `json:"requestID"`
	OrderID   int64            `json:"orderID"`
	PackageID string           `json:"packageID"`
	ICCID     activation.ICCID `json:"iccid"`
	Time      time.Time        `json:"time"`
	// Refunded by a person at Airalo; the API refunds nothing.
	Refunded bool `json:"refunded,omitempty"`
}

type ledger struct {
	mu      sync.Mutex
	entries []LedgerEntry
	last    int64
}

func (l *ledger) add(e LedgerEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.Sequence = l.last
	if len(l.entries) >= 2*ledgerLimit {
		l.entries = slices.Clone(l.entries[ledgerLimit:])
	}
	l.entries = append(l.entries, e)
}

// all is a copy, oldest first.
func (l *ledger) all() []LedgerEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}
