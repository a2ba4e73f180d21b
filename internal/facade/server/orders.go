package server

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/present"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// ListOrders lists the caller's orders as they were last recorded.
func (s *Server) ListOrders(ctx context.Context, r wire.ListOrdersRequestObject) (wire.ListOrdersResponseObject, error) {
	who, err := identity(ctx)
	if err != nil {
		return nil, err
	}
	number, size := paging(r.Params.Page, r.Params.PerPage, r.Params.Limit)
	var page orders.Page
	query, possible := s.queryOf(r.Params)
	if possible {
		page = s.Desk.Index.List(who.Namespace, query, number, size)
	}
	list := make([]wire.Order, 0, len(page.Orders))
	for _, order := range page.Orders {
		object, err := s.object(ctx, order)
		if err != nil {
			return nil, err
		}
		list = append(list, object)
	}
	return wire.ListOrders200JSONResponse{
		Body: list, Headers: wire.ListOrders200ResponseHeaders(pageHeaders(number, size, len(list), page.Total)),
	}, nil
}

// queryOf is what a list is asked for; false where nothing can fit.
func (s *Server) queryOf(params wire.ListOrdersParams) (orders.Query, bool) {
	query := orders.Query{
		Status:           v1alpha1.OrderPhase(orZero(params.Status)),
		ClientReference:  orZero(params.ClientReference),
		ICCID:            orZero(params.ICCID),
		ActivationStatus: v1alpha1.ActivationStatus(orZero(params.ActivationStatus)),
		CreatedFrom:      orZero(params.CreatedFrom),
		CreatedTo:        orZero(params.CreatedTo),
	}
	if params.ProductID != nil {
		// Also one that is not sold to this client any more: its orders are theirs.
		product, ok := s.Catalogue.ByID(*params.ProductID)
		if !ok {
			return query, false
		}
		query.Product = product.Object.Name
	}
	return query, true
}

// GetOrder answers one order, once it has ended if the request waits for that, and once its
// mobile operator was asked what became of the profile if it can tell.
func (s *Server) GetOrder(ctx context.Context, r wire.GetOrderRequestObject) (wire.GetOrderResponseObject, error) {
	ctx = access.Reading(ctx)
	order, err := s.find(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	order = s.await(ctx, order, preferredWait(r.Params.Prefer, 0), (*v1alpha1.EsimOrder).Terminal)
	order = s.refreshed(ctx, order)
	text, err := s.text(ctx, order)
	if err != nil {
		return nil, err
	}
	return text, nil
}

// find is the caller's order with an id. Another client's is not there.
func (s *Server) find(ctx context.Context, id int64) (*v1alpha1.EsimOrder, error) {
	who, err := identity(ctx)
	if err != nil {
		return nil, err
	}
	order, err := s.Desk.Find(ctx, who.Namespace, id)
	if err != nil {
		return nil, err
	}
	if order == nil {
		return nil, notFound()
	}
	return order, nil
}

// await waits for an order, for so long at most, and not beyond the request or this process.
// It returns the order as it stands then.
func (s *Server) await(ctx context.Context, order *v1alpha1.EsimOrder, longest time.Duration, until func(*v1alpha1.EsimOrder) bool) *v1alpha1.EsimOrder {
	if longest <= 0 {
		return order
	}
	defer s.Metrics.waits()()
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	defer context.AfterFunc(s.Stopping, cancel)()
	// Time that is up is no error, and neither is an order that was deleted: what it was last is
	// the answer.
	latest, err := s.Desk.Index.Wait(ctx, order, until)
	if err != nil && !errors.Is(err, orders.ErrGone) && ctx.Err() == nil {
		s.logger(ctx).Error(err, "Waiting for an order ended early", "order", order.Name)
	}
	return latest
}

// preferredWait is how long a request waits: as long as its Prefer header says (RFC 7240), if
// that is something from 0 to 60 seconds, else as the operation does.
func preferredWait(prefer *string, otherwise time.Duration) time.Duration {
	if prefer == nil {
		return otherwise
	}
	for preference := range strings.FieldsFuncSeq(*prefer, func(r rune) bool { return r == ',' || r == ';' }) {
		name, text, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(text, " \t\""), 10, 31)
		if wait := time.Duration(seconds) * time.Second; err == nil && wait <= MaxWait {
			return wait
		}
	}
	return otherwise
}

// productOf is what the catalogue says now about an order's product. An order that was never
// accepted may name any: with kubectl, also one that its client may not know of.
func (s *Server) productOf(ctx context.Context, order *v1alpha1.EsimOrder) (orders.Product, error) {
	productName, variantName := orders.PlanNames(order)
	product, ok := s.Catalogue.ByName(productName)
	if !ok {
		return orders.Product{}, nil
	}
	if order.Status.Plan == nil {
		terms, err := s.terms(ctx, order.Namespace)
		if err != nil {
			return orders.Product{}, err
		}
		if _, ok := s.Catalogue.Visible(terms).Product(product.ID); !ok {
			return orders.Product{}, nil
		}
	}
	return orders.Product{
		ID: product.ID, VariantID: product.VariantID(variantName), Name: product.Object.Spec.DisplayName,
		CountryCode: product.Object.Spec.CountryCode, Currency: product.Object.Spec.Currency,
	}, nil
}

// object is an order as REST clients see it, without its activation code.
func (s *Server) object(ctx context.Context, order *v1alpha1.EsimOrder) (wire.Order, error) {
	now, err := s.productOf(ctx, order)
	if err != nil {
		return wire.Order{}, err
	}
	return present.Order(order, now), nil
}

// cancelRefused tells whether an order's cancellation was refused.
func cancelRefused(order *v1alpha1.EsimOrder) bool {
	return meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionCancelRefused)
}

func installed(order *v1alpha1.EsimOrder) bool {
	return order.Status.Activation != nil && order.Status.Activation.Installed
}

// shown is a code that may be shown in full: the order is delivered, and it is not on a device.
func (s *Server) shown(ctx context.Context, id int64) (activation.Credential, error) {
	order, err := s.find(ctx, id)
	if err != nil {
		return activation.Credential{}, err
	}
	if order.Status.Phase != v1alpha1.PhaseDelivered || installed(order) {
		return activation.Credential{}, notFound()
	}
	code, err := s.activationCode(ctx, order)
	if err == nil && code.Empty() {
		err = notFound()
	}
	return code, err
}
