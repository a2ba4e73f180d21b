package zendit

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
)

// TestMain fails the package if a goroutine outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testKey  = "zk-live-5b1f0c9ad2"
	testPlan = "ESIM-JP-7D-1GB"
)

// vendor is the fake as the suite needs it.
type vendor struct {
	*operatortest.Server
	fake *zenditfake.Server
}

func startVendor(t testing.TB, o zenditfake.Options) *vendor {
	t.Helper()
	o.APIKey, o.Balance = testKey, 100_000
	o.Offers = []zenditfake.Offer{
		{ID: testPlan, Country: "JP", DataGB: "1", Days: 7, Cost: 450, Fee: 25, Stock: -1},
		{ID: "SOLD-OUT", Country: "JP", DataGB: "1", Days: 7, Cost: 450},
		{ID: "DISABLED", Country: "JP", DataGB: "1", Days: 7, Cost: 450, Stock: -1, Disabled: true},
		{ID: "DEAR", Country: "JP", DataGB: "100", Days: 7, Cost: 100_000, Fee: 1, Stock: -1},
	}
	fake := zenditfake.New(o)
	return &vendor{Server: operatortest.Serve(t, fake, zenditfake.Function), fake: fake}
}

func (v *vendor) Bought() int       { return v.fake.Count(zenditfake.Bought) }
func (v *vendor) GivenBack() int    { return v.fake.Count(zenditfake.GivenBack) }
func (v *vendor) Secrets() []string { return v.fake.Secrets() }

func (v *vendor) Install(t testing.TB, iccid activation.ICCID) {
	t.Helper()
	if err := v.fake.Install(iccid); err != nil {
		t.Fatal(err)
	}
}

func (v *vendor) Connect(t testing.TB, c operatortest.Connection) operators.Driver {
	t.Helper()
	return v.connect(t, Config{Guard: c.Guard, OnCall: c.OnCall, Timeout: c.Timeout})
}

// connect makes a driver with what a test wants of it.
func (v *vendor) connect(t testing.TB, c Config) *Driver {
	t.Helper()
	c.BaseURL, c.CAPEM, c.Dial, c.InFlight = v.URL+"/v1", v.CA, v.Dial, 4
	if c.APIKey.Empty() {
		c.APIKey = activation.NewCredential(testKey)
	}
	driver, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

func fakeOf(v operatortest.Vendor) *zenditfake.Server { return v.(*vendor).fake }

// subject is the driver with a fake of these habits.
func subject(o zenditfake.Options) operatortest.Subject {
	funded := func(atOnce bool) func(testing.TB, operatortest.Vendor) {
		return func(_ testing.TB, v operatortest.Vendor) {
			fakeOf(v).Change(func(o *zenditfake.Options) { o.FundsAtOnce = atOnce })
		}
	}
	status := func(status int, retryAfter string) func(testing.TB, operatortest.Vendor) {
		return func(t testing.TB, v operatortest.Vendor) {
			if _, err := v.Inject(faults.Fault{Kind: faults.Status, Status: status, RetryAfter: retryAfter, Function: functionBuy}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return operatortest.Subject{
		Start:     func(t *testing.T) operatortest.Vendor { return startVendor(t, o) },
		Plan:      testPlan,
		Buys:      []string{functionBuy},
		Returns:   []string{functionRefund},
		UniqueKey: true,
		Tolerates: []faults.Kind{faults.NumbersAsStrings, faults.ObjectsForLists, faults.BooleansAsStrings},
		Refusals: []operatortest.Refusal{
			{Name: "an offer that is unknown", Plan: "NO-SUCH", Want: operators.Rejected},
			{Name: "an offer that is not sold", Plan: "DISABLED", Want: operators.Rejected},
			{Name: "an offer of which nothing is left", Plan: "SOLD-OUT", Want: operators.Rejected, Code: "FAILED"},
			{Name: "an account that does not cover the offer", Plan: "DEAR", Arrange: funded(true), Want: operators.Misconfigured},
			{Name: "an account that is found not to cover it later", Plan: "DEAR", Arrange: funded(false), Want: operators.Restart, Code: "FAILED"},
			{Name: "another key", Arrange: func(_ testing.TB, v operatortest.Vendor) {
				fakeOf(v).Change(func(o *zenditfake.Options) { o.APIKey = "another" })
			}, Want: operators.Misconfigured, Code: "HTTP 401"},
			{Name: "too many requests", Arrange: status(429, "7"), Want: operators.Busy, Code: "HTTP 429", RetryAfter: 7 * time.Second},
			{Name: "too many requests, for how long is not told", Arrange: status(429, ""), Want: operators.Busy, Code: "HTTP 429"},
			{Name: "a server error", Arrange: status(503, "9"), Want: operators.OutcomeUnknown, Code: "HTTP 503", RetryAfter: 9 * time.Second},
			{Name: "a port that is closed", Arrange: func(_ testing.TB, v operatortest.Vendor) { v.(*vendor).Refuse(true) }, Want: operators.Transient},
		},
	}
}

func TestADriverThatFailsTheSuiteIsNone(t *testing.T) {
	for name, habits := range map[string]zenditfake.Options{
		"at once":                     {},
		"after ten seconds":           {Delivery: 10 * time.Second, Refunding: 10 * time.Second},
		"after ten minutes":           {Delivery: 10 * time.Minute, Refunding: time.Hour},
		"with duplicates as repeated": {Duplicates: zenditfake.RepeatDuplicates},
	} {
		t.Run(name, func(t *testing.T) { operatortest.Run(t, subject(habits)) })
	}
}
