// Package es2plus buys profiles at an SM-DP+ over GSMA ES2+ (SGP.22 section 5.3).
//
// ES2+ has no query: whether a call was executed whose answer was lost can only be found
// out by the states that make a repeat harmless. The order of the calls is DownloadOrder,
// journal, ConfirmOrder with release; what is found confirmed already is asked with
// ReleaseProfile, which succeeds for what is Released; what is in no usable state is handed
// to the caller as class Restart, to be given back. The files are: provision, confirm and
// giveback (what is called when), classify (what an answer means), answer (how it is read),
// transport and tlsconn (how it travels), cause (what may be told of one that did not come).
package es2plus

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/telcodev/esim-operator/internal/fairqueue"
	"github.com/telcodev/esim-operator/internal/operators"
)

// DefaultProtocolVersion goes into X-Admin-Protocol where the configuration says nothing.
const DefaultProtocolVersion = "2.2.0"

// DefaultTimeout bounds one call where the configuration says nothing.
const DefaultTimeout = 30 * time.Second

// Config says how to reach an SM-DP+.
type Config struct {
	// BaseURL is https://host or https://host:port; the ES2+ paths are added.
	BaseURL string
	// FunctionRequesterIdentifier is the name that the SM-DP+ knows us by.
	FunctionRequesterIdentifier string
	// ProtocolVersion such as 2.2.0; empty for DefaultProtocolVersion.
	ProtocolVersion string
	// ServerName to expect in the SM-DP+'s certificate; empty for the host of BaseURL.
	ServerName string
	// CertificatePEM, KeyPEM: our client certificate with its chain, and its key.
	CertificatePEM, KeyPEM []byte
	// CAPEM holds the authorities by which the SM-DP+ is checked; the system's are not used.
	CAPEM []byte
	// Timeout of one call, connecting included; 0 for DefaultTimeout.
	Timeout time.Duration
	// RequestsPerSecond over all orders; 0 for no limit.
	RequestsPerSecond int
	// InFlight is how many calls are expected at one time: so many idle connections are kept.
	InFlight int
	// OnCall hears of each call that was tried, after its end; may be nil. It is called from
	// the goroutine that called and must not block.
	OnCall func(operators.Call)
	// Guard is asked right before each call that buys or gives back leaves, after any wait for
	// its turn; nil allows always. leave is called when the exchange has ended. With an error
	// nothing is sent: the call fails as Transient, with that error as its cause.
	Guard func() (leave func(), err error)
	// Dial connects, such as through a proxy; nil for a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// WrapTransport, where set, wraps what carries the calls, for tests that lose them and for
	// tracing. It sees credentials: it must log nothing of a request's body.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// Rand is where matching IDs are drawn from; nil for crypto/rand.
	Rand io.Reader
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// transport carries calls to the SM-DP+. It is safe for concurrent use.
type transport interface {
	// exchange sends one request to a path below the base URL. It ends with ctx, or sooner.
	exchange(ctx context.Context, path string, request []byte) reply
	// connect makes a connection and says nothing over it.
	connect(ctx context.Context) reply
	// close gives up idle connections, now and whenever a call ends.
	close()
}

// Driver is operators.Driver for an SM-DP+. It has no state beside its connections.
type Driver struct {
	transport transport
	// ask reads what is at a path of the SM-DP+.
	ask       func(ctx context.Context, path string) reply
	requester string
	pace      *fairqueue.Pace
	guard     func() (leave func(), err error)
	onCall    func(operators.Call)
	random    io.Reader
	now       func() time.Time
}

var _ operators.Trier = (*Driver)(nil)

// New makes a driver. It opens no connection. The error names the field of the EsimOperator
// or the key of its TLS Secret that is wrong.
func New(config Config) (*Driver, error) {
	carrier, err := newHTTPTransport(config)
	if err != nil {
		return nil, err
	}
	driver := newDriver(config, carrier)
	driver.ask = carrier.ask
	return driver, nil
}

func newDriver(config Config, carrier transport) *Driver {
	driver := &Driver{
		transport: carrier,
		requester: config.FunctionRequesterIdentifier,
		pace:      fairqueue.NewPace(config.RequestsPerSecond),
		guard:     config.Guard,
		onCall:    config.OnCall,
		random:    config.Rand,
		now:       config.Now,
	}
	if driver.guard == nil {
		driver.guard = func() (func(), error) { return func() {}, nil }
	}
	if driver.onCall == nil {
		driver.onCall = func(operators.Call) {}
	}
	if driver.random == nil {
		driver.random = rand.Reader
	}
	if driver.now == nil {
		driver.now = time.Now
	}
	return driver
}

// Probe makes a connection, which proves address and certificates of both sides, and calls
// no function.
func (d *Driver) Probe(ctx context.Context) error {
	if failure := classifyFate("", d.transport.connect(ctx)); failure != nil {
		return failure
	}
	return nil
}

// Close gives up idle connections. Calls in flight end as they would have, and their
// connections with them; later calls still work, over connections of their own.
func (d *Driver) Close() { d.transport.close() }
