package controllers_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// lister is a driver whose operator lists what it sells.
type lister struct {
	operators.Driver
	plans []operators.Plan
	err   error
	// meanwhile, where set, happens while the list is read.
	meanwhile func()
}

func (l *lister) Close() {}

func (l *lister) Plans(context.Context) iter.Seq2[operators.Plan, error] {
	return func(yield func(operators.Plan, error) bool) {
		for _, plan := range l.plans {
			if !yield(plan, nil) {
				return
			}
		}
		if l.meanwhile != nil {
			l.meanwhile()
		}
		if l.err != nil {
			yield(operators.Plan{}, l.err)
		}
	}
}

func listed(id, country, cost string) operators.Plan {
	GinkgoHelper()
	price, err := money.Parse(cost)
	Expect(err).NotTo(HaveOccurred())
	data, err := money.Parse("1")
	Expect(err).NotTo(HaveOccurred())
	return operators.Plan{ID: id, Name: id, Countries: []string{country}, DataGB: data, Days: 7, Cost: price, Currency: "USD"}
}

// importer is a catalogue controller, under the manager's identity, for one operator.
type importer struct {
	operator string
	lister   *lister
	// writes are of products, and told those of the operator's status.
	writes, told atomic.Int64
	*controllers.CatalogueReconciler
}

var importers atomic.Int64

func newImporter(ctx context.Context, plans ...operators.Plan) *importer {
	GinkgoHelper()
	i := &importer{operator: fmt.Sprintf("lister-%d", importers.Add(1)), lister: &lister{plans: plans}}
	operator := &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: i.operator},
		Spec: v1alpha1.EsimOperatorSpec{
			// Its Secret is not there, so that the manager under test cannot read its list.
			Zendit:    &v1alpha1.ResellerDriver{CredentialsSecretRef: v1alpha1.SecretReference{Name: "not-there"}},
			Timeout:   metav1.Duration{Duration: time.Second},
			Catalogue: &v1alpha1.OperatorCatalogue{Currency: "USD", MarkupPercent: "100", Interval: metav1.Duration{Duration: time.Hour}},
		},
	}
	Expect(k8s.Create(ctx, operator)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(k8s.Delete(ctx, operator))).To(Succeed()) })
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	own, err := client.NewWithWatch(identity, client.Options{Scheme: k8s.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	counted := interceptor.NewClient(own, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			i.writes.Add(1)
			return c.Apply(ctx, object, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			i.told.Add(1)
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
	})
	pool := connections.NewPool(connections.DefaultConfig)
	pool.For(i.operator).Connect(i.lister, 10)
	i.CatalogueReconciler = &controllers.CatalogueReconciler{
		Client: own, Live: own, Writer: counted, Connections: pool, Clock: clock.RealClock{}, Jitter: func() float64 { return 0 },
	}
	// The manager under test says once that it is not connected, and then nothing for a minute.
	Eventually(func() *metav1.Condition { return i.imported(ctx) }).WithContext(ctx).ShouldNot(BeNil())
	return i
}

// look has the controller read the list.
func (i *importer) look(ctx context.Context) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		result, err := i.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Name: i.operator}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.RequeueAfter).To(BeNumerically(">=", time.Minute), "the manager wrote the EsimOperator at the same time")
	}).Should(Succeed())
}

// connected has the controller look once, at an operator whose Ready is as given and of whose list
// nothing was said yet, and tells when it looks again.
func (i *importer) connected(ctx context.Context, ready metav1.ConditionStatus) time.Duration {
	GinkgoHelper()
	own := i.Client
	defer func() { i.Client = own }()
	fresh, err := client.NewWithWatch(env.Config, client.Options{Scheme: k8s.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	i.Client = interceptor.NewClient(fresh, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, o, opts...)
			if operator, ok := o.(*v1alpha1.EsimOperator); ok {
				conditions := (*[]metav1.Condition)(&operator.Status.Conditions)
				meta.SetStatusCondition(conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: ready, Reason: "Told"})
				meta.RemoveStatusCondition(conditions, v1alpha1.ConditionCatalogueImported)
			}
			return err
		},
	})
	var again time.Duration
	Eventually(func(g Gomega) {
		result, err := i.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Name: i.operator}})
		g.Expect(err).NotTo(HaveOccurred())
		again = result.RequeueAfter
		g.Expect(ready == metav1.ConditionFalse && again < time.Minute).To(BeFalse(), "the manager wrote the EsimOperator at the same time")
	}).Should(Succeed())
	return again
}

func (i *importer) product(ctx context.Context, country string) *v1alpha1.EsimProduct {
	GinkgoHelper()
	var product v1alpha1.EsimProduct
	Expect(k8s.Get(ctx, types.NamespacedName{Name: i.operator + "-" + country}, &product)).To(Succeed())
	return &product
}

func (i *importer) imported(ctx context.Context) *metav1.Condition {
	GinkgoHelper()
	var operator v1alpha1.EsimOperator
	Expect(k8s.Get(ctx, types.NamespacedName{Name: i.operator}, &operator)).To(Succeed())
	return meta.FindStatusCondition(operator.Status.Conditions, v1alpha1.ConditionCatalogueImported)
}

