package shards_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/shard"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// writers are the shards that wrote in a client's namespace, in the order in which they did; one
// that wrote several times in a row is named once.
func writers(namespace string) []string {
	GinkgoHelper()
	events, err := env.AuditEvents()
	Expect(err).NotTo(HaveOccurred())
	var wrote []string
	for _, event := range events {
		if event.Namespace == namespace && event.Write() && event.Code < http.StatusBadRequest && strings.HasPrefix(event.UserAgent, "shard-") {
			wrote = append(wrote, strings.TrimPrefix(event.UserAgent, "shard-"))
		}
	}
	return slices.Compact(wrote)
}

var _ = Describe("Two managers with different namespace selectors", func() {
	It("have each order handled by exactly one of them, also where a namespace changes hands meanwhile", func(ctx SpecContext) {
		const clients, orders = 10, 20
		shop := open(ctx, "divided", func(o *v1alpha1.EsimOperator) { o.Spec.Limits.InFlight = 10 })
		// Orders take long enough to be in all stages when their namespace changes hands.
		Expect(shop.SMDP.SetLatency(smdp.Latency{Fixed: 300 * time.Millisecond})).To(Succeed())
		run("a")
		run("b")
		name := func(n int) string { return fmt.Sprintf("divided-%02d", n) }
		of := func(n int) string { return []string{"a", "b"}[n%2] }
		for n := range clients {
			newClient(ctx, shop, name(n), of(n))
		}
		for i := range orders {
			for n := range clients {
				place(ctx, shop, name(n), fmt.Sprintf("order-%02d", i))
			}
		}
		// Of each shard's clients, two are given to the other one, in the middle of their orders.
		moved := []int{0, 1, 2, 3}
		for _, n := range moved {
			Eventually(delivered(ctx, name(n))).WithContext(ctx).Should(BeNumerically(">", 0))
			done, err := delivered(ctx, name(n))()
			Expect(err).NotTo(HaveOccurred())
			Expect(done).To(BeNumerically("<", orders), "the test is about orders that are on their way")
			relabel(ctx, name(n), of(n+1))
		}
		for n := range clients {
			Eventually(delivered(ctx, name(n))).WithContext(ctx).Should(Equal(orders), name(n))
		}

		Expect(shop.Bought()).To(Equal(clients * orders))
		for n := range clients {
			want := []string{of(n)}
			if slices.Contains(moved, n) {
				want = []string{of(n), of(n + 1)}
			}
			Eventually(func() []string { return writers(name(n)) }).WithContext(ctx).Should(Equal(want), name(n))
			Eventually(func() (v1alpha1.Amount, error) {
				var wallet v1alpha1.EsimWallet
				err := env.Client.Get(ctx, types.NamespacedName{Namespace: name(n), Name: testshop.WalletName}, &wallet)
				return wallet.Status.Balance, err
			}).WithContext(ctx).Should(BeEquivalentTo("999910"), name(n))
		}
	})

	It("leave a namespace alone that neither selects, until one does", func(ctx SpecContext) {
		shop := open(ctx, "unselected")
		run("a")
		run("b")
		newClient(ctx, shop, "unselected-nobody", "")
		newClient(ctx, shop, "unselected-somebody", "b")
		place(ctx, shop, "unselected-nobody", "waits")
		place(ctx, shop, "unselected-somebody", "goes")
		Eventually(phase(ctx, "unselected-somebody", "goes")).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		Expect(writers("unselected-nobody")).To(BeEmpty())
		Expect(phase(ctx, "unselected-nobody", "waits")()).To(Equal(v1alpha1.PhasePending))

		relabel(ctx, "unselected-nobody", "a")
		Eventually(phase(ctx, "unselected-nobody", "waits")).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		Expect(writers("unselected-nobody")).To(Equal([]string{"a"}))
	})

	It("have the status of operators and products written by one of them", func(ctx SpecContext) {
		shop := open(ctx, "common")
		run("a")
		run("b")
		newClient(ctx, shop, "common-a", "a")
		newClient(ctx, shop, "common-b", "b")
		for _, namespace := range []string{"common-a", "common-b"} {
			place(ctx, shop, namespace, "order")
			Eventually(phase(ctx, namespace, "order")).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered), "both are connected to the operator")
		}
		Eventually(func() ([]string, error) {
			events, err := env.AuditEvents()
			var wrote []string
			for _, event := range events {
				if event.Resource == "esimproducts" && event.Name == shop.Name && event.Write() && strings.HasPrefix(event.UserAgent, "shard-") {
					wrote = append(wrote, event.UserAgent)
				}
			}
			slices.Sort(wrote)
			return slices.Compact(wrote), err
		}).WithContext(ctx).Should(HaveLen(1))
	})
})

var _ = Describe("A manager whose selector selects what another holds", func() {
	It("works there once the other has stopped, and not before", func(ctx SpecContext) {
		shop := open(ctx, "overlap")
		stopFirst := run("a")
		newClient(ctx, shop, "overlap-client", "a")
		place(ctx, shop, "overlap-client", "first")
		Eventually(phase(ctx, "overlap-client", "first")).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		run("a," + shardLabel) // the same namespaces by another selector, so under another lease
		place(ctx, shop, "overlap-client", "second")
		Eventually(phase(ctx, "overlap-client", "second")).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		Expect(writers("overlap-client")).To(Equal([]string{"a"}))

		stopFirst()
		place(ctx, shop, "overlap-client", "third")
		Eventually(phase(ctx, "overlap-client", "third")).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		Expect(writers("overlap-client")).To(Equal([]string{"a", "a," + shardLabel}))
	})
})

var _ = Describe("A manager without a selector", func() {
	It("does nothing while managers with one are at work", func(ctx SpecContext) {
		shop := open(ctx, "undivided")
		stopShard := run("a")
		newClient(ctx, shop, "undivided-a", "a")
		newClient(ctx, shop, "undivided-none", "")
		place(ctx, shop, "undivided-a", "first")
		Eventually(phase(ctx, "undivided-a", "first")).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		run("")
		Eventually(func(g Gomega) {
			var lease coordinationv1.Lease
			key := client.ObjectKey{Namespace: testenv.SystemNamespace, Name: "esim-operator-controllers"}
			g.Expect(env.Client.Get(ctx, key, &lease)).To(Succeed())
			g.Expect(ptr.Deref(lease.Spec.HolderIdentity, "")).NotTo(BeEmpty())
			g.Expect(lease.Labels).To(HaveKeyWithValue(shard.WorksInLabel, shard.WorksInAll))
		}).WithContext(ctx).Should(Succeed())
		place(ctx, shop, "undivided-none", "waits")
		place(ctx, shop, "undivided-a", "second")
		Eventually(phase(ctx, "undivided-a", "second")).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		Expect(writers("undivided-a")).To(Equal([]string{"a"}))
		Expect(writers("undivided-none")).To(BeEmpty())

		stopShard()
		Eventually(phase(ctx, "undivided-none", "waits")).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		Expect(writers("undivided-none")).To(Equal([]string{""}))
	})
})
