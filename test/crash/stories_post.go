package crash

import (
	"context"
	"fmt"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/manager"
)

// postStories are those in which somebody is told by e-mail and by webhook.
func postStories() []Story {
	return []Story{
		withPost(Story{
			Name: "told of a delivery and its cancellation",
			Tell: told(toldOrder("order", nil), becomesAndTells("order", v1alpha1.PhaseDelivered),
				cancel("order"), becomesAndTells("order", v1alpha1.PhaseCancelled)),
		}),
		withPost(Story{
			Name: "told of a failure",
			Shop: withoutPlan("none"),
			Tell: told(toldOrder("order", func(o *v1alpha1.EsimOrder) { o.Spec.Variant = "none" }),
				becomesAndTells("order", v1alpha1.PhaseFailed)),
		}),
	}
}

// withPost gives a story a post, and has what arrived there compared.
func withPost(s Story) Story {
	s.Open = func(ctx context.Context, w *World) error {
		p, err := openPost(ctx)
		if err != nil {
			return err
		}
		w.Own = p
		w.Closing(p.close)
		w.Also("told", func(ctx context.Context) (any, error) { return w.arrived(ctx, p) })
		return p.subscribe(ctx, w.API, w.Name)
	}
	s.Config = func(w *World, config *manager.Config) {
		if p, ok := w.Own.(*post); ok {
			p.serve(config)
		}
	}
	s.Options = func(_ *World, line *lifeline.Line, options *manager.Options) {
		options.WrapEvents, options.WrapReceipts = line.Events, line.Receipts
	}
	return s
}

// addressOf is where an order's receipts go.
func addressOf(order string) string { return order + "@example.com" }

// toldOrder creates an order whose owner wants to be told.
func toldOrder(name string, change func(*v1alpha1.EsimOrder)) Step {
	return order(name, func(o *v1alpha1.EsimOrder) {
		o.Spec.NotificationEmail, o.Spec.ClientReference = addressOf(name), name
		if change != nil {
			change(o)
		}
	})
}

// becomesAndTells waits until an order is in a phase, and all that happened to it so far is told.
func becomesAndTells(name string, phase v1alpha1.OrderPhase) Step {
	return has(name, "is "+string(phase)+" and has told of it", func(o *v1alpha1.EsimOrder) bool {
		return o.Status.Phase == phase && len(o.Status.Notifications) == 0
	})
}

// arrived is what came of the only order, by what it is. More copies than one are made only by
// who does not know of another: one for each manager that was stopped, or works beside.
func (w *World) arrived(ctx context.Context, p *post) (any, error) {
	events, err := p.eventsOf("order")
	if err != nil {
		return nil, err
	}
	mails, err := p.mailsTo(ctx, addressOf("order"))
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	most := w.copies
	w.mu.Unlock()
	var kinds []string
	for _, came := range append(events, mails...) {
		if came.Copies > most {
			return nil, fmt.Errorf("%s came %d times; at most %d could not be helped", came.Kind, came.Copies, most)
		}
		kinds = append(kinds, came.Kind)
	}
	return kinds, nil
}
