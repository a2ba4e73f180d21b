package controllers_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

var _ = Describe("An order that is clearly wrong", func() {
	It("fails at once with INVALID_PLAN where the product has no such variant", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "no-variant", func(o *v1alpha1.EsimOrder) { o.Spec.Variant = "999gb" })
		becomes(ctx, shop, "no-variant", "FAILED INVALID_PLAN")
		Expect(look(ctx, shop, "no-variant").Status.Failure.Reason).To(Equal("EsimProduct " + shop.Name + " has no variant 999gb"))
	})

	It("fails with INVALID_PLAN where no variant has the price", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "no-price", func(o *v1alpha1.EsimOrder) { o.Spec.Variant, o.Spec.Amount = "", "4.51" })
		becomes(ctx, shop, "no-price", "FAILED INVALID_PLAN")
	})

	It("fails with PLAN_UNAVAILABLE where the variant is not on sale", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Product: func(p *v1alpha1.EsimProduct) { p.Spec.Variants[0].Inactive = true }})
		place(ctx, shop, "inactive")
		becomes(ctx, shop, "inactive", "FAILED PLAN_UNAVAILABLE")
		Expect(shop.SMDP.Ledger()).To(BeEmpty(), "nothing is bought for an order that is not accepted")
	})

	It("learns nothing of a product that is not sold in its namespace, neither its plans nor their prices", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(k8s.Create(ctx, &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: v1alpha1.ClientName},
			Spec:       v1alpha1.EsimClientSpec{ProductSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"sold-to": "others"}}},
		})).To(Succeed())
		place(ctx, shop, "right-price", func(o *v1alpha1.EsimOrder) { o.Spec.Variant, o.Spec.Amount = "", testshop.Amount })
		place(ctx, shop, "wrong-price", func(o *v1alpha1.EsimOrder) { o.Spec.Variant, o.Spec.Amount = "", "4.51" })
		place(ctx, shop, "wrong-plan", func(o *v1alpha1.EsimOrder) { o.Spec.Variant = "999gb" })
		for _, name := range []string{"right-price", "wrong-price", "wrong-plan"} {
			becomes(ctx, shop, name, "FAILED PLAN_UNAVAILABLE")
			Expect(look(ctx, shop, name).Status.Failure.Reason).To(Equal("EsimProduct " + shop.Name + " is not sold in this namespace"))
		}
	})

	It("fails with ORDER_EXPIRED where acceptBefore has passed, and buys nothing", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		past := metav1.NewTime(time.Now().Add(-time.Minute))
		place(ctx, shop, "late", func(o *v1alpha1.EsimOrder) { o.Spec.AcceptBefore = &past })
		becomes(ctx, shop, "late", "FAILED ORDER_EXPIRED")
		Expect(shop.SMDP.Ledger()).To(BeEmpty())
	})

	It("fails with DUPLICATE_REFERENCE where an earlier order has the same clientReference", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		withReference := func(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = "ref-1" }
		place(ctx, shop, "first", withReference)
		becomes(ctx, shop, "first", "DELIVERED Delivered")
		place(ctx, shop, "second", withReference)
		becomes(ctx, shop, "second", "FAILED DUPLICATE_REFERENCE")
		Expect(look(ctx, shop, "second").Status.Failure.Reason).To(ContainSubstring("EsimOrder first"))
		Expect(shop.Bought()).To(Equal(1))
	})

	It("fails with DUPLICATE_REFERENCE also where two orders come at once: one is delivered", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		const pairs = 40
		var placed sync.WaitGroup
		for i := range 2 * pairs {
			placed.Go(func() {
				defer GinkgoRecover()
				place(ctx, shop, fmt.Sprintf("twin-%d", i), func(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = fmt.Sprintf("ref-%d", i/2) })
			})
		}
		placed.Wait()
		for i := range pairs {
			Eventually(func() []string {
				ends := []string{summary(look(ctx, shop, fmt.Sprintf("twin-%d", 2*i))), summary(look(ctx, shop, fmt.Sprintf("twin-%d", 2*i+1)))}
				slices.Sort(ends)
				return ends
			}).WithContext(ctx).Should(Equal([]string{"DELIVERED Delivered", "FAILED DUPLICATE_REFERENCE"}))
		}
		Expect(shop.Bought()).To(Equal(pairs))
	})

	It("waits a little for a product that is applied together with it", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "early", func(o *v1alpha1.EsimOrder) { o.Spec.ProductRef.Name = shop.Name + "-later" })
		becomes(ctx, shop, "early", "PENDING ProductNotFound")
		var product v1alpha1.EsimProduct
		Expect(k8s.Get(ctx, types.NamespacedName{Name: shop.Name}, &product)).To(Succeed())
		later := &v1alpha1.EsimProduct{ObjectMeta: metav1.ObjectMeta{Name: shop.Name + "-later"}, Spec: product.Spec}
		Expect(k8s.Create(ctx, later)).To(Succeed())
		becomes(ctx, shop, "early", "DELIVERED Delivered")
	})

	It("fails where its product does not come", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "never", func(o *v1alpha1.EsimOrder) { o.Spec.ProductRef.Name = "no-such-product" })
		becomes(ctx, shop, "never", "FAILED PLAN_UNAVAILABLE")
	})
})

