package config_test

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/pricing"
)

var _ = Describe("The samples", func() {
	It("are accepted as they stand, and the order after them", func(ctx context.Context) {
		Expect(env.ApplyFolder(ctx, "config/samples")).To(Succeed())
		order := sampleOrder()
		Expect(client.WithFieldValidation(env.Client, metav1.FieldValidationStrict).Create(ctx, &order, client.DryRunAll)).To(Succeed())
	})

	It("are a catalogue that can be sold: each plan at a sample operator, each price once in a product", func(ctx context.Context) {
		objects := rendered(ctx, "samples")
		operators := ofKind[v1alpha1.EsimOperator](objects, "EsimOperator")
		names := map[string]bool{}
		for _, operator := range operators {
			names[operator.Name] = true
		}
		Expect(names).To(HaveLen(4))
		products := ofKind[v1alpha1.EsimProduct](objects, "EsimProduct")
		Expect(len(products)).To(BeNumerically(">=", 12))
		countries, plans := map[v1alpha1.CountryCode]bool{}, map[string]string{}
		for _, product := range products {
			countries[product.Spec.CountryCode] = true
			Expect(len(product.Spec.Variants)).To(And(BeNumerically(">=", 3), BeNumerically("<=", 5)), product.Name)
			for i, variant := range product.Spec.Variants {
				for _, earlier := range product.Spec.Variants[:i] {
					Expect(variant.Amount.Equal(earlier.Amount)).To(BeFalse(), "%s: %s and %s", product.Name, earlier.Name, variant.Name)
				}
				for _, source := range variant.Sources {
					Expect(names).To(HaveKey(source.OperatorRef.Name), product.Name)
					Expect(plans).NotTo(HaveKey(source.PlanID), "%s, also of %s", product.Name, plans[source.PlanID])
					plans[source.PlanID] = product.Name
				}
			}
		}
		Expect(countries).To(And(HaveKey(v1alpha1.CountryCode("GLO")), HaveKey(v1alpha1.CountryCode("XEU"))))
	})

	It("have a product with a rule that names sample operators, and is accepted", func(ctx context.Context) {
		text, err := os.ReadFile(filepath.Join(env.Root, "config", "samples", "product_merged.yaml"))
		Expect(err).NotTo(HaveOccurred())
		var product v1alpha1.EsimProduct
		Expect(yaml.UnmarshalStrict(text, &product)).To(Succeed())
		Expect(client.WithFieldValidation(env.Client, metav1.FieldValidationStrict).Create(ctx, &product, client.DryRunAll)).To(Succeed())
		names := map[string]bool{}
		for _, operator := range ofKind[v1alpha1.EsimOperator](rendered(ctx, "samples"), "EsimOperator") {
			names[operator.Name] = true
		}
		Expect(product.Spec.Merge.Operators).NotTo(BeEmpty())
		for _, operator := range product.Spec.Merge.Operators {
			Expect(names).To(HaveKey(operator.Name))
		}
	})

	It("have a wallet that pays the sample order, without an exchange", func(ctx context.Context) {
		objects, order := rendered(ctx, "samples"), sampleOrder()
		wallets := ofKind[v1alpha1.EsimWallet](objects, "EsimWallet")
		Expect(wallets).To(HaveLen(1))
		Expect(wallets[0].Namespace).To(Equal(order.Namespace))
		Expect(wallets[0].Spec.Type).To(Equal(v1alpha1.WalletPrepaid))
		deposited, err := pricing.Deposited(&wallets[0])
		Expect(err).NotTo(HaveOccurred())
		Expect(deposited.String()).To(Equal("10000"))
		for _, product := range ofKind[v1alpha1.EsimProduct](objects, "EsimProduct") {
			if product.Name == order.Spec.ProductRef.Name {
				Expect(product.Spec.Currency).To(Equal(wallets[0].Spec.Currency))
				return
			}
		}
		Fail("there is no EsimProduct " + order.Spec.ProductRef.Name)
	})

	It("have an order for a variant that the catalogue sells", func(ctx context.Context) {
		order := sampleOrder()
		for _, product := range ofKind[v1alpha1.EsimProduct](rendered(ctx, "samples"), "EsimProduct") {
			if product.Name != order.Spec.ProductRef.Name {
				continue
			}
			for _, variant := range product.Spec.Variants {
				if variant.Name == order.Spec.Variant && !variant.Inactive {
					return
				}
			}
		}
		Fail("EsimProduct " + order.Spec.ProductRef.Name + " has no variant " + order.Spec.Variant + " on sale")
	})
})

func sampleOrder() v1alpha1.EsimOrder {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(env.Root, "config", "samples", "order.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var order v1alpha1.EsimOrder
	Expect(yaml.UnmarshalStrict(text, &order)).To(Succeed())
	return order
}
