// Package airalo buys profiles from Airalo's Partner API v2.
//
// Airalo knows no idempotency: what is ordered twice is sold twice. What it has is a free text
// with each order, its description, by which its list can be searched. So our request ID is the
// description, and after anything that leaves open whether an order arrived (an answer that was
// lost, a crash, another leader) the list is asked, and the order is sent again only when two
// look-ups have found nothing, long enough after the last time that it may have been sent; see
// package settling. How long the list takes to show an order Airalo does not promise: with one
// that takes longer than spec.recovery.settleAfter an order could be bought twice. That is the
// one hole there is, and only the vendor could close it.
//
// Nothing is taken back, the API does not tell when a profile is installed, only when its plan is
// used, and an order carries no price: Purchase.MaxCost cannot be held here.
//
// The files are: provision, lookup and giveback (what is called when), usage and catalogue
// (what becomes of a SIM, what is sold), call and token (what each call needs), classify (what
// an answer means), order (how one is read). Package webapi carries the calls.
package airalo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/settling"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

const (
	// DefaultBaseURL is Airalo's own.
	DefaultBaseURL = "https://partners-api.airalo.com/v2"
	// DefaultCurrency is what costs are told in where the configuration says nothing.
	DefaultCurrency = "USD"
	// leastSettling is how long, at least, an order that was not found may still appear.
	leastSettling = 2 * time.Minute
)

// The keys of the Secret that spec.airalo.credentialsSecretRef names.
const (
	KeyClientID     = "client-id"
	KeyClientSecret = "client-secret"
	// KeyCA is optional: the authorities, in PEM, of a private gateway before the API.
	KeyCA = "ca.crt"
)

// Config says how to reach Airalo.
type Config struct {
	// BaseURL of the API, version included; empty for DefaultBaseURL.
	BaseURL string
	// ClientID and ClientSecret of the partner's account.
	ClientID     string
	ClientSecret activation.Credential
	// CAPEM holds the authorities by which the server is checked; empty for the system's.
	CAPEM []byte
	// Currency (ISO 4217) in which costs are told; empty for DefaultCurrency.
	Currency string
	// Account is our own name for the account; may be empty.
	Account string
	// Timeout of one call, connecting included; 0 for webapi.DefaultTimeout.
	Timeout time.Duration
	// SettleAfter is how long after an order was sent the list shows it for sure. Less than two
	// minutes, or than two timeouts, counts as that.
	SettleAfter time.Duration
	// RequestsPerSecond over all orders; 0 for no limit.
	RequestsPerSecond int
	// InFlight is how many calls are expected at one time.
	InFlight int
	// OnCall hears of each call that was tried, after its end; may be nil. It must not block.
	OnCall func(operators.Call)
	// Guard is asked right before each call that buys leaves; nil allows always. leave is called
	// when the exchange has ended. With an error nothing is sent.
	Guard func() (leave func(), err error)
	// WrapTransport, where set, wraps what carries the calls. It sees credentials: it must log
	// nothing of a request's headers and body.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// Dial connects; nil for a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// Driver is operators.Driver for Airalo. It is safe for concurrent use.
type Driver struct {
	api      *webapi.Client
	clientID string
	secret   activation.Credential
	currency string
	now      func() time.Time
	tokens   *tokens
	// settle is how long an order that was sent may stay out of the list.
	settle time.Duration
	memory *settling.Memory
	unsent unsent
	usages *usages
}

var (
	_ operators.Bookkeeper = (*Driver)(nil)
	_ operators.Tracker    = (*Driver)(nil)
	_ operators.Cataloguer = (*Driver)(nil)
)

// New makes a driver. It opens no connection. The error names the field of the EsimOperator or
// the key of its Secret that is wrong.
func New(config Config) (*Driver, error) {
	config = config.withDefaults()
	if err := config.checkCredentials(); err != nil {
		return nil, err
	}
	api, err := webapi.New(webapi.Config{
		Vendor: "Airalo", Field: "spec.airalo.url", BaseURL: config.BaseURL, Account: config.Account, CAPEM: config.CAPEM,
		Timeout: config.Timeout, RequestsPerSecond: config.RequestsPerSecond, InFlight: config.InFlight,
		OnCall: config.OnCall, Guard: config.Guard, WrapTransport: config.WrapTransport,
		Dial: config.Dial, Now: config.Now,
	})
	if err != nil {
		return nil, err
	}
	d := &Driver{
		api: api, clientID: config.ClientID, secret: config.ClientSecret, currency: config.Currency, now: config.Now,
		settle: config.SettleAfter,
		memory: settling.NewMemory(config.SettleAfter, config.Timeout, 0, config.Now),
		usages: newUsages(config.Now),
	}
	d.tokens = newTokens(d.requestToken, config.Now)
	return d, nil
}

func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = DefaultBaseURL
	}
	if c.Currency == "" {
		c.Currency = DefaultCurrency
	}
	if c.Timeout <= 0 {
		c.Timeout = webapi.DefaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.SettleAfter = max(c.SettleAfter, 2*c.Timeout, leastSettling)
	c.ClientID = strings.TrimSpace(c.ClientID)
	c.ClientSecret = activation.NewCredential(strings.TrimSpace(c.ClientSecret.Reveal()))
	return c
}

// checkCredentials names the key that is missing.
func (c Config) checkCredentials() error {
	switch {
	case c.ClientID == "":
		return errors.New(KeyClientID + " of the Secret that spec.airalo.credentialsSecretRef names must hold the account's client ID")
	case c.ClientSecret.Empty():
		return errors.New(KeyClientSecret + " of the Secret that spec.airalo.credentialsSecretRef names must hold the account's client secret")
	default:
		return nil
	}
}

// Books names Airalo's books, in which orders are found by our request ID.
func (d *Driver) Books() string { return d.api.Books() }

// Probe asks for a row of the catalogue, which proves the address, our credentials and that
// our own address is allowed.
func (d *Driver) Probe(ctx context.Context) error {
	if _, failure := d.page(ctx, 1, 1); failure != nil {
		return failure
	}
	return nil
}

// Close gives up idle connections. Calls in flight end as they would have, and their
// connections with them; later calls still work, over connections of their own.
func (d *Driver) Close() { d.api.Close() }