var _ = Describe("A product that changes while an order is on its way", func() {
	It("does not touch what was ordered", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.SetStock(testshop.Plan, 0)).To(Succeed())
		place(ctx, shop, "before-edit")
		becomes(ctx, shop, "before-edit", "PENDING OutOfStock")

		var product v1alpha1.EsimProduct
		Expect(k8s.Get(ctx, types.NamespacedName{Name: shop.Name}, &product)).To(Succeed())
		before := product.DeepCopy()
		product.Spec.Variants[0].Amount = "99.00"
		Expect(k8s.Patch(ctx, &product, client.MergeFrom(before))).To(Succeed())
		Expect(shop.SMDP.SetStock(testshop.Plan, 5)).To(Succeed())
		becomes(ctx, shop, "before-edit", "DELIVERED Delivered")
		Expect(look(ctx, shop, "before-edit").Status.Plan.Amount).To(Equal(testshop.Amount))
	})

	It("may even be deleted", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.SetStock(testshop.Plan, 0)).To(Succeed())
		place(ctx, shop, "before-delete")
		becomes(ctx, shop, "before-delete", "PENDING OutOfStock")
		Expect(k8s.Delete(ctx, &v1alpha1.EsimProduct{ObjectMeta: metav1.ObjectMeta{Name: shop.Name}})).To(Succeed())
		Expect(shop.SMDP.SetStock(testshop.Plan, 5)).To(Succeed())
		becomes(ctx, shop, "before-delete", "DELIVERED Delivered")
	})
})

// gone waits until an order and its Secret do not exist any more.
func gone(ctx context.Context, shop *testshop.Shop, name string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		order, err := shop.Find(ctx, name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(order).To(BeNil(), "the order must go")
		secret, err := shop.Secret(ctx, name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(secret).To(BeNil(), "its Secret must go")
	}).WithContext(ctx).Should(Succeed())
}

func remove(ctx context.Context, shop *testshop.Shop, name string) {
	GinkgoHelper()
	Expect(k8s.Delete(ctx, shop.NewOrder(name))).To(Succeed())
}

