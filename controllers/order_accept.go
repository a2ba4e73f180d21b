package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Reasons of an order's Ready condition while it is PENDING before its first attempt.
const (
	reasonProductNotFound = "ProductNotFound"
)

// hold makes sure that the order cannot vanish while it holds a profile. The admission policy
// has put the finalizer there already; this is for clusters without that policy.
func (r *OrderReconciler) hold(ctx context.Context, p *pass) (*decision, error) {
	if controllerutil.ContainsFinalizer(p.order, v1alpha1.SettlementFinalizer) {
		return nil, nil
	}
	leave, err := r.turn(ctx, p)
	if err != nil {
		return nil, err
	}
	defer leave()
	before := p.order.DeepCopy()
	controllerutil.AddFinalizer(p.order, v1alpha1.SettlementFinalizer)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Writer.Patch(ctx, p.order, lock); err != nil {
		return nil, fmt.Errorf("adding the finalizer: %w", err)
	}
	return nil, nil
}

// accept checks the order and takes the plan's snapshot: a later change of the product does
// not touch the order any more. What is clearly wrong ends here, FAILED.
func (r *OrderReconciler) accept(ctx context.Context, p *pass) (*decision, error) {
	if provisioning := p.provisioning(); provisioning != nil {
		p.source = currentSource(provisioning)
		return nil, nil
	}
	ctx, done := accepting(ctx, p)
	defer done()
	if plan := p.order.Status.Plan; plan != nil && len(plan.Sources) > 0 {
		sources, err := r.sources(ctx, p)
		if err != nil {
			return nil, err
		}
		return r.choosePlace(ctx, p, sources)
	}
	if failure := r.unacceptable(p); failure != nil {
		return failed(failure), nil
	}
	if p.order.Spec.ClientReference == "" {
		return r.choose(ctx, p)
	}
	holder, err := r.Ledger.Claim(ctx, p.order)
	if err != nil {
		return nil, err
	}
	if holder != "" {
		return failed(&v1alpha1.OrderFailure{
			Code:   v1alpha1.FailureDuplicateReference,
			Reason: fmt.Sprintf("clientReference was used before, by EsimOrder %s; use another one", holder),
		}), nil
	}
	return r.choose(ctx, p)
}

// choose finds the plan that the order asks for.
func (r *OrderReconciler) choose(ctx context.Context, p *pass) (*decision, error) {
	// A cache may be old, and FAILED is for good: what the cache would refuse is looked up.
	for _, reader := range []client.Reader{r.Client, r.Live} {
		product, err := getProduct(ctx, reader, p.order.Spec.ProductRef.Name)
		if err != nil {
			return nil, err
		}
		// First: the plans and prices of what is not sold to a client are not its business.
		failure, err := notSold(ctx, reader, p.order, product)
		if err != nil {
			return nil, err
		}
		var plan *v1alpha1.OrderPlan
		if failure == nil {
			plan, failure = choosePlan(p.order, product)
		}
		if failure == nil {
			p.order.Status.Plan = plan
			return r.choosePlace(ctx, p, plan.Sources)
		}
		if reader != r.Live {
			continue
		}
		if wait := r.Pace.ProductGrace.Duration - p.now.Sub(p.order.CreationTimestamp.Time); product == nil && wait > 0 {
			return &decision{reason: reasonProductNotFound, message: failure.Reason, after: wait + time.Second}, nil
		}
		return failed(failure), nil
	}
	return nil, nil
}

// choosePlace finds the source that the order is given to.
func (r *OrderReconciler) choosePlace(ctx context.Context, p *pass, sources []v1alpha1.VariantSource) (*decision, error) {
	affordable := r.affordable(p.order.Status.Plan, sources)
	if len(affordable) == 0 {
		return r.waitForPrice(ctx, p, sources[0].OperatorRef.Name)
	}
	sources = affordable
	var err error
	p.source, err = r.pick(ctx, sources)
	return nil, err
}

func getProduct(ctx context.Context, reader client.Reader, name string) (*v1alpha1.EsimProduct, error) {
	var product v1alpha1.EsimProduct
	err := reader.Get(ctx, types.NamespacedName{Name: name}, &product)
	if apierrors.IsNotFound(err) || (err == nil && !product.DeletionTimestamp.IsZero()) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading EsimProduct %s: %w", name, err)
	}
	return &product, nil
}

