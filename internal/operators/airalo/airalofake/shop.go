package airalofake

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators/fakebooks"
)

// Package is what Airalo calls a data plan.
type Package struct {
	ID, Title string
	// Countries where it works, as ISO 3166-1 alpha-2 codes.
	Countries []string
	// Region is the title of the region that it is sold for, such as Europe or World; empty
	// for a single country.
	Region string
	// AmountMB is meaningless where it is Unlimited.
	AmountMB  int64
	Unlimited bool
	Days      int
	// NetPrices by currency, as decimal numbers. USD must be among them.
	NetPrices map[string]string
	// TopUp is bought for a SIM that is there already.
	TopUp bool
}

// Usage is what Airalo says of a SIM.
type Usage string

// The states of a SIM.
const (
	UsageNotActive Usage = "NOT_ACTIVE"
	UsageActive    Usage = "ACTIVE"
	UsageFinished  Usage = "FINISHED"
	UsageUnknown   Usage = "UNKNOWN"
	UsageExpired   Usage = "EXPIRED"
)

// OrderStatus is what became of an order.
type OrderStatus string

// What becomes of orders.
const (
	OrderCompleted OrderStatus = "completed"
	OrderFailed    OrderStatus = "failed"
	OrderRefunded  OrderStatus = "refunded"
)

// order is one that was placed. It has one SIM.
type order struct {
	id          int64
	description string
	pack        Package
	placed      time.Time
	// visible is when it appears in the list.
	visible time.Time
	status  OrderStatus
	sim     sim
}

type sim struct {
	iccid      activation.ICCID
	matchingID activation.Credential
	usage      Usage
	used       int64
	activated  time.Time
	// answered is what was said last of the usage, and when; asked are the last questions.
	answered   map[string]any
	answeredAt time.Time
	asked      []time.Time
}

// refusal is an answer that says no: an HTTP status and, with 422, Airalo's code.
type refusal struct {
	status, code int
	reason       string
	// field of the request that is wrong, for refusals without a code.
	field string
	// call that is refused on demand.
	call string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("HTTP %d, code %d: %s", r.status, r.code, r.reason)
}

// errUnknownPackage and errUnknownSIM are of control functions.
var (
	errUnknownPackage = errors.New("fake Airalo: there is no such package")
	errUnknownSIM     = errors.New("fake Airalo: there is no such SIM")
)

// shop is what Airalo has and has sold.
type shop struct {
	clock       clock.PassiveClock
	smdpAddress string

	mu        sync.Mutex
	packages  []Package
	byID      map[string]int
	stock     map[string]int
	withdrawn map[string]bool
	orders    []*order
	byICCID   map[activation.ICCID]*order
	// credit in our account, in USD; endless where it is nil.
	credit     *money.Amount
	listDelay  time.Duration
	usageCache time.Duration
	// accepting answers 202 to orders, which are executed after a while.
	accepting     bool
	acceptedDelay time.Duration
	// books outlive a restart; nil for none.
	books *fakebooks.Books
}

func newShop(o Options) *shop {
	s := &shop{
		clock: o.Clock, smdpAddress: o.SMDPAddress, listDelay: o.ListDelay, usageCache: o.UsageCache,
		byID: make(map[string]int), stock: make(map[string]int), withdrawn: make(map[string]bool),
		byICCID: make(map[activation.ICCID]*order),
	}
	for _, p := range o.Packages {
		s.put(p)
	}
	return s
}

// put adds a package, or replaces the one of the same ID. The caller holds mu, or is alone.
func (s *shop) put(p Package) {
	if at, known := s.byID[p.ID]; known {
		s.packages[at] = p
		return
	}
	s.byID[p.ID] = len(s.packages)
	s.packages = append(s.packages, p)
}