var _ = Describe("Deleting an order", func() {
	It("that is PENDING gives its profile back at the SM-DP+", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.ConfirmOrder})).To(Succeed())
		place(ctx, shop, "unwanted")
		becomes(ctx, shop, "unwanted", "PENDING OutcomeUnknown")
		Expect(shop.Stranded()).To(Equal(1), "a profile is reserved")
		remove(ctx, shop, "unwanted")
		gone(ctx, shop, "unwanted")
		Expect(shop.Stranded()).To(BeZero())
		Expect(shop.Bought()).To(BeZero())
	})

	It("that waits for stock lets it go at once", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.SetStock(testshop.Plan, 0)).To(Succeed())
		place(ctx, shop, "waiting")
		becomes(ctx, shop, "waiting", "PENDING OutOfStock")
		remove(ctx, shop, "waiting")
		gone(ctx, shop, "waiting")
	})

	It("holds it while the operator does not say whether the profile was given back", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		for _, function := range []es2plus.Function{es2plus.ConfirmOrder, es2plus.CancelOrder} {
			Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: function})).To(Succeed())
		}
		place(ctx, shop, "held")
		becomes(ctx, shop, "held", "PENDING OutcomeUnknown")
		remove(ctx, shop, "held")
		becomes(ctx, shop, "held", "PENDING GivingBack")
		Consistently(func() *v1alpha1.EsimOrder { return look(ctx, shop, "held") }, "300ms").ShouldNot(BeZero())
		Expect(shop.SMDP.ClearFaults()).To(Succeed())
		gone(ctx, shop, "held")
		Expect(shop.Stranded()).To(BeZero())
	})

	It("in the foreground, which lets the garbage collector remove the Secret first, still gives the profile back", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultDelay, Delay: time.Second, Function: es2plus.ConfirmOrder})).To(Succeed())
		place(ctx, shop, "foreground")
		var secret *corev1.Secret
		Eventually(func() (_ *corev1.Secret, err error) {
			secret, err = shop.Secret(ctx, "foreground")
			return secret, err
		}).WithContext(ctx).ShouldNot(BeNil(), "the journal is written, ConfirmOrder on its way")
		Expect(k8s.Delete(ctx, shop.NewOrder("foreground"), client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		collector, err := env.UserClient("system:serviceaccount:kube-system:generic-garbage-collector", "system:masters")
		Expect(err).NotTo(HaveOccurred())
		Expect(collector.Delete(ctx, secret)).To(Succeed())
		Eventually(func() []string { return look(ctx, shop, "foreground").Finalizers }).WithContext(ctx).
			ShouldNot(ContainElement(v1alpha1.SettlementFinalizer))
		Expect(shop.Bought()+shop.Stranded()).To(BeZero(), "nobody has its code any more")
	})

	It("that is DELIVERED removes its Secret and leaves the profile to its owner", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "delivered")
		becomes(ctx, shop, "delivered", "DELIVERED Delivered")
		remove(ctx, shop, "delivered")
		gone(ctx, shop, "delivered")
		Expect(shop.Bought()).To(Equal(1))
	})

	It("and making another of its name delivers another profile", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "again")
		becomes(ctx, shop, "again", "DELIVERED Delivered")
		first := look(ctx, shop, "again").Status.Esim.ICCID
		remove(ctx, shop, "again")
		gone(ctx, shop, "again")
		place(ctx, shop, "again")
		becomes(ctx, shop, "again", "DELIVERED Delivered")
		Expect(look(ctx, shop, "again").Status.Esim.ICCID).NotTo(Equal(first))
	})
})

var _ = Describe("A profile that is on a device before its order is DELIVERED", func() {
	It("makes the order DELIVERED, never buys a second one", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "teacher")
		becomes(ctx, shop, "teacher", "DELIVERED Delivered")
		// ConfirmOrder is executed and its answer lost, as often as it is called (a pass over the first
		// order from an old cache may call it too), and nothing answers until the customer, who has read
		// the Secret, has installed the profile.
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: es2plus.ConfirmOrder})).To(Succeed())
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.ReleaseProfile})).To(Succeed())
		place(ctx, shop, "quick-customer")
		becomes(ctx, shop, "quick-customer", "PENDING OutcomeUnknown")
		secret, err := shop.Secret(ctx, "quick-customer")
		Expect(err).NotTo(HaveOccurred())
		iccid := activation.ICCID(secret.Data[v1alpha1.SecretKeyICCID])
		Expect(shop.SMDP.Install(iccid)).To(Succeed())
		Expect(shop.SMDP.ClearFaults()).To(Succeed())
		becomes(ctx, shop, "quick-customer", "DELIVERED Delivered")
		order := look(ctx, shop, "quick-customer")
		Expect(order.Status.Esim.ICCID).To(BeEquivalentTo(iccid))
		Expect(order.Status.Activation.Status).To(Equal(v1alpha1.ActivationActive))
		Expect(order.Status.Activation.Installed).To(BeTrue())
		Expect(shop.Bought()).To(Equal(2))
	})
})

