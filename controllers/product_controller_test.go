package controllers_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/testenv"
)

// These specs start and stop product controllers of their own, so they have a control plane
// of their own: the ids of one controller are not those of another.
var _ = Describe("A catalogue", Ordered, func() {
	var c *catalogue
	BeforeAll(func(ctx SpecContext) {
		plane, err := testenv.Start(ctx, testenv.Options{WithoutAdmission: true})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return plane.Stop() })
		c = &catalogue{env: plane, Client: plane.Client}
	})
	AfterEach(func(ctx SpecContext) {
		Expect(c.DeleteAllOf(ctx, &v1alpha1.EsimProduct{})).To(Succeed())
		Expect(c.DeleteAllOf(ctx, &v1alpha1.EsimOperator{})).To(Succeed())
	})

	It("gives product and variants the ids that their names hash to, and keeps them", func(ctx SpecContext) {
		c.start(nil)
		c.apply(ctx, product("japan", plan("1gb", "1"), plan("3gb", "2")))
		japan := c.settled(ctx, "japan")
		Expect(japan.Status.ID).To(Equal(controllers.HashName("japan")))
		first := []v1alpha1.VariantStatus{
			{Name: "1gb", ID: controllers.HashName("japan/1gb")}, {Name: "3gb", ID: controllers.HashName("japan/3gb")},
		}
		Expect(japan.Status.Variants).To(Equal(first))

		By("taking a variant away: should it come back, it has its id")
		c.edit(ctx, "japan", func(p *v1alpha1.EsimProduct) { p.Spec.Variants = p.Spec.Variants[1:] })
		Expect(c.settled(ctx, "japan").Status.Variants).To(Equal(first))
	})

	It("gives names of one hash different ids, which a restart does not change", func(ctx SpecContext) {
		seven := func(string) int64 { return 7 }
		stop := c.start(seven)
		ids := map[string]int64{}
		for i, name := range []string{"japan", "france", "brazil"} {
			c.apply(ctx, product(name, plan("1gb", "1")))
			ids[name] = c.settled(ctx, name).Status.ID
			Expect(ids[name]).To(Equal(int64(7 + i)))
			Expect(c.settled(ctx, name).Status.Variants[0].ID).To(Equal(int64(7 + i)))
		}
		stop()

		By("deleting one while no controller runs")
		Expect(c.Delete(ctx, &v1alpha1.EsimProduct{ObjectMeta: metav1.ObjectMeta{Name: "france"}})).To(Succeed())
		c.start(seven)
		c.apply(ctx, product("mexico", plan("1gb", "1")))
		Expect(c.settled(ctx, "mexico").Status.ID).To(Equal(int64(8)), "the one that is free")
		for _, name := range []string{"japan", "brazil"} {
			Expect(c.settled(ctx, name).Status.ID).To(Equal(ids[name]))
		}
	})

	It("refuses an id that another product has, names the other, and gives it once it is free", func(ctx SpecContext) {
		c.start(nil)
		c.apply(ctx, product("japan"), func(p *v1alpha1.EsimProduct) { p.Spec.ID = new(int64(42)) })
		Expect(c.settled(ctx, "japan").Status.ID).To(Equal(int64(42)))
		c.apply(ctx, product("france"), func(p *v1alpha1.EsimProduct) { p.Spec.ID = new(int64(42)) })
		Expect(readyOf(c.settled(ctx, "france"))).To(Equal(
			"False IDTaken: spec.id 42 is that of EsimProduct japan: choose another, or leave it out"))
		Expect(c.settled(ctx, "france").Status.ID).To(BeZero())

		Expect(c.Delete(ctx, &v1alpha1.EsimProduct{ObjectMeta: metav1.ObjectMeta{Name: "japan"}})).To(Succeed())
		Eventually(func() int64 { return c.settled(ctx, "france").Status.ID }).Should(Equal(int64(42)))
		Expect(readyOf(c.settled(ctx, "france"))).To(HavePrefix("False NothingActive"))
	})

	It("can sell a variant while an operator among its sources is ready", func(ctx SpecContext) {
		c.start(nil)
		c.apply(ctx, product("japan", plan("1gb", "1", "telco-one"), plan("3gb", "2", "telco-one", "telco-two"), plan("5gb", "3")))
		ready := func() string { return readyOf(c.settled(ctx, "japan")) }
		sellable := func() int32 { return c.settled(ctx, "japan").Status.SellableVariants }
		Eventually(ready).Should(Equal("False OperatorMissing: There is no EsimOperator telco-one or telco-two"))

		c.operator(ctx, "telco-one", false)
		Eventually(ready).Should(Equal("False OperatorNotReady: Not Ready: EsimOperator telco-one"))
		Expect(sellable()).To(BeZero())

		c.operator(ctx, "telco-one", true)
		Eventually(ready).Should(Equal("True Sellable: At least one variant can be sold"))
		Expect(sellable()).To(Equal(int32(2)))

		c.operator(ctx, "telco-two", true)
		c.operator(ctx, "telco-one", false)
		Eventually(sellable).Should(Equal(int32(1)))

		Expect(c.Delete(ctx, &v1alpha1.EsimOperator{ObjectMeta: metav1.ObjectMeta{Name: "telco-two"}})).To(Succeed())
		Eventually(ready).Should(Equal("False OperatorNotReady: Not Ready: EsimOperator telco-one"))
		Expect(sellable()).To(BeZero())
	})

	It("warns of two active variants with one amount", func(ctx SpecContext) {
		c.start(nil)
		c.apply(ctx, product("japan", plan("1gb", "4.5"), plan("3gb", "4.50")))
		Expect(meta.IsStatusConditionFalse(c.settled(ctx, "japan").Status.Conditions, v1alpha1.ConditionAmountsDistinct)).To(BeTrue())
		c.edit(ctx, "japan", func(p *v1alpha1.EsimProduct) { p.Spec.Variants[0].Inactive = true })
		Expect(meta.IsStatusConditionTrue(c.settled(ctx, "japan").Status.Conditions, v1alpha1.ConditionAmountsDistinct)).To(BeTrue())
	})

	It("of many products has unique ids, and editing one reconciles one", func(ctx SpecContext) {
		many := catalogueSize()
		// Half the range, so that every second name meets a collision.
		narrow := func(name string) int64 { return controllers.HashName(name)%int64(many/2) + 1 }
		stop := c.start(narrow)
		c.operator(ctx, "telco-one", true)
		c.operator(ctx, "telco-two", false)
		inParallel(many, func(i int) {
			c.apply(ctx, product(fmt.Sprintf("product-%d", i), plan("1gb", "1", "telco-one"), plan("3gb", "2", "telco-one")))
		})
		c.apply(ctx, product("other", plan("1gb", "1", "telco-two")))
		Eventually(func() int { return len(c.given(ctx)) }).WithTimeout(time.Minute).WithPolling(200 * time.Millisecond).Should(Equal(many + 1))
		given := c.given(ctx)

		By("editing one")
		c.seen.reset()
		c.edit(ctx, "product-17", func(p *v1alpha1.EsimProduct) { p.Spec.DisplayName = "Seventeen" })
		c.settled(ctx, "product-17")
		// What the first edit would have caused comes before what the second causes.
		c.edit(ctx, "product-18", func(p *v1alpha1.EsimProduct) { p.Spec.DisplayName = "Eighteen" })
		c.settled(ctx, "product-18")
		Expect(c.seen.names()).To(ConsistOf("product-17", "product-18"))

		By("turning an operator that one product names")
		c.seen.reset()
		c.operator(ctx, "telco-two", true)
		Eventually(func() string { return readyOf(c.settled(ctx, "other")) }).Should(HavePrefix("True"))
		Expect(c.seen.names()).To(ConsistOf("other"))

		By("starting anew: all are looked at, none is written")
		stop()
		c.seen.reset()
		c.start(narrow)
		Eventually(func() int { return len(c.seen.names()) }).WithTimeout(time.Minute).Should(BeNumerically(">=", many+1))
		Expect(c.given(ctx)).To(Equal(given))
		Expect(c.seen.written()).To(BeZero())
	})
})

