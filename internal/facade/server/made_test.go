package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// An order that was made is bought, or will be: no 503 may hide it, as whoever has no
// reference could never find it.
func TestAnOrderThatWasMadeIsAnsweredAlsoWhileItsCodeCannotBeRead(t *testing.T) {
	for _, tc := range []struct {
		name string
		// away is how long the API server shows no Secret.
		away           time.Duration
		status, code   string
		took, tookMost time.Duration
	}{
		{"shown at once", 0, "DELIVERED", "LPA:1$rsp.example.com$MATCHING", 0, 0},
		{"away for a while", 20 * time.Second, "DELIVERED", "LPA:1$rsp.example.com$MATCHING", 20 * time.Second, 21 * time.Second},
		{"away for as long as anybody waits", time.Hour, "PENDING", "", time.Minute, 61 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				began := time.Now()
				var asked atomic.Int64
				s.server.Live = interceptor.NewClient(s.api, interceptor.Funcs{
					Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
						asked.Add(1)
						if _, secret := object.(*corev1.Secret); secret && time.Since(began) < tc.away {
							return apierrors.NewTimeoutError("away", 1)
						}
						return c.Get(ctx, key, object, opts...)
					},
				})
				id := deliver(t, s)
				order, _ := s.server.Desk.Index.Get("acme", "o-"+id)
				reference := order.DeepCopy()
				reference.Spec.ClientReference, reference.Spec.Variant, reference.Spec.Amount = "TRIP", "", "4.50"
				s.server.Desk.Index.OnUpdate(order, reference)
				answer := askRepeat(s.checked(t), `{"product_id":712,"amount":4.50,"client_reference":"TRIP"}`, "TRIP")
				var object struct {
					Status string `json:"status"`
					Code   string `json:"activation_code"`
					ICCID  string `json:"iccid"`
				}
				if err := json.Unmarshal(answer.Body.Bytes(), &object); err != nil || answer.Code != http.StatusOK {
					t.Fatalf("answered %d %s, %v", answer.Code, answer.Body, err)
				}
				if object.Status != tc.status || object.Code != tc.code || (object.ICCID == "") != (tc.code == "") {
					t.Errorf("answered %s, want %s; with a code: %t", object.Status, tc.status, object.Code != "")
				}
				if took := time.Since(began); took < tc.took || took > tc.tookMost {
					t.Errorf("answered after %s", took)
				}
				if most := int64(tc.tookMost/(250*time.Millisecond)) + 1; asked.Load() > most {
					t.Errorf("asked %d times in %s", asked.Load(), tc.took)
				}
			})
		})
	}
}

// askRepeat sends a request to order as a repeat.
func askRepeat(handler http.Handler, body, key string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/api/v1/esim/orders", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}
