package webapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/fairqueue"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/tracing"
)

const (
	// DefaultTimeout bounds one call where the configuration says nothing.
	DefaultTimeout = 30 * time.Second
	// DefaultLimit bounds an answer in bytes, after decompression, where the call says nothing.
	DefaultLimit = 256 << 10
	// PageLimit is for the pages of a catalogue.
	PageLimit = 4 << 20
)

// Config says how to reach a wholesaler.
type Config struct {
	// Vendor is its name in messages, such as Zendit.
	Vendor string
	// Field is the EsimOperator's field with the address, such as spec.zendit.url.
	Field string
	// BaseURL is https://host with a path, perhaps; calls add theirs.
	BaseURL string
	// Account is our own name for the account that the credentials are for; may be empty.
	Account string
	// CAPEM holds the authorities by which the wholesaler is checked; the system's where empty.
	CAPEM []byte
	// Timeout of one call, connecting included; 0 for DefaultTimeout.
	Timeout time.Duration
	// RequestsPerSecond over all orders; 0 for no limit.
	RequestsPerSecond int
	// InFlight is how many calls are expected at one time: so many idle connections are kept.
	InFlight int
	// OnCall hears of each call that was tried, after its end; may be nil. It must not block.
	OnCall func(operators.Call)
	// Guard is asked right before each guarded call leaves, after any wait for its turn; nil
	// allows always. leave is called when the exchange has ended. With an error nothing is
	// sent: the call fails as Transient, with that error as its cause.
	Guard func() (leave func(), err error)
	// WrapTransport, where set, wraps what carries the calls, for tests and tracing. It sees
	// credentials: it must log nothing of a request's header and body.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// Dial connects; nil for a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// Call is one call of a function.
type Call struct {
	// Function is the vendor's name for it, such as "POST /esim/purchases", without anything that
	// changes from call to call.
	Function string
	Method   string
	// Path below the base URL, with a leading slash, escaped.
	Path   string
	Query  url.Values
	Header http.Header
	// Body is JSON; nil for none.
	Body []byte
	// Buys tells that an execution without an answer leaves something to resolve: the call
	// buys, or gives back.
	Buys bool
	// Guarded calls ask the guard. Those that buy or give back are.
	Guarded bool
	// Limit of the answer in bytes; 0 for DefaultLimit.
	Limit int64
	// Read judges a whole answer of any status but 429 and those from 500 on. An *operators.Error
	// is what the answer means; any other error says that it cannot be read.
	Read func(Answer) error
}

// Answer is a whole answer.
type Answer struct {
	Status int
	Body   []byte
}

// Client makes calls to a wholesaler. It is safe for concurrent use.
type Client struct {
	vendor string
	field  string
	books  string
	wire   *wire
	pace   *fairqueue.Pace
	guard  func() (leave func(), err error)
	onCall func(operators.Call)
	now    func() time.Time
}

// New makes a client. It opens no connection. The error names the field that is wrong.
func New(config Config) (*Client, error) {
	carrier, err := newWire(config)
	if err != nil {
		return nil, err
	}
	c := &Client{
		vendor: config.Vendor, field: config.Field, books: booksOf(config.Vendor, carrier.base, config.Account), wire: carrier, pace: fairqueue.NewPace(config.RequestsPerSecond),
		guard: config.Guard, onCall: config.OnCall, now: carrier.now,
	}
	if c.guard == nil {
		c.guard = func() (func(), error) { return func() {}, nil }
	}
	if c.onCall == nil {
		c.onCall = func(operators.Call) {}
	}
	return c, nil
}

// Do makes a call and has its answer read. Nil means that the function was executed and its
// answer read. It is called once for each call: nothing is sent again by itself.
func (c *Client) Do(ctx context.Context, call Call) *operators.Error {
	if err := c.pace.Wait(ctx); err != nil {
		return c.judgeFate(call, reply{fate: notSent, err: fmt.Errorf("wait for spec.limits.requestsPerSecond: %w", err)})
	}
	leave := func() {}
	if call.Guarded {
		var err error
		if leave, err = c.guard(); err != nil {
			return &operators.Error{Class: operators.Transient, Function: call.Function,
				Message: "this process may not call " + c.vendor + " now; nothing was sent", Err: &unsent{err}}
		}
	}
	began := c.now()
	ctx, span := tracing.Start(ctx, call.Function, tracing.Client)
	r := c.exchange(ctx, call, leave)
	failure := c.judge(call, &r)
	operators.EndSpan(span, r.status, failure)
	// A caller that gave up before anything left says nothing about the vendor.
	if r.fate != notSent || !errors.Is(ctx.Err(), context.Canceled) {
		c.onCall(callOf(call.Function, r, failure, c.now().Sub(began)))
	}
	return failure
}

// exchange leaves the guard whatever happens to the request.
func (c *Client) exchange(ctx context.Context, call Call, leave func()) reply {
	defer leave()
	return c.wire.exchange(ctx, call)
}

// judge reads a reply; it notes in r when an answer cannot be read.
func (c *Client) judge(call Call, r *reply) *operators.Error {
	if failure := c.judgeFate(call, *r); failure != nil {
		return failure
	}
	err := call.Read(Answer{Status: r.status, Body: r.body})
	var judged *operators.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &judged):
		if judged.Function == "" {
			judged.Function = call.Function
		}
		return judged
	default:
		r.fate, r.err = unreadable, err
		return c.lost(call, *r)
	}
}

// Probe makes a connection, which proves the address and the certificate, and calls nothing.
func (c *Client) Probe(ctx context.Context) error {
	if failure := c.judgeFate(Call{}, c.wire.connect(ctx)); failure != nil {
		return failure
	}
	return nil
}

// Close gives up idle connections. Calls in flight end as they would have, and their
// connections with them.
func (c *Client) Close() { c.wire.close() }

// baseURL is the checked address, without a final slash.
func (c Config) baseURL() (*url.URL, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Scheme != "https" || base.Hostname() == "" || base.User != nil ||
		base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("%s must be an https URL without user, query or fragment, such as https://api.example.com/v1", c.Field)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = ""
	return base, nil
}
