package controllers_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/operators/zendit"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// wholesaler is an operator with a list, which the manager under test reads.
type wholesaler struct {
	*zenditfake.Server
	name string
}

var wholesalers atomic.Int64

// offer is 1 GB for 7 days in Japan.
func offer(id string, cents int64) zenditfake.Offer {
	return zenditfake.Offer{ID: id, Country: "JP", DataGB: "1", Days: 7, Cost: cents, Stock: -1}
}

func openWholesaler(ctx context.Context, offers ...zenditfake.Offer) *wholesaler {
	GinkgoHelper()
	w := &wholesaler{
		Server: zenditfake.New(zenditfake.Options{APIKey: "key", Balance: 1_000_000, Offers: offers}),
		name:   fmt.Sprintf("wholesaler-%d", wholesalers.Add(1)),
	}
	server := httptest.NewTLSServer(w)
	DeferCleanup(server.Close)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: w.name},
		Data: map[string][]byte{
			zendit.KeyAPIKey: []byte("key"),
			zendit.KeyCA:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		},
	}
	operator := &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: w.name},
		Spec: v1alpha1.EsimOperatorSpec{
			Zendit:    &v1alpha1.ResellerDriver{URL: server.URL + "/v1", CredentialsSecretRef: v1alpha1.SecretReference{Name: w.name}},
			Timeout:   metav1.Duration{Duration: 5 * time.Second},
			Limits:    v1alpha1.OperatorLimits{RequestsPerSecond: 1000, InFlight: 10},
			Catalogue: &v1alpha1.OperatorCatalogue{Currency: "USD", MarkupPercent: "100", Interval: metav1.Duration{Duration: time.Hour}},
		},
	}
	for _, object := range []client.Object{secret, operator} {
		Expect(k8s.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(k8s.Delete(ctx, object))).To(Succeed()) })
	}
	return w
}

// relist has the manager read the operator's list now, and not after its interval.
func (w *wholesaler) relist(ctx context.Context) {
	GinkgoHelper()
	w.edit(ctx, func(o *v1alpha1.EsimOperator) { o.Spec.DisplayName += "." })
}

func (w *wholesaler) edit(ctx context.Context, change func(*v1alpha1.EsimOperator)) {
	GinkgoHelper()
	byHand(ctx, w.name, &v1alpha1.EsimOperator{}, change)
}

// byHand changes an object as a person would, with kubectl edit.
func byHand[T client.Object](ctx context.Context, name string, object T, change func(T)) {
	GinkgoHelper()
	Eventually(func() error {
		if err := k8s.Get(ctx, types.NamespacedName{Name: name}, object); err != nil {
			return err
		}
		change(object)
		return k8s.Update(ctx, object, client.FieldOwner("ann"))
	}).WithContext(ctx).Should(Succeed())
}

// merged is a shop whose product has a rule, and no variant of its own.
func merged(ctx context.Context, rule func(*v1alpha1.EsimProductSpec), from ...string) *testshop.Shop {
	GinkgoHelper()
	return openShop(ctx, testshop.Options{Product: func(p *v1alpha1.EsimProduct) {
		p.Spec.Variants, p.Spec.Merge = nil, &v1alpha1.ProductMerge{}
		for _, name := range from {
			p.Spec.Merge.Operators = append(p.Spec.Merge.Operators, v1alpha1.OperatorReference{Name: name})
		}
		if rule != nil {
			rule(&p.Spec)
		}
	}})
}

func productOf(ctx context.Context, shop *testshop.Shop) *v1alpha1.EsimProduct {
	GinkgoHelper()
	var product v1alpha1.EsimProduct
	Expect(k8s.Get(ctx, types.NamespacedName{Name: shop.Name}, &product)).To(Succeed())
	return &product
}

// sells writes the variants of a shop's product in few words.
func sells(ctx context.Context, shop *testshop.Shop) func() []string {
	return func() []string {
		lines := []string{}
		for _, v := range productOf(ctx, shop).Spec.Variants {
			line := v.Name + " " + string(v.Amount)
			if v.Inactive {
				line += " inactive"
			}
			for _, source := range v.Sources {
				line += " " + source.PlanID
			}
			lines = append(lines, line)
		}
		return lines
	}
}

