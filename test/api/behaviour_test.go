package api_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// placed is an order that is there, with the clientReference.
func placed(ctx context.Context, reference string) *v1alpha1.EsimOrder {
	GinkgoHelper()
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "order-", Namespace: "acme"},
		Spec: v1alpha1.EsimOrderSpec{
			ProductRef:      v1alpha1.ProductReference{Name: "japan"},
			Variant:         "1gb-7d",
			ClientReference: reference,
		},
		Status: v1alpha1.EsimOrderStatus{Phase: v1alpha1.PhaseDelivered},
	}
	Expect(k8s.Create(ctx, order)).To(Succeed())
	return order
}

// named are the names of the orders that a field selector selects.
func named(ctx context.Context, selector client.MatchingFields) []string {
	GinkgoHelper()
	var orders v1alpha1.EsimOrderList
	Expect(k8s.List(ctx, &orders, client.InNamespace("acme"), selector)).To(Succeed())
	names := make([]string, 0, len(orders.Items))
	for _, order := range orders.Items {
		names = append(names, order.Name)
	}
	return names
}

var _ = Describe("A new order", func() {
	It("is PENDING, whatever status its author gave it", func(ctx context.Context) {
		Expect(placed(ctx, "new-1").Status).To(Equal(v1alpha1.EsimOrderStatus{Phase: v1alpha1.PhasePending}))
	})

	It("is one eSIM where its author says nothing", func(ctx context.Context) {
		Expect(placed(ctx, "new-2").Spec.Quantity).To(Equal(int32(1)))
	})

	It("is selected by its phase before anybody wrote its status", func(ctx context.Context) {
		order := placed(ctx, "new-3")
		Expect(named(ctx, client.MatchingFields{"status.phase": "PENDING"})).To(ContainElement(order.Name))
		Expect(named(ctx, client.MatchingFields{"status.phase": "DELIVERED"})).NotTo(ContainElement(order.Name))
	})
})

var _ = Describe("An order", func() {
	deliver := func(ctx context.Context, order *v1alpha1.EsimOrder, iccid string) {
		GinkgoHelper()
		order.Status = v1alpha1.EsimOrderStatus{
			ID:    4711,
			Phase: v1alpha1.PhaseDelivered,
			Plan: &v1alpha1.OrderPlan{
				Product: "japan", Variant: "1gb-7d", DisplayName: "Japan, 1 GB / 7 days", CountryCode: "JPN",
				DataAmountGB: "1", ValidityDays: 7, Amount: "650", Currency: "JPY",
			},
			Esim: &v1alpha1.OrderEsim{
				ICCID:          iccid,
				ActivationCode: "LPA:1$rsp.example.com$********",
				SecretRef:      v1alpha1.SecretReference{Name: v1alpha1.ActivationSecretName(order.Name)},
			},
			Activation: &v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled},
		}
		Expect(k8s.Status().Update(ctx, order)).To(Succeed())
	}

	It("is selected by its phase, its clientReference and its ICCID", func(ctx context.Context) {
		order, other := placed(ctx, "selected"), placed(ctx, "not-selected")
		deliver(ctx, order, "8947010000123456784")

		Expect(named(ctx, client.MatchingFields{"spec.clientReference": "selected"})).To(ConsistOf(order.Name))
		Expect(named(ctx, client.MatchingFields{"status.esim.iccid": "8947010000123456784"})).To(ConsistOf(order.Name))
		delivered := named(ctx, client.MatchingFields{"status.phase": "DELIVERED"})
		Expect(delivered).To(ContainElement(order.Name))
		Expect(delivered).NotTo(ContainElement(other.Name))
	})

	It("shows which, what, where it is and how old in one line of kubectl get", func(ctx context.Context) {
		order := placed(ctx, "in-a-table")
		deliver(ctx, order, "8947010000123456792")
		columns, cells := table(ctx, "esimorders", order)
		Expect(columns).To(Equal([]string{
			"Name", "ID", "Product", "Plan", "Phase", "ICCID", "Activation", "Reason", "Operator", "Charged", "Reference", "Age",
		}))
		Expect(cells[:7]).To(Equal([]any{
			order.Name, float64(4711), "japan", "1gb-7d", "DELIVERED", "8947010000123456792", "NOT_INSTALLED",
		}))
	})

	It("is what kubectl get esim shows, and nothing else", func() {
		var resources []metav1.APIResource
		lists, err := discovery.NewDiscoveryClientForConfigOrDie(env.Config).
			ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
		Expect(err).NotTo(HaveOccurred())
		for _, resource := range lists.APIResources {
			Expect(resource.Categories).NotTo(ContainElement("esim"), "a category wins over a short name")
			for _, short := range resource.ShortNames {
				if short == "esim" {
					resources = append(resources, resource)
				}
			}
		}
		Expect(resources).To(HaveLen(1))
		Expect(resources[0].Kind).To(Equal("EsimOrder"))
	})
})
