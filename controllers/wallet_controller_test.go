package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// balance is what a shop's wallet shows.
func balance(ctx context.Context, shop *testshop.Shop) func() (v1alpha1.Amount, error) {
	return func() (v1alpha1.Amount, error) {
		wallet, err := shop.Wallet(ctx)
		if err != nil {
			return "", err
		}
		return wallet.Status.Balance, nil
	}
}

// walletSays is the reason of a condition of a shop's wallet.
func walletSays(ctx context.Context, shop *testshop.Shop, condition string) func() (string, error) {
	return func() (string, error) {
		wallet, err := shop.Wallet(ctx)
		if err != nil {
			return "", err
		}
		if c := meta.FindStatusCondition(wallet.Status.Conditions, condition); c != nil {
			return c.Reason, nil
		}
		return "", nil
	}
}

// ten is a wallet with 10 USD, and in it two orders of 4.50.
func ten(wallet *v1alpha1.EsimWallet) { wallet.Spec.Deposits[0].Amount = "10" }

func removeWallet(ctx context.Context, shop *testshop.Shop) {
	GinkgoHelper()
	wallet, err := shop.Wallet(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(k8s.Delete(ctx, wallet)).To(Succeed())
}

var _ = Describe("A wallet's status", func() {
	It("is right within a second of what an order took", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Wallet: ten})
		Eventually(balance(ctx, shop)).Should(Equal(v1alpha1.Amount("10")))
		place(ctx, shop, "first")
		becomes(ctx, shop, "first", "DELIVERED Delivered")
		Eventually(balance(ctx, shop)).WithTimeout(time.Second).Should(Equal(v1alpha1.Amount("5.5")))
		wallet, err := shop.Wallet(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(wallet.Status.ID).To(Equal(ids.Wallet(wallet.UID)))
		Expect(wallet.Status.ObservedGeneration).To(Equal(wallet.Generation))
		Expect(wallet.Status.Deposited).To(Equal(v1alpha1.Amount("10")))
		Expect(wallet.Status.Debited).To(Equal(v1alpha1.Amount("4.5")))
	})

	It("counts the orders that are paid for and not delivered yet", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Wallet: ten})
		Expect(shop.SMDP.SetStock(testshop.Plan, 0)).To(Succeed())
		place(ctx, shop, "waits")
		becomes(ctx, shop, "waits", "PENDING OutOfStock")
		open := func() (int32, error) {
			wallet, err := shop.Wallet(ctx)
			if err != nil {
				return 0, err
			}
			return wallet.Status.OpenOrders, nil
		}
		Eventually(open).Should(BeEquivalentTo(1))
		Expect(shop.SMDP.SetStock(testshop.Plan, 5)).To(Succeed())
		becomes(ctx, shop, "waits", "DELIVERED Delivered")
		Eventually(open).Should(BeZero())
	})

	It("warns when little is left, and no more once there was a deposit", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Wallet: ten})
		for _, name := range []string{"first", "second"} {
			place(ctx, shop, name)
			becomes(ctx, shop, name, "DELIVERED Delivered")
		}
		Eventually(walletSays(ctx, shop, v1alpha1.ConditionLowFunds)).Should(Equal(v1alpha1.WalletReasonLow))
		wallet, err := shop.Wallet(ctx)
		Expect(err).NotTo(HaveOccurred())
		before := wallet.DeepCopy()
		wallet.Spec.Deposits = append(wallet.Spec.Deposits, v1alpha1.WalletDeposit{Reference: "second", Amount: "10"})
		Expect(k8s.Patch(ctx, wallet, client.MergeFrom(before))).To(Succeed())
		Eventually(walletSays(ctx, shop, v1alpha1.ConditionLowFunds)).Should(Equal(v1alpha1.WalletReasonEnough))
		Expect(balance(ctx, shop)()).To(Equal(v1alpha1.Amount("11")))
	})
})

var _ = Describe("Deleting orders", func() {
	It("changes no balance", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Wallet: ten})
		for _, name := range []string{"first", "second"} {
			place(ctx, shop, name)
			becomes(ctx, shop, name, "DELIVERED Delivered")
		}
		Eventually(balance(ctx, shop)).Should(Equal(v1alpha1.Amount("1")))
		for _, name := range []string{"first", "second"} {
			remove(ctx, shop, name)
			gone(ctx, shop, name)
		}
		Eventually(func(g Gomega) {
			wallet, err := shop.Wallet(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(wallet.Status.Settling).To(BeEmpty())
			g.Expect(wallet.Status.Settled).To(Equal(v1alpha1.WalletSettled{Debited: "9", Refunded: "0", Orders: 2}))
			g.Expect(wallet.Status.Balance).To(Equal(v1alpha1.Amount("1")))
			g.Expect(wallet.Status.Debited).To(Equal(v1alpha1.Amount("9")))
		}).Should(Succeed())
	})

	It("gives back what an order paid that waits", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Wallet: ten})
		Expect(shop.SMDP.SetStock(testshop.Plan, 0)).To(Succeed())
		place(ctx, shop, "waits")
		becomes(ctx, shop, "waits", "PENDING OutOfStock")
		Eventually(balance(ctx, shop)).Should(Equal(v1alpha1.Amount("5.5")))
		remove(ctx, shop, "waits")
		gone(ctx, shop, "waits")
		Eventually(balance(ctx, shop)).Should(Equal(v1alpha1.Amount("10")))
	})
})

