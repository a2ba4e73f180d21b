package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/server"
)

// staff lets everybody in, and those see codes who may.
type staff struct {
	everybody
	sees *bool
}

func (g staff) Authorize(_ context.Context, _ *access.Identity, rights ...access.Right) error {
	for _, right := range rights {
		if right == access.SeeActivationCodes && !*g.sees {
			return access.ErrForbidden
		}
	}
	return nil
}

func TestWhatOneReaderSeesOfAnOrderIsNotShownToAnother(t *testing.T) {
	const id, mask = 930248119, `"activation_code":"LPA:1$rsp.example.com$********"`
	sees := false
	s := newShop(t, func(s *server.Server) { s.Guard = staff{sees: &sees} })
	order := onDevice(id)
	s.server.Desk.Index.OnAdd(order, true)
	read := func() string {
		answer := ask(s.checked(t), http.MethodGet, fmt.Sprintf("/api/v1/esim/orders/%d", id), "")
		if answer.Code != http.StatusOK || answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("answered %d with Cache-Control %q: %s", answer.Code, answer.Header().Get("Cache-Control"), answer.Body)
		}
		return answer.Body.String()
	}
	for _, sees = range []bool{true, false, true, true, false, false} {
		if got := read(); strings.Contains(got, mask) != sees || strings.Contains(got, "activation_code") != sees {
			t.Errorf("who may see codes: %t; the answer is %s", sees, got)
		}
	}
}

func TestAReaderSeesAnOrderAsItIsNow(t *testing.T) {
	const id = 930248119
	s := newShop(t)
	order := onDevice(id)
	s.server.Desk.Index.OnAdd(order, true)
	path := fmt.Sprintf("/api/v1/esim/orders/%d", id)
	if got := ask(s.checked(t), http.MethodGet, path, "").Body.String(); !strings.Contains(got, `"ann@example.com"`) {
		t.Errorf("before: %s", got)
	}
	changed := order.DeepCopy()
	changed.Spec.NotificationEmail = "bob@example.com"
	s.server.Desk.Index.OnUpdate(order, changed)
	if got := ask(s.checked(t), http.MethodGet, path, "").Body.String(); !strings.Contains(got, `"bob@example.com"`) {
		t.Errorf("after: %s", got)
	}
	s.server.Desk.Index.OnDelete(changed)
	if got := ask(s.checked(t), http.MethodGet, path, "").Code; got != http.StatusNotFound {
		t.Errorf("deleted, it is answered %d", got)
	}
}
