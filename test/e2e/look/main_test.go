package main

import (
	"bytes"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
)

func TestAQRCodeIsReadToTheLetter(t *testing.T) {
	const text = "LPA:1$rsp.example.com$K3T-0123456789"
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	if code, err = barcode.Scale(code, 300, 300); err != nil {
		t.Fatal(err)
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, code); err != nil {
		t.Fatal(err)
	}
	if got, err := look(t.Context(), []string{"qr"}, &picture); got != text || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestWhatIsMissingOrNotValidIsAFailure(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers := map[string]string{
			"/messages?to=ann%40example.com": `[{"id":3},{"id":12}]`,
			"/messages?to=bob%40example.com": `[]`,
			"/events": `[{"id":"evt_1","type":"esim.installed","valid":true,"data":{"iccid":"8947"}},
				{"id":"evt_2","type":"esim.installed","valid":false,"error":"no signature fits","data":{"iccid":"8948"}},
				{"id":"evt_3","type":"esim.installed","valid":true,"data":{"iccid":"8948"}}]`,
		}
		answer, found := answers[r.URL.String()]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	for _, test := range []struct{ args, want, complaint string }{
		{"mail URL ann@example.com", "12", ""},
		{"mail URL bob@example.com", "", "no mail"},
		{"mail URL carol@example.com", "", "404"},
		{"event URL esim.installed 8947", "evt_1", ""},
		{"event URL esim.installed 8948", "", "no signature fits"},
		{"event URL esim.expired 8947", "", "none"},
		{"event URL esim.installed 8949", "", "none"},
		{"mail URL", "", "usage"},
		{"qr", "", "picture"},
	} {
		got, err := look(t.Context(), strings.Fields(strings.Replace(test.args, "URL", server.URL, 1)), strings.NewReader(""))
		if got != test.want || (err == nil) != (test.complaint == "") || (err != nil && !strings.Contains(err.Error(), test.complaint)) {
			t.Errorf("%s: %q, %v", test.args, got, err)
		}
	}
}

func TestOwnedIsWhatAllLedgersSay(t *testing.T) {
	answers := map[string]string{
		"/profiles?limit=100000&state=Released":  `[{"iccid": "8947010000000000001"}]`,
		"/profiles?limit=100000&state=Installed": `[{"iccid": "8947010000000000002"}]`,
		"/zendit/ledger":                         `{"bought": 2, "purchases": [{"iccid": "8944110000000000003"}, {"iccid": "8944110000000000004", "givenBack": true}]}`,
		"/airalo/ledger":                         `{"purchases": [{"iccid": "8944421000000000005"}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answers[r.URL.String()]
		switch {
		case answer != "":
		case strings.HasSuffix(r.URL.Path, "/ledger"):
			answer = `{}`
		default:
			answer = `[]`
		}
		if _, err := io.WriteString(w, answer); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	got, err := look(t.Context(), []string{"owned", server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "8944110000000000003 zendit\n8944421000000000005 airalo\n8947010000000000001 es2plus\n8947010000000000002 es2plus"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
