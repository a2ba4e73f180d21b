package controllers_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

var _ = Describe("Ordering an eSIM", func() {
	It("delivers a profile, its code in a Secret and its code masked in the status", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "trip")
		becomes(ctx, shop, "trip", "DELIVERED Delivered")

		order := look(ctx, shop, "trip")
		Expect(order.Status.Esim.ActivationCode).To(Equal("LPA:1$rsp.example.com$********"))
		Expect(order.Status.Activation.Status).To(Equal(v1alpha1.ActivationNotInstalled))
		Expect(order.Status.ID).To(BeNumerically(">=", int64(1)<<31))
		Expect(order.Status.Plan.DisplayName).To(Equal("Japan 1 GB / 7 days"))

		secret, err := shop.Secret(ctx, "trip")
		Expect(err).NotTo(HaveOccurred())
		Expect(secret.Type).To(BeEquivalentTo(v1alpha1.ActivationSecretType))
		Expect(secret.OwnerReferences).To(HaveLen(1))
		Expect(secret.OwnerReferences[0].UID).To(Equal(order.UID))
		code, err := activation.ParseCode(string(secret.Data[v1alpha1.SecretKeyActivationCode]))
		Expect(err).NotTo(HaveOccurred())
		Expect(code.SMDPAddress).To(Equal("rsp.example.com"))
		iccid := activation.ICCID(order.Status.Esim.ICCID)
		Expect(shop.SMDP.HasMatchingID(iccid, code.MatchingID)).To(BeTrue(), "the code must be the one that the SM-DP+ knows")
		Expect(shop.Bought()).To(Equal(1))
		Expect(shop.Stranded()).To(BeZero())
	})

	It("finds the plan by its price, whatever the zeros", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "by-price", func(o *v1alpha1.EsimOrder) { o.Spec.Variant, o.Spec.Amount = "", "4.5" })
		becomes(ctx, shop, "by-price", "DELIVERED Delivered")
		Expect(look(ctx, shop, "by-price").Status.Plan.Variant).To(Equal(testshop.Variant))
	})

	It("is known to REST clients by the number that its name gives", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "o-930248119")
		becomes(ctx, shop, "o-930248119", "DELIVERED Delivered")
		Expect(look(ctx, shop, "o-930248119").Status.ID).To(Equal(int64(930248119)))
	})

	It("costs four writes: the order, the intent, the Secret, the delivery, and no read", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "first") // the first order teaches the operator's SM-DP+ address
		becomes(ctx, shop, "first", "DELIVERED Delivered")
		place(ctx, shop, "counted")
		becomes(ctx, shop, "counted", "DELIVERED Delivered")

		Eventually(func(g Gomega) {
			writes, reads := requestsAbout(g, shop.Name, "counted")
			g.Expect(writes).To(Equal([]string{
				"create esimorders", "update esimorders/status", "create secrets", "update esimorders/status",
			}))
			g.Expect(reads).To(BeEmpty())
		}).WithContext(ctx).Should(Succeed())
	})
})

// requestsAbout are the API server's writes and the manager's reads that concern one order,
// from its audit log.
func requestsAbout(g Gomega, namespace, order string) (writes, reads []string) {
	events, err := env.AuditEvents()
	g.Expect(err).NotTo(HaveOccurred())
	for _, event := range events {
		about := event.Name == order || event.Name == v1alpha1.ActivationSecretName(order)
		if event.Namespace != namespace || !about || event.Code >= 300 {
			continue
		}
		resource := strings.TrimSuffix(event.Resource+"/"+event.Subresource, "/")
		switch event.Verb {
		case "create", "update", "patch", "delete":
			writes = append(writes, event.Verb+" "+resource)
		default:
			if strings.HasSuffix(event.User, ":"+testenv.ManagerServiceAccount) {
				reads = append(reads, event.Verb+" "+resource)
			}
		}
	}
	return writes, reads
}

