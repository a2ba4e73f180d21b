package controllers

import (
	"context"
	"errors"
	"fmt"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// reserve sets aside what the order costs; or the order FAILs, never charged.
func (r *OrderReconciler) reserve(ctx context.Context, p *pass) (*ledger.Reservation, *decision, error) {
	reservation, err := r.Ledger.Reserve(ctx, p.order)
	var refusal *ledger.Refusal
	var later *ledger.Later
	switch {
	case err == nil:
		return reservation, nil, nil
	case errors.As(err, &refusal):
		return nil, orderFailed(refusal.Code, refusal.Reason), nil
	case errors.As(err, &later):
		return nil, &decision{silent: true, after: later.After}, nil
	case errors.Is(err, ledger.ErrCharged):
		return nil, nil, staleCache(p.order, err)
	default:
		return nil, nil, fmt.Errorf("setting aside what the order costs: %w", err)
	}
}

// writeCharge makes the write that charges the order. The ledger hears of its answer.
func (r *OrderReconciler) writeCharge(ctx context.Context, p *pass, reservation *ledger.Reservation) (err error) {
	ctx, span := tracing.Start(ctx, spanCharge, tracing.Internal)
	span.Text(keyWallet, reservation.Charge.WalletRef.Name)
	defer func() { span.End(spanClass(err)) }()
	leave, err := r.enterFence(ctx, p)
	if err != nil {
		reservation.Unused()
		return err
	}
	defer leave()
	r.tell(ctx, p, v1alpha1.EventDebited)
	err = r.writeStatus(ctx, p)
	reservation.Written(ctx, p.order, err)
	if err != nil {
		return fmt.Errorf("recording charge and intent: %w", err)
	}
	countCharge(p.order.Status.Charge)
	return nil
}

// refund gives back what an order paid that ends without an eSIM: in the write that ends it,
// once, and not once the profile is on a device.
func (p *pass) refund(reason string) bool {
	charge, activation := p.order.Status.Charge, p.order.Status.Activation
	if charge == nil || charge.Refund != nil || activation != nil && activation.Installed {
		return false
	}
	charge.Refund = &v1alpha1.OrderRefund{
		TransactionID: ids.Refund(p.order.Status.ID), Time: p.time(), Reason: cut(reason),
	}
	return true
}
