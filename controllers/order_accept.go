package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	if plan := p.order.Status.Plan; plan != nil && len(plan.Sources) > 0 {
		sources, err := r.sources(ctx, p)
		if err != nil {
			return nil, err
		}
		p.source = sources[0]
		return nil, nil
	}
	if failure := r.unacceptable(p); failure != nil {
		return failed(failure), nil
	}
	duplicate, err := r.duplicate(ctx, p.order)
	if err != nil {
		return nil, err
	}
	if duplicate != "" {
		return failed(&v1alpha1.OrderFailure{
			Code:   v1alpha1.FailureDuplicateReference,
			Reason: fmt.Sprintf("clientReference was used before, by EsimOrder %s; use another one", duplicate),
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
		plan, failure := choosePlan(p.order, product)
		if failure == nil {
			p.order.Status.Plan, p.source = plan, plan.Sources[0]
			return nil, nil
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

// duplicate is the name of an earlier order of the namespace with the same clientReference.
// One that was already accepted counts as the earlier; of two that were created within one
// second, the one whose UID sorts first. The cache may not show either yet: what this process
// accepts it claims first.
func (r *OrderReconciler) duplicate(ctx context.Context, order *v1alpha1.EsimOrder) (string, error) {
	if order.Spec.ClientReference == "" || r.references.claimedBy(order) {
		return "", nil
	}
	var orders v1alpha1.EsimOrderList
	err := r.Client.List(ctx, &orders, client.InNamespace(order.Namespace),
		client.MatchingFields{indexReference: order.Spec.ClientReference}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return "", fmt.Errorf("looking for orders with the same clientReference: %w", err)
	}
	for i := range orders.Items {
		other := &orders.Items[i]
		if other.UID != order.UID && !isDuplicate(other) && earlier(other, order) {
			return other.Name, nil
		}
	}
	return r.references.claim(order), nil
}

// referenceClaims are the orders that this process has let have their clientReference.
type referenceClaims struct {
	mu      sync.Mutex
	byKey   map[types.NamespacedName]types.NamespacedName
	byOrder map[types.NamespacedName]types.NamespacedName
}

// claim takes the order's clientReference for it, or returns the name of the order that has
// it already.
func (c *referenceClaims) claim(order *v1alpha1.EsimOrder) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.ClientReference}
	name := client.ObjectKeyFromObject(order)
	if holder, taken := c.byKey[key]; taken && holder != name {
		return holder.Name
	}
	if c.byKey == nil {
		c.byKey, c.byOrder = map[types.NamespacedName]types.NamespacedName{}, map[types.NamespacedName]types.NamespacedName{}
	}
	c.byKey[key], c.byOrder[name] = name, key
	return ""
}

// claimedBy tells whether the order has its clientReference.
func (c *referenceClaims) claimedBy(order *v1alpha1.EsimOrder) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.byOrder[client.ObjectKeyFromObject(order)]
	return ok
}

// forget gives up the claim of an order that is gone.
func (c *referenceClaims) forget(order types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key, ok := c.byOrder[order]; ok {
		delete(c.byOrder, order)
		delete(c.byKey, key)
	}
}

// isDuplicate tells whether an order has failed for its clientReference: it keeps nobody else
// from it.
func isDuplicate(order *v1alpha1.EsimOrder) bool {
	return order.Status.Failure != nil && order.Status.Failure.Code == v1alpha1.FailureDuplicateReference
}

func earlier(a, b *v1alpha1.EsimOrder) bool {
	if accepted := a.Status.Plan != nil; accepted {
		return true
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.UID < b.UID
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