var _ = Describe("An order that cannot be filled", func() {
	It("waits while the plan is out of stock, says so, and is delivered by itself after a restock", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.SetStock(testshop.Plan, 0)).To(Succeed())
		place(ctx, shop, "patient")
		becomes(ctx, shop, "patient", "PENDING OutOfStock")
		Expect(shop.SMDP.SetStock(testshop.Plan, 1)).To(Succeed())
		becomes(ctx, shop, "patient", "DELIVERED Delivered")
		Expect(shop.Bought()).To(Equal(1))
	})

	It("fails when the operator does not know the plan", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Product: func(p *v1alpha1.EsimProduct) {
			p.Spec.Variants[0].Sources[0].PlanID = "XX-NONE"
		}})
		place(ctx, shop, "unknown-plan")
		becomes(ctx, shop, "unknown-plan", "FAILED PLAN_UNAVAILABLE")
		failure := look(ctx, shop, "unknown-plan").Status.Failure
		Expect(failure.UserFixable).To(BeTrue())
		Expect(failure.Reason).To(ContainSubstring("8.2.5/3.9"))
	})

	It("goes to the next source where the first does not know the plan", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{Product: func(p *v1alpha1.EsimProduct) {
			known := p.Spec.Variants[0].Sources[0]
			unknown := known
			unknown.PlanID = "XX-NONE"
			p.Spec.Variants[0].Sources = []v1alpha1.VariantSource{unknown, known}
		}})
		place(ctx, shop, "second-source")
		becomes(ctx, shop, "second-source", "DELIVERED Delivered")
		provisioning := look(ctx, shop, "second-source").Status.Provisioning
		Expect(provisioning.PlanID).To(Equal(testshop.Plan))
		Expect(provisioning.Attempt).To(BeEquivalentTo(2))
		Expect(provisioning.Attempts).To(HaveLen(1))
		Expect(provisioning.Attempts[0].Class).To(Equal("Rejected"))
		Expect(shop.Bought()).To(Equal(1))
	})

	It("waits while the operator is down and is delivered once it is back", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultRefuseConnection})).To(Succeed())
		place(ctx, shop, "outage")
		Consistently(func() v1alpha1.OrderPhase { return look(ctx, shop, "outage").Status.Phase }, "500ms").Should(Equal(v1alpha1.PhasePending))
		Expect(shop.SMDP.ClearFaults()).To(Succeed())
		becomes(ctx, shop, "outage", "DELIVERED Delivered")
		Expect(shop.Bought()).To(Equal(1))
		Expect(shop.Stranded()).To(BeZero(), "a refused connection strands nothing")
	})
})

var _ = Describe("An order whose answers are lost", func() {
	lose := func(shop *testshop.Shop, function es2plus.Function) {
		GinkgoHelper()
		Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: function, Times: 1})).To(Succeed())
	}

	It("is delivered with at most one stranded profile when DownloadOrder's answer is lost", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		lose(shop, es2plus.DownloadOrder)
		place(ctx, shop, "download-lost")
		becomes(ctx, shop, "download-lost", "DELIVERED Delivered")
		Expect(shop.Bought()).To(Equal(1))
		Expect(shop.Stranded()).To(BeNumerically("<=", 1))
		Expect(look(ctx, shop, "download-lost").Status.Provisioning.LostAnswers).To(BeEquivalentTo(1))
	})

	It("is delivered with the same profile when ConfirmOrder's answer is lost and the address is known", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "teacher")
		becomes(ctx, shop, "teacher", "DELIVERED Delivered")
		lose(shop, es2plus.ConfirmOrder)
		place(ctx, shop, "confirm-lost")
		becomes(ctx, shop, "confirm-lost", "DELIVERED Delivered")
		order := look(ctx, shop, "confirm-lost")
		Expect(order.Status.Provisioning.Attempt).To(BeEquivalentTo(1))
		Expect(shop.Bought()).To(Equal(2))
		Expect(shop.Stranded()).To(BeZero())
	})

	It("buys anew, and gives the first profile back, when ConfirmOrder's answer is lost and no address was ever seen", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		lose(shop, es2plus.ConfirmOrder)
		place(ctx, shop, "no-address")
		becomes(ctx, shop, "no-address", "DELIVERED Delivered")
		Expect(look(ctx, shop, "no-address").Status.Provisioning.Attempt).To(BeEquivalentTo(2))
		Expect(shop.Bought()).To(Equal(1), "an address that was guessed could be wrong; one that was bought twice is paid twice")
		Expect(shop.InState(smdp.StateUnavailable)).To(Equal(1))
	})

	It("is delivered when the answers of ConfirmOrder and ReleaseProfile are both lost", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		place(ctx, shop, "teacher")
		becomes(ctx, shop, "teacher", "DELIVERED Delivered")
		lose(shop, es2plus.ConfirmOrder)
		lose(shop, es2plus.ReleaseProfile)
		place(ctx, shop, "both-lost")
		becomes(ctx, shop, "both-lost", "DELIVERED Delivered")
		Expect(shop.Bought()).To(Equal(2))
		Expect(shop.Stranded()).To(BeZero())
	})

	It("is delivered when CancelOrder's answer is lost while the first profile is given back", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		lose(shop, es2plus.ConfirmOrder)
		lose(shop, es2plus.CancelOrder)
		place(ctx, shop, "cancel-lost")
		becomes(ctx, shop, "cancel-lost", "DELIVERED Delivered")
		Expect(shop.Bought()).To(Equal(1))
		Expect(shop.Stranded()).To(BeZero())
	})
})
