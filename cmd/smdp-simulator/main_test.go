package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/version"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheCommandLineSaysWhatItMeans(t *testing.T) {
	got, err := parse(strings.Fields(`--address 127.0.0.1:1 --control-address 127.0.0.1:2 --data D
		--stock JP-1GB-7D=1000 --stock A=B=0 --default-stock 7 --default-stock-pattern ^JP-
		--allow OPERATOR-2=JP-1GB-7D,FR-5GB-30D --allow OPERATOR-2=X --client OPERATOR-2 --client OPERATOR-3
		--server-name smdp.example.com --smdp-address other.example.com --notify-url https://127.0.0.1:3
		--notify-point installed=101 --notify-point enabled=6 --notify-point disabled=7 --notify-point deleted=5
		--zendit-address 127.0.0.1:4 --airalo-address 127.0.0.1:6
		--latency 50ms/200ms/1.5s --trailing-f --replay-calls --iccid-prefix 8944`), io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	pattern := got.options.DefaultStockPattern
	if pattern == nil || pattern.String() != "^JP-" {
		t.Errorf("the pattern is %v", pattern)
	}
	got.options.DefaultStockPattern, got.options.Logger = nil, nil
	want := settings{
		options: smdp.Options{
			Address: "127.0.0.1:1", ControlAddress: "127.0.0.1:2", DataDir: "D",
			Stock: map[string]int{"JP-1GB-7D": 1000, "A=B": 0}, DefaultStock: 7,
			ProfileTypes: map[string][]string{"OPERATOR-2": {"JP-1GB-7D", "FR-5GB-30D", "X"}},
			ServerNames:  []string{"smdp.example.com"}, SMDPAddress: "other.example.com", ICCIDPrefix: "8944",
			Notifications: smdp.Notifications{URL: "https://127.0.0.1:3", Points: smdp.Points{Installed: 101, Enabled: 6, Disabled: 7, Deleted: 5}},
			Behaviour:     smdp.Behaviour{TrailingF: true, ReplayCalls: true},
		},
		clients:     []string{"OPERATOR-2", "OPERATOR-3"},
		wholesalers: map[string]string{"zendit": "127.0.0.1:4", "airalo": "127.0.0.1:6"},
		latency:     smdp.Latency{Min: 50 * time.Millisecond, Mean: 200 * time.Millisecond, P99: 1500 * time.Millisecond},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{}, smdp.Behaviour{})); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestAWrongCommandLineIsToldByTheFlag(t *testing.T) {
	for _, tt := range []struct{ args, names string }{
		{"--stock JP", "-stock"},
		{"--stock =1", "-stock"},
		{"--stock JP=-1", "-stock"},
		{"--default-stock many", "-default-stock"},
		{"--default-stock-pattern (", "-default-stock-pattern"},
		{"--allow OPERATOR-2", "-allow"},
		{"--allow OPERATOR-2=A,,B", "-allow"},
		{"--latency soon", "-latency"},
		{"--latency 1s/2s", "-latency"},
		{"--log-format xml", "-log-format"},
		{"--log-level loud", "-log-level"},
		{"--notify-ca /no/such/file", "-notify-ca"},
		{"--notify-point used=5", "-notify-point"},
		{"--notify-point installed", "-notify-point"},
		{"--notify-point installed=0", "-notify-point"},
		{"--client OPERATOR-2", "-data"},
		{"--zendit-address 127.0.0.1:0", "-data"},
		{"serve", `"serve"`},
		{"--no-such-flag", "-no-such-flag"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), strings.Fields(tt.args), io.Discard, &out); code != 2 || !strings.Contains(out.String(), tt.names) {
			t.Errorf("%s: exit code %d, %s", tt.args, code, out.String())
		}
	}
}

func TestTroubleAtTheStartIsExitCode1(t *testing.T) {
	for _, args := range []string{"--control-address 0.0.0.0:0", "--iccid-prefix x", "--address 127.0.0.1:99999", "--latency 2s/1s/3s", "--notify-url http://x"} {
		var out bytes.Buffer
		all := append([]string{"--address", "127.0.0.1:0", "--control-address", "127.0.0.1:0"}, strings.Fields(args)...)
		if code := run(t.Context(), all, io.Discard, &out); code != 1 || !strings.Contains(out.String(), "smdp-simulator: ") {
			t.Errorf("%s: exit code %d, %s", args, code, out.String())
		}
	}
}

func TestHelpIsAManual(t *testing.T) {
	var out, logs bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &out, &logs); code != 0 || logs.Len() > 0 {
		t.Fatalf("exit code %d, %s", code, logs.String())
	}
	for _, part := range []string{
		"es2 downloadOrder", "es2 confirmOrder", "es2 releaseProfile", "es2 cancelOrder",
		"pki/clients/OPERATOR-1", "-stock TYPE=N", "POST   /faults", "GET    /ledger",
		"wholesalers/zendit", "/zendit/ledger",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the help does not say %q", part)
		}
	}
	if _, err := parse([]string{"-h"}, io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestTheVersionIsTold(t *testing.T) {
	var out, logs bytes.Buffer
	if code := run(t.Context(), []string{"--version"}, &out, &logs); code != 0 || logs.Len() > 0 {
		t.Errorf("exit code %d, %s", code, logs.String())
	}
	if got, want := out.String(), version.Get().String()+"\n"; got != want {
		t.Errorf("it tells %q, want %q", got, want)
	}
}

// started tells when the log says that the ports are open.
type started struct {
	bytes.Buffer
	ready chan struct{}
}

func (s *started) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(`"msg":"serving"`)) {
		close(s.ready)
	}
	return s.Buffer.Write(p)
}

func TestItServesUntilItIsToldToStop(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	logs := &started{ready: make(chan struct{})}
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{
			"--address", "127.0.0.1:0", "--control-address", "127.0.0.1:0", "--data", data,
			"--stock", "JP-1GB-7D=3", "--client", "OPERATOR-2", "--log-format", "json",
			"--zendit-address", "127.0.0.1:0", "--esim-access-address", "127.0.0.1:0", "--airalo-address", "127.0.0.1:0",
		}, io.Discard, logs)
	}()
	select {
	case <-logs.ready:
	case code := <-exit:
		t.Fatalf("ended with exit code %d: %s", code, logs.String())
	}
	stop()
	if code := <-exit; code != 0 {
		t.Errorf("exit code %d: %s", code, logs.String())
	}
	for line := range strings.Lines(logs.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not a line of JSON: %s", line)
		}
	}
	for _, client := range []string{smdp.DefaultRequester, "OPERATOR-2"} {
		for _, file := range []string{"tls.crt", "tls.key", "ca.crt"} {
			if _, err := os.Stat(filepath.Join(data, "pki", "clients", client, file)); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestTheLogLevelIsHeld(t *testing.T) {
	s, err := parse([]string{"--log-level", "warn"}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if s.options.Logger.Enabled(t.Context(), slog.LevelInfo) || !s.options.Logger.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("the log does not begin at warnings")
	}
}
