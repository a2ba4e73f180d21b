package crash

import (
	"context"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// stories are all that are told.
func stories() []Story {
	var all []Story
	for _, some := range [][]Story{
		deliveryStories(), lostAnswerStories(), failoverStories(), endingStories(), deletionStories(), deviceStories(),
		settleStories(), postStories(), catalogueStories(), restStories(),
	} {
		all = append(all, some...)
	}
	return all
}

// drop loses the answer to a function once.
func drop(function es2plus.Function) smdp.Fault {
	return smdp.Fault{Kind: smdp.FaultDropAnswer, Function: function, Times: 1}
}

// unavailable answers HTTP 503 to a function until the fault is cleared.
func unavailable(function es2plus.Function) smdp.Fault {
	return smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: function}
}

// after has the SM-DP+ do wrong from the beginning.
func after(all ...smdp.Fault) func(context.Context, *World) error {
	return func(_ context.Context, w *World) error {
		for _, fault := range all {
			if err := w.Shop.SMDP.Inject(fault); err != nil {
				return err
			}
		}
		return nil
	}
}

// soldOut empties the SM-DP+'s stock.
func soldOut(_ context.Context, w *World) error { return w.Shop.SMDP.SetStock(testshop.Plan, 0) }

// unknownPlan has the SM-DP+ asked for a plan that it does not know.
func unknownPlan(p *v1alpha1.EsimProduct) { p.Spec.Variants[0].Sources[0].PlanID = "XX-NONE" }

var deliver = told(order("order"), becomes("order", v1alpha1.PhaseDelivered))

func deliveryStories() []Story {
	return []Story{
		{Name: "delivered", Known: true, Tell: deliver},
		{Name: "first of its operator", Tell: deliver},
		{
			Name: "delivered by a wholesaler", Tell: deliver, Shop: testshop.Options{Product: wholesaleOnly},
			Open: wholesale,
		},
	}
}

func lostAnswerStories() []Story {
	return []Story{
		{Name: "download answer lost", Known: true, Tell: deliver, Open: after(drop(es2plus.DownloadOrder))},
		{Name: "confirm answer lost", Known: true, Tell: deliver, Open: after(drop(es2plus.ConfirmOrder))},
		{
			Name: "confirm and release answers lost", Known: true, Tell: deliver,
			Open: after(drop(es2plus.ConfirmOrder), drop(es2plus.ReleaseProfile)),
		},
		{Name: "given back and bought anew", Tell: deliver, Open: after(drop(es2plus.ConfirmOrder))},
		{
			Name: "given back, that answer lost too", Tell: deliver,
			Open: after(drop(es2plus.ConfirmOrder), drop(es2plus.CancelOrder)),
		},
	}
}

func endingStories() []Story {
	cancelled := becomes("order", v1alpha1.PhaseCancelled)
	return []Story{
		{Name: "rejected", Shop: testshop.Options{Product: unknownPlan}, Tell: told(order("order"), becomes("order", v1alpha1.PhaseFailed))},
		{
			Name: "rejected as it cannot be paid", Known: true,
			Shop: testshop.Options{Wallet: func(w *v1alpha1.EsimWallet) { w.Spec.Deposits[0].Amount = "5" }},
			Tell: told(order("order"), becomes("order", v1alpha1.PhaseDelivered), order("second"), becomes("second", v1alpha1.PhaseFailed)),
		},
		{
			Name: "cancelled while it waits for stock", Known: true, Open: soldOut,
			Tell: told(order("order"), shows("OutOfStock"), cancel("order"), cancelled),
		},
		{
			Name: "cancelled while it holds a profile", Known: true, Open: after(unavailable(es2plus.ConfirmOrder)),
			Tell: told(order("order"), shows(v1alpha1.ConditionOutcomeUnknown), cancel("order"), cancelled),
		},
		{
			Name: "cancelled after it was delivered", Known: true,
			Tell: told(order("order"), becomes("order", v1alpha1.PhaseDelivered), cancel("order"), cancelled),
		},
		{
			Name: "cancelled after it was delivered, that answer lost", Known: true, Open: after(drop(es2plus.CancelOrder)),
			Tell: told(order("order"), becomes("order", v1alpha1.PhaseDelivered), cancel("order"), cancelled),
		},
		{
			Name: "cancelled after a wholesaler delivered it", Shop: testshop.Options{Product: wholesaleOnly}, Open: wholesale,
			Tell: told(order("order"), becomes("order", v1alpha1.PhaseDelivered), cancel("order"), cancelled),
		},
	}
}

func deletionStories() []Story {
	return []Story{
		{
			Name: "deleted at once", Known: true,
			Tell: told(order("order"), remove("order"), vanishes("order")),
		},
		{
			Name: "deleted while it waits for stock", Known: true, Open: soldOut,
			Tell: told(order("order"), shows("OutOfStock"), remove("order"), vanishes("order")),
		},
		{
			Name: "deleted while it holds a profile", Known: true, Open: after(unavailable(es2plus.ConfirmOrder)),
			Tell: told(order("order"), shows(v1alpha1.ConditionOutcomeUnknown), remove("order"), vanishes("order")),
		},
		{
			Name: "deleted after it was delivered", Known: true,
			Tell: told(order("order"), becomes("order", v1alpha1.PhaseDelivered), remove("order"), vanishes("order")),
		},
		{
			Name: "deleted after it was refunded", Shop: testshop.Options{Product: unknownPlan},
			Tell: told(order("order"), becomes("order", v1alpha1.PhaseFailed), remove("order"), vanishes("order")),
		},
	}
}