var _ = Describe("Giving up", func() {
	It("fails an order with RECOVERY_EXHAUSTED after giveUpAfter, and gives back what it holds first", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Operator: func(o *v1alpha1.EsimOperator) {
			o.Spec.Recovery.GiveUpAfter = metav1.Duration{Duration: time.Second}
		}})
		busy := smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.9", ReasonCode: "5.1", Function: es2plus.ConfirmOrder}
		Expect(shop.SMDP.Inject(busy)).To(Succeed())
		place(ctx, shop, "hopeless")
		becomes(ctx, shop, "hopeless", "FAILED RECOVERY_EXHAUSTED")
		Expect(shop.Bought() + shop.Stranded()).To(BeZero())
	})

	It("never happens while the outcome is unknown", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Operator: func(o *v1alpha1.EsimOperator) {
			o.Spec.Recovery.GiveUpAfter = metav1.Duration{Duration: time.Second}
		}})
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.ConfirmOrder})).To(Succeed())
		place(ctx, shop, "unknown")
		becomes(ctx, shop, "unknown", "PENDING OutcomeUnknown")
		Consistently(func() string { return summary(look(ctx, shop, "unknown")) }, "2500ms").Should(Equal("PENDING OutcomeUnknown"))
		Expect(shop.SMDP.ClearFaults()).To(Succeed())
		becomes(ctx, shop, "unknown", "DELIVERED Delivered")
	})
})

var _ = Describe("The activation Secret", func() {
	It("that cannot be written keeps the order PENDING, and no profile stays reserved", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Stock: 3})
		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: "no-secrets"}}
		foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: v1alpha1.ActivationSecretName("blocked")}}
		Expect(k8s.Create(ctx, foreign)).To(Succeed())
		place(ctx, shop, "blocked")
		becomes(ctx, shop, "blocked", "PENDING SecretNotWritable")
		Consistently(func() int { return shop.Bought() }, "300ms").Should(BeZero())
		Eventually(shop.Stranded).Should(BeZero())
		Expect(shop.SMDP.Stock(testshop.Plan)).To(Equal(3), "what was reserved can be sold again")
		Expect(k8s.Delete(ctx, foreign)).To(Succeed())
		becomes(ctx, shop, "blocked", "DELIVERED Delivered")
		Expect(client.IgnoreNotFound(k8s.Delete(ctx, quota))).To(Succeed())
	})
})

var _ = Describe("Somebody who knows what happened", func() {
	It("resolves an unknown outcome with an annotation, once", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "teacher")
		becomes(ctx, shop, "teacher", "DELIVERED Delivered")
		// The SM-DP+ says that the profile belongs to another matching ID: nobody but its
		// people can tell what became of it.
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.1", ReasonCode: "3.9", Function: es2plus.ConfirmOrder, Times: 1})).To(Succeed())
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.6", ReasonCode: "3.10", Function: es2plus.CancelOrder})).To(Succeed())
		place(ctx, shop, "mystery")
		becomes(ctx, shop, "mystery", "PENDING NeedsPerson")
		calls := len(shop.SMDP.Ledger())
		Consistently(func() int { return len(shop.SMDP.Ledger()) }, "500ms").Should(Equal(calls), "it is never retried blindly")

		order := look(ctx, shop, "mystery")
		before := order.DeepCopy()
		order.Annotations = map[string]string{v1alpha1.ResolveAnnotation: v1alpha1.ResolveNotBought}
		Expect(k8s.Patch(ctx, order, client.MergeFrom(before))).To(Succeed())
		becomes(ctx, shop, "mystery", "DELIVERED Delivered")
		order = look(ctx, shop, "mystery")
		Expect(order.Annotations).NotTo(HaveKey(v1alpha1.ResolveAnnotation), "it must not decide about a later attempt")
		Expect(order.Status.Provisioning.Attempt).To(BeEquivalentTo(2))
	})
})

var _ = Describe("A slow operator", func() {
	It("delays nobody else: with all its slots hung, 100 orders at another are delivered", func(ctx SpecContext) {
		slow := openShop(ctx, testshop.Options{Operator: func(o *v1alpha1.EsimOperator) {
			o.Spec.Timeout = metav1.Duration{Duration: time.Minute}
			o.Spec.Limits.InFlight = 20
		}})
		quick := openShop(ctx, testshop.Options{})
		Expect(slow.SMDP.Inject(smdp.Fault{Kind: smdp.FaultHang})).To(Succeed())
		for i := range 40 {
			place(ctx, slow, fmt.Sprintf("slow-%d", i))
		}
		for i := range 100 {
			place(ctx, quick, fmt.Sprintf("quick-%d", i))
		}
		Eventually(func() int { return quick.Bought() }).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal(100))
		Expect(slow.SMDP.Ledger()).To(BeEmpty(), "the slow operator has not answered once")
		Expect(slow.SMDP.ClearFaults()).To(Succeed())
		Eventually(func() int { return slow.Bought() }).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal(40))
	})
})