// mergedSays is the reason of Merged, and its message.
func mergedSays(ctx context.Context, shop *testshop.Shop) func() string {
	return func() string {
		product := productOf(ctx, shop)
		c := meta.FindStatusCondition(product.Status.Conditions, v1alpha1.ConditionMerged)
		if c == nil || c.ObservedGeneration != product.Generation {
			return ""
		}
		return c.Reason + ": " + c.Message
	}
}

// successor is the product controller of a manager that has just started.
type successor struct {
	controllers.ProductReconciler
	writes int
}

func newSuccessor() *successor {
	GinkgoHelper()
	s := &successor{}
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	own, err := client.NewWithWatch(identity, client.Options{Scheme: k8s.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	s.Client, s.Live, s.Clock, s.Connections = k8s, own, clock.RealClock{}, connections.NewPool(connections.DefaultConfig)
	s.Writer = interceptor.NewClient(own, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			s.writes++
			return c.Apply(ctx, object, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, subresource string, object client.Object, opts ...client.SubResourceUpdateOption) error {
			s.writes++
			return c.SubResource(subresource).Update(ctx, object, opts...)
		},
	})
	return s
}

func (s *successor) listed(operator, plan, amount string) {
	GinkgoHelper()
	cost, err := money.Parse(amount)
	Expect(err).NotTo(HaveOccurred())
	s.Connections.For(operator).Listed(map[string]connections.Cost{plan: {Amount: cost, Currency: "USD"}})
}

// reconcile makes a pass over a product, and counts its writes.
func (s *successor) reconcile(ctx context.Context, product string) int {
	GinkgoHelper()
	before := s.writes
	_, err := s.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Name: product}})
	Expect(err).NotTo(HaveOccurred())
	return s.writes - before
}