// catalogueSize is how many products a large catalogue has: 200, or what CATALOGUE_PRODUCTS
// says. make test-crash has 2,000.
func catalogueSize() int {
	GinkgoHelper()
	text := os.Getenv("CATALOGUE_PRODUCTS")
	if text == "" {
		return 200
	}
	size, err := strconv.Atoi(text)
	Expect(err).NotTo(HaveOccurred())
	Expect(size).To(BeNumerically(">", 20), "CATALOGUE_PRODUCTS: two of them are edited by name")
	return size
}

// catalogue is a control plane, and a product controller on it at times.
type catalogue struct {
	client.Client
	env  *testenv.Environment
	seen activity
}

// activity is what the product controller does.
type activity struct {
	sync.Mutex
	reconciled []string
	writes     int
}

func (a *activity) reset() {
	a.Lock()
	defer a.Unlock()
	a.reconciled, a.writes = nil, 0
}

// names of the products that were reconciled, one for each time.
func (a *activity) names() []string {
	a.Lock()
	defer a.Unlock()
	return slices.Clone(a.reconciled)
}

func (a *activity) written() int {
	a.Lock()
	defer a.Unlock()
	return a.writes
}

// watched is a client that notes what the product controller does: each pass reads its
// product once.
type watched struct {
	client.Client
	seen *activity
}