var _ = Describe("Deleting everything of a client", func() {
	walletGone := func(ctx context.Context, shop *testshop.Shop) func() bool {
		return func() bool {
			_, err := shop.Wallet(ctx)
			return apierrors.IsNotFound(err)
		}
	}
	shopWithOrders := func(ctx SpecContext) *testshop.Shop {
		GinkgoHelper()
		shop := openShop(ctx, testshop.Options{Stock: 1})
		place(ctx, shop, "delivered")
		becomes(ctx, shop, "delivered", "DELIVERED Delivered")
		place(ctx, shop, "waits")
		becomes(ctx, shop, "waits", "PENDING OutOfStock")
		return shop
	}

	It("leaves nothing behind where the orders come first", func(ctx SpecContext) {
		shop := shopWithOrders(ctx)
		remove(ctx, shop, "delivered")
		remove(ctx, shop, "waits")
		removeWallet(ctx, shop)
		gone(ctx, shop, "delivered")
		gone(ctx, shop, "waits")
		Eventually(walletGone(ctx, shop)).Should(BeTrue())
	})

	It("leaves nothing behind where the wallet comes first: it stays until the orders are gone, and says so", func(ctx SpecContext) {
		shop := shopWithOrders(ctx)
		removeWallet(ctx, shop)
		Eventually(walletSays(ctx, shop, v1alpha1.ConditionReady)).Should(Equal(v1alpha1.WalletReasonInUse))
		remove(ctx, shop, "waits")
		gone(ctx, shop, "waits")
		Consistently(walletGone(ctx, shop)).WithTimeout(time.Second).Should(BeFalse())
		remove(ctx, shop, "delivered")
		gone(ctx, shop, "delivered")
		Eventually(walletGone(ctx, shop)).Should(BeTrue())
	})

	It("waits for no order where the whole namespace goes", func(ctx SpecContext) {
		shop := shopWithOrders(ctx)
		namespace := &metav1.PartialObjectMetadata{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: shop.Name},
		}
		Expect(k8s.Delete(ctx, namespace)).To(Succeed())
		removeWallet(ctx, shop)
		Eventually(walletGone(ctx, shop)).Should(BeTrue())
		remove(ctx, shop, "waits")
		remove(ctx, shop, "delivered")
		gone(ctx, shop, "waits")
		gone(ctx, shop, "delivered")
	})
})

var _ = Describe("A client", func() {
	It("gets an id, and is in force", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		key := types.NamespacedName{Namespace: shop.Name, Name: v1alpha1.ClientName}
		Expect(k8s.Create(ctx, &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
			Spec:       v1alpha1.EsimClientSpec{DiscountPercent: "10"},
		})).To(Succeed())
		Eventually(func(g Gomega) {
			var terms v1alpha1.EsimClient
			g.Expect(k8s.Get(ctx, key, &terms)).To(Succeed())
			g.Expect(terms.Status.ID).To(Equal(ids.Client(shop.Name)))
			g.Expect(terms.Status.ObservedGeneration).To(Equal(terms.Generation))
			ready := meta.FindStatusCondition(terms.Status.Conditions, v1alpha1.ConditionReady)
			g.Expect(ready).NotTo(BeNil())
			g.Expect(ready.Reason).To(Equal(v1alpha1.ClientReasonInForce))
		}).Should(Succeed())
	})

	It("whose productSelector cannot be used says which field to mend", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		key := types.NamespacedName{Namespace: shop.Name, Name: v1alpha1.ClientName}
		Expect(k8s.Create(ctx, &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
			Spec: v1alpha1.EsimClientSpec{ProductSelector: &metav1.LabelSelector{
				MatchLabels: map[string]string{"no key of a label": "x"},
			}},
		})).To(Succeed())
		Eventually(func(g Gomega) {
			var terms v1alpha1.EsimClient
			g.Expect(k8s.Get(ctx, key, &terms)).To(Succeed())
			ready := meta.FindStatusCondition(terms.Status.Conditions, v1alpha1.ConditionReady)
			g.Expect(ready).NotTo(BeNil())
			g.Expect(ready.Reason).To(Equal(v1alpha1.ClientReasonInvalidSelector))
			g.Expect(ready.Message).To(ContainSubstring("spec.productSelector"))
		}).Should(Succeed())
	})
})