var _ = Describe("A product that merges what operators list", func() {
	It("sells plans of one size as one variant, the cheapest source first, and follows their prices", func(ctx SpecContext) {
		cheap, dear := openWholesaler(ctx, offer("A-1", 200)), openWholesaler(ctx, offer("B-1", 300))
		shop := merged(ctx, nil, dear.name, cheap.name)
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 4 A-1 B-1"}))
		Eventually(mergedSays(ctx, shop)).Should(HavePrefix("Merged: "))
		number := productOf(ctx, shop).Status.Variants[0].ID

		cheap.SetOffer(offer("A-1", 500))
		cheap.relist(ctx)
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 6 B-1 A-1"}))
		Expect(productOf(ctx, shop).Status.Variants[0].ID).To(Equal(number), "REST clients know it by its number")
	})

	It("buys from the cheaper, and from the next where that has none", func(ctx SpecContext) {
		cheap, dear := openWholesaler(ctx, offer("A-1", 200)), openWholesaler(ctx, offer("B-1", 300))
		shop := merged(ctx, nil, dear.name, cheap.name)
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 4 A-1 B-1"}))
		place(ctx, shop, "first")
		becomes(ctx, shop, "first", "DELIVERED Delivered")
		Expect(look(ctx, shop, "first").Status.Provisioning.OperatorRef.Name).To(Equal(cheap.name))

		none := offer("A-1", 200)
		none.Stock = 0
		cheap.SetOffer(none)
		place(ctx, shop, "second")
		becomes(ctx, shop, "second", "DELIVERED Delivered")
		Expect(look(ctx, shop, "second").Status.Provisioning.OperatorRef.Name).To(Equal(dear.name))
		Expect(cheap.Count(zenditfake.Bought)).To(Equal(1))
		Expect(dear.Count(zenditfake.Bought)).To(Equal(1))
	})

	It("is all that a client is sold whose selector leaves out what lists are turned into", func(ctx SpecContext) {
		a, b := openWholesaler(ctx, offer("A-1", 200)), openWholesaler(ctx, offer("B-1", 300))
		shop := merged(ctx, nil, a.name, b.name)
		Expect(k8s.Create(ctx, &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: v1alpha1.ClientName},
			Spec: v1alpha1.EsimClientSpec{ProductSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: v1alpha1.CatalogueOperatorLabel, Operator: metav1.LabelSelectorOpDoesNotExist},
			}}},
		})).To(Succeed())
		Eventually(sells(ctx, shop)).Should(HaveLen(1))
		place(ctx, shop, "direct", func(o *v1alpha1.EsimOrder) {
			o.Spec.ProductRef.Name, o.Spec.Variant = b.name+"-jpn", "b-1"
		})
		becomes(ctx, shop, "direct", "FAILED PLAN_UNAVAILABLE")
		Expect(look(ctx, shop, "direct").Status.Failure.Reason).To(ContainSubstring("is not sold in this namespace"))
		place(ctx, shop, "merged")
		becomes(ctx, shop, "merged", "DELIVERED Delivered")
	})

	It("takes the source of a plan that vanished off, and the variant out of sale with its last one", func(ctx SpecContext) {
		a, b := openWholesaler(ctx, offer("A-1", 200), offer("A-2", 900)), openWholesaler(ctx, offer("B-1", 300), zenditfake.Offer{ID: "B-2", Country: "JP", DataGB: "5", Days: 30, Cost: 800, Stock: -1})
		shop := merged(ctx, nil, a.name, b.name)
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 4 A-1 B-1", "5gb-30d 16 B-2"}))
		gone := offer("A-1", 200)
		gone.Disabled = true
		a.SetOffer(gone)
		a.relist(ctx)
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 6 B-1 A-2", "5gb-30d 16 B-2"}))
		b.SetOffer(zenditfake.Offer{ID: "B-2", Country: "JP", DataGB: "5", Days: 30, Cost: 800, Disabled: true})
		b.relist(ctx)
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 6 B-1 A-2", "5gb-30d 16 inactive"}))
		b.SetOffer(zenditfake.Offer{ID: "B-2", Country: "JP", DataGB: "5", Days: 30, Cost: 700, Stock: -1})
		b.relist(ctx)
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 6 B-1 A-2", "5gb-30d 14 B-2"}))
	})

	It("leaves what a person has edited, and variants of their own", func(ctx SpecContext) {
		a, b := openWholesaler(ctx, offer("A-1", 200)), openWholesaler(ctx, offer("B-1", 300))
		var own v1alpha1.EsimVariant
		shop := merged(ctx, func(p *v1alpha1.EsimProductSpec) {
			own = v1alpha1.EsimVariant{
				Name: "special", DisplayName: "Special", Amount: "9", DataAmountGB: "1", ValidityDays: 7,
				Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: a.name}, PlanID: "S-1"}},
			}
			p.Variants = []v1alpha1.EsimVariant{own}
		}, a.name, b.name)
		Eventually(sells(ctx, shop)).Should(ConsistOf("special 9 S-1", "1gb-7d 4 A-1 B-1"))
		byHand(ctx, shop.Name, &v1alpha1.EsimProduct{}, func(p *v1alpha1.EsimProduct) {
			for i := range p.Spec.Variants {
				if p.Spec.Variants[i].Name == "1gb-7d" {
					p.Spec.Variants[i].Amount = "7.77"
				}
			}
		})
		b.SetOffer(offer("B-1", 100))
		b.relist(ctx)
		Eventually(sells(ctx, shop)).Should(ConsistOf("special 9 S-1", "1gb-7d 7.77 B-1 A-1"))
	})

	It("costs no write while the lists do not change", func(ctx SpecContext) {
		a, b := openWholesaler(ctx, offer("A-1", 200)), openWholesaler(ctx, offer("B-1", 300))
		shop := merged(ctx, nil, a.name, b.name)
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 4 A-1 B-1"}))
		Eventually(mergedSays(ctx, shop)).Should(HavePrefix("Merged: "))
		Eventually(func() []string { return productOf(ctx, shop).Status.Sellers }).Should(ConsistOf(a.name, b.name))
		Eventually(func() string { return readyOf(productOf(ctx, shop)) }).Should(HavePrefix("True"), "nothing more is to be said of it")
		before := productOf(ctx, shop).ResourceVersion
		b.relist(ctx)
		a.SetOffer(zenditfake.Offer{ID: "A-9", Country: "FR", DataGB: "1", Days: 7, Cost: 100, Stock: -1})
		a.relist(ctx)
		Eventually(func() error { // the list was read again, to its end
			return k8s.Get(ctx, types.NamespacedName{Name: a.name + "-fra"}, &v1alpha1.EsimProduct{})
		}).Should(Succeed())
		Consistently(func() string { return productOf(ctx, shop).ResourceVersion }).WithTimeout(500 * time.Millisecond).Should(Equal(before))
	})

	It("stays as it is until each list was read by a manager that has just started", func(ctx SpecContext) {
		a, b := openWholesaler(ctx, offer("A-1", 200)), openWholesaler(ctx, offer("B-1", 300))
		shop := merged(ctx, nil, a.name, b.name)
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 4 A-1 B-1"}))
		Eventually(mergedSays(ctx, shop)).Should(HavePrefix("Merged: "))
		Eventually(func() []string { return productOf(ctx, shop).Status.Sellers }).Should(ConsistOf(a.name, b.name))
		successor := newSuccessor()
		Expect(successor.reconcile(ctx, shop.Name)).To(BeZero(), "no list was read")
		successor.listed(a.name, "A-1", "2")
		Expect(successor.reconcile(ctx, shop.Name)).To(BeZero(), "one list was read")
		successor.listed(b.name, "B-1", "4")
		Expect(successor.reconcile(ctx, shop.Name)).To(BeZero(), "both were, and say the same of which is cheaper")
		successor.listed(b.name, "B-1", "1")
		Expect(successor.reconcile(ctx, shop.Name)).To(Equal(1), "the other is cheaper now")
	})

	It("comes back with what a person has deleted of it by hand", func(ctx SpecContext) {
		a := openWholesaler(ctx, offer("A-1", 200))
		shop := merged(ctx, nil, a.name)
		Eventually(sells(ctx, shop)).Should(HaveLen(1))
		byHand(ctx, shop.Name, &v1alpha1.EsimProduct{}, func(p *v1alpha1.EsimProduct) { p.Spec.Variants = nil })
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 4 A-1"}))
	})

	It("keeps what it sells when the rule is taken away", func(ctx SpecContext) {
		a := openWholesaler(ctx, offer("A-1", 200))
		shop := merged(ctx, nil, a.name)
		Eventually(mergedSays(ctx, shop)).Should(HavePrefix("Merged: "))
		byHand(ctx, shop.Name, &v1alpha1.EsimProduct{}, func(p *v1alpha1.EsimProduct) { p.Spec.Merge = nil })
		Eventually(mergedSays(ctx, shop)).Should(BeEmpty())
		Eventually(func() int64 { p := productOf(ctx, shop); return p.Generation - p.Status.ObservedGeneration }).Should(BeZero())
		Expect(meta.FindStatusCondition(productOf(ctx, shop).Status.Conditions, v1alpha1.ConditionMerged)).To(BeNil())
		Expect(sells(ctx, shop)()).To(Equal([]string{"1gb-7d 4 A-1"}))
	})
})

