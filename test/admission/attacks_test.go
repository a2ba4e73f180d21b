package admission_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// attack is something that a person must not get away with. It prepares what it needs and
// returns the answer to the one request that counts.
type attack struct {
	// does ends the sentence "A namespace's admin cannot …".
	does   string
	policy string
	try    func(ctx context.Context, c *cluster) error
}

// Each attack is tried twice: where a policy forbids it, and where there are no policies,
// which shows that nothing but the policy stands in its way.
var _ = Describe("A namespace's admin", func() {
	for _, attacks := range [][]attack{
		settlementAttacks, orphanAttacks, resolveAttacks, statusAttacks, secretAttacks,
		walletAttacks, walletStatusAttacks, ledgerFinalizerAttacks,
	} {
		for _, a := range attacks {
			It("cannot "+a.does, func(ctx context.Context) {
				Expect(a.try(ctx, guarded)).To(beRefusedBy(a.policy))
			})
			It("could "+a.does+" without the policy "+a.policy, func(ctx context.Context) {
				Expect(a.try(ctx, unguarded)).To(Succeed())
			})
		}
	}
})

var settlementAttacks = []attack{
	{
		does:   "strip an order's settlement finalizer with a merge patch",
		policy: "orders-keep-settlement-finalizer",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.placeOrder(ctx), mergePatch(`{"metadata":{"finalizers":null}}`))
		},
	}, {
		does:   "strip an order's settlement finalizer with a JSON patch",
		policy: "orders-keep-settlement-finalizer",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.placeOrder(ctx), jsonPatch(`[{"op":"remove","path":"/metadata/finalizers/0"}]`))
		},
	}, {
		does:   "replace an order's settlement finalizer by another",
		policy: "orders-keep-settlement-finalizer",
		try: func(ctx context.Context, c *cluster) error {
			order := c.placeOrder(ctx)
			order.Finalizers = []string{"example.com/mine"}
			return c.ann.Update(ctx, order)
		},
	}, {
		does:   "let go of an order that is being deleted",
		policy: "orders-keep-settlement-finalizer",
		try: func(ctx context.Context, c *cluster) error {
			order := c.placeOrder(ctx)
			Expect(c.ann.Delete(ctx, order)).To(Succeed())
			Expect(c.held(ctx, order)).To(BeTrue())
			order.Finalizers = nil
			return c.ann.Update(ctx, order)
		},
	}, {
		does:   "let go of an order even as a cluster administrator",
		policy: "orders-keep-settlement-finalizer",
		try: func(ctx context.Context, c *cluster) error {
			return c.root.Patch(ctx, c.placeOrder(ctx), mergePatch(`{"metadata":{"finalizers":[]}}`))
		},
	},
}

var orphanAttacks = []attack{
	{
		does:   "delete an order and leave its Secret behind",
		policy: "orders-no-orphans",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Delete(ctx, c.placeOrder(ctx), client.PropagationPolicy(metav1.DeletePropagationOrphan))
		},
	}, {
		does:   "delete an order and leave its Secret behind in the deprecated way",
		policy: "orders-no-orphans",
		try: func(ctx context.Context, c *cluster) error {
			//nolint:staticcheck // deprecated, and yet obeyed by the API server.
			options := &metav1.DeleteOptions{OrphanDependents: new(true)}
			return c.ann.Delete(ctx, c.placeOrder(ctx), &client.DeleteOptions{Raw: options})
		},
	}, {
		does:   "delete all orders and leave their Secrets behind",
		policy: "orders-no-orphans",
		try: func(ctx context.Context, c *cluster) error {
			order := c.placeOrder(ctx)
			Expect(c.walt.Patch(ctx, order, mergePatch(`{"metadata":{"labels":{"all":"`+order.Name+`"}}}`))).To(Succeed())
			return c.walt.DeleteAllOf(ctx, &v1alpha1.EsimOrder{}, client.InNamespace(namespace),
				client.MatchingLabels{"all": order.Name}, client.PropagationPolicy(metav1.DeletePropagationOrphan))
		},
	}, {
		does:   "set the finalizer by which the garbage collector orphans",
		policy: "orders-no-orphans",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.placeOrder(ctx),
				jsonPatch(`[{"op":"add","path":"/metadata/finalizers/-","value":"orphan"}]`))
		},
	}, {
		does:   "create an order with the finalizer by which the garbage collector orphans",
		policy: "orders-no-orphans",
		try: func(ctx context.Context, c *cluster) error {
			order := newOrder()
			order.Finalizers = []string{metav1.FinalizerOrphanDependents}
			return c.ann.Create(ctx, order)
		},
	},
}

