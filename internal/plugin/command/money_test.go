package command_test

import (
	"context"
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// wallet creates one and has the manager sum it up.
func wallet(ctx context.Context, name string, currency v1alpha1.Currency, available v1alpha1.Amount) *v1alpha1.EsimWallet {
	GinkgoHelper()
	w := &v1alpha1.EsimWallet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.EsimWalletSpec{
			Currency: currency, Type: v1alpha1.WalletPrepaid,
			Deposits: []v1alpha1.WalletDeposit{{Reference: "transfer-1", Amount: "20"}},
		},
	}
	Expect(k8s.Create(ctx, w)).To(Succeed())
	w.Status.Available, w.Status.Balance = available, available
	w.Status.Conditions = v1alpha1.Conditions{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.WalletReasonOpen, LastTransitionTime: metav1.Now(),
	}, {
		Type: v1alpha1.ConditionLowFunds, Status: metav1.ConditionTrue, Reason: v1alpha1.WalletReasonLow, LastTransitionTime: metav1.Now(),
	}}
	Expect(manager.Status().Update(ctx, w)).To(Succeed())
	return w
}

func variant(name string, amount v1alpha1.Decimal, inactive bool) v1alpha1.EsimVariant {
	return v1alpha1.EsimVariant{
		Name: name, DisplayName: name, Amount: amount, DataAmountGB: "1", ValidityDays: 7, Inactive: inactive,
		Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: "telco-one"}, PlanID: "X"}},
	}
}

var _ = Describe("Money", Ordered, func() {
	BeforeAll(func(ctx SpecContext) {
		Expect(k8s.Create(ctx, &v1alpha1.EsimProduct{
			ObjectMeta: metav1.ObjectMeta{Name: "japan"},
			Spec: v1alpha1.EsimProductSpec{
				DisplayName: "Japan", CountryCode: "JPN", Currency: "EUR",
				Variants: []v1alpha1.EsimVariant{variant("1gb", "4.50", false), variant("20gb", "45", false), variant("off", "1", true)},
			},
		})).To(Succeed())
		Expect(k8s.Create(ctx, &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.ClientName},
			Spec:       v1alpha1.EsimClientSpec{DiscountPercent: "10"},
		})).To(Succeed())
		wallet(ctx, "euro", "EUR", "20")
	})

	It("quotes what an order will cost, with the discount, and from which wallet", func(ctx SpecContext) {
		done := run(ctx, administrator, "quote", "japan", "1gb")
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out).To(MatchRegexp(`Price +4\.5 EUR\n +Discount, 10 % +-0\.45 EUR\n +You pay +4\.05 EUR\n`))
		Expect(done.out).To(ContainSubstring("Wallet euro would pay; it has 20 EUR to spend."))
	})

	It("says beforehand that the money will not do", func(ctx SpecContext) {
		done := run(ctx, administrator, "quote", "japan", "20gb", "-o", "json")
		Expect(done.err).NotTo(HaveOccurred())
		var quote map[string]any
		Expect(json.Unmarshal([]byte(done.out), &quote)).To(Succeed())
		Expect(quote).To(HaveKeyWithValue("payable", "40.5"))
		Expect(quote).To(HaveKeyWithValue("affordable", false))
		Expect(run(ctx, administrator, "quote", "japan", "--amount=45.00").out).To(ContainSubstring("an order would FAIL"))
	})

	It("quotes every plan that is on sale", func(ctx SpecContext) {
		done := run(ctx, administrator, "quote", "japan")
		Expect(done.out).To(MatchRegexp(`(?m)^1gb +Japan 1gb +4\.5 EUR +10 % +4\.05 EUR +euro$`))
		Expect(done.out).NotTo(ContainSubstring("off"))
	})

	It("says which plans there are instead of the one that is not", func(ctx SpecContext) {
		Expect(run(ctx, administrator, "quote", "japan", "off").err).To(MatchError("product japan has no plan off on sale; it has 1gb, 20gb"))
		Expect(run(ctx, administrator, "quote", "japan", "1gb", "--wallet=none").err).To(MatchError(ContainSubstring(`there is no wallet "none"`)))
	})

	It("does not quote what is not sold to the client", func(ctx SpecContext) {
		var terms v1alpha1.EsimClient
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.ClientName}, &terms)).To(Succeed())
		before := terms.DeepCopy()
		terms.Spec.ProductSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"shop": "yes"}}
		Expect(k8s.Patch(ctx, &terms, client.MergeFrom(before))).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(k8s.Patch(ctx, before.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"productSelector":null}}`)))).To(Succeed())
		})
		Expect(run(ctx, administrator, "quote", "japan", "1gb").err).To(MatchError("product japan is not sold in namespace acme"))
	})

	It("shows balances, and which are low", func(ctx SpecContext) {
		done := run(ctx, administrator, "wallet")
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out).To(MatchRegexp(`(?m)^euro +20 +20 +EUR +0 +Low$`))
	})

	It("makes a statement that sums to its balance", func(ctx SpecContext) {
		w := wallet(ctx, "pounds", "GBP", "20")
		placed(ctx, "stated")
		become(ctx, "stated", func(o *v1alpha1.EsimOrder) {
			delivered(o)
			o.Status.Charge.WalletRef.Name, o.Status.Charge.WalletUID, o.Status.Charge.Currency = "pounds", w.FirstUID(), "GBP"
		})
		done := run(ctx, administrator, "wallet", "pounds")
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out).To(HavePrefix("Wallet pounds in acme: 15.95 GBP\n"))
		Expect(done.out).To(MatchRegexp(`(?m)-4\.05 +Japan 1 GB / 7 days +stated$`))
		Expect(done.out).To(MatchRegexp(`(?m)\+20 +Deposit transfer-1 +-$`))
		Expect(run(ctx, administrator, "wallet", "pounds", "--limit=1").out).To(ContainSubstring("1 older movements are left out"))
	})

	It("says which right a buyer lacks for it", func(ctx SpecContext) {
		Expect(run(ctx, buyer, "wallet").err).To(MatchError(ContainSubstring("the ClusterRole esimwallets-view there")))
		Expect(run(ctx, buyer, "quote", "japan", "1gb").err).To(MatchError(And(
			ContainSubstring("you lack the right to get esimproducts.esim.telco.dev"), ContainSubstring("the ClusterRole esimproducts-view with a ClusterRoleBinding"))))
	})

	It("quotes for a buyer who may look at wallets and products", func(ctx SpecContext) {
		wary := kubeconfigOf("wary")
		bind(ctx, "esimwallets-view", "wary")
		Expect(k8s.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "esimproducts-view-wary"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "esimproducts-view"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "wary"}},
		})).To(Succeed())
		// The API server learns of bindings by a watch.
		Eventually(func() (string, error) {
			done := run(ctx, wary, "quote", "japan", "1gb")
			return done.out, done.err
		}).Should(ContainSubstring("Wallet euro would pay; it has 20 EUR to spend."))
	})
})