var _ = Describe("An operator's list", func() {
	It("becomes a product for each country, with our prices, and costs no write while nothing changes", func(ctx SpecContext) {
		i := newImporter(ctx, listed("jp-1", "JPN", "2.25"), listed("jp-2", "JPN", "4"), listed("fr-1", "FRA", "3"))
		i.look(ctx)
		japan := i.product(ctx, "jpn")
		Expect(japan.Spec.Variants).To(HaveLen(2))
		Expect(japan.Spec.Variants[0].Amount).To(BeEquivalentTo("4.5"))
		Expect(japan.Spec.Variants[0].Sources[0].OperatorRef.Name).To(Equal(i.operator))
		written := i.writes.Load()
		Expect(written).To(BeEquivalentTo(2))
		i.look(ctx)
		Expect(i.writes.Load()).To(Equal(written))
		Expect(i.imported(ctx).Status).To(Equal(metav1.ConditionTrue))
	})

	It("leaves what a person has edited, and goes on with the rest", func(ctx SpecContext) {
		i := newImporter(ctx, listed("jp-1", "JPN", "2"), listed("jp-2", "JPN", "4"))
		i.look(ctx)
		Eventually(func() error { // its status may be written at this moment
			japan := i.product(ctx, "jpn")
			japan.Spec.DisplayName = "日本"
			japan.Spec.Variants[0].Amount = "9.99"
			return k8s.Update(ctx, japan, client.FieldOwner("ann"))
		}).Should(Succeed())
		i.lister.plans = []operators.Plan{listed("jp-1", "JPN", "3"), listed("jp-2", "JPN", "5")}
		i.look(ctx)
		japan := i.product(ctx, "jpn")
		Expect(japan.Spec.DisplayName).To(Equal("日本"))
		Expect(japan.Spec.Variants[0].Amount).To(BeEquivalentTo("9.99"))
		Expect(japan.Spec.Variants[1].Amount).To(BeEquivalentTo("10"))
	})

	It("takes a plan that vanished out of sale, and never deletes it", func(ctx SpecContext) {
		i := newImporter(ctx, listed("jp-1", "JPN", "2"), listed("jp-2", "JPN", "4"), listed("fr-1", "FRA", "3"))
		i.look(ctx)
		i.lister.plans = i.lister.plans[:1]
		i.look(ctx)
		japan := i.product(ctx, "jpn")
		Expect(japan.Spec.Variants).To(HaveLen(2))
		Expect(japan.Spec.Variants[0].Inactive).To(BeFalse())
		Expect(japan.Spec.Variants[1].Inactive).To(BeTrue())
		Expect(i.product(ctx, "fra").Spec.Variants[0].Inactive).To(BeTrue())
	})

	It("takes a plan that vanished out of sale also where the cache does not show it yet", func(ctx SpecContext) {
		i := newImporter(ctx, listed("jp-1", "JPN", "2"), listed("jp-2", "JPN", "4"))
		i.look(ctx)
		fresh, err := client.NewWithWatch(env.Config, client.Options{Scheme: k8s.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		i.Client = interceptor.NewClient(fresh, interceptor.Funcs{
			List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return nil },
		})
		i.lister.plans = i.lister.plans[:1]
		i.look(ctx)
		japan := i.product(ctx, "jpn")
		Expect(japan.Spec.Variants).To(HaveLen(2))
		Expect(japan.Spec.Variants[1].Inactive).To(BeTrue())
	})

	It("waits for the connection after the manager was replaced, and calls that no failure", func(ctx SpecContext) {
		i := newImporter(ctx, listed("jp-1", "JPN", "2"))
		i.Connections = connections.NewPool(connections.DefaultConfig)
		Expect(i.connected(ctx, metav1.ConditionTrue)).To(BeNumerically("<=", time.Second))
		Expect(i.told.Load()).To(BeZero())

		By("saying so where the operator is not Ready either")
		Expect(i.connected(ctx, metav1.ConditionFalse)).To(BeNumerically(">=", time.Minute))
		Expect(i.told.Load()).NotTo(BeZero())
		Expect(i.imported(ctx).Message).To(ContainSubstring("not connected"))
	})

	It("is not written over a newer one that another leader took over while this one was read", func(ctx SpecContext) {
		i := newImporter(ctx, listed("jp-1", "JPN", "2"))
		i.look(ctx)
		newer := &lister{plans: []operators.Plan{listed("jp-1", "JPN", "5")}}
		other := *i.CatalogueReconciler
		other.Connections = connections.NewPool(connections.DefaultConfig)
		other.Connections.For(i.operator).Connect(newer, 10)
		older := i.lister
		older.plans, older.meanwhile = []operators.Plan{listed("jp-1", "JPN", "3")}, func() {
			next := &importer{operator: i.operator, lister: newer, CatalogueReconciler: &other}
			next.look(ctx)
		}
		result, err := i.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Name: i.operator}})
		Expect(err).NotTo(HaveOccurred())
		Expect(i.product(ctx, "jpn").Spec.Variants[0].Amount).To(BeEquivalentTo("10"))
		Expect(result.RequeueAfter).To(BeNumerically("<=", time.Second), "it is read again soon")
	})

	It("changes nothing where it cannot be read to its end, and says so", func(ctx SpecContext) {
		i := newImporter(ctx, listed("jp-1", "JPN", "2"), listed("jp-2", "JPN", "4"))
		i.look(ctx)
		before := i.product(ctx, "jpn").Spec // its status is written by another controller meanwhile
		i.lister.plans, i.lister.err = i.lister.plans[:1], &operators.Error{Class: operators.Transient, Message: "the answer broke off"}
		i.look(ctx)
		Expect(i.product(ctx, "jpn").Spec).To(Equal(before))
		Expect(i.imported(ctx).Status).To(Equal(metav1.ConditionFalse))
		Expect(i.imported(ctx).Message).To(ContainSubstring("the answer broke off"))
		i.lister.plans, i.lister.err = nil, nil
		i.look(ctx)
		Expect(i.product(ctx, "jpn").Spec).To(Equal(before), "an empty list takes nothing out of sale")
	})
})
