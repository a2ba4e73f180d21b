package crash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// passed hears of every status that a manager wrote.
func (w *World) passed(order *v1alpha1.EsimOrder) {
	if err := testshop.CheckOrder(order); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.contradictions = append(w.contradictions, err)
	}
}

// contradicted is what passed found.
func (w *World) contradicted() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.contradictions...)
}

// eavesdrop notes the matching IDs that are sent, whether or not they arrive.
func (w *World) eavesdrop(inner http.RoundTripper) http.RoundTripper {
	return listener(func(request *http.Request) (*http.Response, error) {
		if request.Body == nil {
			return inner.RoundTrip(request)
		}
		body, err := io.ReadAll(request.Body)
		if err := errors.Join(err, request.Body.Close()); err != nil {
			return nil, fmt.Errorf("reading what is sent: %w", err)
		}
		request = request.Clone(request.Context())
		request.Body = io.NopCloser(bytes.NewReader(body))
		var order struct {
			MatchingID string `json:"matchingId"`
		}
		// What is no JSON, or has none, carries no matching ID.
		if json.Unmarshal(body, &order) == nil && order.MatchingID != "" {
			w.mu.Lock()
			w.matchingIDs[order.MatchingID] = true
			w.mu.Unlock()
		}
		return inner.RoundTrip(request)
	})
}

// overheard are the matching IDs that were sent.
func (w *World) overheard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for id := range w.matchingIDs {
		ids = append(ids, id)
	}
	return ids
}

type listener func(*http.Request) (*http.Response, error)

func (l listener) RoundTrip(request *http.Request) (*http.Response, error) { return l(request) }
