package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/wire"
	"github.com/telcodev/esim-operator/internal/ids"
)

// SetNotificationEmail sets where an order's receipt goes.
func (s *Server) SetNotificationEmail(ctx context.Context, r wire.SetNotificationEmailRequestObject) (wire.SetNotificationEmailResponseObject, error) {
	order, err := s.find(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	order, err = s.change(ctx, order, map[string]any{"notificationEmail": r.Body.Email})
	if apierrors.IsInvalid(err) {
		p := malformed("email must be an address such as traveller@example.com")
		p.cause = err
		return nil, p
	}
	if err != nil {
		return nil, err
	}
	object, err := s.object(ctx, order)
	return wire.SetNotificationEmail200JSONResponse(object), err
}

// CancelOrder asks for an order to be undone, and waits for what becomes of that.
func (s *Server) CancelOrder(ctx context.Context, r wire.CancelOrderRequestObject) (wire.CancelOrderResponseObject, error) {
	order, err := s.find(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if !decided(order) && !order.Spec.Cancel {
		if order, err = s.change(ctx, order, map[string]any{"cancel": true}); err != nil {
			return nil, err
		}
	}
	order = s.await(ctx, order, preferredWait(r.Params.Prefer, MaxWait), decided)
	object, err := s.object(ctx, order)
	switch {
	case err != nil:
		return nil, err
	case order.Status.Phase == v1alpha1.PhaseCancelled:
		return wire.CancelOrder200JSONResponse(object), nil
	case installed(order):
		return nil, conflict("The eSIM is installed and cannot be cancelled any more")
	case order.Status.Phase == v1alpha1.PhaseFailed:
		return nil, conflict("The order has failed; there is nothing to cancel")
	case cancelRefused(order):
		return nil, conflict("The order cannot be cancelled any more")
	default:
		return wire.CancelOrder202JSONResponse(object), nil
	}
}

// decided tells whether a cancellation would change nothing more about an order.
func decided(order *v1alpha1.EsimOrder) bool {
	return order.Status.Phase == v1alpha1.PhaseCancelled || order.Status.Phase == v1alpha1.PhaseFailed ||
		installed(order) || cancelRefused(order)
}

// change sets fields of an order's spec. Where that loses to somebody else's write, or the
// order's name is another order's by now, it looks again, and tries once more.
func (s *Server) change(ctx context.Context, order *v1alpha1.EsimOrder, fields map[string]any) (*v1alpha1.EsimOrder, error) {
	// Whoever hangs up now has asked for it all the same.
	ctx = context.WithoutCancel(ctx)
	changed, err := s.patch(ctx, order, fields)
	if !apierrors.IsConflict(err) {
		return changed, err
	}
	standing, err := s.Desk.Get(ctx, order.Namespace, order.Name)
	switch {
	case err != nil:
		return nil, err
	case standing == nil || ids.Order(standing.Name, standing.FirstUID()) != ids.Order(order.Name, order.FirstUID()):
		// A name that kubectl gave has another id with each order.
		return nil, notFound()
	}
	changed, err = s.patch(ctx, standing, fields)
	if apierrors.IsConflict(err) {
		return nil, unavailable(awayRetry, err)
	}
	return changed, err
}

// patch sets fields of the spec of this order, not of one that has taken its name.
func (s *Server) patch(ctx context.Context, order *v1alpha1.EsimOrder, fields map[string]any) (*v1alpha1.EsimOrder, error) {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": order.UID, "annotations": map[string]string{
			orders.ChangedAnnotation: s.Clock.Now().UTC().Format(time.RFC3339),
		}},
		"spec": fields,
	})
	if err != nil {
		return nil, fmt.Errorf("changing EsimOrder %s: %w", order.Name, err)
	}
	changed := &v1alpha1.EsimOrder{}
	changed.Namespace, changed.Name = order.Namespace, order.Name
	if err := s.Writer.Patch(ctx, changed, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return nil, fmt.Errorf("changing EsimOrder %s: %w", order.Name, err)
	}
	return changed, nil
}
