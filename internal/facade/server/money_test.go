package server_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
)

// open gives the shop's client a wallet, and the terms on which it buys.
func (s *shop) open(t *testing.T, name string, spec v1alpha1.EsimWalletSpec) *v1alpha1.EsimWallet {
	t.Helper()
	wallet := &v1alpha1.EsimWallet{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}, Spec: spec}
	if err := s.api.Create(t.Context(), wallet); err != nil {
		t.Fatal(err)
	}
	return wallet
}

func (s *shop) agree(t *testing.T, terms v1alpha1.EsimClientSpec) {
	t.Helper()
	client := &v1alpha1.EsimClient{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: v1alpha1.ClientName}, Spec: terms}
	if err := s.api.Create(t.Context(), client); err != nil {
		t.Fatal(err)
	}
}

// nothing selects no product.
func nothing() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"sold-to": "nobody"}}
}

// europe sells a plan at 241.25 EUR.
func (s *shop) europe() {
	s.server.Catalogue.OnAdd(&v1alpha1.EsimProduct{
		ObjectMeta: metav1.ObjectMeta{Name: "france"},
		Spec: v1alpha1.EsimProductSpec{
			DisplayName: "France", CountryCode: "FRA", Currency: "EUR",
			Variants: []v1alpha1.EsimVariant{{Name: "big", DisplayName: "Big", Amount: "241.25", DataAmountGB: "0", ValidityDays: 30,
				Sources: []v1alpha1.VariantSource{{PlanID: "FR"}}}},
		},
		Status: v1alpha1.EsimProductStatus{ID: 9, Variants: []v1alpha1.VariantStatus{{Name: "big", ID: 90}}},
	}, true)
}

func TestAQuoteIsExactToTheLastDigit(t *testing.T) {
	s := newShop(t)
	s.europe()
	dollars := s.open(t, "dollars", v1alpha1.EsimWalletSpec{Currency: "USD", ExchangeRates: []v1alpha1.ExchangeRate{{From: "EUR", Rate: "1.17"}}})
	yen := s.open(t, "yen", v1alpha1.EsimWalletSpec{Currency: "JPY"})
	s.agree(t, v1alpha1.EsimClientSpec{
		DefaultCurrency: "USD", ProductDiscounts: []v1alpha1.ProductDiscount{{Product: "japan", Percent: "5"}},
	})
	handler := s.checked(t)
	for _, tc := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"without exchange", `{"product_id":712,"amount":4.5}`, http.StatusOK,
			`{"charges_details":{"destination_currency":"USD","source_currency":"USD"},"discount":5,"discount_amount":0.225,` +
				`"non_discounted_total":4.5,"total_amount":4.275,"total_payable":4.275}`},
		{"with exchange", `{"product_id":9,"amount":241.250}`, http.StatusOK,
			`{"charges_details":{"conversion_fee":0,"destination_currency":"USD","forex_rate":1.17,"source_currency":"EUR"},"discount":0,` +
				`"discount_amount":0,"handling_fee_amount":0,"net_amount":282.26,"non_discounted_total":241.25,"total_amount":241.25,"total_payable":282.26}`},
		{"a plan by its id", `{"product_id":712,"amount":4.50,"variant_id":3301,"wallet_id":` + strconv.FormatInt(ids.Wallet(dollars.UID), 10) + `}`,
			http.StatusOK, `"total_payable":4.275`},
		{"an amount that no plan has", `{"product_id":712,"amount":4.51}`, http.StatusBadRequest, "Invalid amount"},
		{"an amount that the plan has not", `{"product_id":712,"amount":4.51,"variant_id":3301}`, http.StatusBadRequest, "Invalid amount"},
		{"a plan of another product", `{"product_id":712,"amount":4.50,"variant_id":90}`, http.StatusBadRequest, "Invalid variant ID"},
		{"an unknown product", `{"product_id":713,"amount":4.50}`, http.StatusBadRequest, "Invalid product ID"},
		{"an unknown wallet", `{"product_id":712,"amount":4.50,"wallet_id":5}`, http.StatusBadRequest, "Invalid wallet ID"},
		{"a wallet without a rate", `{"product_id":712,"amount":4.50,"wallet_id":` + strconv.FormatInt(ids.Wallet(yen.UID), 10) + `}`,
			http.StatusBadRequest, "No exchange rate"},
	} {
		answer := ask(handler, http.MethodPost, "/api/v1/esim/charges", tc.body)
		if answer.Code != tc.status || !strings.Contains(answer.Body.String(), tc.want) {
			t.Errorf("%s: answered %d %s, want %d with %s", tc.name, answer.Code, answer.Body, tc.status, tc.want)
		}
	}
}

func TestTransactionsHavePagesAndSumToTheBalance(t *testing.T) {
	s := newShop(t)
	s.open(t, "main", v1alpha1.EsimWalletSpec{Currency: "USD", Deposits: []v1alpha1.WalletDeposit{
		{Reference: "first", Amount: "100"}, {Reference: "second", Amount: "50.5"}, {Reference: "back", Amount: "-20"},
	}})
	handler := s.checked(t)
	answer := ask(handler, http.MethodGet, "/api/v1/transactions?page=2&limit=2", "")
	header := map[string]string{}
	for _, name := range []string{"X-Page", "X-Per-Page", "X-Total-Count", "X-Total-Pages", "X-Page-Size", "X-Has-More"} {
		header[name] = answer.Header().Get(name)
	}
	want := map[string]string{
		"X-Page": "2", "X-Per-Page": "2", "X-Total-Count": "3", "X-Total-Pages": "2", "X-Page-Size": "1", "X-Has-More": "false",
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	all := ask(handler, http.MethodGet, "/api/v1/transactions", "").Body.String()
	for _, line := range []string{`"amount":100,`, `"amount":50.5,`, `"amount":20,`} {
		if strings.Count(all, line) != 1 {
			t.Errorf("%s is not once in %s", line, all)
		}
	}
	if strings.Count(all, `"DEBIT"`) != 1 || strings.Count(all, `"CREDIT"`) != 2 {
		t.Errorf("a reversal is not a debit: %s", all)
	}
	if body := strings.TrimSpace(ask(handler, http.MethodGet, "/api/v1/transactions?page=9223372036854775807", "").Body.String()); body != "[]" {
		t.Errorf("a page beyond the last is %s", body)
	}
}
