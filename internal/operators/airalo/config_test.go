package airalo

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
)

func TestConfigurationErrorsNameTheField(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"client ID":     {func(c *Config) { c.ClientID = " " }, KeyClientID},
		"client secret": {func(c *Config) { c.ClientSecret = activation.NewCredential("\n") }, KeyClientSecret},
		"authority":     {func(c *Config) { c.CAPEM = []byte("none") }, KeyCA},
		"address":       {func(c *Config) { c.BaseURL = "http://api.example.com" }, "spec.airalo.url"},
	} {
		t.Run(name, func(t *testing.T) {
			config := Config{ClientID: "a", ClientSecret: activation.NewCredential("b")}
			if _, err := New(config); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			c.change(&config)
			if _, err := New(config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that names %s", err, c.want)
			}
		})
	}
}

func TestAnOrderIsNeverSettledInLessThanTwoMinutesOrTwoTimeouts(t *testing.T) {
	for _, c := range []struct{ settle, timeout, want time.Duration }{
		{0, 0, leastSettling}, {10 * time.Minute, time.Minute, 10 * time.Minute}, {time.Second, 2 * time.Minute, 4 * time.Minute},
	} {
		if got := (Config{SettleAfter: c.settle, Timeout: c.timeout}).withDefaults().SettleAfter; got != c.want {
			t.Errorf("%v with a timeout of %v counts as %v, want %v", c.settle, c.timeout, got, c.want)
		}
	}
}

func TestCredentialsMayEndInALineBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newWorld(t).driver(t, func(c *Config) {
			c.ClientID, c.ClientSecret = testClientID+"\n", activation.NewCredential(testSecret+"\n")
		})
		if err := d.Probe(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAProbeTellsAnAddressFromCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.airalo.RefuseAddress("GetPackages", 1)
		if failure := failureOf(t, w.driver(t).Probe(t.Context())); failure.Class != operators.Misconfigured || failure.Code != "Airalo 89" {
			t.Errorf("our address: %+v", failure)
		}
		w.Refuse(true)
		if failure := failureOf(t, w.driver(t).Probe(t.Context())); failure.Class != operators.Transient {
			t.Errorf("a closed port: %+v", failure)
		}
	})
}
