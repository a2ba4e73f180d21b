package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Over the Kubernetes API an order may name any product.
func TestAnOrderShowsNothingOfAProductThatItsClientMayNotBuy(t *testing.T) {
	const path = "/api/v1/esim/orders/77"
	s := newShop(t)
	s.agree(t, v1alpha1.EsimClientSpec{ProductSelector: nothing()})
	order := &v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb"}}
	order.Namespace, order.Name, order.UID = "acme", "o-77", "peep"
	s.server.Desk.Index.OnAdd(order, false)
	handler := s.checked(t)
	for _, target := range []string{path, "/api/v1/esim/orders"} {
		answer := ask(handler, http.MethodGet, target, "")
		if answer.Code != http.StatusOK {
			t.Errorf("%s is answered %d %s", target, answer.Code, answer.Body)
		}
		for _, told := range []string{"Japan", "JPN", "USD", "712", "3301"} {
			if strings.Contains(answer.Body.String(), told) {
				t.Errorf("%s tells %s of the product: %s", target, told, answer.Body)
			}
		}
	}

	// What was accepted was sold to it, and stays its own.
	accepted := order.DeepCopy()
	accepted.Status.Plan = &v1alpha1.OrderPlan{Product: "japan", Variant: "1gb", DisplayName: "Japan 1 GB", CountryCode: "JPN", Currency: "USD", DataAmountGB: "1", ValidityDays: 7}
	s.server.Desk.Index.OnUpdate(order, accepted)
	for _, told := range []string{`"product_id":712`, `"variant_id":3301`, `"product_name":"Japan 1 GB"`} {
		if answer := ask(handler, http.MethodGet, path, ""); !strings.Contains(answer.Body.String(), told) {
			t.Errorf("an accepted order does not tell %s: %s", told, answer.Body)
		}
	}
}
