package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/telcodev/esim-operator/api/rest/decimal"
	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
	"github.com/telcodev/esim-operator/internal/facade/console"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// consoleProducts is the one thing that the console asks for and the API does not have: a page
// of products with what they cost at least. The API would take a request for each product.
const consoleProducts = "GET " + console.Page + "/api/products"

// listing is the operation whose rights, limits and parameters consoleProducts has, too.
const listing = "GET /api/v1/esim/products"

// addConsole adds the console's routes, where it is switched on. Its files are anybody's.
func (s *Server) addConsole(rs *routes) {
	if len(s.Console) == 0 {
		return
	}
	for _, file := range s.Console {
		pattern := http.MethodGet + " " + file.Path
		rs.known.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
		rs.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			requestOf(r.Context()).route = pattern
			file.ServeHTTP(w, r)
		})
	}
	operation, validator := rs.operations[listing], rs.validators[listing]
	if operation == nil {
		rs.err = fmt.Errorf("the document has no operation %s, which the console needs", listing)
		return
	}
	rs.known.HandleFunc(consoleProducts, func(http.ResponseWriter, *http.Request) {})
	rs.mux.HandleFunc(consoleProducts, func(w http.ResponseWriter, r *http.Request) {
		err := rs.pass(w, r, operation, validator)
		if err == nil {
			err = s.showProducts(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// shownProduct is a product as the console's catalogue shows it.
type shownProduct struct {
	ID           int64  `json:"id"`
	Name         string `json:"name"`
	CountryCode  string `json:"country_code"`
	CurrencyCode string `json:"currency_code"`
	// Coverage is in how many countries it works.
	Coverage int `json:"coverage"`
	// Plans is how many can be bought.
	Plans int `json:"plans"`
	// FromAmount is the lowest price before discounts; absent without plans, as is MaxDataGB.
	FromAmount decimal.Number `json:"from_amount,omitempty"`
	// MaxDataGB is the most data that a plan has, 0 for unlimited.
	MaxDataGB decimal.Number `json:"max_data_gb,omitempty"`
	// ClientDiscount is in percent.
	ClientDiscount decimal.Number `json:"client_discount"`
}

// showProducts answers a page of products. The request was held against the document.
func (s *Server) showProducts(w http.ResponseWriter, r *http.Request) error {
	shop, err := s.shop(r.Context())
	if err != nil {
		return err
	}
	query := r.URL.Query()
	number, size := paging(whole(query, "page"), whole(query, "per_page"), whole(query, "limit"))
	page := shop.List(catalogue.Filter{
		CountryCode: v1alpha1.CountryCode(query.Get("country_code")), Search: query.Get("search"), Covers: v1alpha1.CountryCode(query.Get("covers")),
	}, number, size)
	shown := make([]shownProduct, 0, len(page.Products))
	for _, p := range page.Products {
		one, err := shop.show(p)
		if err != nil {
			return err
		}
		shown = append(shown, one)
	}
	body, err := json.Marshal(shown)
	if err != nil {
		return fmt.Errorf("writing the products for the console: %w", err)
	}
	w.Header().Set("Cache-Control", noStore)
	pageHeaders(number, size, len(shown), page.Total).write(w.Header())
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(append(body, '\n')); err != nil {
		// Whoever asked has gone.
		s.logger(r.Context()).V(1).Info("An answer could not be sent", "cause", err.Error())
	}
	return nil
}

// show makes a product as the console shows it.
func (s *shop) show(p *catalogue.Product) (shownProduct, error) {
	discount, err := pricing.DiscountPercent(s.terms, p.Object.Name)
	if err != nil {
		return shownProduct{}, err
	}
	shown := shownProduct{
		ID: p.ID, Name: p.Object.Spec.DisplayName, CountryCode: string(p.Object.Spec.CountryCode),
		CurrencyCode: string(p.Object.Spec.Currency), Coverage: len(p.Coverage()), Plans: len(p.Variants),
		ClientDiscount: decimal.Number(discount.String()),
	}
	var lowest, most money.Amount
	for i := range p.Variants {
		v := p.Variants[i].Object
		amount, err := money.Parse(string(v.Amount))
		if err != nil {
			return shownProduct{}, fmt.Errorf("EsimProduct %s, variant %s: amount: %w", p.Object.Name, v.Name, err)
		}
		if shown.FromAmount == "" || amount.Cmp(lowest) < 0 {
			lowest, shown.FromAmount = amount, decimal.Number(v.Amount)
		}
		gigabytes, err := money.Parse(string(v.DataAmountGB))
		switch {
		case err != nil || gigabytes.Sign() == 0:
			shown.MaxDataGB = "0"
		case shown.MaxDataGB != "0" && (shown.MaxDataGB == "" || gigabytes.Cmp(most) > 0):
			most, shown.MaxDataGB = gigabytes, decimal.Number(v.DataAmountGB)
		}
	}
	return shown, nil
}

// whole is a number of a query that was held against the document; nil where it is not there.
func whole(query url.Values, name string) *int64 {
	number, err := strconv.ParseInt(query.Get(name), 10, 64)
	if err != nil {
		return nil
	}
	return &number
}
