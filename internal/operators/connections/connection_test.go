package connections

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/internal/operators"
)

// silent is a driver that nobody calls.
type silent struct{ closed bool }

func (*silent) Provision(context.Context, operators.Purchase, operators.Journal) (operators.Profile, error) {
	return operators.Profile{}, errors.New("not called here")
}
func (*silent) GiveBack(context.Context, operators.Held) error { return errors.New("not called here") }
func (*silent) Probe(context.Context) error                    { return nil }
func (s *silent) Close()                                       { s.closed = true }

// house is a pool whose wakes and changes are recorded.
type house struct {
	*Pool
	mu             sync.Mutex
	woken, changed []string
}

func open(config Config) *house {
	h := &house{Pool: NewPool(config)}
	h.OnWake(func(order types.NamespacedName) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.woken = append(h.woken, order.Name)
	})
	h.OnChange(func(operator string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.changed = append(h.changed, operator)
	})
	return h
}

func (h *house) awake(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.woken, want) {
		t.Fatalf("woken: %v, want %v", h.woken, want)
	}
	h.woken = nil
}

func order(name string) types.NamespacedName { return types.NamespacedName{Name: name} }

func enter(t *testing.T, c *Connection, name string, retry bool) *Slot {
	t.Helper()
	slot, err := c.Enter(order(name), retry)
	if err != nil {
		t.Fatalf("%s cannot enter: %v", name, err)
	}
	return slot
}

func turnedAway(t *testing.T, c *Connection, name string, retry bool, want Health) {
	t.Helper()
	_, err := c.Enter(order(name), retry)
	var unavailable *Unavailable
	if !errors.As(err, &unavailable) || unavailable.Health != want {
		t.Fatalf("%s: got %v, want %s", name, err, want)
	}
}

var (
	answered   = operators.Call{Function: "DownloadOrder", Outcome: "ok", Answered: true}
	unanswered = operators.Call{Function: "DownloadOrder", Outcome: string(operators.Transient)}
	refused    = operators.Call{Function: "DownloadOrder", Outcome: string(operators.Misconfigured), Answered: true}
)

// handshakeFailed concerns no function: whatever is answered next disproves it.
var handshakeFailed = &operators.Error{Class: operators.Misconfigured, Message: "the certificate is refused"}

func TestWithoutADriverOrdersWaitUntilOneIsConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := h.For("op")
		turnedAway(t, c, "a", false, Disconnected)
		turnedAway(t, c, "b", false, Disconnected)
		c.Connect(&silent{}, 10)
		h.awake(t, "a", "b")
	})
}

func TestAFullOperatorTakesTheNextOrderWhenOneLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := h.For("op")
		c.Connect(&silent{}, 1)
		slot := enter(t, c, "a", false)
		turnedAway(t, c, "retry", true, Full)
		turnedAway(t, c, "new", false, Full)
		turnedAway(t, c, "new", false, Full) // asking twice does not wait twice
		slot.Leave()
		slot.Leave() // leaving twice frees one slot
		h.awake(t, "new")
		slot = enter(t, c, "new", false)
		turnedAway(t, c, "late", false, Full)
		slot.Leave()
		h.awake(t, "late")
		enter(t, c, "late", false).Leave()
		h.awake(t, "retry")
	})
}

func TestUnansweredCallsPauseAndOneOrderTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(Config{BreakerFailures: 3, BreakerDelay: time.Minute, TrialInterval: time.Minute, LostAnswersLimit: 3})
		c := h.For("op")
		c.Connect(&silent{}, 10)
		for range 3 {
			c.Observe(unanswered)
		}
		if c.State().Health != CircuitOpen {
			t.Fatalf("health is %s after three unanswered calls", c.State().Health)
		}
		for _, name := range []string{"a", "b", "c"} {
			turnedAway(t, c, name, false, CircuitOpen)
		}
		time.Sleep(time.Minute)
		h.awake(t, "a")
		trial := enter(t, c, "a", false)
		turnedAway(t, c, "d", false, CircuitOpen)
		c.Observe(answered)
		h.awake(t, "b", "c", "d")
		trial.Leave()
		if c.State().Health != Healthy {
			t.Fatalf("health is %s after an answer", c.State().Health)
		}
	})
}

func TestATrialThatProvesNothingIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(Config{BreakerFailures: 1, BreakerDelay: time.Minute, TrialInterval: time.Minute, LostAnswersLimit: 3})
		c := h.For("op")
		c.Connect(&silent{}, 10)
		c.Observe(unanswered)
		turnedAway(t, c, "a", false, CircuitOpen)
		time.Sleep(time.Minute)
		h.awake(t, "a")
		enter(t, c, "a", false).Leave() // it could not even read its Secret
		turnedAway(t, c, "b", false, CircuitOpen)
		time.Sleep(time.Minute)
		h.awake(t, "b")
		enter(t, c, "b", false)
	})
}

func TestARefusalSuspendsAllButOneOrderAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(Config{BreakerFailures: 5, BreakerDelay: time.Minute, TrialInterval: time.Minute, LostAnswersLimit: 3})
		c := h.For("op")
		c.Connect(&silent{}, 10)
		c.Observe(refused)
		c.Suspend(handshakeFailed)
		turnedAway(t, c, "a", false, Suspended)
		turnedAway(t, c, "b", false, Suspended)
		if state := c.State(); state.Health != Suspended || state.Message != handshakeFailed.Message {
			t.Fatalf("state is %+v", state)
		}
		time.Sleep(time.Minute)
		h.awake(t, "a")
		trial := enter(t, c, "a", false)
		turnedAway(t, c, "c", false, Suspended)
		c.Observe(answered)
		trial.Leave()
		h.awake(t, "b", "c")
	})
}

func TestAnAnswerToAnotherFunctionWouldEndASuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(Config{BreakerFailures: 5, BreakerDelay: time.Minute, TrialInterval: time.Minute, LostAnswersLimit: 3})
		c := h.For("op")
		c.Connect(&silent{}, 10)
		c.Suspend(&operators.Error{Class: operators.Misconfigured, Function: "ConfirmOrder", Message: "no address"})
		turnedAway(t, c, "a", false, Suspended)
		for _, call := range []operators.Call{
			{Function: "DownloadOrder", Outcome: "ok", Answered: true},
			{Function: "CancelOrder", Outcome: string(operators.Restart), Answered: true},
			{Function: "ConfirmOrder", Outcome: string(operators.Misconfigured), Answered: true},
			{Function: "ConfirmOrder", Outcome: string(operators.OutcomeUnknown)},
		} {
			c.Observe(call)
			if state := c.State(); state.Health != Suspended || state.Message != "ConfirmOrder: no address" {
				t.Errorf("after %+v the state is %+v", call, state)
			}
		}
		h.awake(t)
		c.Observe(operators.Call{Function: "ConfirmOrder", Outcome: string(operators.Restart), Answered: true})
		h.awake(t, "a")
		if health := c.State().Health; health != Healthy {
			t.Errorf("after ConfirmOrder was answered, health is %s", health)
		}
	})
}

func TestOneOrdersPlanWouldSuspendAllOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := h.For("op")
		c.Connect(&silent{}, 10)
		c.Suspend(&operators.Error{Class: operators.Misconfigured, Function: "DownloadOrder", Message: "not this type", OneOrder: true})
		enter(t, c, "a", false).Leave()
		if state := c.State(); state.Health != Healthy || len(h.changed) > 0 {
			t.Errorf("state is %+v, %d changes were told", state, len(h.changed))
		}
	})
}

// Only an order that gives back can show that CancelOrder works again; new ones come for ever.
func TestNewOrdersWouldTakeEveryTrialFromTheOneThatCanEndASuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(Config{BreakerFailures: 5, BreakerDelay: time.Minute, TrialInterval: time.Minute, LostAnswersLimit: 3})
		c := h.For("op")
		c.Connect(&silent{}, 10)
		c.Suspend(&operators.Error{Class: operators.Misconfigured, Function: "CancelOrder", Message: "no"})
		turnedAway(t, c, "gives-back", true, Suspended)
		for _, name := range []string{"new-1", "new-2", "new-3"} {
			turnedAway(t, c, name, false, Suspended)
		}
		for _, want := range []string{"new-1", "gives-back", "new-2", "new-3"} {
			time.Sleep(time.Minute)
			h.awake(t, want)
			enter(t, c, want, false).Leave()
		}
	})
}

func TestANewDriverEndsASuspensionAndWakesWhatFailedForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := h.For("op")
		old := &silent{}
		c.Connect(old, 10)
		c.Suspend(handshakeFailed)
		c.AwaitReconnect(order("misconfigured"))
		turnedAway(t, c, "waiting", false, Suspended)
		before := c.ConnectedAt()
		time.Sleep(time.Second)
		c.Connect(&silent{}, 10)
		h.awake(t, "waiting", "misconfigured")
		if !old.closed || !c.ConnectedAt().After(before) {
			t.Fatal("the old driver was kept")
		}
		enter(t, c, "misconfigured", true)
	})
}

func TestLostAnswersOfOneOrderShowUntilOneIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := h.For("op")
		c.Connect(&silent{}, 10)
		for lost, want := range map[int32]bool{1: false, 2: false, 3: true, 4: true} {
			if got := c.LostAnswers(lost); got != want {
				t.Errorf("%d lost answers are too many: %t", lost, got)
			}
		}
		if !c.State().AnswersLost {
			t.Error("it does not show")
		}
		c.Observe(answered)
		if c.State().AnswersLost {
			t.Error("it shows although one was answered")
		}
	})
}

func TestAnOperatorThatIsGoneLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		driver := &silent{}
		h.For("op").Connect(driver, 10)
		h.Remove("op")
		if !driver.closed {
			t.Fatal("its driver was left open")
		}
		turnedAway(t, h.For("op"), "a", false, Disconnected)
	})
}
