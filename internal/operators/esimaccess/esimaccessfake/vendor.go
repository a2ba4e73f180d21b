package esimaccessfake

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/fakebooks"
)

// Duplicate is what a second order with a transactionId does.
type Duplicate string

// What the vendor's documentation lets one expect of a duplicate, and what it does not exclude.
const (
	// DuplicateSame answers the first order again.
	DuplicateSame Duplicate = ""
	// DuplicateRefused answers 200008.
	DuplicateRefused Duplicate = "refused"
	// DuplicateBuys is a second order, paid for again.
	DuplicateBuys Duplicate = "buys"
)

// Options of a vendor. The zero value takes AccessCode "access" without a signature, has a
// credit of 1,000 dollars and sells nothing.
type Options struct {
	// AccessCode that requests must carry; "access" where empty.
	AccessCode string
	// Secret by which requests are signed. Where set, every request must be, unless Unsigned.
	Secret   string
	Unsigned bool
	// Balance of the account in dollars × 10,000; 1,000 dollars where 0.
	Balance int64
	// ListDelay is how long after an order lists show it.
	ListDelay time.Duration
	// AllocationDelay is how long after an order its profile exists.
	AllocationDelay time.Duration
	Duplicate       Duplicate
	// SMDPAddress of activation codes; rsp.example.com where empty.
	SMDPAddress string
	// Clock; the real one where nil.
	Clock clock.Clock
	// Rand is where matching IDs are drawn from; crypto/rand where nil.
	Rand io.Reader
}

// Vendor is the server. It is an http.Handler and safe for concurrent use.
type Vendor struct {
	options Options

	mu       sync.Mutex
	refusals map[Function][]string // what Refuse told
	packages map[string]*Package   // by package code
	balance  int64
	esims    []*esim
	requests map[string]time.Time // RT-RequestIDs that were used, and when
	ledger   []Entry
	lastID   int64
	books    *fakebooks.Books // outlive a restart; nil for none
}

// New makes a vendor that serves nobody yet.
func New(o Options) *Vendor {
	if o.AccessCode == "" {
		o.AccessCode = "access"
	}
	if o.Balance == 0 {
		o.Balance = 1_000 * dollar
	}
	if o.SMDPAddress == "" {
		o.SMDPAddress = "rsp.example.com"
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return &Vendor{
		options: o, balance: o.Balance,
		packages: make(map[string]*Package), requests: make(map[string]time.Time), refusals: make(map[Function][]string),
	}
}

// now by the vendor's clock.
func (v *Vendor) now() time.Time { return v.options.Clock.Now().UTC() }

// nextICCID is 19 digits with a right check digit. v.mu must be held.
func (v *Vendor) nextICCID() string {
	v.lastID++
	digits := fmt.Sprintf("8985224%011d", v.lastID)
	check, err := activation.LuhnDigit(digits)
	if err != nil {
		panic("esimaccessfake: " + err.Error()) // they are digits
	}
	return digits + string(check)
}

// matchingID is drawn as the vendor's look: 32 characters.
func (v *Vendor) matchingID() string {
	raw := make([]byte, 20)
	if _, err := io.ReadFull(v.options.Rand, raw); err != nil {
		panic("esimaccessfake: no randomness: " + err.Error())
	}
	return base32.StdEncoding.EncodeToString(raw)
}

// SetListDelay for orders to come.
func (v *Vendor) SetListDelay(delay time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.options.ListDelay = delay
}

// SetAllocationDelay for orders to come.
func (v *Vendor) SetAllocationDelay(delay time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.options.AllocationDelay = delay
}

// SetDuplicate says what a second order with a transactionId does from now on.
func (v *Vendor) SetDuplicate(d Duplicate) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.options.Duplicate = d
}
