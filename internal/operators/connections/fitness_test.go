package connections

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/internal/operators"
)

func newTestConnection() *Connection {
	return newConnection("telco", DefaultConfig, func(types.NamespacedName) {}, func(string) {})
}

func TestAnOperatorIsUnfitFromItsFirstFailureUntilItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestConnection()
		if f := c.Fitness(); !f.Unfit(time.Now(), 0) || f.Trial {
			t.Errorf("without a driver it is %+v", f)
		}
		c.Connect(&silent{}, 10)
		if f := c.Fitness(); f.Unfit(time.Now(), 0) {
			t.Errorf("with a driver it is %+v", f)
		}
		unanswered := operators.Call{Function: "DownloadOrder", Outcome: string(operators.Transient)}
		for range DefaultConfig.BreakerFailures {
			c.Observe(unanswered)
		}
		if f := c.Fitness(); !f.Unfit(time.Now(), 0) || f.Unfit(time.Now(), time.Second) || f.Trial {
			t.Errorf("with an open breaker it is %+v", f)
		}
		time.Sleep(time.Minute)
		if f := c.Fitness(); !f.Unfit(time.Now(), time.Minute) || f.Trial {
			t.Errorf("a minute later, without a probe, it is %+v", f)
		}
		c.Probed(errors.New("away"))
		if f := c.Fitness(); f.Trial {
			t.Error("it is worth a trial although the probe failed")
		}
		c.Probed(nil)
		if f := c.Fitness(); !f.Trial || !f.Unfit(time.Now(), time.Minute) {
			t.Errorf("after a good probe it is %+v", f)
		}
		slot, err := c.Enter(types.NamespacedName{Name: "guinea-pig"}, false)
		if err != nil {
			t.Fatal(err)
		}
		c.Observe(operators.Call{Function: "DownloadOrder", Outcome: "ok", Answered: true})
		slot.Leave()
		if f := c.Fitness(); f.Unfit(time.Now(), 0) {
			t.Errorf("after an answer it is %+v", f)
		}
		synctest.Wait()
	})
}

func TestOneOrderAtATimeFindsOutWhetherAnOperatorIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestConnection()
		c.Connect(&silent{}, 10)
		if c.TakeTrial() {
			t.Error("a trial of an operator that is fit")
		}
		for range DefaultConfig.BreakerFailures {
			c.Observe(operators.Call{Function: "DownloadOrder", Outcome: string(operators.Transient)})
		}
		c.Fitness()
		time.Sleep(time.Minute)
		c.Probed(nil)
		for interval := range 2 {
			if taken, again := c.TakeTrial(), c.TakeTrial(); !taken || again {
				t.Errorf("in interval %d, the first order: %t, the next: %t", interval, taken, again)
			}
			time.Sleep(DefaultConfig.TrialInterval)
		}
		synctest.Wait()
	})
}

func TestAnOperatorWhoseProbesFailIsUnfit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestConnection()
		c.Connect(&silent{}, 10)
		c.Probed(errors.New("away"))
		time.Sleep(time.Minute)
		if f := c.Fitness(); !f.Unfit(time.Now(), time.Minute) || f.Trial {
			t.Errorf("it is %+v", f)
		}
		c.Probed(nil)
		if f := c.Fitness(); f.Unfit(time.Now(), 0) {
			t.Errorf("after a good probe it is %+v", f)
		}
	})
}
