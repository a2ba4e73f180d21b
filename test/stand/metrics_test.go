package stand

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMetricsAreReadWithTheirLabels(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write([]byte("# HELP a b\na{verb=\"POST\",x=\"y z\"} 3\na{verb=\"GET\"} 4\ngo_goroutines 5\n")); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	all, posts := map[string]float64{}, 0.0
	err = Scrape(server.Client(), request, func(name, labels string, value float64) {
		all[name] += value
		if labels == `verb="POST",x="y z"` {
			posts += value
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"a": 7, "go_goroutines": 5}, all); diff != "" || posts != 3 {
		t.Errorf("posts %v, -want +got:\n%s", posts, diff)
	}
}
