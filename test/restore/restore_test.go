package restore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// charges are what the orders of a shop were charged and gave back.
func charges(orders []v1alpha1.EsimOrder) map[string]v1alpha1.OrderCharge {
	found := map[string]v1alpha1.OrderCharge{}
	for _, order := range orders {
		if order.Status.Charge != nil {
			found[order.Name] = *order.Status.Charge
		}
	}
	return found
}

// ownerKept tells which Secrets are restored with the owner reference that they had: one of a
// delivered order, and one of an order under way.
func ownerKept(secret string) bool {
	return secret == v1alpha1.ActivationSecretName(anotherOrder) || secret == v1alpha1.ActivationSecretName(lostOrder)
}

// books are what must be the same after a restore.
type books struct {
	charges          map[string]v1alpha1.OrderCharge
	codes            map[string]string
	balance          string
	bought, unusable int
}

func booksOf(ctx context.Context, env *testenv.Environment, shop *testshop.Shop) books {
	GinkgoHelper()
	return books{
		charges: charges(orders(ctx, env, shop)), codes: codes(ctx, env, shop), balance: statement(ctx, env, shop),
		bought: shop.Bought(), unusable: shop.InState(smdp.StateUnavailable),
	}
}

// expectGoesOn has a manager go on with the fresh cluster, and checks that it sells nothing twice.
func expectGoesOn(ctx context.Context, shop *testshop.Shop, before books) {
	GinkgoHelper()
	dismiss := employ(fresh)
	defer dismiss()
	Eventually(phases).WithArguments(ctx, fresh, shop).Should(Equal(phasesFinished()))

	By("buying only what was not bought when it was saved")
	Expect(shop.Bought()).To(Equal(before.bought+1), "the profile of order %s was bought, only the answer was lost", lostOrder)
	Expect(shop.InState(smdp.StateUnavailable)).To(Equal(before.unusable), "profiles that are of no use to anybody")
	Expect(shop.Stranded()).To(BeZero())
	By("keeping charges and the balance")
	delete(before.charges, settlingOrder)
	Expect(cmp.Diff(before.charges, charges(orders(ctx, fresh, shop)))).To(BeEmpty())
	Expect(statement(ctx, fresh, shop)).To(Equal(before.balance))
	Eventually(balance).WithArguments(ctx, fresh, shop).Should(Equal(before.balance))
	Eventually(func() []v1alpha1.SettlingOrder { return wallet(ctx, fresh, shop).Status.Settling }).Should(BeEmpty())
	By("keeping the codes")
	after := codes(ctx, fresh, shop)
	for _, name := range []string{deliveredOrder, anotherOrder} {
		if after[name] != before.codes[name] { // whose values no failure may print
			Fail("the code of " + name + " is another")
		}
	}
	Expect(slices.Sorted(maps.Keys(after))).To(ConsistOf(deliveredOrder, anotherOrder, underWayOrder, lostOrder))
	expectNoCodeIn(ctx, fresh, shop)
	finishLives(ctx, shop)
}

