// Package connections holds what the manager knows of each mobile operator while it
// runs: its driver, how many orders are with it, whether calls make sense now, and which
// orders wait their turn. No worker ever waits here: an order that cannot go in is put
// back, and woken when it can.
package connections

import (
	"fmt"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/internal/operators"
)

// Health is what calls and the driver's state say about an operator.
type Health string

// The states of a connection.
const (
	// Healthy: orders may go in.
	Healthy Health = "Healthy"
	// Disconnected: there is no driver, or not yet.
	Disconnected Health = "Disconnected"
	// Full: every slot is taken.
	Full Health = "Full"
	// CircuitOpen: too many calls went unanswered; calls pause.
	CircuitOpen Health = "CircuitOpen"
	// Suspended: the operator refuses our calls; one order at a time tries again.
	Suspended Health = "Suspended"
)

// Unavailable is why an order cannot go in now. The order is woken when it can.
type Unavailable struct {
	Operator string
	Health   Health
}

// Error says it in plain words.
func (u *Unavailable) Error() string {
	switch u.Health {
	case Disconnected:
		return fmt.Sprintf("EsimOperator %s is not connected", u.Operator)
	case Full:
		return fmt.Sprintf("EsimOperator %s has as many orders in flight as it allows", u.Operator)
	case CircuitOpen:
		return fmt.Sprintf("EsimOperator %s did not answer; calls pause for a while", u.Operator)
	default:
		return fmt.Sprintf("EsimOperator %s refuses our calls; see its Ready condition", u.Operator)
	}
}

// Config bounds how long a bad operator is left alone.
type Config struct {
	// BreakerFailures is how many unanswered calls in a row open the breaker.
	BreakerFailures uint
	// BreakerDelay is how long the breaker stays open before one order tries again.
	BreakerDelay time.Duration
	// TrialInterval is how often one order tries again while the operator refuses our calls.
	TrialInterval time.Duration
	// LostAnswersLimit is how many lost DownloadOrder answers of one order are too many.
	LostAnswersLimit int32
}

// DefaultConfig is what the manager uses unless told otherwise.
var DefaultConfig = Config{
	BreakerFailures:  5,
	BreakerDelay:     10 * time.Second,
	TrialInterval:    10 * time.Second,
	LostAnswersLimit: 3,
}

// Connection is one operator while the manager runs. It is safe for concurrent use.
type Connection struct {
	name   string
	config Config
	wake   func(types.NamespacedName)
	// changed tells that State may have changed; it must not block.
	changed func(operator string)

	mu          sync.Mutex
	driver      operators.Driver
	connectedAt time.Time
	limit       int
	inFlight    int
	breaker     circuitbreaker.CircuitBreaker[any]
	suspension  *suspension
	trials      uint
	answersLost bool
	// costs of the operator's plans, by plan ID, as it listed them last.
	costs map[string]Cost
	// unfitSince is since when orders should go elsewhere; probed, when a probe ended, and
	// probeFailed, since when probes fail.
	unfitSince, probed, probeFailed time.Time
	// nextTaken is when an order may take a trial again.
	nextTaken time.Time
	// shut keeps orders out while the operator is about to go.
	shut bool
	// waiting are orders that wait for a slot; reconnect, those that failed for want of
	// configuration and are due once the driver is made anew.
	waiting, reconnect waitingList
	// called are orders that were woken for a slot each.
	called calledOrders
}

// suspension is what the operator said when it refused us, and to which function; empty where
// it was none of them.
type suspension struct {
	function, message string
	nextTrial         time.Time
}

// endedBy tells whether an answered call shows that the refusal is over: what one function
// takes, another may still refuse.
func (s *suspension) endedBy(call operators.Call) bool {
	return s != nil && (s.function == "" || s.function == call.Function)
}

// State is what the EsimOperator's status shows of a connection.
type State struct {
	Health Health
	// Message of the error that suspended the connection.
	Message string
	// AnswersLost: one order's DownloadOrder calls were left unanswered too often.
	AnswersLost bool
}

func newConnection(name string, config Config, wake func(types.NamespacedName), changed func(string)) *Connection {
	c := &Connection{name: name, config: config, wake: wake, changed: changed}
	c.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(config.BreakerFailures).
		WithSuccessThreshold(1).
		WithDelay(config.BreakerDelay).
		OnStateChanged(c.breakerChanged).
		Build()
	return c
}

// Connect gives the connection a driver, new or another one, and lets orders in: the
// cause of earlier refusals may be mended.
func (c *Connection) Connect(driver operators.Driver, limit int) {
	c.mu.Lock()
	old := c.driver
	c.driver, c.limit, c.connectedAt, c.suspension = driver, limit, time.Now(), nil
	woken := c.popLocked(c.limit - c.inFlight)
	for order, ok := c.reconnect.pop(); ok; order, ok = c.reconnect.pop() {
		woken = append(woken, order)
	}
	c.mu.Unlock()
	c.breaker.Close()
	if old != nil {
		old.Close()
	}
	c.wakeAll(woken)
}

// Disconnect takes the driver away. Orders that are in finish with it.
func (c *Connection) Disconnect() {
	c.mu.Lock()
	old := c.driver
	c.driver = nil
	c.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// Shut keeps orders out, and tells whether none is inside. Where one is, the connection stays
// as it was.
func (c *Connection) Shut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut = c.inFlight == 0
	return c.shut
}

// Reopen lets orders in again, after Shut.
func (c *Connection) Reopen() {
	c.mu.Lock()
	c.shut = false
	woken := c.popLocked(c.limit - c.inFlight)
	c.mu.Unlock()
	c.wakeAll(woken)
}

