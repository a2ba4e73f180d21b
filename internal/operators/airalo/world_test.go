package airalo

import (
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
)

const (
	testClientID = "partner-17"
	testSecret   = "s3cr3t-0f-partner-17/with-a-slash"
	testPlan     = "moshi-moshi-7days-1gb"
)

// testPackages are what the fake sells in tests.
var testPackages = []airalofake.Package{
	{ID: testPlan, Title: "1 GB - 7 Days", Countries: []string{"JP"}, AmountMB: 1000, Days: 7,
		NetPrices: map[string]string{"USD": "3.6", "EUR": "3.31"}},
	{ID: "moshi-moshi-topup-1gb", Title: "1 GB - 7 Days", Countries: []string{"JP"}, AmountMB: 1000, Days: 7, TopUp: true,
		NetPrices: map[string]string{"USD": "3.6"}},
	{ID: "eurolink-30days-unlimited", Title: "Unlimited - 30 Days", Countries: []string{"FR", "DE", "GB"}, Region: "Europe",
		Unlimited: true, Days: 30, NetPrices: map[string]string{"USD": "49", "EUR": "45.08"}},
	{ID: "discover-365days-20gb", Title: "20 GB - 365 Days", Countries: []string{"US", "JP", "FR"}, Region: "World",
		AmountMB: 20500, Days: 365, NetPrices: map[string]string{"USD": "62.10"}},
}

// world is an Airalo and the network in memory before it. It is operatortest.Vendor.
type world struct {
	*operatortest.Server
	airalo *airalofake.Server
}

// newWorld must be called within a bubble of testing/synctest.
func newWorld(t *testing.T) *world {
	t.Helper()
	fake, err := airalofake.New(airalofake.Options{
		ClientID: testClientID, ClientSecret: testSecret, Packages: testPackages, ListDelay: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Server: operatortest.Serve(t, fake.Handler(), airalofake.Function), airalo: fake}
	// Connections that were broken end before the server does.
	t.Cleanup(func() { time.Sleep(time.Minute) })
	return w
}

func (w *world) config() Config {
	return Config{
		BaseURL: w.URL + "/v2", ClientID: testClientID, ClientSecret: activation.NewCredential(testSecret),
		CAPEM: w.CA, Dial: w.Dial, Timeout: 5 * time.Second, SettleAfter: 10 * time.Minute,
	}
}

// driver is one of a process that has just begun, or with another configuration.
func (w *world) driver(t testing.TB, change ...func(*Config)) *Driver {
	t.Helper()
	config := w.config()
	for _, f := range change {
		f(&config)
	}
	driver, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver
}

func (w *world) Connect(t testing.TB, c operatortest.Connection) operators.Driver {
	t.Helper()
	return w.driver(t, func(config *Config) { config.Guard, config.OnCall, config.Timeout = c.Guard, c.OnCall, c.Timeout })
}

func (w *world) Bought() int       { return w.airalo.Bought() }
func (w *world) GivenBack() int    { return w.airalo.GivenBack() }
func (w *world) Secrets() []string { return w.airalo.Secrets() }

func (w *world) Install(t testing.TB, iccid activation.ICCID) {
	t.Helper()
	if err := w.airalo.SetUsage(iccid, airalofake.UsageActive, 10); err != nil {
		t.Error(err)
	}
}