func (w watched) Get(ctx context.Context, key client.ObjectKey, into client.Object, o ...client.GetOption) error {
	if _, ok := into.(*v1alpha1.EsimProduct); ok {
		w.seen.Lock()
		w.seen.reconciled = append(w.seen.reconciled, key.Name)
		w.seen.Unlock()
	}
	return w.Client.Get(ctx, key, into, o...)
}

func (w watched) Status() client.SubResourceWriter {
	w.seen.Lock()
	defer w.seen.Unlock()
	w.seen.writes++
	return w.Client.Status()
}

// start runs a product controller, as the manager, until stop or the end of the spec.
func (c *catalogue) start(hash func(string) int64) (stop func()) {
	GinkgoHelper()
	config, err := c.env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	config.QPS = -1
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 c.env.Scheme,
		Cache:                  cache.Options{ReaderFailOnMissingInformer: true},
		Controller:             ctrlconfig.Controller{SkipNameValidation: new(true)},
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
	})
	Expect(err).NotTo(HaveOccurred())
	writer, err := client.New(rest.CopyConfig(config), client.Options{Scheme: c.env.Scheme})
	Expect(err).NotTo(HaveOccurred())
	reconciler := &controllers.ProductReconciler{
		Client: watched{mgr.GetClient(), &c.seen},
		Live:   mgr.GetAPIReader(),
		Writer: watched{writer, &c.seen},
		Clock:  clock.RealClock{},
		Hash:   hash,
	}
	ctx, cancel := context.WithCancel(context.Background())
	Expect(reconciler.SetupWithManager(ctx, mgr)).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		Eventually(ended).WithTimeout(time.Minute).Should(Receive(BeNil()))
	})
	DeferCleanup(stop)
	return stop
}

func (c *catalogue) apply(ctx context.Context, p *v1alpha1.EsimProduct, change ...func(*v1alpha1.EsimProduct)) {
	GinkgoHelper()
	for _, f := range change {
		f(p)
	}
	Expect(c.Create(ctx, p)).To(Succeed())
}

