package conformance_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/facade/conformance"
)

// heard is a reporter that keeps what it is told.
type heard []string

func (h *heard) Helper() {}
func (h *heard) Errorf(format string, arguments ...any) {
	*h = append(*h, fmt.Sprintf(format, arguments...))
}

// cancels answers to the cancellation of an order, soundly or not.
func cancels(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header() {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, order+"}")
	})
}

// Both ways in must find the same, and must not change what passes.
func TestExchangesAreCheckedOnTheirWay(t *testing.T) {
	checker, err := conformance.New()
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]int{http.StatusOK: 0, http.StatusAccepted: 0, http.StatusTeapot: 1} {
		var server, client heard
		desk := httptest.NewServer(checker.Handler(&server, cancels(status)))
		caller := &http.Client{Transport: checker.Transport(&client, http.DefaultTransport)}
		response, err := caller.Post(desk.URL+"/api/v1/esim/orders/9302481/cancel", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		desk.Close() // which waits for the handler, and so for what it reports
		if diff := cmp.Diff(order+"}", string(body)); response.StatusCode != status || diff != "" {
			t.Errorf("%d became %d (-want +got):\n%s", status, response.StatusCode, diff)
		}
		if len(server) != want || len(client) != want {
			t.Errorf("%d: the handler found %q, the transport %q; want %d each", status, server, client, want)
		}
	}
}

// A body that the handler reads must be checked as it was sent, and one that it leaves too.
func TestRequestBodiesReachHandlerAndCheck(t *testing.T) {
	checker, err := conformance.New()
	if err != nil {
		t.Fatal(err)
	}
	const sent = `{"email":"traveller@example.com"}`
	for name, read := range map[string]bool{"read": true, "left": false} {
		for body, want := range map[string]int{sent: 0, `{"email":1}`: 1} {
			var told heard
			var got string
			handler := checker.Handler(&told, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if read {
					content, err := io.ReadAll(r.Body)
					if err != nil {
						t.Error(err)
					}
					got = string(content)
				}
				cancels(http.StatusOK).ServeHTTP(w, r)
			}))
			request := httptest.NewRequest(http.MethodPatch, "/api/v1/esim/orders/1/notification-email", strings.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			handler.ServeHTTP(httptest.NewRecorder(), request)
			if read && got != body {
				t.Errorf("%s: the handler read %q, want %q", name, got, body)
			}
			if len(told) != want {
				t.Errorf("%s, %s: found %q, want %d", name, body, told, want)
			}
		}
	}
}
