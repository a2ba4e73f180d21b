package crash

import (
	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// stories are all that are told.
func stories() []Story {
	var all []Story
	for _, some := range [][]Story{orderStories()} {
		all = append(all, some...)
	}
	return all
}

func orderStories() []Story {
	delivered := told(order("order"), becomes("order", v1alpha1.PhaseDelivered))
	return []Story{
		{Name: "delivered", Known: true, Tell: delivered},
		{Name: "first of its operator", Tell: delivered},
		{
			Name: "rejected", Tell: told(order("order"), becomes("order", v1alpha1.PhaseFailed)),
			Shop: testshop.Options{Product: func(p *v1alpha1.EsimProduct) { p.Spec.Variants[0].Sources[0].PlanID = "XX-NONE" }},
		},
	}
}
