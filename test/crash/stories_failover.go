package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// wholesale opens a wholesaler that does nothing wrong.
func wholesale(ctx context.Context, w *World) error {
	_, err := w.openWholesaler(ctx, zenditfake.Options{})
	return err
}

// wholesaleOnly, wholesaleFirst and wholesaleSecond say where a product comes from.
func wholesaleOnly(p *v1alpha1.EsimProduct) {
	p.Spec.Variants[0].Sources = []v1alpha1.VariantSource{wholesaleSource(p, wholesalePlan)}
}

func wholesaleFirst(plan string) func(*v1alpha1.EsimProduct) {
	return func(p *v1alpha1.EsimProduct) {
		p.Spec.Variants[0].Sources = []v1alpha1.VariantSource{wholesaleSource(p, plan), p.Spec.Variants[0].Sources[0]}
	}
}

func wholesaleSecond(p *v1alpha1.EsimProduct) {
	p.Spec.Variants[0].Sources = append(p.Spec.Variants[0].Sources, wholesaleSource(p, wholesalePlan))
}

// secondPlan has an unknown plan of the SM-DP+ come before the one that it sells.
func secondPlan(p *v1alpha1.EsimProduct) {
	known := p.Spec.Variants[0].Sources[0]
	unknown := known
	unknown.PlanID = "XX-NONE"
	p.Spec.Variants[0].Sources = []v1alpha1.VariantSource{unknown, known}
}

// impatient leaves an operator that does not answer after a second.
func impatient(o *v1alpha1.EsimOperator) {
	o.Spec.Recovery.FailoverAfter = metav1.Duration{Duration: time.Second}
}

// both does one thing after another before any manager runs.
func both(first, second func(context.Context, *World) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error {
		if err := first(ctx, w); err != nil {
			return err
		}
		return second(ctx, w)
	}
}

func failoverStories() []Story {
	return []Story{
		{Name: "second plan", Known: true, Tell: deliver, Shop: testshop.Options{Product: secondPlan}},
		{
			Name: "from an SM-DP+ without stock to a wholesaler", Tell: deliver,
			Shop: testshop.Options{Product: wholesaleSecond}, Open: both(wholesale, soldOut),
		},
		{
			Name: "from an SM-DP+ that does not answer to a wholesaler", Tell: deliver,
			Shop: testshop.Options{Product: wholesaleSecond, Operator: impatient},
			Open: both(wholesale, after(unwell(es2plus.DownloadOrder))),
		},
		{
			Name: "from a wholesaler without stock to an SM-DP+", Known: true, Tell: deliver,
			Shop: testshop.Options{Product: wholesaleFirst(soldOutPlan)}, Open: wholesale,
		},
		{
			Name: "wholesaler's answer lost", Tell: deliver, Shop: testshop.Options{Product: wholesaleFirst(wholesalePlan)},
			Open: func(ctx context.Context, w *World) error {
				vendor, err := w.openWholesaler(ctx, zenditfake.Options{})
				if err != nil {
					return err
				}
				_, err = vendor.Inject(faults.Fault{Kind: faults.Drop, Function: "POST /esim/purchases", Times: 1})
				return err
			},
		},
		{
			Name: "wholesaler takes its time", Tell: deliver, Shop: testshop.Options{Product: wholesaleOnly},
			Open: func(ctx context.Context, w *World) error {
				_, err := w.openWholesaler(ctx, zenditfake.Options{Delivery: 300 * time.Millisecond})
				return err
			},
		},
		{
			Name: "wholesaler unwell", Tell: deliver, Shop: testshop.Options{Product: wholesaleOnly},
			Open: func(ctx context.Context, w *World) error {
				vendor, err := w.openWholesaler(ctx, zenditfake.Options{})
				if err != nil {
					return err
				}
				_, err = vendor.Inject(faults.Fault{Kind: faults.Status, Status: http.StatusServiceUnavailable, Function: "POST /esim/purchases", Times: 1})
				return err
			},
		},
	}
}

// unwell answers that nothing was done, for no reason that SGP.22 knows.
func unwell(function es2plus.Function) smdp.Fault {
	return smdp.Fault{Kind: smdp.FaultStatusCode, Function: function, SubjectCode: "1.1", ReasonCode: "9.9", Message: "out of order"}
}

// deviceStories are of profiles that come onto their devices.
func deviceStories() []Story {
	return []Story{{
		Name: "installed, as the wholesaler says when it is asked", Shop: testshop.Options{Product: wholesaleOnly},
		Open: wholesale,
		Tell: told(order("order"), becomes("order", v1alpha1.PhaseDelivered), onDevice, refreshed("order", "1"),
			has("order", "is installed", func(o *v1alpha1.EsimOrder) bool { return o.Status.Activation != nil && o.Status.Activation.CodeRemoved })),
	}}
}

// onDevice lets the order's profile be installed.
func onDevice(ctx context.Context, w *World) error {
	found, err := w.Order(ctx, "order")
	if err != nil {
		return err
	}
	if found == nil || w.wholesaler == nil {
		return errors.New("there is no order, or no wholesaler")
	}
	if err := w.wholesaler.Install(activation.ICCID(found.Status.Esim.ICCID)); err != nil {
		return fmt.Errorf("installing: %w", err)
	}
	return nil
}

// refreshed asks for the operator to be asked.
func refreshed(name, request string) Step {
	return func(ctx context.Context, w *World) error {
		return w.Edit(ctx, name, func(o *v1alpha1.EsimOrder) {
			metav1.SetMetaDataAnnotation(&o.ObjectMeta, v1alpha1.RefreshAnnotation, request)
		})
	}
}
