package restore

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// Orders of the shop that is lost, by where they stand when it is saved.
const (
	deliveredOrder = "delivered"
	anotherOrder   = "o-930248119" // as the facade names them
	installedOrder = "installed"
	cancelledOrder = "cancelled"
	failedOrder    = "failed"
	settledOrder   = "settled"  // deleted, and in the wallet's totals
	settlingOrder  = "settling" // deleted, in the wallet's totals, and not gone yet
	underWayOrder  = "under-way"
	lostOrder      = "answer-lost"
)

// phases of the orders that are there when the cluster is saved.
func phasesSaved() map[string]v1alpha1.OrderPhase {
	return map[string]v1alpha1.OrderPhase{
		deliveredOrder: v1alpha1.PhaseDelivered, anotherOrder: v1alpha1.PhaseDelivered,
		installedOrder: v1alpha1.PhaseDelivered, settlingOrder: v1alpha1.PhaseDelivered,
		cancelledOrder: v1alpha1.PhaseCancelled, failedOrder: v1alpha1.PhaseFailed,
		underWayOrder: v1alpha1.PhasePending, lostOrder: v1alpha1.PhasePending,
	}
}

// phasesFinished are those that they come to once their cluster is restored.
func phasesFinished() map[string]v1alpha1.OrderPhase {
	phases := phasesSaved()
	delete(phases, settlingOrder)
	phases[underWayOrder], phases[lostOrder] = v1alpha1.PhaseDelivered, v1alpha1.PhaseDelivered
	return phases
}

// fill has a manager bring orders into every state, and leaves it stopped.
func fill(ctx context.Context, shop *testshop.Shop) {
	GinkgoHelper()
	dismiss := employ(lost)
	admin := lost.Client
	unsold := &v1alpha1.EsimProduct{ObjectMeta: metav1.ObjectMeta{Name: "unsold"}, Spec: soldAs(ctx, shop)}
	unsold.Spec.Variants[0].Sources[0].PlanID = "XX-NONE"
	Expect(admin.Create(ctx, unsold)).To(Succeed())

	for _, name := range []string{deliveredOrder, anotherOrder, installedOrder, cancelledOrder, settledOrder, settlingOrder} {
		order(ctx, shop, name)
	}
	_, err := shop.Order(ctx, failedOrder, func(o *v1alpha1.EsimOrder) { o.Spec.ProductRef.Name = unsold.Name })
	Expect(err).NotTo(HaveOccurred())
	Eventually(phases).WithArguments(ctx, lost, shop).Should(And(
		HaveKeyWithValue(failedOrder, v1alpha1.PhaseFailed), HaveKeyWithValue(deliveredOrder, v1alpha1.PhaseDelivered),
		HaveKeyWithValue(anotherOrder, v1alpha1.PhaseDelivered), HaveKeyWithValue(installedOrder, v1alpha1.PhaseDelivered),
		HaveKeyWithValue(cancelledOrder, v1alpha1.PhaseDelivered), HaveKeyWithValue(settledOrder, v1alpha1.PhaseDelivered),
		HaveKeyWithValue(settlingOrder, v1alpha1.PhaseDelivered)))
	install(ctx, shop)
	change(ctx, lost, shop, cancelledOrder, func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
	Expect(admin.Delete(ctx, shop.NewOrder(settledOrder))).To(Succeed())
	Eventually(phases).WithArguments(ctx, lost, shop).Should(And(
		Not(HaveKey(settledOrder)), HaveKeyWithValue(cancelledOrder, v1alpha1.PhaseCancelled)))

	Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: es2plus.ConfirmOrder, Times: 1})).To(Succeed())
	Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.ConfirmOrder})).To(Succeed())
	order(ctx, shop, lostOrder)
	Eventually(lastClass).WithArguments(ctx, shop, lostOrder).Should(Equal("OutcomeUnknown"))
	Expect(shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.DownloadOrder})).To(Succeed())
	order(ctx, shop, underWayOrder)
	Eventually(lastClass).WithArguments(ctx, shop, underWayOrder).Should(Equal("Transient"))
	Eventually(balance).WithArguments(ctx, lost, shop).Should(Equal(statement(ctx, lost, shop)), "the wallet's status lags behind")
	dismiss()
	beginToSettle(ctx, shop)
	Expect(shop.SMDP.ClearFaults()).To(Succeed())
	Expect(phases(ctx, lost, shop)).To(Equal(phasesSaved()))
}