// notSold is why a client may not buy a product; nil where it may, or where there is none.
func notSold(ctx context.Context, reader client.Reader, order *v1alpha1.EsimOrder, product *v1alpha1.EsimProduct) (*v1alpha1.OrderFailure, error) {
	if product == nil {
		return nil, nil
	}
	var terms v1alpha1.EsimClient
	err := reader.Get(ctx, types.NamespacedName{Namespace: order.Namespace, Name: v1alpha1.ClientName}, &terms)
	if apierrors.IsNotFound(err) || err == nil && terms.Spec.ProductSelector == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the EsimClient of namespace %s: %w", order.Namespace, err)
	}
	failure := &v1alpha1.OrderFailure{Code: v1alpha1.FailurePlanUnavailable}
	selector, err := metav1.LabelSelectorAsSelector(terms.Spec.ProductSelector)
	switch {
	case err != nil:
		failure.Reason = "the productSelector of this namespace's EsimClient is malformed; ask for it to be mended"
	case !selector.Matches(labels.Set(product.Labels)):
		failure.Reason = fmt.Sprintf("EsimProduct %s is not sold in this namespace", product.Name)
	default:
		return nil, nil
	}
	return failure, nil
}

// unacceptable is what is wrong with the order by itself.
func (r *OrderReconciler) unacceptable(p *pass) *v1alpha1.OrderFailure {
	if deadline := p.order.Spec.AcceptBefore; deadline != nil && !p.now.Before(deadline.Time) {
		return &v1alpha1.OrderFailure{
			Code:   v1alpha1.FailureOrderExpired,
			Reason: "acceptBefore had passed when the order arrived; nothing was bought or charged. Make a new order if you still want it",
		}
	}
	return nil
}

// choosePlan finds the variant that an order asks for, and takes its snapshot.
func choosePlan(order *v1alpha1.EsimOrder, product *v1alpha1.EsimProduct) (*v1alpha1.OrderPlan, *v1alpha1.OrderFailure) {
	unavailable := func(format string, args ...any) (*v1alpha1.OrderPlan, *v1alpha1.OrderFailure) {
		return nil, &v1alpha1.OrderFailure{Code: v1alpha1.FailurePlanUnavailable, Reason: fmt.Sprintf(format, args...)}
	}
	if product == nil {
		return unavailable("there is no EsimProduct named %s", order.Spec.ProductRef.Name)
	}
	wanted := matchingVariants(order, product)
	if len(wanted) == 0 {
		failure := &v1alpha1.OrderFailure{Code: v1alpha1.FailureInvalidPlan}
		if order.Spec.Variant != "" {
			failure.Reason = fmt.Sprintf("EsimProduct %s has no variant %s", product.Name, order.Spec.Variant)
		} else {
			failure.Reason = fmt.Sprintf("EsimProduct %s has no variant at %s %s", product.Name, order.Spec.Amount, product.Spec.Currency)
		}
		return nil, failure
	}
	for _, variant := range wanted {
		if !variant.Inactive && len(variant.Sources) > 0 {
			return snapshot(product, variant), nil
		}
	}
	if wanted[0].Inactive {
		return unavailable("variant %s of EsimProduct %s is not on sale", wanted[0].Name, product.Name)
	}
	return unavailable("variant %s of EsimProduct %s has no source that could fill it", wanted[0].Name, product.Name)
}

func matchingVariants(order *v1alpha1.EsimOrder, product *v1alpha1.EsimProduct) []*v1alpha1.EsimVariant {
	name := order.Spec.Variant
	if order.Status.Plan != nil {
		name = order.Status.Plan.Variant
	}
	var wanted []*v1alpha1.EsimVariant
	for i := range product.Spec.Variants {
		variant := &product.Spec.Variants[i]
		if variant.Name == name || name == "" && variant.Amount.Equal(order.Spec.Amount) {
			wanted = append(wanted, variant)
		}
	}
	return wanted
}

func snapshot(product *v1alpha1.EsimProduct, variant *v1alpha1.EsimVariant) *v1alpha1.OrderPlan {
	return &v1alpha1.OrderPlan{
		Product:      product.Name,
		Variant:      variant.Name,
		DisplayName:  product.Spec.DisplayName + " " + variant.DisplayName,
		CountryCode:  product.Spec.CountryCode,
		DataAmountGB: variant.DataAmountGB,
		ValidityDays: variant.ValidityDays,
		Amount:       variant.Amount,
		Currency:     product.Spec.Currency,
		Sources:      variant.Sources,
	}
}
