package smdp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"regexp"
	"slices"

	"k8s.io/utils/clock"
)

const (
	// DefaultICCIDPrefix is 89 telecommunications, 47 Norway, then an issuer's number.
	DefaultICCIDPrefix = "8947010"
	// defaultLedgerLimit is some 60 MB of entries.
	defaultLedgerLimit = 250_000
	anyFreePort        = "127.0.0.1:0"
	protocolVersion    = "2.2.0"
)

// Options of an SM-DP+. The zero value is one in memory, on free ports, with nothing in stock.
type Options struct {
	// Address of ES2+; 127.0.0.1 and a free port where empty.
	Address string
	// ControlAddress of the control API; 127.0.0.1 and a free port where empty. It must be a
	// loopback address unless AllowRemoteControl: whoever reaches it can do anything.
	ControlAddress     string
	AllowRemoteControl bool
	// ServerNames are host names and IP addresses of the server certificate, besides localhost,
	// 127.0.0.1 and ::1.
	ServerNames []string

	// DataDir keeps state and PKI over a restart; empty keeps them in memory. What the folder
	// remembers of stock counts more than Stock.
	DataDir string

	// SMDPAddress that ConfirmOrder answers, such as rsp.example.com; empty answers none.
	SMDPAddress string
	Behaviour   Behaviour

	// Stock by profile type.
	Stock map[string]int
	// DefaultStock of any other type that DefaultStockPattern matches; with 0, or where it does
	// not match, such a type is unknown (8.2.5/3.9).
	DefaultStock int
	// DefaultStockPattern nil matches every type.
	DefaultStockPattern *regexp.Regexp
	// ProfileTypes that a client may order, by its functionRequesterIdentifier. Clients that
	// are not named may order all.
	ProfileTypes map[string][]string
	// ICCIDPrefix of all profiles; DefaultICCIDPrefix where empty.
	ICCIDPrefix string

	Notifications Notifications

	// ControlParts are further parts of the control API, of what runs beside the SM-DP+.
	ControlParts []ControlPart

	// LedgerLimit is how many entries the ledger keeps; 250,000 where 0.
	LedgerLimit int
	// Clock; the real one where nil.
	Clock clock.Clock
	// Rand; crypto/rand where nil. It need not be safe for concurrent use.
	Rand io.Reader
	// Logger; silent where nil.
	Logger *slog.Logger
}

// ControlPart is a part of the control API that is not the SM-DP+'s own.
type ControlPart struct {
	// Path that all of it is below, such as /zendit/.
	Path string
	// Handler gets requests with their whole path.
	Handler http.Handler
	// Guide is added to the front page.
	Guide string
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Address == "" {
		o.Address = anyFreePort
	}
	if o.ControlAddress == "" {
		o.ControlAddress = anyFreePort
	}
	if o.ICCIDPrefix == "" {
		o.ICCIDPrefix = DefaultICCIDPrefix
	}
	if o.LedgerLimit == 0 {
		o.LedgerLimit = defaultLedgerLimit
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// check says which option is wrong, and what would be right.
func (o Options) check() error {
	if !o.AllowRemoteControl && !isLoopback(o.ControlAddress) {
		return fmt.Errorf("ControlAddress %s is not a loopback address: whoever reaches the control API can do anything; use 127.0.0.1, or set AllowRemoteControl", o.ControlAddress)
	}
	if o.LedgerLimit < 1 {
		return errors.New("LedgerLimit must be 1 or more")
	}
	if o.DefaultStock < 0 || o.DefaultStock > math.MaxInt32 {
		return errors.New("DefaultStock must be 0 or more")
	}
	for profileType, n := range o.Stock {
		if n < 0 {
			return fmt.Errorf("the stock of %q must be 0 or more", profileType)
		}
	}
	return o.Notifications.check()
}

// isLoopback tells whether an address to listen on is one that only this machine reaches. A
// name other than localhost could be anything.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// mayOrder tells whether a client may order a type.
func (o Options) mayOrder(requester, profileType string) bool {
	types, limited := o.ProfileTypes[requester]
	return !limited || slices.Contains(types, profileType)
}

// defaultStock of a type that nobody set.
func (o Options) defaultStock(profileType string) (int, bool) {
	if o.DefaultStock == 0 || (o.DefaultStockPattern != nil && !o.DefaultStockPattern.MatchString(profileType)) {
		return 0, false
	}
	return o.DefaultStock, true
}

// serverNames of the server certificate.
func (o Options) serverNames() []string {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, o.ServerNames...)
	if host, _, err := net.SplitHostPort(o.Address); err == nil && host != "" && !slices.Contains(names, host) {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			names = append(names, host)
		}
	}
	return names
}