// Slot is the right of one order to call the operator. Leave must be called.
type Slot struct {
	Driver     operators.Driver
	connection *Connection
	trial      bool
	once       sync.Once
}

// Enter takes a slot for an order, or notes the order as waiting and returns an
// *Unavailable. Those that wait are woken in turn by client, and new orders before those that
// tried already; a free slot is kept for who was woken.
func (c *Connection) Enter(order types.NamespacedName, retry bool) (*Slot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	health := c.admitLocked(order)
	c.called.came(order)
	if health != Healthy {
		c.waiting.push(order, retry)
		return nil, &Unavailable{Operator: c.name, Health: health}
	}
	if c.suspension != nil {
		c.suspension.nextTrial = time.Now().Add(c.config.TrialInterval)
		time.AfterFunc(c.config.TrialInterval, func() { c.wakeOne() })
	}
	c.waiting.forget(order)
	c.inFlight++
	return &Slot{Driver: c.driver, connection: c, trial: c.breaker.IsHalfOpen()}, nil
}

func (c *Connection) admitLocked(order types.NamespacedName) Health {
	switch {
	case c.driver == nil || c.shut:
		return Disconnected
	case c.suspension != nil && time.Now().Before(c.suspension.nextTrial):
		return Suspended
	case c.inFlight+c.called.others(order) >= c.limit:
		return Full
	case !c.breaker.TryAcquirePermit():
		return CircuitOpen
	default:
		return Healthy
	}
}

// Leave gives the slot to whoever waits.
func (s *Slot) Leave() {
	s.once.Do(func() {
		c := s.connection
		if s.trial && c.breaker.IsHalfOpen() {
			c.breaker.RecordFailure() // a trial that proved nothing must not keep its permit for ever
		}
		c.mu.Lock()
		c.inFlight--
		var woken []types.NamespacedName
		if c.suspension == nil && !c.breaker.IsOpen() {
			woken = c.popLocked(1)
		}
		c.mu.Unlock()
		c.wakeAll(woken)
	})
}

// Observe learns from a call that was made: the breaker counts answers, and an answer that is
// no refusal ends the suspension that the same function brought about.
func (c *Connection) Observe(call operators.Call) {
	if call.Answered {
		c.breaker.RecordSuccess()
	} else if call.Outcome != string(operators.Misconfigured) {
		c.breaker.RecordFailure()
	}
	if !call.Answered || call.Outcome == string(operators.Misconfigured) {
		return
	}
	c.mu.Lock()
	resumed := c.suspension.endedBy(call)
	var woken []types.NamespacedName
	if resumed {
		c.suspension = nil
		woken = c.popLocked(c.limit - c.inFlight)
	}
	recovered := c.answersLost && call.Function == "DownloadOrder"
	if recovered {
		c.answersLost = false
	}
	c.mu.Unlock()
	c.wakeAll(woken)
	if resumed || recovered {
		c.changed(c.name)
	}
}

// Suspend leaves the operator alone but for one order every TrialInterval: it refused our
// identity or our requests, and only a person can mend that. What failed says goes into the
// EsimOperator's status. An error of one order's own leaves the others alone.
func (c *Connection) Suspend(failed *operators.Error) {
	if failed.OneOrder {
		return
	}
	message := failed.Error()
	c.mu.Lock()
	known := c.suspension != nil && c.suspension.message == message
	c.suspension = &suspension{function: failed.Function, message: message, nextTrial: time.Now().Add(c.config.TrialInterval)}
	c.mu.Unlock()
	time.AfterFunc(c.config.TrialInterval, func() { c.wakeOne() })
	if !known {
		c.changed(c.name)
	}
}

// LostAnswers learns how many DownloadOrder calls one order has had without an answer, and
// tells whether that is too many to go on at the usual pace.
func (c *Connection) LostAnswers(ofOneOrder int32) bool {
	if ofOneOrder < c.config.LostAnswersLimit {
		return false
	}
	c.mu.Lock()
	known := c.answersLost
	c.answersLost = true
	c.mu.Unlock()
	if !known {
		c.changed(c.name)
	}
	return true
}

// AwaitReconnect has an order woken when the driver is made anew.
func (c *Connection) AwaitReconnect(order types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reconnect.push(order, true)
}

// ConnectedAt is when the driver was last made: what failed for want of configuration
// before then is worth another try.
func (c *Connection) ConnectedAt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connectedAt
}

// State is what the EsimOperator's status shows.
func (c *Connection) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := State{Health: Healthy, AnswersLost: c.answersLost}
	switch {
	case c.driver == nil:
		state.Health = Disconnected
	case c.suspension != nil:
		state.Health, state.Message = Suspended, c.suspension.message
	case !c.breaker.IsClosed():
		state.Health = CircuitOpen
	}
	return state
}

// breakerChanged wakes one order when the breaker would let it try, and all that fit when
// it closes.
func (c *Connection) breakerChanged(event circuitbreaker.StateChangedEvent) {
	switch event.NewState {
	case circuitbreaker.OpenState:
		time.AfterFunc(c.config.BreakerDelay, c.afterPause)
	case circuitbreaker.ClosedState:
		go c.wakeFree() // the breaker holds its own lock here, and Enter takes ours before the breaker's
	default:
	}
	go c.changed(c.name)
}

func (c *Connection) wakeFree() {
	c.mu.Lock()
	woken := c.popLocked(c.limit - c.inFlight)
	c.mu.Unlock()
	c.wakeAll(woken)
}

func (c *Connection) wakeAll(orders []types.NamespacedName) {
	for _, order := range orders {
		c.wake(order)
	}
}

// Driver is the connection's driver; nil where there is none.
func (c *Connection) Driver() operators.Driver {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.driver
}
