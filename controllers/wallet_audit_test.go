package controllers_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
)

// gauge is what a gauge without labels shows.
func gauge(t *testing.T, name string) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestTheAuditFindsALedgerThatIsWrongAndHasItMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tl, p := newTill(t)
		order := tl.charged("order", "30")
		p.rest()
		phantom := order.DeepCopy()
		phantom.Name, phantom.UID = "phantom", "phantom"
		p.ledger.Observe(phantom) // what could only come of a defect

		ctx, stop := context.WithCancel(t.Context())
		audit := &controllers.LedgerAudit{Ledger: p.ledger, Clock: clock.RealClock{}, Interval: time.Minute}
		ended := make(chan error, 1)
		go func() { ended <- audit.Start(ctx) }()
		for _, round := range []struct {
			name      string
			differing float64
		}{{"with a charge too many", 1}, {"made anew", 0}} {
			time.Sleep(time.Minute) // the bubble's time
			synctest.Wait()
			if got := gauge(t, "esim_ledger_differing_wallets"); got != round.differing {
				t.Errorf("%s: %v wallets differ, want %v", round.name, got, round.differing)
			}
			if got := gauge(t, "esim_ledger_unaudited_namespaces"); got != 0 {
				t.Errorf("%s: nothing could be said of %v namespaces", round.name, got)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		p.rest()
		if got := tl.wallet().Status.Balance; got != v1alpha1.Amount("970") {
			t.Errorf("the balance is shown as %s, want 970", got)
		}
	})
}
