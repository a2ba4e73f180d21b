package zendit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/settling"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// Driver is operators.Driver for Zendit. What it remembers only saves it from asking too early
// or too much; nothing is lost with it.
type Driver struct {
	client *webapi.Client
	key    string
	now    func() time.Time
	pause  func(ctx context.Context, d time.Duration)
	// sends knows when purchases were sent, so that a 404 is not taken for final while one may
	// still be on its way.
	sends *settling.Memory
	// reached tells that the base URL and the key were seen to work: only then is a 404 Zendit's
	// answer about a purchase.
	reached atomic.Bool
	// short tells that a purchase failed because our account did not cover it.
	short atomic.Bool
}

var (
	_ operators.Bookkeeper = (*Driver)(nil)
	_ operators.Tracker    = (*Driver)(nil)
	_ operators.Cataloguer = (*Driver)(nil)
	_ operators.Accountant = (*Driver)(nil)
)

// New makes a driver. It opens no connection. The error names the field of the EsimOperator or
// the key of its Secret that is wrong.
func New(config Config) (*Driver, error) {
	key, err := config.key()
	if err != nil {
		return nil, err
	}
	client, err := webapi.New(config.webapi())
	if err != nil {
		return nil, err
	}
	d := &Driver{client: client, key: key, now: config.Now, pause: config.Pause}
	if d.now == nil {
		d.now = time.Now
	}
	if d.pause == nil {
		d.pause = pause
	}
	timeout := config.Timeout
	if timeout <= 0 {
		timeout = webapi.DefaultTimeout
	}
	// Twice the timeout after it was sent, a request has arrived at Zendit or never will.
	d.sends = settling.NewMemory(2*timeout, timeout, 0, d.now)
	return d, nil
}

// Books names Zendit's books, which have each purchase under our request ID.
func (d *Driver) Books() string { return d.client.Books() }

// Probe asks for our balance, which proves the address, Zendit's certificate and our key.
func (d *Driver) Probe(ctx context.Context) error {
	if _, failure := d.balance(ctx); failure != nil {
		return failure
	}
	return nil
}

// Close gives up idle connections. Calls in flight end as they would have.
func (d *Driver) Close() { d.client.Close() }