var _ = Describe("A rule that cannot be followed", func() {
	It("says which operator is not there, and sells what the others list", func(ctx SpecContext) {
		a := openWholesaler(ctx, offer("A-1", 200))
		shop := merged(ctx, nil, a.name, "nobody")
		Eventually(mergedSays(ctx, shop)).Should(Equal("OperatorMissing: There is no EsimOperator nobody: create it, or take it out of spec.merge.operators"))
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 4 A-1"}))
	})

	It("says so also where that leaves all variants as they are, and sells those", func(ctx SpecContext) {
		a := openWholesaler(ctx, offer("A-1", 200))
		Eventually(func() error { // the operator is connected, and will not wake the product
			return k8s.Get(ctx, types.NamespacedName{Name: a.name + "-jpn"}, &v1alpha1.EsimProduct{})
		}).Should(Succeed())
		shop := merged(ctx, func(p *v1alpha1.EsimProductSpec) {
			p.Variants = []v1alpha1.EsimVariant{{
				Name: "special", DisplayName: "Special", Amount: "9", DataAmountGB: "1", ValidityDays: 7,
				Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: a.name}, PlanID: "S-1"}},
			}}
		}, "nobody")
		Eventually(mergedSays(ctx, shop)).Should(HavePrefix("OperatorMissing: "))
		Expect(productOf(ctx, shop).Status.Variants).To(HaveLen(1), "REST clients know it by its number")
	})

	It("says so when an operator goes that lists nothing for the country", func(ctx SpecContext) {
		a, b := openWholesaler(ctx, offer("A-1", 200)), openWholesaler(ctx, zenditfake.Offer{ID: "B-1", Country: "FR", DataGB: "1", Days: 7, Cost: 100, Stock: -1})
		shop := merged(ctx, nil, a.name, b.name)
		Eventually(mergedSays(ctx, shop)).Should(HavePrefix("Merged: "))
		Expect(k8s.Delete(ctx, &v1alpha1.EsimOperator{ObjectMeta: metav1.ObjectMeta{Name: b.name}})).To(Succeed())
		Eventually(mergedSays(ctx, shop)).Should(ContainSubstring("There is no EsimOperator " + b.name))
	})

	It("says whose list is not read, and follows it once it is", func(ctx SpecContext) {
		a, b := openWholesaler(ctx, offer("A-1", 200)), openWholesaler(ctx, offer("B-1", 300))
		terms := v1alpha1.OperatorCatalogue{Currency: "USD", MarkupPercent: "50", Interval: metav1.Duration{Duration: time.Hour}}
		b.edit(ctx, func(o *v1alpha1.EsimOperator) { o.Spec.Catalogue = nil })
		shop := merged(ctx, nil, a.name, b.name)
		Eventually(mergedSays(ctx, shop)).Should(ContainSubstring("EsimOperator " + b.name + " has no spec.catalogue"))
		b.edit(ctx, func(o *v1alpha1.EsimOperator) { o.Spec.Catalogue = &terms })
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 4 A-1 B-1"}))
		Eventually(mergedSays(ctx, shop)).Should(HavePrefix("Merged: "))
		b.edit(ctx, func(o *v1alpha1.EsimOperator) { o.Spec.Catalogue = nil })
		Eventually(sells(ctx, shop)).Should(Equal([]string{"1gb-7d 4 A-1"}))
	})

	It("names both currencies where they differ", func(ctx SpecContext) {
		a := openWholesaler(ctx, offer("A-1", 200))
		shop := merged(ctx, func(p *v1alpha1.EsimProductSpec) { p.Currency = "EUR" }, a.name)
		Eventually(mergedSays(ctx, shop)).Should(Equal(fmt.Sprintf(
			"CurrencyMismatch: EsimOperator %[1]s is left out: EsimProduct %[1]s-jpn, made from its list, is in USD and this product in EUR", a.name)))
		Expect(sells(ctx, shop)()).To(BeEmpty())
	})

	It("says that nothing fits, and what is left out", func(ctx SpecContext) {
		a := openWholesaler(ctx, zenditfake.Offer{ID: "A-U", Country: "JP", Days: 7, Cost: 500, Stock: -1})
		shop := merged(ctx, nil, a.name)
		Eventually(mergedSays(ctx, shop)).Should(Equal(
			"NothingListed: No operator of spec.merge lists a plan for JPN that fits; plans left out: 1 unlimited (spec.merge.includeUnlimited takes them in)"))
	})

	It("says that a product made from a list has no rule of its own", func(ctx SpecContext) {
		a := openWholesaler(ctx, offer("A-1", 200))
		name := a.name + "-jpn"
		byHand(ctx, name, &v1alpha1.EsimProduct{}, func(p *v1alpha1.EsimProduct) {
			p.Spec.Merge = &v1alpha1.ProductMerge{Operators: []v1alpha1.OperatorReference{{Name: a.name}}}
		})
		Eventually(func() string {
			var product v1alpha1.EsimProduct
			Expect(k8s.Get(ctx, types.NamespacedName{Name: name}, &product)).To(Succeed())
			if c := meta.FindStatusCondition(product.Status.Conditions, v1alpha1.ConditionMerged); c != nil {
				return c.Reason
			}
			return ""
		}).Should(Equal(v1alpha1.MergeReasonImportedProduct))
	})
})
