package crash

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

var _ = Describe("Two managers that both believe to lead", func() {
	It("deliver each order once, also while every tenth answer is lost", func(ctx SpecContext) {
		const orders = 40
		shop, err := testshop.Open(ctx, k8s, "overlap", testshop.Options{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return shop.Close() })
		for _, function := range []es2plus.Function{es2plus.DownloadOrder, es2plus.ConfirmOrder, es2plus.ReleaseProfile, es2plus.CancelOrder} {
			Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: function, Fraction: .1})).To(Succeed())
		}
		for range 2 {
			DeferCleanup(employ(lifeline.New(), quick()))
		}
		for i := range orders {
			_, err := shop.Order(ctx, fmt.Sprintf("order-%d", i))
			Expect(err).NotTo(HaveOccurred())
		}
		for i := range orders {
			name := fmt.Sprintf("order-%d", i)
			Eventually(func() v1alpha1.OrderPhase { return phase(ctx, shop, name) }).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
			order, err := shop.Find(ctx, name)
			Expect(err).NotTo(HaveOccurred())
			secret, err := shop.Secret(ctx, name)
			Expect(err).NotTo(HaveOccurred())
			code, err := activation.ParseCode(string(secret.Data[v1alpha1.SecretKeyActivationCode]))
			Expect(err).NotTo(HaveOccurred())
			Expect(shop.SMDP.HasMatchingID(activation.ICCID(order.Status.Esim.ICCID), code.MatchingID)).To(BeTrue(), "%s has a dead code", name)
		}
		lost := 0
		for _, entry := range shop.SMDP.Ledger() {
			if entry.Function == es2plus.DownloadOrder && entry.AnswerDropped {
				lost++
			}
		}
		Expect(shop.Bought()).To(Equal(orders))
		Eventually(shop.Stranded).Should(BeNumerically("<=", lost), "for %d lost DownloadOrder answers", lost)
	})
})
