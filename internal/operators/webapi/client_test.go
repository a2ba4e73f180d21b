package webapi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// TestMain fails the package if a goroutine outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted is the client's side of a connection.
type counted struct {
	net.Conn
	open *atomic.Int64
	read *atomic.Int64
}

func (c counted) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	c.read.Add(int64(n))
	return n, err
}

func (c counted) Close() error {
	c.open.Add(-1)
	return c.Conn.Close()
}

// line is a client on its way to a server.
type line struct {
	*operatortest.Server
	*webapi.Client
	open, read atomic.Int64
	told       []operators.Call
}

// in runs a test in a bubble, with a client to a server that handler answers for.
func in(t *testing.T, config webapi.Config, handler http.HandlerFunc, run func(t *testing.T, l *line)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &line{Server: operatortest.Serve(t, handler, nil)}
		config.Vendor, config.Field, config.Timeout = "Vendor", "spec.vendor.url", 5*time.Second
		config.BaseURL = l.URL + "/base/"
		if config.CAPEM == nil {
			config.CAPEM = l.CA
		}
		config.OnCall = func(call operators.Call) { l.told = append(l.told, call) }
		config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := l.Dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			l.open.Add(1)
			return counted{conn, &l.open, &l.read}, nil
		}
		client, err := webapi.New(config)
		if err != nil {
			t.Fatal(err)
		}
		l.Client = client
		t.Cleanup(client.Close)
		run(t, l)
	})
}

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }

// purchase is a call that buys and takes any answer.
func purchase() webapi.Call {
	return webapi.Call{
		Function: "POST /orders", Method: http.MethodPost, Path: "/orders", Body: []byte("{}"), Buys: true, Guarded: true,
		Read: func(webapi.Answer) error { return nil },
	}
}

func checkFailure(t *testing.T, failure *operators.Error, want operators.Class, notSent bool) {
	t.Helper()
	if failure == nil || failure.Class != want || webapi.NotSent(failure) != notSent {
		t.Errorf("got %v, proven unsent: %v; want %s, %v", failure, webapi.NotSent(failure), want, notSent)
	}
}

func TestWhatNeverLeftIsToldFromWhatMayHaveArrived(t *testing.T) {
	in(t, webapi.Config{}, fine, func(t *testing.T, l *line) {
		l.Refuse(true)
		checkFailure(t, l.Do(t.Context(), purchase()), operators.Transient, true)
		l.Refuse(false)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		checkFailure(t, l.Do(ctx, purchase()), operators.Transient, true)
		for _, kind := range []faults.Kind{faults.Drop, faults.Hang, faults.Truncated, faults.Redirect} {
			if _, err := l.Inject(faults.Fault{Kind: kind, Times: 1}); err != nil {
				t.Fatal(err)
			}
			checkFailure(t, l.Do(t.Context(), purchase()), operators.OutcomeUnknown, false)
		}
		if failure := l.Do(t.Context(), purchase()); failure != nil {
			t.Errorf("after all that: %v", failure)
		}
	})
}

func TestACertificateThatWeDoNotTrustIsOurConfiguration(t *testing.T) {
	other := []byte("-----BEGIN CERTIFICATE-----\nMIIBODCB4KADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMTAmNhMCAXDTI2\n")
	if _, err := webapi.New(webapi.Config{BaseURL: "https://x", Vendor: "Vendor", CAPEM: other}); err == nil || !strings.Contains(err.Error(), "ca.crt") {
		t.Errorf("got %v, want an error that names ca.crt", err)
	}
	in(t, webapi.Config{CAPEM: []byte{}}, fine, func(t *testing.T, l *line) { // the system's authorities
		checkFailure(t, l.Do(t.Context(), purchase()), operators.Misconfigured, true)
		var failure *operators.Error
		if err := l.Probe(t.Context()); !errors.As(err, &failure) || failure.Class != operators.Misconfigured {
			t.Errorf("Probe: %v", err)
		}
	})
}

