package webhook

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	testclock "k8s.io/utils/clock/testing"
)

// TestMain has all tests run where the environment names a proxy that nobody serves. net/http
// reads it once in the life of a process, so a single test could come too late.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		if err := os.Setenv(name, "http://127.0.0.1:1"); err != nil {
			panic(err)
		}
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// The example that the libraries of Standard Webhooks are tested with.
const (
	exampleSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	exampleID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	exampleTimestamp = 1614265330
	exampleBody      = `{"test": 2432232314}`
	exampleSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

	otherSecret = "whsec_YW5vdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMgaGVyZSE="
)

var (
	now      = time.Unix(exampleTimestamp, 0)
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	delivery = Event{
		ID: "evt_1", Type: "esim.order.delivered",
		Time: time.Date(2026, 3, 1, 12, 30, 0, 0, time.FixedZone("HKT", 8*3600)),
		Data: json.RawMessage(`{"id": 930248119, "amount": 4.50}`),
	}
)

func mustSecrets(t testing.TB, values ...string) []Secret {
	t.Helper()
	data := map[string][]byte{}
	for i, v := range values {
		data[string(rune('a'+i))] = []byte(v)
	}
	secrets, err := ParseSecrets(data)
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}

// serve over TLS at an address, by a certificate for example.com and the loopback addresses.
func serve(t *testing.T, address string, handler http.Handler) *httptest.Server {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// sender to loopback addresses that trusts the servers given.
func sender(t *testing.T, change func(*Config), trusted ...*httptest.Server) *Sender {
	t.Helper()
	config := Config{Allowed: loopback, Clock: testclock.NewFakePassiveClock(now), RootCAs: x509.NewCertPool()}
	for _, server := range trusted {
		config.RootCAs.AddCert(server.Certificate())
	}
	if change != nil {
		change(&config)
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// failed is err as a Failed.
func failed(t *testing.T, err error) Failed {
	t.Helper()
	f, found := errors.AsType[*Failed](err)
	if !found {
		t.Fatalf("Send: %v, want a *Failed", err)
	}
	return *f
}

// unreached is a handler that must not be called.
func unreached(t *testing.T) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the server was reached")
	})
}