const (
	resolved  = `{"metadata":{"annotations":{"esim.telco.dev/resolve":"not-bought"}}}`
	delivered = `{"metadata":{"annotations":{"esim.telco.dev/resolve":"delivered"}}}`
	undecided = `{"metadata":{"annotations":{"esim.telco.dev/resolve":"bought"}}}`
)

var resolveAttacks = []attack{
	{
		does:   "decide an order's unknown outcome",
		policy: "orders-resolve",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.placeOrder(ctx), mergePatch(resolved))
		},
	}, {
		does:   "create an order whose outcome is decided beforehand",
		policy: "orders-resolve",
		try: func(ctx context.Context, c *cluster) error {
			order := newOrder()
			order.Annotations = map[string]string{v1alpha1.ResolveAnnotation: v1alpha1.ResolveNotBought}
			return c.ann.Create(ctx, order)
		},
	}, {
		does:   "decide an order's unknown outcome with every right in the namespace",
		policy: "orders-resolve",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Patch(ctx, c.placeOrder(ctx), mergePatch(resolved))
		},
	}, {
		does:   "repeat a decision of the platform that was taken away",
		policy: "orders-resolve",
		try: func(ctx context.Context, c *cluster) error {
			order := c.placeOrder(ctx)
			Expect(c.peter.Patch(ctx, order, mergePatch(resolved))).To(Succeed())
			Expect(c.manager.Patch(ctx, order, mergePatch(`{"metadata":{"annotations":null}}`))).To(Succeed())
			return c.ann.Patch(ctx, order, mergePatch(resolved))
		},
	}, {
		does:   "have an order pass for delivered with every right in the namespace",
		policy: "orders-resolve",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Patch(ctx, c.placeOrder(ctx), mergePatch(delivered))
		},
	}, {
		does:   "turn a decision of the platform into the other",
		policy: "orders-resolve",
		try: func(ctx context.Context, c *cluster) error {
			order := c.placeOrder(ctx)
			Expect(c.peter.Patch(ctx, order, mergePatch(delivered))).To(Succeed())
			return c.ann.Patch(ctx, order, mergePatch(resolved))
		},
	}, {
		does:   "give a decision another value than not-bought or delivered, even as one of the platform team",
		policy: "orders-resolve",
		try: func(ctx context.Context, c *cluster) error {
			return c.peter.Patch(ctx, c.placeOrder(ctx), mergePatch(undecided))
		},
	},
}

var statusAttacks = []attack{
	{
		does:   "turn an order back to PENDING with every right in the namespace",
		policy: "orders-status",
		try: func(ctx context.Context, c *cluster) error {
			order := c.placeOrder(ctx)
			order.Status.Phase = v1alpha1.PhaseDelivered
			Expect(c.manager.Status().Update(ctx, order)).To(Succeed())
			order.Status.Phase = v1alpha1.PhasePending
			return c.walt.Status().Update(ctx, order)
		},
	}, {
		does:   "name another client's profile in an order's status",
		policy: "orders-status",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Status().Patch(ctx, c.placeOrder(ctx), mergePatch(`{"status":{"provisioning":{
				"operatorRef":{"name":"telco-one"},"planID":"JP-1GB-7D","attempt":1,"requestID":"x",
				"startTime":"2026-01-02T03:04:05Z","iccid":"8947010000123456784"}}}`))
		},
	},
}