func TestAClosedGuardLetsNothingLeave(t *testing.T) {
	closed := errors.New("closed")
	in(t, webapi.Config{Guard: func() (func(), error) { return nil, closed }}, fine, func(t *testing.T, l *line) {
		failure := l.Do(t.Context(), purchase())
		checkFailure(t, failure, operators.Transient, true)
		if !errors.Is(failure, closed) || len(l.Calls()) != 0 || len(l.told) != 0 {
			t.Errorf("got %v; %d calls arrived, %d were told of", failure, len(l.Calls()), len(l.told))
		}
	})
}

func TestAnAnswerIsReadNoFurtherThanItsLimit(t *testing.T) {
	in(t, webapi.Config{}, fine, func(t *testing.T, l *line) {
		if _, err := l.Inject(faults.Fault{Kind: faults.Huge, Times: 1}); err != nil {
			t.Fatal(err)
		}
		call := purchase()
		call.Limit = 100_000
		checkFailure(t, l.Do(t.Context(), call), operators.OutcomeUnknown, false)
		if read := l.read.Load(); read > 400_000 {
			t.Errorf("%d bytes were read for a limit of %d", read, call.Limit)
		}
	})
}

func TestAClosedClientKeepsNoConnection(t *testing.T) {
	in(t, webapi.Config{}, fine, func(t *testing.T, l *line) {
		if failure := l.Do(t.Context(), purchase()); failure != nil {
			t.Fatal(failure)
		}
		synctest.Wait()
		if open := l.open.Load(); open != 1 {
			t.Errorf("%d connections are kept for the next call", open)
		}
		l.Client.Close()
		if failure := l.Do(t.Context(), purchase()); failure != nil {
			t.Errorf("a call after Close: %v", failure)
		}
		synctest.Wait()
		if open := l.open.Load(); open != 0 {
			t.Errorf("%d connections are open", open)
		}
	})
}

func TestWhatIsNoHTTPIsNotRepeated(t *testing.T) {
	const secret = "SECRET-1"
	for _, said := range []string{"HTTP/1.1 " + secret + " x\r\n\r\n", secret + "\r\n\r\n", "HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: " + secret + "\r\n\r\n"} {
		in(t, webapi.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, said)
			_ = conn.Close()
		}, func(t *testing.T, l *line) {
			failure := l.Do(t.Context(), purchase())
			checkFailure(t, failure, operators.OutcomeUnknown, false)
			for err := error(failure); err != nil; err = errors.Unwrap(err) {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q: the error repeats it: %v", said, err)
				}
			}
		})
	}
}

func TestRetryAfterIsReadAndBounded(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-7": 0, "99999999": time.Hour, "soon": 0, "1.5": 0,
		"Sat, 01 Jan 2000 00:02:00 GMT": 2 * time.Minute, "Fri, 31 Dec 1999 00:00:00 GMT": 0, "Sun, 01 Jan 2040 00:00:00 GMT": time.Hour,
	} {
		in(t, webapi.Config{}, fine, func(t *testing.T, l *line) {
			if _, err := l.Inject(faults.Fault{Kind: faults.Status, Status: 429, RetryAfter: header}); err != nil {
				t.Fatal(err)
			}
			failure := l.Do(t.Context(), purchase())
			checkFailure(t, failure, operators.Busy, false)
			if failure.RetryAfter != want {
				t.Errorf("%q: got %v, want %v", header, failure.RetryAfter, want)
			}
		})
	}
}

func TestCallsWaitForTheirTurn(t *testing.T) {
	in(t, webapi.Config{RequestsPerSecond: 2}, fine, func(t *testing.T, l *line) {
		began := time.Now()
		for range 5 {
			if failure := l.Do(t.Context(), purchase()); failure != nil {
				t.Fatal(failure)
			}
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("five calls at two a second took %v", took)
		}
	})
}
