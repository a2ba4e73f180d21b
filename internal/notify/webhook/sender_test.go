package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// delivered is a request as an endpoint gets it.
type delivered struct {
	request *http.Request
	body    []byte
}

// mailbox is an endpoint that keeps what it gets.
func mailbox(t *testing.T) (http.Handler, <-chan delivered) {
	got := make(chan delivered, 16)
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- delivered{r, body}
	}), got
}

func TestAnEventArrivesSigned(t *testing.T) {
	handler, got := mailbox(t)
	server := serve(t, "127.0.0.1:0", handler)
	rotation := mustSecrets(t, exampleSecret, otherSecret)
	if err := sender(t, nil, server).Send(t.Context(), server.URL+"/hooks?shop=7", rotation, delivery); err != nil {
		t.Fatal(err)
	}
	d := <-got
	type facts struct{ Method, URI, Body, ID, ContentType, Agent, Idempotency, Protocol string }
	want := facts{
		Method: "POST", URI: "/hooks?shop=7", ID: "evt_1", ContentType: "application/json", Agent: "esim-operator", Protocol: "HTTP/2.0",
		Body: `{"id":"evt_1","type":"esim.order.delivered","created_at":"2026-03-01T04:30:00Z","data":{"id":930248119,"amount":4.50}}`,
	}
	h := d.request.Header
	if diff := cmp.Diff(want, facts{
		d.request.Method, d.request.RequestURI, string(d.body), h.Get("webhook-id"), h.Get("Content-Type"), h.Get("User-Agent"),
		h.Get("Idempotency-Key"), d.request.Proto,
	}); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	for i, secret := range rotation {
		if err := Verify([]Secret{secret}, h, d.body, now, 0); err != nil {
			t.Errorf("who knows only secret %d: %v", i, err)
		}
	}
}

func TestEachTryIsSignedAtItsOwnTime(t *testing.T) {
	handler, got := mailbox(t)
	server := serve(t, "127.0.0.1:0", handler)
	secrets := mustSecrets(t, exampleSecret)
	for _, at := range []time.Time{now, now.Add(5 * time.Minute)} {
		s := sender(t, func(c *Config) { c.Clock = fixed(at) }, server)
		if err := s.Send(t.Context(), server.URL, secrets, delivery); err != nil {
			t.Fatal(err)
		}
		d := <-got
		if err := Verify(secrets, d.request.Header, d.body, at, 0); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	tests := map[string]struct {
		status     int
		retryAfter string
		gone       bool
		want       *Failed
	}{
		"200": {status: 200},
		"204": {status: 204},
		"299": {status: 299},
		"410": {status: 410, gone: true},
		"301": {status: 301, want: &Failed{Status: 301, Reason: "the endpoint answered 301 Moved Permanently: redirects are not followed; give the address itself as url"}},
		"400": {status: 400, want: &Failed{Status: 400, Reason: "the endpoint answered 400 Bad Request"}},
		"599": {status: 599, want: &Failed{Status: 599, Reason: "the endpoint answered 599"}},
		"503 with seconds": {
			status: 503, retryAfter: "120",
			want: &Failed{Status: 503, RetryAfter: 2 * time.Minute, Reason: "the endpoint answered 503 Service Unavailable"},
		},
		"429 with a date": {
			status: 429, retryAfter: now.Add(time.Hour).UTC().Format(http.TimeFormat),
			want: &Failed{Status: 429, RetryAfter: time.Hour, Reason: "the endpoint answered 429 Too Many Requests"},
		},
		"a date that has passed": {
			status: 500, retryAfter: now.Add(-time.Hour).UTC().Format(http.TimeFormat),
			want: &Failed{Status: 500, Reason: "the endpoint answered 500 Internal Server Error"},
		},
		"a year": {
			status: 503, retryAfter: "31536000",
			want: &Failed{Status: 503, RetryAfter: 24 * time.Hour, Reason: "the endpoint answered 503 Service Unavailable"},
		},
		"for ever": {
			status: 503, retryAfter: strings.Repeat("9", 40),
			want: &Failed{Status: 503, RetryAfter: 24 * time.Hour, Reason: "the endpoint answered 503 Service Unavailable"},
		},
		"no time at all": {
			status: 503, retryAfter: "soon", want: &Failed{Status: 503, Reason: "the endpoint answered 503 Service Unavailable"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := serve(t, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", test.retryAfter)
				w.WriteHeader(test.status)
			}))
			err := sender(t, nil, server).Send(t.Context(), server.URL, mustSecrets(t, exampleSecret), delivery)
			if _, gone := errors.AsType[*Gone](err); gone != test.gone {
				t.Errorf("Send: %v, want gone %t", err, test.gone)
			}
			got, _ := errors.AsType[*Failed](err)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Send: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	inside := httptest.NewServer(unreached(t))
	t.Cleanup(inside.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := serve(t, "127.0.0.1:0", http.RedirectHandler(inside.URL, status))
		s := sender(t, func(c *Config) { c.AllowHTTP = true }, server)
		f := failed(t, s.Send(t.Context(), server.URL, mustSecrets(t, exampleSecret), delivery))
		if f.Status != status || !strings.Contains(f.Reason, "redirects are not followed") {
			t.Errorf("on %d: %+v", status, f)
		}
	}
}

func TestURLsThatAreNotSentTo(t *testing.T) {
	s := sender(t, func(c *Config) { c.Allowed = nil })
	for endpoint, want := range map[string]string{
		"":                              reasonURL,
		"https://":                      reasonURL,
		"https:///path":                 reasonURL,
		"ftp://shop.example.com":        reasonURL,
		"file:///etc/passwd":            reasonURL,
		"shop.example.com":              reasonURL,
		"https://shop.example.com/#top": reasonURL,
		"https://me:s3cret@example.com": reasonURL,
		"https://exa mple.com":          reasonURL,
		"https://example.com/%zz":       reasonURL,
		"https://example.com:port":      reasonURL,
		"http://shop.example.com":       "the url must begin with https://",
		"https://example.com/" + strings.Repeat("a", 1024): "the url is longer than 1024 bytes",
		"https://example.com:99999":                        "there was no HTTP answer that can be read",
	} {
		if f := failed(t, s.Send(t.Context(), endpoint, mustSecrets(t, exampleSecret), delivery)); f.Reason != want {
			t.Errorf("%s: %s, want %s", endpoint, f.Reason, want)
		}
	}
}

func TestNothingIsSentUnsigned(t *testing.T) {
	server := serve(t, "127.0.0.1:0", unreached(t))
	s := sender(t, nil, server)
	for _, secrets := range [][]Secret{nil, {}, {{}}, append(mustSecrets(t, exampleSecret), Secret{})} {
		if f := failed(t, s.Send(t.Context(), server.URL, secrets, delivery)); f.Reason != "there is no signing secret" {
			t.Errorf("%d secrets: %s", len(secrets), f.Reason)
		}
	}
}

func TestWhoIsCancelledHasNotTried(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	server := serve(t, "127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel(errors.New("the process ends"))
		<-r.Context().Done()
	}))
	err := sender(t, nil, server).Send(ctx, server.URL, mustSecrets(t, exampleSecret), delivery)
	if _, tried := errors.AsType[*Failed](err); tried || !errors.Is(err, context.Canceled) {
		t.Errorf("Send: %v, want that it was cancelled", err)
	}
}

func TestACallersDeadlineIsATryThatFailed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	server := serve(t, "127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	f := failed(t, sender(t, nil, server).Send(ctx, server.URL, mustSecrets(t, exampleSecret), delivery))
	if f.Reason != "there was no answer in time" {
		t.Error(f.Reason)
	}
}
