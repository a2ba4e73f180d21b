package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// send makes a request with headers as they are, the same one several times if need be.
func send(handler http.Handler, method, path, body string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		request.Header[name] = values
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

// A header for finding a request in logs is no reason to refuse it.
func TestARequestIDThatCannotBeRepeatedIsReplaced(t *testing.T) {
	handler := newShop(t).checked(t)
	for name, given := range map[string][]string{
		"empty":       {""},
		"too long":    {strings.Repeat("x", 129)},
		"not ASCII":   {"é"},
		"given twice": {"one", "two"},
	} {
		answer := send(handler, http.MethodGet, "/api/v1/esim/products", "", http.Header{"X-Request-Id": given})
		made := answer.Header().Values("X-Request-Id")
		if answer.Code != http.StatusOK || len(made) != 1 || len(made[0]) != 27 {
			t.Errorf("%s: answered %d %s, with the id %q", name, answer.Code, answer.Body, made)
		}
	}
	longest := strings.Repeat("x", 128)
	answer := send(handler, http.MethodGet, "/api/v1/esim/products", "", http.Header{"X-Request-Id": {longest}})
	if got := answer.Header().Get("X-Request-Id"); got != longest {
		t.Errorf("an id of 128 characters comes back as %q", got)
	}
}

// RFC 7240 section 2: preferences may be in one header or in several.
func TestPreferencesMayComeInSeveralHeaders(t *testing.T) {
	handler := newShop(t).checked(t)
	answer := send(handler, http.MethodPost, "/api/v1/esim/orders", `{"product_id":712,"amount":4.50}`,
		http.Header{"Prefer": {"respond-async", "wait=0"}})
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), `"status":"PENDING"`) {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
}

// RFC 8259 section 11: JSON has no charset, and what says one has no effect. That the body is
// UTF-8 is seen of itself.
func TestABodyIsJSONWhateverItsCharset(t *testing.T) {
	handler := newShop(t).checked(t)
	for media, status := range map[string]int{
		"application/json":                   http.StatusOK,
		"Application/JSON":                   http.StatusOK,
		"application/json;charset=utf-8":     http.StatusOK,
		`application/json; charset="Utf-8"`:  http.StatusOK,
		"application/json; charset=utf8":     http.StatusOK,
		"application/json; profile=orders":   http.StatusOK,
		"application/json; charset":          http.StatusUnsupportedMediaType,
		"application/x-www-form-urlencoded":  http.StatusUnsupportedMediaType,
		"application/merge-patch+json":       http.StatusUnsupportedMediaType,
		"text/json":                          http.StatusUnsupportedMediaType,
		"application/json, application/json": http.StatusUnsupportedMediaType,
		"":                                   http.StatusUnsupportedMediaType,
	} {
		answer := send(handler, http.MethodPost, "/api/v1/esim/orders", `{"product_id":712,"amount":4.50}`,
			http.Header{"Content-Type": {media}, "Prefer": {"wait=0"}})
		if answer.Code != status {
			t.Errorf("%q is answered %d %s, want %d", media, answer.Code, answer.Body, status)
		}
	}
}
