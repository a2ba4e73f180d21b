package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// frozen is a cache that lags: it has one order as it was.
type frozen struct {
	client.Client
	order *v1alpha1.EsimOrder
}

func (f frozen) Get(ctx context.Context, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	if order, ok := object.(*v1alpha1.EsimOrder); ok {
		f.order.DeepCopyInto(order)
		return nil
	}
	return f.Client.Get(ctx, key, object, opts...)
}

// workFrom makes one pass, in a process of its own, over an order as an old cache has it.
func workFrom(ctx context.Context, shop *testshop.Shop, old *v1alpha1.EsimOrder) {
	GinkgoHelper()
	old = old.DeepCopy()
	old.Status.Provisioning.NextAttemptTime = nil
	var operator v1alpha1.EsimOperator
	Expect(k8s.Get(ctx, types.NamespacedName{Name: shop.Name}, &operator)).To(Succeed())
	driver, err := controllers.NewDrivers(nil, nil)(&operator, shop.Credentials(), func(operators.Call) {})
	Expect(err).NotTo(HaveOccurred())
	pool := connections.NewPool(connections.DefaultConfig)
	pool.For(shop.Name).Connect(driver, 50)
	config, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	own, err := client.New(config, client.Options{Scheme: k8s.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	reconciler := &controllers.OrderReconciler{
		Client: frozen{k8s, old}, Live: own, Writer: own, Connections: pool, Recorder: events.NewFakeRecorder(100),
		Clock: clock.RealClock{}, Jitter: func() float64 { return 0 }, Pace: quick().Pace,
	}
	_, err = reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(old)})
	Expect(err).NotTo(HaveOccurred())
}

var _ = Describe("A process whose cache is old", func() {
	It("buys nothing for an order that has ended since", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.SetStock(testshop.Plan, 0)).To(Succeed())
		place(ctx, shop, "ended")
		becomes(ctx, shop, "ended", "PENDING OutOfStock")
		old := look(ctx, shop, "ended")
		remove(ctx, shop, "ended")
		gone(ctx, shop, "ended")
		Expect(shop.SMDP.SetStock(testshop.Plan, 5)).To(Succeed())
		workFrom(ctx, shop, old)
		Expect(shop.Bought() + shop.Stranded()).To(BeZero())
	})

	It("leaves the Secret of an order that was made anew under the same name alone", func(ctx SpecContext) {
		shop := openShop(ctx, testshop.Options{})
		Expect(shop.SMDP.SetStock(testshop.Plan, 0)).To(Succeed())
		place(ctx, shop, "anew")
		becomes(ctx, shop, "anew", "PENDING OutOfStock")
		old := look(ctx, shop, "anew")
		remove(ctx, shop, "anew")
		gone(ctx, shop, "anew")
		Expect(shop.SMDP.SetStock(testshop.Plan, 5)).To(Succeed())
		place(ctx, shop, "anew")
		becomes(ctx, shop, "anew", "DELIVERED Delivered")
		workFrom(ctx, shop, old)
		secret, err := shop.Secret(ctx, "anew")
		Expect(err).NotTo(HaveOccurred())
		Expect(secret.OwnerReferences[0].UID).To(Equal(look(ctx, shop, "anew").UID))
		Expect(shop.Bought()).To(Equal(1))
	})
})
