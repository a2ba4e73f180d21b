package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/console"
	"github.com/telcodev/esim-operator/internal/facade/server"
)

func withConsole(t *testing.T) func(*server.Server) {
	t.Helper()
	files, err := console.Files()
	if err != nil {
		t.Fatal(err)
	}
	return func(s *server.Server) { s.Console = files }
}

func TestTheConsoleIsServedWhereItIsSwitchedOn(t *testing.T) {
	on, off := newShop(t, withConsole(t)), newShop(t)
	for _, each := range []struct {
		method, path string
		on, off      int
		location     string
	}{
		{http.MethodGet, "/console", http.StatusOK, http.StatusNotFound, ""},
		{http.MethodHead, "/console", http.StatusOK, http.StatusNotFound, ""},
		{http.MethodPost, "/console", http.StatusMethodNotAllowed, http.StatusNotFound, ""},
		{http.MethodGet, "/console/", http.StatusPermanentRedirect, http.StatusNotFound, "../console"},
		{http.MethodGet, "/console/main.js", http.StatusOK, http.StatusNotFound, ""},
		{http.MethodGet, "/console/index.html", http.StatusNotFound, http.StatusNotFound, ""},
		{http.MethodGet, "/console/../console/main.js", http.StatusNotFound, http.StatusNotFound, ""},
		{http.MethodGet, "/console/api/products", http.StatusOK, http.StatusNotFound, ""},
		{http.MethodPost, "/console/api/products", http.StatusMethodNotAllowed, http.StatusNotFound, ""},
		{http.MethodGet, "/console/api/products?page=0", http.StatusBadRequest, http.StatusNotFound, ""},
		{http.MethodGet, "/console/api/products?covers=Japan", http.StatusBadRequest, http.StatusNotFound, ""},
		{http.MethodGet, "/console/api/products?per_page=501", http.StatusBadRequest, http.StatusNotFound, ""},
	} {
		if got := send(on.http, each.method, each.path, "", http.Header{}); got.Code != each.on || got.Header().Get("Location") != each.location {
			t.Errorf("%s %s is answered %d %v, want %d", each.method, each.path, got.Code, got.Header(), each.on)
		}
		if got := send(off.http, each.method, each.path, "", http.Header{}); got.Code != each.off {
			t.Errorf("%s %s is answered %d where it is off, want %d", each.method, each.path, got.Code, each.off)
		}
	}
}

func TestTheConsoleSeesFromWhichPrice(t *testing.T) {
	add := func(s *server.Server) {
		variant := func(name, amount, data string) v1alpha1.EsimVariant {
			return v1alpha1.EsimVariant{Name: name, Amount: v1alpha1.Decimal(amount), DataAmountGB: v1alpha1.Decimal(data), ValidityDays: 1}
		}
		for name, variants := range map[string][]v1alpha1.EsimVariant{
			"asia":   {variant("a", "10.00", "2.5"), variant("b", "9.5", "10"), variant("c", "11", "3")},
			"europe": {variant("a", "3.00", "1"), variant("b", "30", "0"), variant("c", "20", "50")},
			"empty":  nil,
		} {
			product := &v1alpha1.EsimProduct{
				Spec:   v1alpha1.EsimProductSpec{DisplayName: name, CountryCode: "GLO", Currency: "EUR", Coverage: []v1alpha1.CountryCode{"JPN", "FRA"}, Variants: variants},
				Status: v1alpha1.EsimProductStatus{ID: map[string]int64{"asia": 1, "europe": 2, "empty": 3}[name]},
			}
			product.Name = name
			for i, v := range variants {
				product.Status.Variants = append(product.Status.Variants, v1alpha1.VariantStatus{Name: v.Name, ID: product.Status.ID*10 + int64(i)})
			}
			s.Catalogue.OnAdd(product, true)
		}
	}
	handler := newShop(t, withConsole(t), add).http
	answer := send(handler, http.MethodGet, "/console/api/products?covers=FRA&per_page=2&page=1", "", http.Header{})
	want := `[{"id":1,"name":"asia","country_code":"GLO","currency_code":"EUR","coverage":2,"plans":3,"from_amount":9.5,"max_data_gb":10,"client_discount":0},` +
		`{"id":2,"name":"europe","country_code":"GLO","currency_code":"EUR","coverage":2,"plans":3,"from_amount":3.00,"max_data_gb":0,"client_discount":0}]` + "\n"
	if diff := cmp.Diff(want, answer.Body.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := answer.Header(); got.Get("X-Total-Count") != "3" || got.Get("X-Has-More") != "true" || got.Get("Cache-Control") != "no-store" {
		t.Errorf("the headers are %v", got)
	}
	answer = send(handler, http.MethodGet, "/console/api/products?search=EMPTY", "", http.Header{})
	var empty []map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &empty); err != nil || len(empty) != 1 || empty[0]["from_amount"] != nil || strings.Contains(answer.Body.String(), "max_data_gb") {
		t.Errorf("a product without plans is %s (%v)", answer.Body, err)
	}
}
