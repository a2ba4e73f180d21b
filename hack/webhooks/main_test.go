package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	other  = "whsec_YW5vdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMgaGVyZSE="
)

// started program, until the test ends. It is told its URL.
func started(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("\n"+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-http=127.0.0.1:0", "-secret-file=" + file}, io.Discard, func(address string) { ready <- address })
	}()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case address := <-ready:
		return "http://" + address
	case err := <-ended:
		ended <- err
		t.Fatal(err)
		return ""
	}
}

// deliver an event as the manager does.
func deliver(t *testing.T, url, signedWith, id string) error {
	t.Helper()
	sender, err := webhook.New(webhook.Config{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	secrets, err := webhook.ParseSecrets(map[string][]byte{"a": []byte(signedWith)})
	if err != nil {
		t.Fatal(err)
	}
	return sender.Send(t.Context(), url, secrets, webhook.Event{
		ID: id, Type: "esim.installed", Time: time.Unix(1_800_000_000, 0), Data: json.RawMessage(`{"id":7,"product_name":"<b>Japan</b>"}`),
	})
}

func call(t *testing.T, method, url, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func events(t *testing.T, url string) []event {
	t.Helper()
	_, body := call(t, "GET", url+"/events", "", nil)
	var got []event
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return got
}

func TestEventsAreCheckedAndShown(t *testing.T) {
	url := started(t)
	if got := events(t, url); len(got) != 0 {
		t.Fatalf("at first: %v", got)
	}
	if err := deliver(t, url+"/hooks/shop", secret, "evt_1"); err != nil {
		t.Fatal(err)
	}
	if err := deliver(t, url+"/hooks/shop/2", other, "evt_2"); err == nil {
		t.Error("an event with another secret was taken")
	}
	if status, _ := call(t, "POST", url+"/hooks/", "no event", nil); status != http.StatusUnauthorized {
		t.Errorf("what is not signed is answered with %d", status)
	}
	created, data := time.Unix(1_800_000_000, 0).UTC(), json.RawMessage(`{"id":7,"product_name":"\u003cb\u003eJapan\u003c/b\u003e"}`)
	want := []event{
		{Path: "/hooks/", Status: 401, Error: "the webhook's headers are not as they must be: Webhook-Id must be there once"},
		{ID: "evt_2", Type: "esim.installed", CreatedAt: created, Path: "/hooks/shop/2", Status: 401, Error: "the webhook is not signed with a known secret", Data: data},
		{ID: "evt_1", Type: "esim.installed", CreatedAt: created, Path: "/hooks/shop", Status: 204, Valid: true, Data: data},
	}
	compact := cmpopts.AcyclicTransformer("Compact", func(raw json.RawMessage) string {
		var value any
		if len(raw) == 0 || json.Unmarshal(raw, &value) != nil {
			return string(raw)
		}
		return fmt.Sprint(value)
	})
	if diff := cmp.Diff(want, events(t, url), cmpopts.IgnoreFields(event{}, "ReceivedAt"), compact); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	_, shown := call(t, "GET", url+"/", "", nil)
	if !strings.Contains(shown, "evt_1") || !strings.Contains(shown, "not signed with a known secret") || strings.Contains(shown, "<b>") {
		t.Errorf("page: %s", shown)
	}
}

func TestAnswersCanBeChanged(t *testing.T) {
	url := started(t)
	tell := func(body string) {
		t.Helper()
		if status, text := call(t, "PUT", url+"/answer", body, nil); status != http.StatusOK {
			t.Fatalf("%s: %d %s", body, status, text)
		}
	}
	outcome := func() string {
		if err := deliver(t, url+"/hooks/shop", secret, "evt_1"); err != nil {
			return err.Error()
		}
		return "taken"
	}
	tell(`{"status": 500, "count": 2}`)
	got := []string{outcome(), outcome(), outcome()}
	tell(`{"status": 410}`)
	got = append(got, outcome(), outcome())
	tell(`{"status": 204}`)
	got = append(got, outcome())
	failed, gone := "the endpoint answered 500 Internal Server Error", "the endpoint answered 410 Gone"
	if diff := cmp.Diff([]string{failed, failed, "taken", gone, gone, "taken"}, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	for _, body := range []string{``, `{}`, `{"status": 100}`, `{"status": 600}`, `{"status": 500, "count": -1}`, `{"status": 500, "times": 1}`} {
		if status, _ := call(t, "PUT", url+"/answer", body, nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, status)
		}
	}
}

func TestOnlyTheLastThousandAreKept(t *testing.T) {
	r := newReceiver(nil, nil)
	for i := range 1001 {
		r.keep(event{ID: fmt.Sprint(i)})
	}
	got := r.newest()
	if len(got) != 1000 || got[0].ID != "1000" || got[999].ID != "1" {
		t.Errorf("%d events, from %s to %s", len(got), got[0].ID, got[len(got)-1].ID)
	}
}

func TestWhatIsNotForThisMachineIsRefused(t *testing.T) {
	url := started(t)
	if status, _ := call(t, "GET", url+"/events", "", func(r *http.Request) { r.Host = "rebound.example.com" }); status != http.StatusForbidden {
		t.Errorf("another host's name: %d", status)
	}
	if status, _ := call(t, "POST", url+"/hooks/", strings.Repeat("a", maxBody+1), nil); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", status)
	}
}

func TestWrongCommandLines(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(broken, []byte(secret+"\n\nwhsec_tooshort\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"-http 0.0.0.0:0: must be a loopback address": {"-http=0.0.0.0:0", "-secret-file=" + broken},
		"-http :0: must be a loopback address":        {"-http=:0", "-secret-file=" + broken},
		"-secret-file is missing":                     {},
		"no such file":                                {"-secret-file=" + broken + ".not"},
		`signing secret "line 3": must be 24 to 64 bytes in base64 after whsec_, not 6`: {"-secret-file=" + broken},
		`unexpected "serve": everything is given by flags`:                              {"serve"},
	} {
		err := run(t.Context(), args, io.Discard, func(string) { t.Errorf("%v: serves", args) })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "tooshort") {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
}