var _ = Describe("An EsimOperator", func() {
	ready := func(ctx context.Context, shop *testshop.Shop) func() string {
		return func() string {
			var operator v1alpha1.EsimOperator
			if err := k8s.Get(ctx, types.NamespacedName{Name: shop.Name}, &operator); err != nil {
				return err.Error()
			}
			for _, condition := range operator.Status.Conditions {
				if condition.Type == v1alpha1.ConditionReady {
					return string(condition.Status) + " " + condition.Reason
				}
			}
			return ""
		}
	}

	It("tells that nobody answers apart from that it refuses us", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Eventually(ready(ctx, shop)).WithContext(ctx).Should(Equal("True Reachable"))
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultRefuseConnection})).To(Succeed())
		Eventually(ready(ctx, shop)).WithContext(ctx).Should(Equal("False Unreachable"))
		Expect(shop.SMDP.ClearFaults()).To(Succeed())
		Eventually(ready(ctx, shop)).WithContext(ctx).Should(Equal("True Reachable"))
	})

	It("takes a new certificate from its Secret without a restart, and tries at once what the old one failed", func(ctx SpecContext) {
		shop, other := openShop(ctx, testshop.Options{}), openShop(ctx, testshop.Options{})
		Eventually(ready(ctx, shop)).WithContext(ctx).Should(Equal("True Reachable"))
		right, wrong := shop.Credentials(), other.Credentials()
		wrong.Name, wrong.Namespace = right.Name, right.Namespace
		Expect(k8s.Update(ctx, wrong)).To(Succeed())
		Eventually(ready(ctx, shop)).WithContext(ctx).Should(Equal("False AuthFailed"))
		place(ctx, shop, "wrong-certificate")
		becomes(ctx, shop, "wrong-certificate", "PENDING OperatorMisconfigured")
		Expect(k8s.Update(ctx, right)).To(Succeed())
		becomes(ctx, shop, "wrong-certificate", "DELIVERED Delivered")
		Eventually(ready(ctx, shop)).WithContext(ctx).Should(Equal("True Reachable"))
	})

	It("says that its Secret is missing, or lacks what its driver needs", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Operator: func(o *v1alpha1.EsimOperator) {
			o.Spec.ES2Plus.TLSSecretRef.Name = "nowhere"
		}})
		Eventually(ready(ctx, shop)).WithContext(ctx).Should(Equal("False CredentialsMissing"))
		reseller := openShop(ctx, testshop.Options{Operator: func(o *v1alpha1.EsimOperator) {
			o.Spec.Zendit = &v1alpha1.ResellerDriver{CredentialsSecretRef: o.Spec.ES2Plus.TLSSecretRef}
			o.Spec.ES2Plus = nil
		}})
		Eventually(ready(ctx, reseller)).WithContext(ctx).Should(Equal("False CredentialsMissing"))
	})

	It("is held while unfinished orders name it", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.SetStock(testshop.Plan, 0)).To(Succeed())
		place(ctx, shop, "unfinished")
		becomes(ctx, shop, "unfinished", "PENDING OutOfStock")
		operator := &v1alpha1.EsimOperator{ObjectMeta: metav1.ObjectMeta{Name: shop.Name}}
		Expect(k8s.Delete(ctx, operator)).To(Succeed())
		Consistently(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(operator), operator) }, "500ms").Should(Succeed())
		Expect(shop.SMDP.SetStock(testshop.Plan, 5)).To(Succeed())
		becomes(ctx, shop, "unfinished", "DELIVERED Delivered")
		Eventually(func() bool {
			return apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(operator), operator))
		}).WithContext(ctx).Should(BeTrue())
	})

	It("pauses calls while too many are left unanswered, and resumes by itself", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503})).To(Succeed())
		for i := range 10 {
			place(ctx, shop, fmt.Sprintf("storm-%d", i))
		}
		Eventually(ready(ctx, shop)).WithContext(ctx).Should(Equal("False CircuitOpen"))
		Expect(shop.SMDP.ClearFaults()).To(Succeed())
		Eventually(func() int { return shop.Bought() }).WithContext(ctx).Should(Equal(10))
		Eventually(ready(ctx, shop)).WithContext(ctx).Should(Equal("True Reachable"))
	})
})