// place an order, whatever was ordered before under the same description.
func (s *shop) place(packageID, description string) (*order, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, known := s.byID[packageID]
	if !known || s.packages[at].TopUp {
		return nil, &refusal{status: 422, field: "package_id", reason: "The selected package is invalid."}
	}
	pack := s.packages[at]
	left, counted := s.stock[packageID]
	switch {
	case s.withdrawn[packageID]:
		return nil, &refusal{status: 422, code: 33, reason: "Insufficient stock of eSIMs remaining."}
	case counted && left <= 0:
		return nil, &refusal{status: 422, code: 34, reason: "Requested eSIM package is invalid or it is currently out of stock."}
	}
	if !s.pay(pack) {
		return nil, &refusal{status: 422, code: 11, reason: "Insufficient airalo credit."}
	}
	if counted {
		s.stock[packageID] = left - 1
	}
	sold := *s.sell(pack, description)
	return &sold, nil
}

// pay takes the price from our account. The caller holds mu.
func (s *shop) pay(pack Package) bool {
	if s.credit == nil {
		return true
	}
	price, err := money.Parse(pack.NetPrices["USD"])
	if err != nil || s.credit.Cmp(price) < 0 {
		return false
	}
	left := s.credit.Sub(price)
	s.credit = &left
	return true
}

// sell makes the order and its SIM. The caller holds mu.
func (s *shop) sell(pack Package, description string) *order {
	now := s.clock.Now()
	matchingID, err := activation.NewMatchingID(rand.Reader)
	if err != nil {
		panic("airalofake: " + err.Error()) // crypto/rand never fails
	}
	o := &order{
		id: int64(9000 + len(s.orders)), description: description, pack: pack, status: OrderCompleted,
		placed: now, visible: now.Add(s.listDelay),
		sim: sim{iccid: s.nextICCID(), matchingID: matchingID, usage: UsageNotActive},
	}
	if s.accepting {
		o.visible = o.visible.Add(s.acceptedDelay)
	}
	s.orders = append(s.orders, o)
	s.byICCID[o.sim.iccid] = o
	_ = s.keep(o) // the books remember it, and the call is not answered
	return o
}

// unkept is why the books take nothing more; nil while they do.
func (s *shop) unkept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.books.Err()
}

// nextICCID is one of 19 digits: 89 telecommunications, 44 United Kingdom, an issuer, a number.
func (s *shop) nextICCID() activation.ICCID {
	body := fmt.Sprintf("8944421%011d", len(s.orders)+1)
	digit, err := activation.LuhnDigit(body)
	if err != nil {
		panic("airalofake: " + err.Error()) // they are digits
	}
	return activation.ICCID(body + string(digit))
}

// find lists, newest first, the orders that the list shows by now and whose description
// contains the text.
func (s *shop) find(text string) []*order {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	var found []*order
	for _, o := range slices.Backward(s.orders) {
		if !now.Before(o.visible) && strings.Contains(o.description, text) {
			copied := *o
			found = append(found, &copied)
		}
	}
	return found
}

// use answers for a SIM's usage, at most as old as the cache.
func (s *shop) use(iccid activation.ICCID) (map[string]any, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, known := s.byICCID[iccid]
	if !known {
		return nil, &refusal{status: 404, reason: "The requested SIM could not be found."}
	}
	now := s.clock.Now()
	if !within(&o.sim.asked, now, usagePerMinute) {
		return nil, &refusal{status: 429, reason: "Too Many Attempts."}
	}
	if o.sim.answered == nil || now.Sub(o.sim.answeredAt) >= s.usageCache {
		o.sim.answered, o.sim.answeredAt = o.usage(), now
	}
	return o.sim.answered, nil
}

// usage as the API writes it.
func (o *order) usage() map[string]any {
	answer := map[string]any{
		"remaining": o.pack.AmountMB - o.sim.used, "total": o.pack.AmountMB, "expired_at": nil,
		"is_unlimited": o.pack.Unlimited, "status": string(o.sim.usage),
	}
	if !o.sim.activated.IsZero() {
		answer["expired_at"] = o.sim.activated.AddDate(0, 0, o.pack.Days).UTC().Format(time.DateTime)
	}
	return answer
}
