package airalo

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

func TestOneTokenServesAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.driver(t)
		probe := func() {
			if err := d.Probe(t.Context()); err != nil {
				t.Error(err)
			}
		}
		var callers sync.WaitGroup
		for range 30 {
			callers.Go(probe)
		}
		callers.Wait()
		if n := w.executed(airalofake.RequestToken); n != 1 {
			t.Errorf("%d tokens were asked for by calls at one time", n)
		}
		time.Sleep(24*time.Hour - 30*time.Second)
		probe()
		if n := w.executed(airalofake.RequestToken); n != 2 {
			t.Errorf("%d tokens in the last minute of the first", n)
		}
	})
}

func TestARefusedTokenIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.driver(t)
		if err := d.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.airalo.RevokeTokens()
		if err := d.Probe(t.Context()); err != nil {
			t.Errorf("after a token was revoked: %v", err)
		}
		inject(t, w, faults.Fault{Kind: faults.Status, Function: airalofake.GetPackages, Status: 401, Times: 2})
		failure := failureOf(t, d.Probe(t.Context()))
		if failure.Class != operators.Misconfigured || failure.Code != "HTTP 401" {
			t.Errorf("where new tokens are refused too: %s: %v", failure.Class, failure)
		}
		if n := w.executed(airalofake.RequestToken); n != 3 {
			t.Errorf("%d tokens", n)
		}
	})
}

func TestAiraloIsNotAskedForMoreTokensThanItAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.driver(t, func(c *Config) { c.ClientID = "nobody" })
		for range 20 {
			if failure := failureOf(t, d.Probe(t.Context())); failure.Class != operators.Misconfigured {
				t.Errorf("wrong credentials are %s: %v", failure.Class, failure)
			}
			time.Sleep(10 * time.Second)
		}
		for _, entry := range w.airalo.Ledger() {
			if entry.Status == 429 {
				t.Fatal("more tokens were asked for than Airalo allows")
			}
		}
	})
}

func TestSignature(t *testing.T) {
	d := &Driver{}
	call, failure := d.post(submitOrder, "/orders", struct {
		PackageID string `json:"package_id"`
	}{"a/b<c>&d"})
	if failure != nil {
		t.Fatal(failure)
	}
	if diff := cmp.Diff(`{"package_id":"a/b<c>&d"}`, string(call.Body)); diff != "" {
		t.Errorf("PHP would write the body in another way (-want +got):\n%s", diff)
	}
	// Computed with Python's hmac over the body with \/ for /.
	body := []byte(`{"package_id":"a/b","quantity":1,"type":"sim","description":"req-1"}`)
	if diff := cmp.Diff(wantSignature, sign(body, testKey)); diff != "" {
		t.Errorf("signature (-want +got):\n%s", diff)
	}
}

var testKey = activation.NewCredential("secret")

const wantSignature = "53b43c45026554b328e17b33dc1336e676c91f2068fd9f0a516d21943daa68e5" +
	"901558f1707a10e2cc9eb08cdcdfbfa64120988791d75f8ceb26bfd8b3c1a24e"