func soldAs(ctx context.Context, shop *testshop.Shop) v1alpha1.EsimProductSpec {
	GinkgoHelper()
	var product v1alpha1.EsimProduct
	Expect(lost.Client.Get(ctx, types.NamespacedName{Name: shop.Name}, &product)).To(Succeed())
	return *product.Spec.DeepCopy()
}

func order(ctx context.Context, shop *testshop.Shop, name string) {
	GinkgoHelper()
	_, err := shop.Order(ctx, name, func(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = "ref-" + name })
	Expect(err).NotTo(HaveOccurred())
}

// install puts a profile on a device, and stores the operator's report as its receiver does.
func install(ctx context.Context, shop *testshop.Shop) {
	GinkgoHelper()
	delivered, err := shop.Find(ctx, installedOrder)
	Expect(err).NotTo(HaveOccurred())
	iccid := activation.ICCID(delivered.Status.Esim.ICCID)
	Expect(shop.SMDP.Install(iccid)).To(Succeed())
	Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		installed, err := shop.Find(ctx, installedOrder)
		if err != nil {
			return err
		}
		installed.Status.Reports = append(installed.Status.Reports, v1alpha1.DeviceReport{
			Event: v1alpha1.DeviceInstalled, ICCID: string(iccid), Time: metav1.Now(),
		})
		return lost.Client.Status().Update(ctx, installed)
	})).To(Succeed())
	Eventually(func(g Gomega) {
		now, err := shop.Find(ctx, installedOrder)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(now.Status.Activation.Status).To(Equal(v1alpha1.ActivationActive))
		g.Expect(now.Status.Activation.CodeRemoved).To(BeTrue())
	}).Should(Succeed())
}

// beginToSettle deletes an order and makes the first of the two writes that settle it, as a
// manager does that is stopped before the second one.
func beginToSettle(ctx context.Context, shop *testshop.Shop) {
	GinkgoHelper()
	Expect(lost.Client.Delete(ctx, shop.NewOrder(settlingOrder))).To(Succeed())
	going, err := shop.Find(ctx, settlingOrder)
	Expect(err).NotTo(HaveOccurred())
	wallet, err := shop.Wallet(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(wallet.Status.Settled).To(Equal(v1alpha1.WalletSettled{Debited: "4.5", Refunded: "0", Orders: 1}))
	wallet.Status.Settled = v1alpha1.WalletSettled{Debited: "9", Refunded: "0", Orders: 2}
	wallet.Status.Settling = []v1alpha1.SettlingOrder{{Name: going.Name, UID: going.UID, Debited: "4.5", Refunded: "0"}}
	Expect(lost.Client.Status().Update(ctx, wallet)).To(Succeed())
}

func change(ctx context.Context, env *testenv.Environment, shop *testshop.Shop, name string, edit func(*v1alpha1.EsimOrder)) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var order v1alpha1.EsimOrder
		g.Expect(env.Client.Get(ctx, types.NamespacedName{Namespace: shop.Name, Name: name}, &order)).To(Succeed())
		edit(&order)
		g.Expect(env.Client.Update(ctx, &order)).To(Succeed())
	}).Should(Succeed())
}

func orders(ctx context.Context, env *testenv.Environment, shop *testshop.Shop) []v1alpha1.EsimOrder {
	GinkgoHelper()
	var list v1alpha1.EsimOrderList
	Expect(env.Client.List(ctx, &list, client.InNamespace(shop.Name))).To(Succeed())
	return list.Items
}