var _ = Describe("A shop whose cluster is lost and restored with status", func() {
	It("buys nothing again, and keeps its money and its codes", func(ctx SpecContext) {
		shop, err := testshop.Open(ctx, lost.Client, "shop", testshop.Options{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(shop.Close)
		fill(ctx, shop)
		saved, err := save(ctx, lost.Client)
		Expect(err).NotTo(HaveOccurred())
		before := booksOf(ctx, lost, shop)
		saved = saved.writtenBefore(testshop.WalletName, v1alpha1.ActivationSecretName(deliveredOrder))

		Expect(restore(ctx, fresh, saved, ownerKept)).To(Succeed())
		collectGarbage(ctx, fresh, shop)
		expectGoesOn(ctx, shop, before)
	})
})

// finishLives takes restored orders to the ends that they can have.
func finishLives(ctx context.Context, shop *testshop.Shop) {
	GinkgoHelper()
	refundedBefore, released := wallet(ctx, fresh, shop).Status.Refunded, shop.InState(smdp.StateReleased)
	By("taking a restored order back, and refunding it")
	change(ctx, fresh, shop, deliveredOrder, func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
	Eventually(phases).WithArguments(ctx, fresh, shop).Should(HaveKeyWithValue(deliveredOrder, v1alpha1.PhaseCancelled))
	Eventually(func() v1alpha1.Amount { return wallet(ctx, fresh, shop).Status.Refunded }).ShouldNot(Equal(refundedBefore))
	Expect(shop.InState(smdp.StateReleased)).To(Equal(released - 1))
	Expect(secretOf(ctx, shop, deliveredOrder)).To(BeNil(), "the Secret of a cancelled order")

	By("letting go of a restored order, with its Secret, and settling it")
	settledBefore := wallet(ctx, fresh, shop).Status.Settled.Orders
	sum := statement(ctx, fresh, shop)
	Expect(fresh.Client.Delete(ctx, shop.NewOrder(anotherOrder))).To(Succeed())
	Eventually(phases).WithArguments(ctx, fresh, shop).ShouldNot(HaveKey(anotherOrder))
	Expect(secretOf(ctx, shop, anotherOrder)).To(BeNil(), "an orphaned Secret")
	Eventually(func() int64 { return wallet(ctx, fresh, shop).Status.Settled.Orders }).Should(Equal(settledBefore + 1))
	Expect(statement(ctx, fresh, shop)).To(Equal(sum))
}

func secretOf(ctx context.Context, shop *testshop.Shop, name string) *corev1.Secret {
	GinkgoHelper()
	var secret corev1.Secret
	err := fresh.Client.Get(ctx, types.NamespacedName{Namespace: shop.Name, Name: v1alpha1.ActivationSecretName(name)}, &secret)
	if client.IgnoreNotFound(err) == nil && err != nil {
		return nil
	}
	Expect(err).NotTo(HaveOccurred())
	return &secret
}

var _ = Describe("Manifests that are applied again without status", func() {
	It("are FAILED and uncharged once acceptBefore is over, and bought without it", func(ctx SpecContext) {
		shop, err := testshop.Open(ctx, fresh.Client, "reapplied", testshop.Options{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(shop.Close)
		past := metav1.NewTime(time.Now().Add(-time.Hour))
		until := func(t metav1.Time, reference string) func(*v1alpha1.EsimOrder) {
			return func(o *v1alpha1.EsimOrder) { o.Spec.AcceptBefore, o.Spec.ClientReference = &t, reference }
		}
		for name, edit := range map[string]func(*v1alpha1.EsimOrder){
			"late":    until(past, "trip-1"),
			"in-time": until(metav1.NewTime(time.Now().Add(time.Hour)), "trip-2"),
			"no-end":  func(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = "trip-3" },
		} {
			_, err := shop.Order(ctx, name, edit)
			Expect(err).NotTo(HaveOccurred())
		}
		dismiss := employ(fresh)
		defer dismiss()
		Eventually(phases).WithArguments(ctx, fresh, shop).Should(Equal(map[string]v1alpha1.OrderPhase{
			"late": v1alpha1.PhaseFailed, "in-time": v1alpha1.PhaseDelivered, "no-end": v1alpha1.PhaseDelivered,
		}))
		late, err := shop.Find(ctx, "late")
		Expect(err).NotTo(HaveOccurred())
		Expect(late.Status.Failure.Code).To(Equal(v1alpha1.FailureOrderExpired))
		Expect(late.Status.Charge).To(BeNil())

		By("refusing the same clientReference under another name")
		_, err = shop.Order(ctx, "again", func(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = "trip-3" })
		Expect(err).NotTo(HaveOccurred())
		Eventually(phases).WithArguments(ctx, fresh, shop).Should(HaveKeyWithValue("again", v1alpha1.PhaseFailed))
		again, err := shop.Find(ctx, "again")
		Expect(err).NotTo(HaveOccurred())
		Expect(again.Status.Failure.Code).To(Equal(v1alpha1.FailureDuplicateReference))
		Expect(again.Status.Charge).To(BeNil())
		Expect(shop.Bought()).To(Equal(2))
	})
})
