package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/present"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// codeShown is how much of an order's activation code its reader sees.
type codeShown int

const (
	noCode codeShown = iota
	maskedCode
	wholeCode
)

// codeOf is how much of an order's code the caller sees: the whole once it is delivered and
// while it is of use, if they have the right.
func (s *Server) codeOf(ctx context.Context, order *v1alpha1.EsimOrder) (codeShown, error) {
	if order.Status.Phase != v1alpha1.PhaseDelivered {
		return noCode, nil
	}
	allowed, err := s.maySeeCodes(ctx)
	switch {
	case err != nil || !allowed:
		return noCode, err
	case installed(order):
		// Of no use to its owner any more, and of use to a thief.
		return maskedCode, nil
	default:
		return wholeCode, nil
	}
}

// objectWithCode is an order with its activation code, where there is one and the caller may
// see it.
func (s *Server) objectWithCode(ctx context.Context, order *v1alpha1.EsimOrder) (wire.Order, error) {
	object, err := s.object(ctx, order)
	if err != nil {
		return object, err
	}
	shown, err := s.codeOf(ctx, order)
	if err != nil {
		return object, err
	}
	return s.withCode(ctx, object, order, shown)
}

// withCode is the object of an order, with as much of its code as is shown.
func (s *Server) withCode(ctx context.Context, object wire.Order, order *v1alpha1.EsimOrder, shown codeShown) (wire.Order, error) {
	switch shown {
	case noCode:
	case maskedCode:
		if order.Status.Esim != nil {
			object.ActivationCode = present.OrAbsent(order.Status.Esim.ActivationCode)
		}
	case wholeCode:
		code, err := s.activationCode(ctx, order)
		if err != nil {
			return object, err
		}
		object.ActivationCode = present.OrAbsent(code.Reveal())
	}
	return object, nil
}

// text is what a reader of an order gets, in JSON. It is written once for all who see the same,
// unless there is a code in it: that is read, shown, and forgotten.
func (s *Server) text(ctx context.Context, order *v1alpha1.EsimOrder) (orderText, error) {
	product, err := s.productOf(ctx, order)
	if err != nil {
		return nil, err
	}
	shown, err := s.codeOf(ctx, order)
	if err != nil {
		return nil, err
	}
	write := func() ([]byte, error) {
		object, err := s.withCode(ctx, present.Order(order, product), order, shown)
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("writing EsimOrder %s: %w", order.Name, err)
		}
		return append(body, '\n'), nil
	}
	if shown == wholeCode {
		return write()
	}
	return s.Desk.Index.Text(order, orders.View{Product: product, MaskedCode: shown == maskedCode}, write)
}

// orderText is the answer to whoever reads an order.
type orderText []byte

// VisitGetOrderResponse writes the order, as the generated answer would.
func (text orderText) VisitGetOrderResponse(w http.ResponseWriter) error {
	header := w.Header()
	header.Set("Content-Type", jsonType)
	header.Set("Cache-Control", noStore)
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(text)
	return err
}