func phases(ctx context.Context, env *testenv.Environment, shop *testshop.Shop) map[string]v1alpha1.OrderPhase {
	GinkgoHelper()
	found := map[string]v1alpha1.OrderPhase{}
	for _, order := range orders(ctx, env, shop) {
		found[order.Name] = order.Status.Phase
	}
	return found
}

func lastClass(ctx context.Context, shop *testshop.Shop, name string) string {
	GinkgoHelper()
	order, err := shop.Find(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	if order.Status.Provisioning == nil || order.Status.Provisioning.LastError == nil {
		return ""
	}
	return order.Status.Provisioning.LastError.Class
}

func wallet(ctx context.Context, env *testenv.Environment, shop *testshop.Shop) *v1alpha1.EsimWallet {
	GinkgoHelper()
	var wallet v1alpha1.EsimWallet
	Expect(env.Client.Get(ctx, types.NamespacedName{Namespace: shop.Name, Name: testshop.WalletName}, &wallet)).To(Succeed())
	return &wallet
}

// balance is what the manager wrote into the wallet's status.
func balance(ctx context.Context, env *testenv.Environment, shop *testshop.Shop) string {
	GinkgoHelper()
	return string(wallet(ctx, env, shop).Status.Balance)
}

// statement is the balance that wallet and orders tell by themselves.
func statement(ctx context.Context, env *testenv.Environment, shop *testshop.Shop) string {
	GinkgoHelper()
	statement, err := ledger.StatementOf(wallet(ctx, env, shop), orders(ctx, env, shop))
	Expect(err).NotTo(HaveOccurred())
	return statement.Balance.String()
}

// codes are the activation codes in the Secrets, by order.
func codes(ctx context.Context, env *testenv.Environment, shop *testshop.Shop) map[string]string {
	GinkgoHelper()
	var secrets corev1.SecretList
	Expect(env.Client.List(ctx, &secrets, client.InNamespace(shop.Name))).To(Succeed())
	found := map[string]string{}
	for _, order := range orders(ctx, env, shop) {
		for _, secret := range secrets.Items {
			if secret.Name == v1alpha1.ActivationSecretName(order.Name) && len(secret.Data[v1alpha1.SecretKeyActivationCode]) > 0 {
				found[order.Name] = string(secret.Data[v1alpha1.SecretKeyActivationCode])
			}
		}
	}
	return found
}

// collectGarbage does what the garbage collector does with objects whose owner's UID is none
// that exists. There is none on a control plane for tests.
func collectGarbage(ctx context.Context, env *testenv.Environment, shop *testshop.Shop) {
	GinkgoHelper()
	collector, err := env.UserClient("system:serviceaccount:kube-system:generic-garbage-collector", "system:masters")
	Expect(err).NotTo(HaveOccurred())
	living := map[types.UID]bool{}
	for _, order := range orders(ctx, env, shop) {
		living[order.UID] = true
	}
	var secrets corev1.SecretList
	Expect(collector.List(ctx, &secrets, client.InNamespace(shop.Name))).To(Succeed())
	for i := range secrets.Items {
		owner := metav1.GetControllerOf(&secrets.Items[i])
		if owner != nil && !living[owner.UID] {
			Expect(collector.Delete(ctx, &secrets.Items[i])).To(Succeed())
		}
	}
}

// expectNoCodeIn checks that nothing but Secrets tells a matching ID.
func expectNoCodeIn(ctx context.Context, env *testenv.Environment, shop *testshop.Shop) {
	GinkgoHelper()
	text, err := json.Marshal(orders(ctx, env, shop))
	Expect(err).NotTo(HaveOccurred())
	for _, name := range slices.Sorted(maps.Keys(codes(ctx, env, shop))) {
		code, err := activation.ParseCode(codes(ctx, env, shop)[name])
		Expect(err).NotTo(HaveOccurred())
		if code.MatchingID.Empty() {
			Fail("the Secret of " + name + " has no matching ID")
		}
		Expect(string(text)).NotTo(ContainSubstring(code.MatchingID.Reveal()), "an order tells its code")
	}
}
