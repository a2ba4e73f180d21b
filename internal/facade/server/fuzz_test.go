package server_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/conformance"
	"github.com/telcodev/esim-operator/internal/facade/server"
)

// attentive reads what a guard reads of a request, and lets everybody in.
type attentive struct{ everybody }

func (attentive) Admit(r *http.Request, _ string) (access.Caller, error) {
	proxies := access.Proxies{netip.MustParsePrefix("192.0.2.0/24")}
	return access.Caller{
		Address:  proxies.ClientAddress("192.0.2.1:1234", r.Header),
		Identity: &access.Identity{Namespace: "acme", ServiceAccount: "esim-api", User: &user.DefaultInfo{Name: "ann"}},
	}, nil
}

// newTarget is a server to be broken, and what holds an exchange against the document.
func newTarget(f *testing.F) (*shop, *conformance.Checker) {
	f.Helper()
	checker, err := conformance.New()
	if err != nil {
		f.Fatal(err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	return newShop(f, func(s *server.Server) {
		s.Guard = attentive{}
		// Nothing is delivered here: who waits would wait for long.
		s.Stopping = stopped
		s.Metrics = server.NewMetrics(func() bool { return true })
	}), checker
}

// survives sends a request and fails where it broke the server: with a panic, or with an answer
// that blames the server for it, or that the document does not have.
func (s *shop) survives(t *testing.T, checker *conformance.Checker, request *http.Request, body string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	s.http.ServeHTTP(answer, request)
	if answer.Code >= http.StatusInternalServerError {
		t.Fatalf("%s %q is answered %d %s", request.Method, request.URL, answer.Code, answer.Body)
	}
	err := checker.Check(conformance.Exchange{
		Request: request, RequestBody: []byte(body), Status: answer.Code, Header: answer.Header(), Body: answer.Body.Bytes(),
	})
	if err != nil && answer.Code < http.StatusBadRequest {
		t.Fatalf("%s %q: %v", request.Method, request.URL, err)
	}
	return answer
}

func FuzzPathsNeverBreakTheServer(f *testing.F) {
	for _, seed := range []string{
		"/api/v1/esim/orders/77", "/api/v1/esim/orders/9223372036854775808", "/api/v1/esim/orders/-1", "/api/v1/esim/orders/+77",
		"/api/v1/esim/orders/07", "/api/v1/esim/orders/%37%37", "/api/v1/esim/orders/77%2Fqr.png", "/api/v1/esim/orders/77/qr.svg",
		"/api/v1/esim/products/712/variants", "/api/v1/esim/variants/0x1", "//docs", "/docs/..", "/%00", "/docs%3F", "/\xff", "/docs;a",
		"/api/v1/esim/orders/1e3", "/api/v1/esim/orders/٧", "/api/v1/esim/orders/77/cancel", "*",
	} {
		f.Add(http.MethodGet, seed)
	}
	f.Add(http.MethodHead, "/openapi.yaml")
	f.Add(http.MethodOptions, "*")
	f.Add(http.MethodPost, "/api/v1/esim/orders/77/cancel")
	f.Add("BREW", "/healthz")
	s, checker := newTarget(f)
	f.Fuzz(func(t *testing.T, method, path string) {
		target, err := url.ParseRequestURI(path)
		if err != nil {
			t.Skip("net/http answers this by itself")
		}
		request := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		request.Method, request.URL = method, target
		s.survives(t, checker, request, "")
	})
}

func FuzzHeadersNeverBreakTheServer(f *testing.F) {
	for _, seed := range [][2]string{
		{"Prefer", "wait=60"}, {"Prefer", "wait=-1, wait=99999999999999999999"}, {"Prefer", `respond-async, wait="3";x`}, {"Prefer", "=,;="},
		{"Idempotency-Key", `"ONCE"`}, {"Idempotency-Key", `"`}, {"Idempotency-Key", "\x00"}, {"Idempotency-Key", strings.Repeat("x", 256)},
		{"X-Request-Id", "mine"}, {"X-Request-Id", "a\r\nSet-Cookie: b=c"}, {"X-Request-Id", "\xff"}, {"X-Forwarded-For", "203.0.113.7, [::1]:80"},
		{"X-Forwarded-For", ",,,"}, {"Authorization", "Bearer a.b.c"}, {"Authorization", "Basic YTpi"}, {"Content-Type", "application/json; charset=utf-16"},
		{"Content-Type", `application/json;charset="`}, {"Content-Length", "-1"}, {"Accept", "*/*;q=x"}, {"Range", "bytes=0-"}, {"If-None-Match", "*"},
	} {
		f.Add(seed[0], seed[1])
	}
	s, checker := newTarget(f)
	const order = `{"product_id":712,"amount":4.50,"client_reference":"ONCE"}`
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, target := range []struct{ method, path, body string }{
			{http.MethodPost, "/api/v1/esim/orders", order}, {http.MethodGet, "/api/v1/esim/orders/1", ""}, {http.MethodGet, "/docs", ""},
			{http.MethodPost, "/api/v1/esim/orders/1/cancel", ""},
		} {
			request := httptest.NewRequest(target.method, target.path, strings.NewReader(target.body))
			if target.body != "" {
				request.Header.Set("Content-Type", "application/json")
			}
			request.Header[http.CanonicalHeaderKey(name)] = []string{value}
			answer := s.survives(t, checker, request, target.body)
			if id := answer.Header().Get("X-Request-Id"); id == "" || strings.ContainsAny(id, "\r\n\x00") {
				t.Fatalf("the request's id is %q", id)
			}
		}
	})
}

// FuzzRequestsNeverBreakTheServer sends whole requests, as they come off a connection.
func FuzzRequestsNeverBreakTheServer(f *testing.F) {
	for _, seed := range []string{
		"GET /api/v1/esim/products?page=1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /api/v1/esim/charges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n{\"product_id\":712,\"amount\":4.5}",
		"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"GET http://elsewhere/docs HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /healthz HTTP/1.0\r\n\r\n", "POST /auth/refresh HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n{",
	} {
		f.Add([]byte(seed))
	}
	s, _ := newTarget(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(raw))))
		if err != nil {
			t.Skip("net/http answers this by itself")
		}
		answer := httptest.NewRecorder()
		s.http.ServeHTTP(answer, request)
		if answer.Code >= http.StatusInternalServerError {
			t.Fatalf("%q is answered %d %s", raw, answer.Code, answer.Body)
		}
	})
}
