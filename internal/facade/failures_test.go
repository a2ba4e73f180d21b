package facade_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// apply makes an order with kubectl, as a change of what the shop sells, and answers its path.
func apply(ctx context.Context, shop *testshop.Shop, name string, change func(*v1alpha1.EsimOrderSpec)) (path string) {
	GinkgoHelper()
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: name},
		Spec:       v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: shop.Name}, Variant: testshop.Variant},
	}
	change(&order.Spec)
	Expect(env.Client.Create(ctx, order)).To(Succeed())
	return orderPath(map[string]any{"id": float64(ids.Order(order.Name, order.UID))})
}

// failing is a shop in which an order fails, and how it is ordered.
type failing struct {
	options testshop.Options
	prepare func(*testshop.Shop) error
	order   func(context.Context, *testshop.Shop, *caller) (path string)
}

// overREST orders the plan with an amount.
func overREST(amount float64) func(context.Context, *testshop.Shop, *caller) string {
	return func(_ context.Context, shop *testshop.Shop, client *caller) string {
		return orderPath(client.post("/api/v1/esim/orders", map[string]any{"product_id": productOf(client, shop), "amount": amount}, "Prefer", "wait=0").object())
	}
}

// withKubectl orders what cannot be asked for over REST.
func withKubectl(change func(*v1alpha1.EsimOrderSpec)) func(context.Context, *testshop.Shop, *caller) string {
	return func(ctx context.Context, shop *testshop.Shop, _ *caller) string {
		return apply(ctx, shop, "trip", change)
	}
}

var _ = Describe("An order that has failed", func() {
	DescribeTable("says why, and whether another order could succeed",
		func(ctx SpecContext, name, code, reason string, fixable bool, of failing) {
			shop, client := newShop(ctx, "rest-fails-"+name, of.options)
			if of.prepare != nil {
				Expect(of.prepare(shop)).To(Succeed())
			}
			path := of.order(ctx, shop, client)
			var order map[string]any
			// One that kubectl made is known once the informer shows it.
			Eventually(func() map[string]any {
				order = client.get(path, "Prefer", "wait=10").object()
				return order
			}).Should(HaveKeyWithValue("status", "FAILED"))
			Expect(order).To(HaveKeyWithValue("failure_code", code))
			Expect(order).To(HaveKeyWithValue("failure_reason", ContainSubstring(reason)))
			Expect(order).To(HaveKeyWithValue("is_user_fixable", fixable))
			Expect(order).NotTo(HaveKey("activation_code"))
			listed := client.get("/api/v1/esim/orders?status=FAILED").list()
			Expect(listed).To(ConsistOf(And(HaveKeyWithValue("failure_code", code), HaveKeyWithValue("is_user_fixable", fixable))))
		},
		Entry("INVALID_PLAN", "plan", "INVALID_PLAN", "no variant at 4.75 USD", true, failing{order: overREST(4.75)}),
		Entry("PLAN_UNAVAILABLE", "stopped", "PLAN_UNAVAILABLE", "is not on sale", true, failing{
			options: testshop.Options{Product: func(p *v1alpha1.EsimProduct) {
				stopped := p.Spec.Variants[0]
				stopped.Name, stopped.Amount, stopped.Inactive = "stopped", "9", true
				p.Spec.Variants = append(p.Spec.Variants, stopped)
			}},
			order: withKubectl(func(spec *v1alpha1.EsimOrderSpec) { spec.Variant = "stopped" }),
		}),
		Entry("INSUFFICIENT_FUNDS", "poor", "INSUFFICIENT_FUNDS", "wallet main has 4.49 USD to spend", true, failing{
			options: testshop.Options{Wallet: func(w *v1alpha1.EsimWallet) { w.Spec.Deposits[0].Amount = "4.49" }},
			order:   overREST(4.5),
		}),
		Entry("INVALID_WALLET", "wallet", "INVALID_WALLET", "there is no wallet", true, failing{
			order: withKubectl(func(spec *v1alpha1.EsimOrderSpec) { spec.WalletRef = &v1alpha1.WalletReference{Name: "nobodys"} }),
		}),
		Entry("NO_EXCHANGE_RATE", "rate", "NO_EXCHANGE_RATE", "no exchange rate from USD", true, failing{
			options: testshop.Options{Wallet: func(w *v1alpha1.EsimWallet) { w.Spec.Currency = "EUR" }},
			order: withKubectl(func(spec *v1alpha1.EsimOrderSpec) {
				spec.WalletRef = &v1alpha1.WalletReference{Name: testshop.WalletName}
			}),
		}),
		Entry("DUPLICATE_REFERENCE", "twice", "DUPLICATE_REFERENCE", "was used before", true, failing{
			order: func(ctx context.Context, shop *testshop.Shop, client *caller) string {
				first := client.post("/api/v1/esim/orders", map[string]any{"product_id": productOf(client, shop), "amount": 4.5, "client_reference": "TRIP"})
				Expect(first.object()).To(HaveKeyWithValue("status", "DELIVERED"))
				return apply(ctx, shop, "again", func(spec *v1alpha1.EsimOrderSpec) { spec.ClientReference = "TRIP" })
			},
		}),
		Entry("ORDER_EXPIRED", "late", "ORDER_EXPIRED", "acceptBefore had passed", true, failing{
			order: withKubectl(func(spec *v1alpha1.EsimOrderSpec) {
				passed := metav1.NewTime(time.Now().Add(-time.Hour))
				spec.AcceptBefore = &passed
			}),
		}),
		Entry("OPERATOR_REJECTED", "refused", "OPERATOR_REJECTED", "wants an EID", false, failing{
			prepare: func(shop *testshop.Shop) error {
				return shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultStatusCode, Function: es2plus.ConfirmOrder, SubjectCode: "8.1.1", ReasonCode: "2.2"})
			},
			order: overREST(4.5),
		}),
		Entry("RECOVERY_EXHAUSTED", "exhausted", "RECOVERY_EXHAUSTED", "could not be filled in time", false, failing{
			options: testshop.Options{Operator: func(o *v1alpha1.EsimOperator) {
				o.Spec.Recovery.GiveUpAfter = metav1.Duration{Duration: time.Second}
			}},
			prepare: func(shop *testshop.Shop) error { return shop.SMDP.SetStock(testshop.Plan, 0) },
			order:   overREST(4.5),
		}),
	)
})
