package crash

import (
	"context"
	"fmt"
	"maps"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// What becomes of an order while two managers work on it.
const (
	staysDelivered = "delivered"
	// isRejected by its operator, and refunded.
	isRejected = "rejected"
	// isCancelled as soon as it is there: before, while or after it is bought.
	isCancelled = "cancelled"
	// isUndone is cancelled once it is delivered.
	isUndone = "undone"
)

// crowd is a number of orders of each kind, in a shop whose client is told of everything.
type crowd struct {
	shop  *testshop.Shop
	post  *post
	names map[string]string
}

func openCrowd(ctx context.Context, name string, each int) *crowd {
	GinkgoHelper()
	c := &crowd{names: map[string]string{}}
	var err error
	c.post, err = openPost(ctx)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(c.post.close)
	c.shop, err = testshop.Open(ctx, k8s, name, withoutPlan("none"))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return c.shop.Close() })
	Expect(c.post.subscribe(ctx, k8s, c.shop.Name)).To(Succeed())
	for i := range each {
		for _, kind := range []string{staysDelivered, isRejected, isCancelled, isUndone} {
			c.names[fmt.Sprintf("%s-%d", kind, i)] = kind
		}
	}
	return c
}

// buy places all orders, and has those cancelled that are to be at once.
func (c *crowd) buy(ctx context.Context) {
	GinkgoHelper()
	for name, kind := range c.names {
		order, err := c.shop.Order(ctx, name, func(o *v1alpha1.EsimOrder) {
			o.Spec.NotificationEmail, o.Spec.ClientReference = addressOf(name), name
			if kind == isRejected {
				o.Spec.Variant = "none"
			}
		})
		Expect(err).NotTo(HaveOccurred())
		if kind == isCancelled {
			c.cancel(ctx, order)
		}
	}
}

