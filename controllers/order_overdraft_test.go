package controllers_test

import (
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

var _ = Describe("A wallet that covers 100 orders", func() {
	It("delivers exactly 100 of 200 that come at once, and ends at exactly 0", func(ctx SpecContext) {
		shop := openShop(ctx, pays("450.00"))
		var placed sync.WaitGroup
		for i := range 200 {
			placed.Go(func() {
				defer GinkgoRecover()
				place(ctx, shop, fmt.Sprintf("rush-%d", i))
			})
		}
		placed.Wait()
		ends := func() map[string]int {
			var orders v1alpha1.EsimOrderList
			Expect(k8s.List(ctx, &orders, client.InNamespace(shop.Name))).To(Succeed())
			count := map[string]int{}
			for i := range orders.Items {
				count[summary(&orders.Items[i])]++
			}
			return count
		}
		Eventually(ends).WithContext(ctx).WithTimeout(time.Minute).Should(Equal(map[string]int{
			"DELIVERED Delivered": 100, "FAILED INSUFFICIENT_FUNDS": 100,
		}))
		Expect(shop.Bought()).To(Equal(100))
		Eventually(func() (v1alpha1.Amount, error) {
			wallet, err := shop.Wallet(ctx)
			return wallet.Status.Balance, err
		}).WithContext(ctx).Should(BeEquivalentTo("0"))
	})
})
