package esimaccess_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess/esimaccessfake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

func TestAProfileIsFollowedOntoItsDevice(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		profile := o.deliver()
		iccid := string(profile.ICCID)
		start := time.Now().UTC()
		later := func(hours int) time.Time { return start.Add(time.Duration(hours) * time.Hour) }
		for _, step := range []struct {
			name string
			move func() error
			want operators.Life
		}{
			{"delivered", func() error { return nil }, operators.Life{}},
			{"downloaded", func() error { return o.vendor.Download(iccid) }, operators.Life{}},
			{"installed", func() error { return o.vendor.Vendor.Install(iccid) }, operators.Life{Installed: true, InstalledTime: later(3)}},
			{"used", func() error { return o.vendor.Use(iccid) }, operators.Life{
				Installed: true, InstalledTime: later(3), UsedTime: later(4), ExpiryTime: later(4 + 7*24)}},
			{"deleted", func() error { return o.vendor.Delete(iccid) }, operators.Life{
				Installed: true, InstalledTime: later(3), UsedTime: later(4), ExpiryTime: later(4 + 7*24), Deleted: true}},
		} {
			time.Sleep(time.Hour) // in a bubble
			if err := step.move(); err != nil {
				o.Fatal(err)
			}
			got, err := o.driver.Track(o.Context(), operators.Tracked{RequestID: requestID, ICCID: profile.ICCID})
			if err != nil {
				o.Fatalf("%s: %v", step.name, err)
			}
			if diff := cmp.Diff(step.want, got); diff != "" {
				o.Errorf("%s (-want +got):\n%s", step.name, diff)
			}
		}
	})
}

func TestAQuestionThatIsNotAnsweredSaysNothingOfTheProfile(t *testing.T) {
	inBubble(t, esimaccessfake.Options{}, func(o *order) {
		profile := o.deliver()
		for _, kind := range []faults.Kind{faults.Drop, faults.HTML, faults.Truncated, faults.Huge, faults.WrongTypes, faults.Empty} {
			o.inject(faults.Fault{Kind: kind, Times: 1}, esimaccessfake.Query)
			_, err := o.driver.Track(o.Context(), operators.Tracked{RequestID: requestID, ICCID: profile.ICCID})
			o.is(err, operators.Transient)
		}
		o.vendor.Vendor.Refuse(esimaccessfake.Query, "310403")
		_, err := o.driver.Track(o.Context(), operators.Tracked{RequestID: requestID, ICCID: profile.ICCID})
		o.is(err, operators.Transient)
	})
}

func TestTheBalanceIsToldInDollars(t *testing.T) {
	inBubble(t, esimaccessfake.Options{Balance: 1_234_567}, func(o *order) {
		got, err := o.driver.Balance(o.Context())
		if err != nil || got.Amount.String() != "123.4567" || got.Currency != "USD" || !got.Time.Equal(time.Now()) {
			o.Errorf("got %s %s at %v, %v", got.Amount, got.Currency, got.Time, err)
		}
		o.vendor.SetBalance(0)
		if got, err = o.driver.Balance(o.Context()); err != nil || got.Amount.Sign() != 0 {
			o.Errorf("an empty account holds %s, %v", got.Amount, err)
		}
		o.inject(faults.Fault{Kind: faults.Status, Status: 503, RetryAfter: "7", Times: 1}, esimaccessfake.BalanceQuery)
		if failure := o.is(o.driver.Probe(o.Context()), operators.Transient); failure.RetryAfter != 7*time.Second {
			o.Errorf("to be asked after %v", failure.RetryAfter)
		}
		o.driver.Close() // the connections that are open
		o.vendor.Server.Refuse(true)
		o.is(o.driver.Probe(o.Context()), operators.Transient)
	})
}
