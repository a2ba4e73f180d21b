package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/facade/server"
)

func TestTheLogSaysTheSameOfARequestWhateverWritesIt(t *testing.T) {
	const path = "/api/v1/esim/orders/930248119"
	want := map[string]any{
		"method": http.MethodGet, "route": "GET /api/v1/esim/orders/{id}", "status": 200.0,
		"client": "acme", "serviceAccount": "esim-api",
	}
	var production, other bytes.Buffer
	for name, log := range map[string]struct {
		to  *bytes.Buffer
		set func(*server.Server)
	}{
		"as in production": {&production, func(s *server.Server) { s.Log = facade.NewLog(&production, "info") }},
		"by another logger": {&other, func(s *server.Server) {
			s.Log = funcr.NewJSON(func(line string) { fmt.Fprintln(&other, line) }, funcr.Options{})
		}},
	} {
		s := newShop(t, log.set)
		s.server.Desk.Index.OnAdd(onDevice(930248119), true)
		answer := ask(s.http, http.MethodGet, path, "")
		var line struct {
			RequestID string         `json:"requestID"`
			Request   map[string]any `json:"request"`
		}
		if err := json.Unmarshal(log.to.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v: %s", name, err, log.to)
		}
		if id := answer.Header().Get("X-Request-Id"); line.RequestID != id {
			t.Errorf("%s: the log has request %q, the answer %q", name, line.RequestID, id)
		}
		if sent := line.Request["bytes"]; sent != float64(answer.Body.Len()) {
			t.Errorf("%s: %v bytes of %d", name, sent, answer.Body.Len())
		}
		if took, ok := line.Request["seconds"].(float64); !ok || took <= 0 {
			t.Errorf("%s: it took %v seconds", name, line.Request["seconds"])
		}
		delete(line.Request, "bytes")
		delete(line.Request, "seconds")
		if diff := cmp.Diff(want, line.Request); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
