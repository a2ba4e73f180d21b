package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/server"
	"github.com/telcodev/esim-operator/internal/ids"
)

// The API server answers 409 where a patch lost to others too often, and where the name is
// another order's by now. Neither means that there is no order with the id.
func TestAChangeThatLosesARaceIsTriedAgain(t *testing.T) {
	const path = "/api/v1/esim/orders/77/notification-email"
	for name, tc := range map[string]struct {
		lost, status int
		gone         bool
	}{
		"once":                         {lost: 1, status: http.StatusOK},
		"and again":                    {lost: 9, status: http.StatusServiceUnavailable},
		"to a deletion of the order":   {lost: 1, status: http.StatusNotFound, gone: true},
		"not at all":                   {status: http.StatusOK},
		"not at all, the order is old": {status: http.StatusNotFound, gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			deliver(t, s)
			lost := 0
			s.server.Writer = interceptor.NewClient(s.api, interceptor.Funcs{
				Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
					if lost++; lost <= tc.lost {
						return apierrors.NewConflict(schema.GroupResource{Resource: "esimorders"}, o.GetName(), context.DeadlineExceeded)
					}
					return c.Patch(ctx, o, patch, opts...)
				},
			})
			if tc.gone {
				order := &v1alpha1.EsimOrder{}
				if err := s.api.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: "o-77"}, order); err != nil {
					t.Fatal(err)
				}
				order.Finalizers = nil
				if err := s.api.Update(t.Context(), order); err != nil {
					t.Fatal(err)
				}
				if err := s.api.Delete(t.Context(), order); err != nil {
					t.Fatal(err)
				}
			}
			answer := ask(s.checked(t), http.MethodPatch, path, `{"email":"ann@example.com"}`)
			if answer.Code != tc.status {
				t.Errorf("answered %d %s, want %d", answer.Code, answer.Body, tc.status)
			}
			if tc.status == http.StatusOK && !strings.Contains(answer.Body.String(), "ann@example.com") {
				t.Errorf("the address is not set: %s", answer.Body)
			}
		})
	}
}

// An object tells that its spec was changed, and not when.
func TestAChangeMovesWhenTheOrderWasUpdated(t *testing.T) {
	for name, change := range map[string]struct{ method, path, body string }{
		"the address":    {http.MethodPatch, "/api/v1/esim/orders/77/notification-email", `{"email":"ann@example.com"}`},
		"a cancellation": {http.MethodPost, "/api/v1/esim/orders/77/cancel", ""},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, time.June, 1, 8, 0, 0, 0, time.UTC)
			s := newShop(t, func(s *server.Server) { s.Clock = clocktesting.NewFakePassiveClock(now) })
			deliver(t, s)
			before := ask(s.checked(t), http.MethodGet, "/api/v1/esim/orders/77", "").Body.String()
			answer := ask(s.checked(t), change.method, change.path, change.body)
			const want = `"updated_at":"2026-06-01T08:00:00Z"`
			if strings.Contains(before, want) || !strings.Contains(answer.Body.String(), want) {
				t.Errorf("before %s\nafter  %s", before, answer.Body)
			}
		})
	}
}

// The index may still have the order that had the name before.
func TestAChangeIsOfTheOrderWithTheID(t *testing.T) {
	for name, tc := range map[string]struct {
		order  string
		status int
	}{
		"a name that is the id":   {"o-77", http.StatusOK},
		"a name that kubectl set": {"trip", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			standing := &v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb"}}
			standing.Namespace, standing.Name = "acme", tc.order
			if err := s.api.Create(t.Context(), standing); err != nil {
				t.Fatal(err)
			}
			before := standing.DeepCopy()
			before.UID = "before"
			s.server.Desk.Index.OnAdd(before, false)
			s.server.Writer = interceptor.NewClient(s.api, interceptor.Funcs{
				Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
					if data, err := patch.Data(o); err != nil || strings.Contains(string(data), `"before"`) {
						return apierrors.NewConflict(schema.GroupResource{Resource: "esimorders"}, o.GetName(), err)
					}
					return c.Patch(ctx, o, patch, opts...)
				},
			})
			path := fmt.Sprintf("/api/v1/esim/orders/%d/notification-email", ids.Order(tc.order, before.UID))
			if answer := ask(s.checked(t), http.MethodPatch, path, `{"email":"ann@example.com"}`); answer.Code != tc.status {
				t.Errorf("answered %d %s, want %d", answer.Code, answer.Body, tc.status)
			}
		})
	}
}

// That the facade is not bound in a client's namespace is for who runs it to mend.
func TestWhatTheAPIServerForbidsTheFacadeIsLogged(t *testing.T) {
	var log strings.Builder
	s := newShop(t, func(s *server.Server) {
		s.Log = funcr.New(func(_, line string) { log.WriteString(line) }, funcr.Options{})
	})
	s.server.Desk.API = interceptor.NewClient(s.api, interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "esimorders"}, o.GetName(), errors.New("esim-facade cannot create it"))
		},
	})
	answer := ask(s.checked(t), http.MethodPost, "/api/v1/esim/orders", `{"product_id":712,"amount":4.50}`)
	if answer.Code != http.StatusForbidden || strings.Contains(answer.Body.String(), "esim-facade") {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
	if !strings.Contains(log.String(), "esim-facade cannot create it") {
		t.Errorf("the log does not tell why: %s", log.String())
	}
}
