package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/rest/decimal"
	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
	"github.com/telcodev/esim-operator/internal/facade/present"
	"github.com/telcodev/esim-operator/internal/facade/wire"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// terms are those on which a client buys; nil where it has none of its own.
func (s *Server) terms(ctx context.Context, namespace string) (*v1alpha1.EsimClient, error) {
	var terms v1alpha1.EsimClient
	err := s.Cache.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.ClientName}, &terms)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // a client without terms is no error: it buys on the usual ones.
	}
	if err != nil {
		return nil, fmt.Errorf("reading the terms of client %s: %w", namespace, err)
	}
	return &terms, nil
}

// shop is what a client may buy, and on what terms.
type shop struct {
	namespace string
	terms     *v1alpha1.EsimClient
	catalogue.Assortment
}

// shop of the caller.
func (s *Server) shop(ctx context.Context) (*shop, error) {
	who, err := identity(ctx)
	if err != nil {
		return nil, err
	}
	terms, err := s.terms(ctx, who.Namespace)
	if err != nil {
		return nil, err
	}
	return &shop{namespace: who.Namespace, terms: terms, Assortment: s.Catalogue.Visible(terms)}, nil
}

// ListProducts lists what the caller may buy.
func (s *Server) ListProducts(ctx context.Context, r wire.ListProductsRequestObject) (wire.ListProductsResponseObject, error) {
	shop, err := s.shop(ctx)
	if err != nil {
		return nil, err
	}
	filter := catalogue.Filter{
		CountryCode: v1alpha1.CountryCode(orZero(r.Params.CountryCode)),
		Search:      orZero(r.Params.Search),
		Covers:      v1alpha1.CountryCode(orZero(r.Params.Covers)),
	}
	number, size := paging(r.Params.Page, r.Params.PerPage, r.Params.Limit)
	page := shop.List(filter, number, size)
	text, err := page.Text(listedProducts)
	if err != nil {
		return nil, err
	}
	return &productPage{text: text, headers: pageHeaders(number, size, len(page.Products), page.Total)}, nil
}

// productPage is the answer to whoever lists products.
type productPage struct {
	text    []byte
	headers listHeaders
}

// VisitListProductsResponse writes the page, as the generated answer would.
func (page *productPage) VisitListProductsResponse(w http.ResponseWriter) error {
	page.headers.write(w.Header())
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(page.text)
	return err
}

// listedProducts is a list of products in JSON, each as it was written once.
func listedProducts(products []*catalogue.Product) ([]byte, error) {
	const usual = 192
	body := append(make([]byte, 0, usual*(1+len(products))), '[')
	for i, p := range products {
		listed, err := p.Listed(listedProduct)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, listed...)
	}
	return append(body, "]\n"...), nil
}

func listedProduct(p *catalogue.Product) ([]byte, error) {
	text, err := json.Marshal(wire.Product{
		ID: p.ID, Name: p.Object.Spec.DisplayName, ImageURL: p.Object.Spec.ImageURL,
		CountryCode: string(p.Object.Spec.CountryCode), CurrencyCode: string(p.Object.Spec.Currency),
	})
	if err != nil {
		return nil, fmt.Errorf("writing EsimProduct %s: %w", p.Object.Name, err)
	}
	return text, nil
}

// GetProduct answers one product.
func (s *Server) GetProduct(ctx context.Context, r wire.GetProductRequestObject) (wire.GetProductResponseObject, error) {
	shop, err := s.shop(ctx)
	if err != nil {
		return nil, err
	}
	p, ok := shop.Product(r.ID)
	if !ok {
		return nil, notFound()
	}
	variants, err := shop.variants(p)
	if err != nil {
		return nil, err
	}
	coverage := make([]wire.CountryCode, 0, len(p.Coverage()))
	for _, country := range p.Coverage() {
		coverage = append(coverage, wire.CountryCode(country))
	}
	return wire.GetProduct200JSONResponse{
		ID: p.ID, Name: p.Object.Spec.DisplayName, ImageURL: p.Object.Spec.ImageURL,
		CountryCode: string(p.Object.Spec.CountryCode), CurrencyCode: string(p.Object.Spec.Currency),
		Variants: variants, Coverage: coverage,
	}, nil
}

// ListVariants lists a product's variants.
func (s *Server) ListVariants(ctx context.Context, r wire.ListVariantsRequestObject) (wire.ListVariantsResponseObject, error) {
	shop, err := s.shop(ctx)
	if err != nil {
		return nil, err
	}
	p, ok := shop.Product(r.ID)
	if !ok {
		return nil, notFound()
	}
	variants, err := shop.variants(p)
	return wire.ListVariants200JSONResponse(variants), err
}

// GetVariant answers one variant.
func (s *Server) GetVariant(ctx context.Context, r wire.GetVariantRequestObject) (wire.GetVariantResponseObject, error) {
	shop, err := s.shop(ctx)
	if err != nil {
		return nil, err
	}
	v, ok := shop.Variant(r.ID)
	if !ok {
		return nil, notFound()
	}
	variant, err := shop.variant(v)
	return wire.GetVariant200JSONResponse(variant), err
}

func (s *shop) variants(p *catalogue.Product) ([]wire.Variant, error) {
	variants := make([]wire.Variant, 0, len(p.Variants))
	for i := range p.Variants {
		variant, err := s.variant(&p.Variants[i])
		if err != nil {
			return nil, err
		}
		variants = append(variants, variant)
	}
	return variants, nil
}

func (s *shop) variant(v *catalogue.Variant) (wire.Variant, error) {
	discount, err := pricing.DiscountPercent(s.terms, v.Product.Object.Name)
	if err != nil {
		return wire.Variant{}, err
	}
	return wire.Variant{
		ID: v.ID, EsimProductID: v.Product.ID, Name: v.Object.DisplayName, Description: present.OrAbsent(v.Object.Description),
		CurrencyCode: string(v.Product.Object.Spec.Currency), Amount: decimal.Number(v.Object.Amount),
		DataAmountGB: decimal.Number(cmp.Or(v.Object.DataAmountGB, "0")), ValidityDays: int64(v.Object.ValidityDays),
		ClientDiscount: decimal.Number(discount.String()),
	}, nil
}