func (c *crowd) cancel(ctx context.Context, order *v1alpha1.EsimOrder) {
	GinkgoHelper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"cancel":true}}`))
	Expect(k8s.Patch(ctx, order, patch)).To(Succeed())
}

// orders by name, as they stand.
func (c *crowd) orders(ctx context.Context) map[string]*v1alpha1.EsimOrder {
	GinkgoHelper()
	var list v1alpha1.EsimOrderList
	Expect(k8s.List(ctx, &list, client.InNamespace(c.shop.Name))).To(Succeed())
	byName := map[string]*v1alpha1.EsimOrder{}
	for i := range list.Items {
		byName[list.Items[i].Name] = &list.Items[i]
	}
	return byName
}

// atRest counts the orders that are at their end and have told of it. Those that are to be
// cancelled once they are delivered are, on the way.
func (c *crowd) atRest(ctx context.Context) int {
	GinkgoHelper()
	n := 0
	for name, order := range c.orders(ctx) {
		ends := map[string]v1alpha1.OrderPhase{staysDelivered: v1alpha1.PhaseDelivered, isRejected: v1alpha1.PhaseFailed}[c.names[name]]
		if ends == "" {
			ends = v1alpha1.PhaseCancelled
		}
		switch {
		case order.Status.Phase == ends && len(order.Status.Notifications) == 0:
			n++
		case c.names[name] == isUndone && order.Status.Phase == v1alpha1.PhaseDelivered && !order.Spec.Cancel:
			c.cancel(ctx, order)
		}
	}
	return n
}

// booked are the sums of charges and refunds, and how many orders were charged.
type booked struct {
	debited, refunded money.Amount
	charged           int
}

func (b booked) equal(other booked) bool {
	return b.debited.Equal(other.debited) && b.refunded.Equal(other.refunded) && b.charged == other.charged
}

func parsed(amount string) money.Amount {
	GinkgoHelper()
	a, err := money.Parse(amount)
	Expect(err).NotTo(HaveOccurred())
	return a
}

// sums that the orders say.
func (c *crowd) sums(ctx context.Context) booked {
	GinkgoHelper()
	var b booked
	for _, order := range c.orders(ctx) {
		charge := order.Status.Charge
		if charge == nil {
			continue
		}
		b.charged++
		b.debited = b.debited.Add(parsed(string(charge.Amount)))
		if charge.Refund != nil {
			b.refunded = b.refunded.Add(parsed(string(charge.Amount)))
		}
	}
	return b
}

// settled is what the wallet says of orders that are gone.
func (c *crowd) settled(ctx context.Context) booked {
	GinkgoHelper()
	wallet, err := c.shop.Wallet(ctx)
	Expect(err).NotTo(HaveOccurred())
	if len(wallet.Status.Settling) > 0 {
		return booked{}
	}
	s := wallet.Status.Settled
	if s.Orders == 0 {
		return booked{}
	}
	return booked{parsed(string(s.Debited)), parsed(string(s.Refunded)), int(s.Orders)}
}

// told checks that everybody was told of everything: each event under one ID, each receipt under
// one Message-ID, by no more than each of the managers.
func (c *crowd) told(ctx context.Context, managers int) {
	GinkgoHelper()
	for name, order := range c.orders(ctx) {
		var want []string
		if order.Status.Charge != nil {
			want = append(want, v1alpha1.EventDebited)
			if order.Status.Charge.Refund != nil {
				want = append(want, v1alpha1.EventCredited)
			}
		}
		switch c.names[name] {
		case staysDelivered:
			want = append(want, v1alpha1.EventOrderDelivered)
		case isRejected:
			want = append(want, v1alpha1.EventOrderFailed)
		default:
			want = append(want, v1alpha1.EventOrderCancelled)
		}
		c.heard(ctx, name, want, managers)
	}
}

// heard checks that an order's events came, and a receipt for its end.
func (c *crowd) heard(ctx context.Context, name string, want []string, managers int) {
	GinkgoHelper()
	events, err := c.post.eventsOf(name)
	Expect(err).NotTo(HaveOccurred())
	came := map[string]bool{}
	for _, e := range events {
		came[e.Kind] = true
		Expect(e.Copies).To(BeNumerically("<=", managers), "copies of %s of %s", e.Kind, name)
	}
	for _, event := range want {
		Expect(came).To(HaveKey(event), "events of %s", name)
	}
	mails, err := c.post.mailsTo(ctx, addressOf(name))
	Expect(err).NotTo(HaveOccurred())
	most := 1
	if came[v1alpha1.EventOrderDelivered] && came[v1alpha1.EventOrderCancelled] {
		most = 2 // that of the delivery is not sent where the cancellation came first
	}
	Expect(len(mails)).To(And(BeNumerically(">=", 1), BeNumerically("<=", most)), "receipts for %s: %+v", name, mails)
	for _, m := range mails {
		Expect(m.Copies).To(BeNumerically("<=", managers), "copies of the %s for %s", m.Kind, name)
	}
}

var _ = Describe("Two managers that both believe to lead for a while", func() {
	It("charge, refund, settle and tell of each order once, also while every tenth answer is lost", func(ctx SpecContext) {
		const each = 8
		c := openCrowd(ctx, "overlap-money", each)
		for _, function := range []es2plus.Function{es2plus.DownloadOrder, es2plus.ConfirmOrder, es2plus.ReleaseProfile, es2plus.CancelOrder} {
			Expect(c.shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultDropAnswer, Function: function, Fraction: .1})).To(Succeed())
		}
		dismiss := employServed(c.post)
		c.buy(ctx)
		Eventually(c.atRest).WithArguments(ctx).Should(BeNumerically(">", 0))
		DeferCleanup(employServed(c.post))
		Eventually(c.atRest).WithArguments(ctx).Should(BeNumerically(">", 2*each))
		dismiss()
		Eventually(c.atRest).WithArguments(ctx).Should(Equal(len(c.names)), "at their end, of those that were ordered")

		By("keeping every sum")
		owed := c.sums(ctx)
		Expect(c.shop.Bought()).To(Equal(each))
		net := owed.debited.Sub(owed.refunded)
		Expect(net.Equal(parsed("36"))).To(BeTrue(), "%s is owed for %d orders at 4.50", net, each)
		c.told(ctx, 2)

		By("settling what is deleted")
		second := employServed(c.post)
		for _, name := range slices.Sorted(maps.Keys(c.names)) {
			order := c.shop.NewOrder(name)
			Expect(k8s.Delete(ctx, order)).To(Succeed())
		}
		Eventually(c.orders).WithArguments(ctx).Should(BeEmpty())
		second()
		Eventually(func() bool { return c.settled(ctx).equal(owed) }).WithContext(ctx).Should(BeTrue(), "what is settled is what the orders said")
		wallet, err := c.shop.Wallet(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(k8s.Delete(ctx, wallet)).To(Succeed())
		Eventually(func() bool { _, err := c.shop.Wallet(ctx); return apierrors.IsNotFound(err) }).WithContext(ctx).Should(BeTrue(), "the wallet is gone")
	})
})

// employServed starts a manager whose receipts and events arrive. It returns how to dismiss it.
func employServed(p *post) (dismiss func()) {
	GinkgoHelper()
	config := quick()
	p.serve(&config)
	return employ(lifeline.New(), config)
}