func (c *catalogue) edit(ctx context.Context, name string, change func(*v1alpha1.EsimProduct)) {
	GinkgoHelper()
	Eventually(func() error { // its status may be written at this moment
		p := c.settled(ctx, name)
		change(p)
		return c.Update(ctx, p)
	}).WithContext(ctx).Should(Succeed())
}

// settled is a product whose status is about its present spec.
func (c *catalogue) settled(ctx context.Context, name string) *v1alpha1.EsimProduct {
	GinkgoHelper()
	var p v1alpha1.EsimProduct
	Eventually(func(g Gomega) {
		p = v1alpha1.EsimProduct{}
		g.Expect(c.Get(ctx, client.ObjectKey{Name: name}, &p)).To(Succeed())
		g.Expect(p.Status.ObservedGeneration).To(Equal(p.Generation))
	}).WithContext(ctx).Should(Succeed())
	return &p
}

// operator makes sure that there is an EsimOperator, ready or not.
func (c *catalogue) operator(ctx context.Context, name string, ready bool) {
	GinkgoHelper()
	o := &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.EsimOperatorSpec{ES2Plus: &v1alpha1.ES2PlusDriver{
			URL: "https://127.0.0.1:1", FunctionRequesterIdentifier: "OPERATOR-1",
			TLSSecretRef: v1alpha1.SecretReference{Name: name},
		}},
	}
	if c.Get(ctx, client.ObjectKeyFromObject(o), o) != nil {
		Expect(c.Create(ctx, o)).To(Succeed())
	}
	condition := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.OperatorReasonUnreachable,
	}
	if ready {
		condition.Status, condition.Reason = metav1.ConditionTrue, v1alpha1.OperatorReasonReachable
	}
	meta.SetStatusCondition((*[]metav1.Condition)(&o.Status.Conditions), condition)
	Expect(c.Status().Update(ctx, o)).To(Succeed())
}

// given are the products by their ids; a product without one, or with another's, is left out.
func (c *catalogue) given(ctx context.Context) map[int64]string {
	GinkgoHelper()
	var all v1alpha1.EsimProductList
	Expect(c.List(ctx, &all)).To(Succeed())
	products, variants := map[int64]string{}, map[int64]string{}
	for _, p := range all.Items {
		if p.Status.ID == 0 {
			continue
		}
		Expect(products).NotTo(HaveKey(p.Status.ID), "%s and %s", p.Name, products[p.Status.ID])
		products[p.Status.ID] = p.Name
		Expect(p.Status.Variants).To(HaveLen(len(p.Spec.Variants)))
		for _, v := range p.Status.Variants {
			Expect(variants).NotTo(HaveKey(v.ID), "%s/%s and %s", p.Name, v.Name, variants[v.ID])
			variants[v.ID] = p.Name + "/" + v.Name
		}
	}
	return products
}

func readyOf(p *v1alpha1.EsimProduct) string {
	ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
	return fmt.Sprintf("%s %s: %s", ready.Status, ready.Reason, ready.Message)
}

func product(name string, variants ...v1alpha1.EsimVariant) *v1alpha1.EsimProduct {
	return &v1alpha1.EsimProduct{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.EsimProductSpec{DisplayName: name, CountryCode: "JPN", Currency: "JPY", Variants: variants},
	}
}

func plan(name string, amount v1alpha1.Decimal, operators ...string) v1alpha1.EsimVariant {
	v := v1alpha1.EsimVariant{Name: name, DisplayName: name, Amount: amount, DataAmountGB: "1", ValidityDays: 7}
	for _, operator := range operators {
		v.Sources = append(v.Sources, v1alpha1.VariantSource{
			OperatorRef: v1alpha1.OperatorReference{Name: operator}, PlanID: name,
		})
	}
	return v
}

// inParallel does something n times, a few at a time.
func inParallel(n int, do func(i int)) {
	var group sync.WaitGroup
	work := make(chan int)
	for range 16 {
		group.Go(func() {
			defer GinkgoRecover()
			for i := range work {
				do(i)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	group.Wait()
}
