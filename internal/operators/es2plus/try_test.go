package es2plus

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
)

func TestATryIsAnsweredByWhateverServesTheFunctions(t *testing.T) {
	ca := newAuthority(t)
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   bool
	}{
		"functions are not read": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) }, true},
		"nothing is found there": {http.NotFound, true},
		"GET is not implemented": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotImplemented) }, true},
		"something in between":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, false},
		"no answer":              {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // one waits for its timeout
			var request *http.Request
			var body []byte
			server := ca.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				request = r
				body, _ = io.ReadAll(r.Body)
				tc.answer(w, r)
			}), nil)
			config := ca.config(server.URL)
			config.Timeout = time.Second
			err := newTestDriver(t, config).Try(t.Context())
			if answered := err == nil; answered != tc.want {
				t.Errorf("the answer is %v", err)
			}
			if request.Method != http.MethodGet || len(body) > 0 {
				t.Errorf("it was asked by %s %q", request.Method, body)
			}
		})
	}
}

func TestATryDoesNotReachWhoIsGone(t *testing.T) {
	ca := newAuthority(t)
	server := ca.serve(answering, nil)
	driver := newTestDriver(t, ca.config(server.URL))
	server.Close()
	var failed *operators.Error
	if err := driver.Try(t.Context()); !errors.As(err, &failed) {
		t.Fatalf("the error is %v", err)
	}
	checkClass(t, "Try", failed, transient, 0)
}
