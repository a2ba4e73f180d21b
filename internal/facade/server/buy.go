package server

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/wire"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// CreateOrder makes an order and waits for it.
func (s *Server) CreateOrder(ctx context.Context, r wire.CreateOrderRequestObject) (wire.CreateOrderResponseObject, error) {
	began := s.Clock.Now()
	shop, err := s.shop(ctx)
	if err != nil {
		return nil, err
	}
	order, err := s.place(ctx, shop, r.Body, orZero(r.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	longest := preferredWait(r.Params.Prefer, MaxWait) - s.Clock.Since(began)
	order = s.await(ctx, order, longest, (*v1alpha1.EsimOrder).Terminal)
	object, err := s.objectOfMade(ctx, order, began.Add(MaxWait))
	if err != nil {
		return nil, err
	}
	return wire.CreateOrder200JSONResponse{Body: object, Headers: wire.CreateOrder200ResponseHeaders{CacheControl: noStore}}, nil
}

// place makes the order that a request asks for, or finds the one that the request before it
// has made.
func (s *Server) place(ctx context.Context, shop *shop, body *wire.OrderRequest, key string) (*v1alpha1.EsimOrder, error) {
	asked, err := requestOfOrder(body)
	if err != nil {
		return nil, err
	}
	if key != "" && asked.ClientReference == "" {
		// To ignore it would buy once more with each repeat.
		return nil, malformed("client_reference is required with Idempotency-Key, which must be the same")
	}
	spec, err := s.specOf(ctx, shop, body, asked.Amount)
	if err != nil {
		// A repeat is one also when what it asks for is not to be had any more: were it told so,
		// its sender would take the first order for not made.
		first, unknown := s.Desk.Holder(ctx, shop.namespace, asked.ClientReference)
		switch {
		case unknown != nil:
			return nil, unknown
		case first != nil:
			return repeated(first, &asked, nil, key)
		}
		return nil, err
	}
	// Whoever hangs up now has ordered all the same.
	order, err := s.Desk.Create(context.WithoutCancel(ctx), shop.namespace, asked, spec)
	var duplicate *orders.DuplicateError
	switch {
	case errors.As(err, &duplicate):
		return repeated(duplicate.First, &asked, &spec, key)
	case apierrors.IsInvalid(err):
		// What the document allows and the kind's schema does not.
		p := malformed("the order is not acceptable: check amount, client_reference and notification_email")
		p.cause = err
		return nil, p
	}
	return order, err
}

// repeated is what a request gets whose reference an order has already: that order, where it
// is the same request and says so, else 400.
func repeated(first *v1alpha1.EsimOrder, asked *orders.Request, spec *v1alpha1.EsimOrderSpec, key string) (*v1alpha1.EsimOrder, error) {
	p := unfit("Duplicate client_reference")
	switch orders.JudgeRepeat(first, asked, spec, key) {
	case orders.SameRequest:
		return first, nil
	case orders.OtherRequest:
		p = unfit("Idempotency-Key was used with another request")
	case orders.Duplicate:
	}
	id := ids.Order(first.Name, first.FirstUID())
	p.orderID = &id
	return nil, p
}

// requestOfOrder is a body as repeats of it are told by.
func requestOfOrder(body *wire.OrderRequest) (orders.Request, error) {
	amount, err := money.Parse(body.Amount.String())
	if err != nil {
		return orders.Request{}, malformed("amount must be a number such as 4.50")
	}
	return orders.Request{
		ProductID: body.ProductID, VariantID: orZero(body.VariantID), WalletID: orZero(body.WalletID), Amount: amount,
		ClientReference: orZero(body.ClientReference), NotificationEmail: orZero(body.NotificationEmail),
	}, nil
}

// specOf is the order that a request asks for.
func (s *Server) specOf(ctx context.Context, shop *shop, body *wire.OrderRequest, amount money.Amount) (v1alpha1.EsimOrderSpec, error) {
	product, ok := shop.Product(body.ProductID)
	if !ok {
		return v1alpha1.EsimOrderSpec{}, unfit("Invalid product ID")
	}
	spec := v1alpha1.EsimOrderSpec{
		ProductRef:        v1alpha1.ProductReference{Name: product.Object.Name},
		ClientReference:   orZero(body.ClientReference),
		NotificationEmail: orZero(body.NotificationEmail),
	}
	var err error
	if body.VariantID != nil {
		variant, err := chosen(shop, product, *body.VariantID, amount)
		if err != nil {
			return v1alpha1.EsimOrderSpec{}, err
		}
		spec.Variant = variant.Object.Name
	} else if spec.Amount, err = asked(product, amount); err != nil {
		return v1alpha1.EsimOrderSpec{}, err
	}
	spec.WalletRef, err = s.walletRef(ctx, shop.namespace, body.WalletID)
	return spec, err
}

// orderable are the amounts that an order can hold, as v1alpha1.Decimal's schema has them.
var orderable = regexp.MustCompile(`^(0|[1-9][0-9]{0,10})([.][0-9]{1,4})?$`)

// asked is the amount as the order has it: in the words of the variant that it fits, else in
// those of the request. It may fit none: then the order FAILs, as the contract has it.
func asked(product *catalogue.Product, amount money.Amount) (v1alpha1.Decimal, error) {
	if variant, ok := product.Match(amount); ok {
		return variant.Object.Amount, nil
	}
	text := amount.String()
	if !orderable.MatchString(text) {
		return "", malformed("amount must have at most 11 digits before the point and 4 after it")
	}
	return v1alpha1.Decimal(text), nil
}

// chosen is the variant with an id, if it is the product's and has the amount.
func chosen(shop *shop, product *catalogue.Product, id int64, amount money.Amount) (*catalogue.Variant, error) {
	variant, ok := shop.Variant(id)
	if !ok || variant.Product.Object.Name != product.Object.Name {
		return nil, unfit("Invalid variant ID")
	}
	if !variant.Costs(amount) {
		return nil, unfit("Invalid amount")
	}
	return variant, nil
}

// wallets of a client, as they were last seen.
func (s *Server) wallets(ctx context.Context, namespace string) ([]v1alpha1.EsimWallet, error) {
	var list v1alpha1.EsimWalletList
	if err := s.Cache.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing the wallets of client %s: %w", namespace, err)
	}
	return list.Items, nil
}

// walletRef names the client's wallet with an id; nil where none is asked for.
func (s *Server) walletRef(ctx context.Context, namespace string, id *int64) (*v1alpha1.WalletReference, error) {
	if id == nil {
		return nil, nil //nolint:nilnil // no wallet is a wish too: the usual one pays.
	}
	wallets, err := s.wallets(ctx, namespace)
	if err != nil {
		return nil, err
	}
	for i := range wallets {
		if ids.Wallet(wallets[i].FirstUID()) == *id {
			return &v1alpha1.WalletReference{Name: wallets[i].Name}, nil
		}
	}
	return nil, unfit("Invalid wallet ID")
}

// QuoteCharges says what an order would cost.
func (s *Server) QuoteCharges(ctx context.Context, r wire.QuoteChargesRequestObject) (wire.QuoteChargesResponseObject, error) {
	shop, err := s.shop(ctx)
	if err != nil {
		return nil, err
	}
	product, ok := shop.Product(r.Body.ProductID)
	if !ok {
		return nil, unfit("Invalid product ID")
	}
	amount, err := money.Parse(r.Body.Amount.String())
	if err != nil {
		return nil, malformed("amount must be a number such as 4.50")
	}
	variant, ok := product.Match(amount)
	if r.Body.VariantID != nil {
		if variant, err = chosen(shop, product, *r.Body.VariantID, amount); err != nil {
			return nil, err
		}
	} else if !ok {
		return nil, unfit("Invalid amount")
	}
	wallet, err := s.walletRef(ctx, shop.namespace, r.Body.WalletID)
	if err != nil {
		return nil, err
	}
	wallets, err := s.wallets(ctx, shop.namespace)
	if err != nil {
		return nil, err
	}
	quote, err := pricing.Request{
		Amount: variant.Object.Amount, Currency: product.Object.Spec.Currency, Product: product.Object.Name,
		Client: shop.terms, Wallets: wallets, Wallet: wallet,
	}.Quote()
	switch {
	case errors.Is(err, pricing.ErrUnknownWallet), errors.Is(err, pricing.ErrNoWallet):
		return nil, unfit("Invalid wallet ID")
	case errors.Is(err, pricing.ErrNoRate):
		return nil, unfit("No exchange rate")
	case err != nil:
		return nil, err
	}
	return wire.QuoteCharges200JSONResponse(charges(&quote, product.Object.Spec.Currency)), nil
}
