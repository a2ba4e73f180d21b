package crash

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// scenario is one story of an order.
type scenario struct {
	name string
	// known has the shop know its SM-DP+ address from an earlier order.
	known bool
	// product changes the shop's product.
	product func(*v1alpha1.EsimProduct)
	// faults of the SM-DP+ while the order is on its way.
	faults []smdp.Fault
	// meanwhile is done once the order is PENDING with reason.
	meanwhile func(ctx context.Context, admin client.Client, shop *testshop.Shop, order *v1alpha1.EsimOrder) error
	reason    string
	// ends is the phase that the order must reach; empty where it must be gone.
	ends v1alpha1.OrderPhase
	// lost counts DownloadOrder answers that the faults lose.
	lost int
}

func drop(function es2plus.Function) smdp.Fault {
	return smdp.Fault{Kind: smdp.FaultDropAnswer, Function: function, Times: 1}
}

func unavailable(function es2plus.Function) smdp.Fault {
	return smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: function}
}

func scenarios() []scenario {
	return []scenario{
		{name: "delivered", known: true, ends: v1alpha1.PhaseDelivered},
		{name: "first of its operator", ends: v1alpha1.PhaseDelivered},
		{
			name: "download answer lost", known: true, ends: v1alpha1.PhaseDelivered,
			faults: []smdp.Fault{drop(es2plus.DownloadOrder)}, lost: 1,
		},
		{
			name: "confirm answer lost", known: true, ends: v1alpha1.PhaseDelivered,
			faults: []smdp.Fault{drop(es2plus.ConfirmOrder)},
		},
		{
			name: "confirm and release answers lost", known: true, ends: v1alpha1.PhaseDelivered,
			faults: []smdp.Fault{drop(es2plus.ConfirmOrder), drop(es2plus.ReleaseProfile)},
		},
		{
			name: "given back and bought anew", ends: v1alpha1.PhaseDelivered,
			faults: []smdp.Fault{drop(es2plus.ConfirmOrder)},
		},
		{
			name: "given back, that answer lost too", ends: v1alpha1.PhaseDelivered,
			faults: []smdp.Fault{drop(es2plus.ConfirmOrder), drop(es2plus.CancelOrder)},
		},
		{
			name: "second source", known: true, ends: v1alpha1.PhaseDelivered,
			product: func(p *v1alpha1.EsimProduct) {
				known := p.Spec.Variants[0].Sources[0]
				unknown := known
				unknown.PlanID = "XX-NONE"
				p.Spec.Variants[0].Sources = []v1alpha1.VariantSource{unknown, known}
			},
		},
		{
			name: "rejected", ends: v1alpha1.PhaseFailed,
			product: func(p *v1alpha1.EsimProduct) { p.Spec.Variants[0].Sources[0].PlanID = "XX-NONE" },
		},
		{
			name: "deleted while it holds a profile", known: true,
			faults: []smdp.Fault{unavailable(es2plus.ConfirmOrder)},
			reason: v1alpha1.ConditionOutcomeUnknown,
			meanwhile: func(ctx context.Context, admin client.Client, _ *testshop.Shop, order *v1alpha1.EsimOrder) error {
				if err := admin.Delete(ctx, order); err != nil {
					return fmt.Errorf("deleting the order: %w", err)
				}
				return nil
			},
		},
	}
}
