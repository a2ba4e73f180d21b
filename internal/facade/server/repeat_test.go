package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
)

// order sends a body to POST /orders, with an Idempotency-Key where it is not empty.
func order(handler http.Handler, body, key string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/api/v1/esim/orders", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Prefer", "wait=0")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestAnyQuantityIsOne(t *testing.T) {
	s := newShop(t)
	handler := s.checked(t)
	for _, quantity := range []string{"1", "0", "-3", "2.5", "1e400", "99999999999999999999", `"2"`, `"many"`, "null", "true", "[2]", `{"n":2}`} {
		answer := order(handler, `{"product_id":712,"amount":4.50,"quantity":`+quantity+`}`, "")
		if answer.Code != http.StatusOK {
			t.Errorf("quantity %s is answered %d %s", quantity, answer.Code, answer.Body)
		}
	}
	var made v1alpha1.EsimOrderList
	if err := s.api.List(t.Context(), &made); err != nil {
		t.Fatal(err)
	}
	for i := range made.Items {
		if quantity := made.Items[i].Spec.Quantity; quantity > 1 {
			t.Errorf("an order has quantity %d", quantity)
		}
	}
}

func idOf(t *testing.T, answer *httptest.ResponseRecorder) int64 {
	t.Helper()
	var body struct {
		ID    int64 `json:"id"`
		Error struct {
			OrderID int64 `json:"order_id"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	return body.ID + body.Error.OrderID
}

// Whoever repeats an order after a lost answer and were told that its product is unknown would
// take the first for not made, and buy again.
func TestARepeatFindsTheFirstOrderAlsoWhenItsPlanIsGone(t *testing.T) {
	const byAmount = `{"product_id":712,"amount":4.50,"client_reference":"TRIP"}`
	const byVariant = `{"product_id":712,"amount":4.50,"variant_id":3301,"client_reference":"TRIP"}`
	sells := func(s *shop, change func(*v1alpha1.EsimProduct)) {
		product, _ := s.server.Catalogue.ByName("japan")
		changed := product.Object.DeepCopy()
		change(changed)
		s.server.Catalogue.OnUpdate(nil, changed)
	}
	for name, tc := range map[string]struct {
		body string
		ends func(*testing.T, *shop)
	}{
		"the product is gone": {byAmount, func(_ *testing.T, s *shop) {
			product, _ := s.server.Catalogue.ByName("japan")
			s.server.Catalogue.OnDelete(product.Object)
		}},
		"the product is not sold to the client": {byAmount, func(t *testing.T, s *shop) {
			s.agree(t, v1alpha1.EsimClientSpec{ProductSelector: nothing()})
		}},
		"the plan has another price": {byVariant, func(_ *testing.T, s *shop) {
			sells(s, func(p *v1alpha1.EsimProduct) { p.Spec.Variants[0].Amount = "5" })
		}},
		"the plan is inactive": {byVariant, func(_ *testing.T, s *shop) {
			sells(s, func(p *v1alpha1.EsimProduct) { p.Spec.Variants[0].Inactive = true })
		}},
		"another plan has its price": {byAmount, func(_ *testing.T, s *shop) {
			sells(s, func(p *v1alpha1.EsimProduct) { p.Spec.Variants[0].Amount = "4.5" })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			handler := s.checked(t)
			first := order(handler, tc.body, "TRIP")
			if first.Code != http.StatusOK {
				t.Fatalf("the first is answered %d %s", first.Code, first.Body)
			}
			tc.ends(t, s)
			again := order(handler, tc.body, "TRIP")
			if again.Code != http.StatusOK || idOf(t, again) != idOf(t, first) {
				t.Errorf("a repeat is answered %d %s", again.Code, again.Body)
			}
			other := order(handler, strings.Replace(tc.body, "4.50", "4.51", 1), "TRIP")
			if other.Code != http.StatusBadRequest || idOf(t, other) != idOf(t, first) {
				t.Errorf("another request with the key is answered %d %s", other.Code, other.Body)
			}
			duplicate := order(handler, tc.body, "")
			if duplicate.Code != http.StatusBadRequest || !strings.Contains(duplicate.Body.String(), "Duplicate client_reference") ||
				idOf(t, duplicate) != idOf(t, first) {
				t.Errorf("a second one is answered %d %s", duplicate.Code, duplicate.Body)
			}
			fresh := order(handler, strings.Replace(tc.body, "TRIP", "NEXT", 1), "")
			if strings.Contains(fresh.Body.String(), "Duplicate") {
				t.Errorf("a reference that nobody used is answered %d %s", fresh.Code, fresh.Body)
			}
		})
	}
}

func TestARepeatWhoseReferencesNameIsTakenFindsTheFirstOrder(t *testing.T) {
	s := newShop(t)
	inTheWay := &v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb"}}
	inTheWay.Namespace, inTheWay.Name = "acme", ids.OrderName(ids.FromReference("TRIP", 0))
	if err := s.api.Create(t.Context(), inTheWay); err != nil {
		t.Fatal(err)
	}
	handler := s.checked(t)
	const body = `{"product_id":712,"amount":4.50,"client_reference":"TRIP"}`
	first := order(handler, body, "TRIP")
	s.agree(t, v1alpha1.EsimClientSpec{ProductSelector: nothing()})
	if again := order(handler, body, "TRIP"); again.Code != http.StatusOK || idOf(t, again) != idOf(t, first) {
		t.Errorf("a repeat is answered %d %s", again.Code, again.Body)
	}
}

// Who sends a key relies on it. Without a reference there is nothing that could hold a repeat.
func TestAKeyWithoutAReferenceBuysNothing(t *testing.T) {
	s := newShop(t)
	answer := order(s.checked(t), `{"product_id":712,"amount":4.50}`, "0b7a2c1e")
	if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "client_reference is required with Idempotency-Key") {
		t.Errorf("it is answered %d %s", answer.Code, answer.Body)
	}
	var made v1alpha1.EsimOrderList
	if err := s.api.List(t.Context(), &made); err != nil || len(made.Items) != 0 {
		t.Errorf("%d orders were made, %v", len(made.Items), err)
	}
}
