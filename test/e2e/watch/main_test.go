package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answering is a Prometheus that gives one answer.
func answering(t *testing.T, answer string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write([]byte(answer)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAQueryWithoutANumberIsTold(t *testing.T) {
	dashboard := filepath.Join(t.TempDir(), "dashboard.json")
	if err := os.WriteFile(dashboard, []byte(`{"panels":[{"title":"Row"},{"title":"Sales","targets":[{"expr":"rate(a[$__rate_interval])"}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for answer, want := range map[string]string{
		`{"status":"success","data":{"result":[{"value":[1,"NaN"]},{"value":[1,"0"]}]}}`: "",
		`{"status":"success","data":{"result":[{"value":[1,"NaN"]}]}}`:                   "Sales: rate(a[$__rate_interval]): there is no answer",
		`{"status":"success","data":{"result":[]}}`:                                      "there is no answer",
		`{"status":"error","error":"parse error"}`:                                       "prometheus refuses: parse error",
		`no JSON`: "reading Prometheus' answer (200 OK)",
	} {
		_, err := watch(t.Context(), []string{"dashboard", answering(t, answer), dashboard})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", answer, err, want)
		}
	}
}

func TestAlertsAreToldEachOnceAndRulesThatFail(t *testing.T) {
	got, err := watch(t.Context(), []string{"alerts", answering(t, `{"status":"success","data":{"groups":[{"rules":[
		{"name":"A","state":"firing","health":"ok"},{"name":"B","state":"inactive","health":"ok"},{"name":"A","state":"firing","health":"ok"}]}]}}`)})
	if err != nil || got != "A firing\n" {
		t.Errorf("%q, %v", got, err)
	}
	_, err = watch(t.Context(), []string{"alerts", answering(t, `{"status":"success","data":{"groups":[{"rules":[
		{"name":"A","state":"inactive","health":"err","lastError":"many-to-many"}]}]}}`)})
	if err == nil || !strings.Contains(err.Error(), "many-to-many") {
		t.Errorf("of a rule that fails: %v", err)
	}
	if _, err = watch(t.Context(), []string{"alerts", answering(t, `{"status":"success","data":{"groups":[]}}`)}); err == nil {
		t.Error("no rules, and it does not fail")
	}
}
