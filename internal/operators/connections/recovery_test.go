package connections

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
)

// broken is a connection whose breaker has just opened.
func broken(h *house) *Connection {
	c := h.For("telco")
	c.Connect(&silent{}, 10)
	for range DefaultConfig.BreakerFailures {
		c.Observe(operators.Call{Function: "DownloadOrder", Outcome: string(operators.Transient)})
	}
	return c
}

func TestAnOperatorThatNobodyOrdersFromIsTriedAfterTheBreakersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := broken(h)
		synctest.Wait()
		if c.TryAgain() != nil {
			t.Fatal("calls pause, and it may be tried")
		}
		h.changed = nil
		time.Sleep(DefaultConfig.BreakerDelay)
		synctest.Wait()
		if !slices.Contains(h.changed, "telco") {
			t.Fatal("nobody is told that it may be tried")
		}
		trial := c.TryAgain()
		if trial == nil {
			t.Fatal("it may not be tried")
		}
		turnedAway(t, c, "meanwhile", false, CircuitOpen)
		if c.TryAgain() != nil {
			t.Error("it may be tried twice at once")
		}
		trial.End(true)
		h.awake(t, "meanwhile")
		if got := c.State().Health; got != Healthy {
			t.Errorf("after an answer it is %s", got)
		}
	})
}

func TestATrialThatIsNotAnsweredHasCallsPauseAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(DefaultConfig)
		c := broken(h)
		for range 3 {
			time.Sleep(DefaultConfig.BreakerDelay)
			trial := c.TryAgain()
			if trial == nil {
				t.Fatal("it may not be tried")
			}
			trial.End(false)
			if got := c.State().Health; got != CircuitOpen || c.TryAgain() != nil {
				t.Fatalf("it is %s, and may be tried again at once", got)
			}
		}
	})
}

func TestATrialLeavesToOrdersWhatTheyFindOut(t *testing.T) {
	for name, prepare := range map[string]func(*Connection){
		"one waits while another finds out": func(c *Connection) {
			for _, name := range []string{"finds out", "waits"} {
				_, _ = c.Enter(order(name), false) // turned away, and noted as waiting
			}
		},
		"DownloadOrder is not answered": func(c *Connection) { c.LostAnswers(DefaultConfig.LostAnswersLimit) },
		"our identity is refused": func(c *Connection) {
			c.Suspend(&operators.Error{Class: operators.Misconfigured, Message: "refused"})
		},
		"the operator is about to go": func(c *Connection) { c.Shut() },
		"there is no driver":          func(c *Connection) { c.Disconnect() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := broken(open(DefaultConfig))
				prepare(c)
				time.Sleep(DefaultConfig.BreakerDelay)
				if c.TryAgain() != nil {
					t.Error("it may be tried")
				}
			})
		})
	}
}

func TestAHealthyOperatorNeedsNoTrial(t *testing.T) {
	h := open(DefaultConfig)
	c := h.For("telco")
	c.Connect(&silent{}, 10)
	if c.TryAgain() != nil {
		t.Error("it may be tried")
	}
}
