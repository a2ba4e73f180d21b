// Package esimaccess buys profiles from eSIM Access' open API.
//
// The vendor keeps each order under our request ID, its transactionId, but can only be asked by
// its own order number, by ICCID or by time. So an order whose answer was lost is looked for in
// the list of all orders since the attempt began, and is sent again only once the list has
// proven that it was never made: see package settling. What a duplicate transactionId answers
// is not relied on.
//
// A source's planID is the plan's slug, such as JP_1_7, or its package code, such as CKH101:
// the vendor takes either. The catalogue names the slug, which the vendor recommends, and the
// package code where there is none.
//
// The credentials' Secret holds access-code and, where requests shall be signed, secret-key;
// ca.crt for a gateway of one's own. With secret-key each request carries a timestamp, an ID
// and an HMAC over all of it.
//
// The files are: provision, lookup and giveback (what is called when), prices (what it
// may cost), orders, catalogue, balance and track (what is said), classify (what a refusal means), call and sign (how it is
// said), memory (what a process knows of its orders), webhook (what the vendor sends by itself).
package esimaccess

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/settling"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// vendor is its name in messages.
const vendor = "eSIM Access"

// The keys of the credentials' Secret.
const (
	AccessCodeKey = "access-code"
	SecretKeyKey  = "secret-key"
)

const (
	// DefaultURL is the vendor's own.
	DefaultURL = "https://api.esimaccess.com/api/v1/open"
	// DefaultSettleAfter is how long a new order may be missing from lists where the
	// configuration says nothing.
	DefaultSettleAfter = 10 * time.Minute
)

// Config says how to reach the vendor, and as whom.
type Config struct {
	// BaseURL of the API; empty for DefaultURL.
	BaseURL string
	// Account is our own name for the account; may be empty.
	Account string
	// AccessCode names our account.
	AccessCode activation.Credential
	// SecretKey signs requests; empty sends the access code only.
	SecretKey activation.Credential
	// CAPEM holds the authorities by which the server is checked; empty for the system's.
	CAPEM []byte
	// Timeout of one call, connecting included; 0 for webapi.DefaultTimeout.
	Timeout time.Duration
	// RequestsPerSecond over all orders; 0 for no limit. The vendor allows 8.
	RequestsPerSecond int
	// InFlight is how many calls are expected at one time: so many connections are kept.
	InFlight int
	// SettleAfter is how long after an order was sent lists show it for sure; 0 for
	// DefaultSettleAfter.
	SettleAfter time.Duration
	// OnCall hears of each call that was tried, after its end; may be nil. It is called from
	// the goroutine that called and must not block.
	OnCall func(operators.Call)
	// Guard is asked right before each call that buys or gives back leaves, after any wait for
	// its turn; nil allows always. leave is called when the exchange has ended. With an error
	// nothing is sent: the call fails as Transient, with that error as its cause.
	Guard func() (leave func(), err error)
	// WrapTransport, where set, wraps what carries the calls, for tests that lose them and for
	// tracing. It sees credentials: it must log nothing of a request or an answer.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// Dial makes connections; nil for a net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Rand is where request IDs of signed requests are drawn from; nil for crypto/rand.
	Rand io.Reader
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// Driver is operators.Bookkeeper for eSIM Access. It is safe for concurrent use.
type Driver struct {
	client      *webapi.Client
	signer      signer
	settleAfter time.Duration
	now         func() time.Time
	sends       *settling.Memory
	orders      *orderBook
	turns       *turns
	prices      *priceList
}

var (
	_ operators.Bookkeeper = (*Driver)(nil)
	_ operators.Tracker    = (*Driver)(nil)
	_ operators.Cataloguer = (*Driver)(nil)
	_ operators.Accountant = (*Driver)(nil)
)

// New makes a driver. It opens no connection. The error names the field of the EsimOperator
// or the key of its Secret that is wrong.
func New(config Config) (*Driver, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	client, err := webapi.New(webapi.Config{
		Vendor: vendor, Field: "spec.esimAccess.url",
		BaseURL: config.BaseURL, Account: config.Account, CAPEM: config.CAPEM,
		Timeout: config.Timeout, RequestsPerSecond: config.RequestsPerSecond, InFlight: config.InFlight,
		OnCall: config.OnCall, Guard: config.Guard, WrapTransport: config.WrapTransport, Dial: config.Dial, Now: config.Now,
	})
	if err != nil {
		return nil, err
	}
	return &Driver{
		client:      client,
		signer:      signer{config.AccessCode, config.SecretKey, config.Rand, config.Now},
		settleAfter: config.SettleAfter,
		now:         config.Now,
		sends:       settling.NewMemory(config.SettleAfter, config.Timeout, 0, config.Now),
		orders:      newOrderBook(rememberedOrders),
		turns:       newTurns(),
		prices:      newPriceList(),
	}, nil
}

// Books names eSIM Access' books, which have each order under our request ID.
func (d *Driver) Books() string { return d.client.Books() }

// Probe asks for the balance, which proves address, certificate and credentials.
func (d *Driver) Probe(ctx context.Context) error {
	_, err := d.Balance(ctx)
	return err
}

// Close gives up idle connections. Calls in flight end as they would have, and their
// connections with them.
func (d *Driver) Close() { d.client.Close() }

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = DefaultURL
	}
	if c.Timeout <= 0 {
		c.Timeout = webapi.DefaultTimeout
	}
	if c.SettleAfter <= 0 {
		c.SettleAfter = DefaultSettleAfter
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// check says which key of the Secret is wrong.
func (c Config) check() error {
	const secret = "the Secret that spec.esimAccess.credentialsSecretRef names"
	if c.AccessCode.Empty() {
		return errors.New(AccessCodeKey + " is missing in " + secret + ": copy it from the vendor's console")
	}
	for key, text := range map[string]activation.Credential{AccessCodeKey: c.AccessCode, SecretKeyKey: c.SecretKey} {
		if !headerText(text.Reveal()) {
			return errors.New(key + " in " + secret + " must be printable ASCII without a space or a line break, also at its end")
		}
	}
	return nil
}
