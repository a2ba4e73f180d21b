package chart_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
)

var _ = Describe("A release of the chart", Ordered, func() {
	const group = "esim.telco.dev"
	var kinds client.Client
	BeforeAll(func() {
		scheme := runtime.NewScheme()
		Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
		var err error
		kinds, err = client.New(env.Config, client.Options{Scheme: scheme})
		Expect(err).NotTo(HaveOccurred())
	})
	install := func(ctx context.Context, more ...string) error {
		_, err := helm(ctx, append([]string{"upgrade", "--install", release, chartFolder, "--namespace", testenv.SystemNamespace}, more...)...)
		return err
	}
	crd := func() *unstructured.Unstructured {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		object.SetName("esimproducts." + group)
		return object
	}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: "esim-operator-controllers"}}
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "orders-status." + group}}
	get := func(ctx context.Context, object client.Object) error {
		return env.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
	}
	product := &v1alpha1.EsimProduct{ObjectMeta: metav1.ObjectMeta{Name: "kept"}, Spec: v1alpha1.EsimProductSpec{
		DisplayName: "Japan", CountryCode: "JPN", Currency: "USD",
	}}

	It("takes over an installation that was applied from config/default", func(ctx context.Context) {
		Expect(env.ApplyFolder(ctx, "config/default")).To(Succeed())
		Expect(env.Client.Create(ctx, product)).To(Succeed())
		Expect(install(ctx)).To(MatchError(ContainSubstring("ownership")), "nothing is taken over that Helm was not told to")
		Expect(install(ctx, "--take-ownership", "--force-conflicts")).To(Succeed())
		Expect(get(ctx, deployment)).To(Succeed())
		Expect(deployment.Labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "Helm"))
	})

	It("upgrades the kinds", func(ctx context.Context) {
		By("making the kind what an older version had")
		old := crd()
		Expect(get(ctx, old)).To(Succeed())
		versions, _, err := unstructured.NestedSlice(old.Object, "spec", "versions")
		Expect(err).NotTo(HaveOccurred())
		version, ok := versions[0].(map[string]any)
		Expect(ok).To(BeTrue())
		properties := []string{"schema", "openAPIV3Schema", "properties", "spec", "properties"}
		unstructured.RemoveNestedField(version, append(properties, "imageURL")...)
		Expect(unstructured.SetNestedSlice(old.Object, versions, "spec", "versions")).To(Succeed())
		Expect(env.Client.Update(ctx, old)).To(Succeed())

		Expect(install(ctx, "--force-conflicts")).To(Succeed())
		now := crd()
		Expect(get(ctx, now)).To(Succeed())
		versions, _, err = unstructured.NestedSlice(now.Object, "spec", "versions")
		Expect(err).NotTo(HaveOccurred())
		version, ok = versions[0].(map[string]any)
		Expect(ok).To(BeTrue())
		_, found, err := unstructured.NestedMap(version, append(properties, "imageURL")...)
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(BeTrue())
	})

	It("leaves kinds, policies and all that is sold and owed when it is uninstalled", func(ctx context.Context) {
		_, err := helm(ctx, "uninstall", release, "--namespace", testenv.SystemNamespace)
		Expect(err).NotTo(HaveOccurred())
		Expect(apierrors.IsNotFound(get(ctx, deployment))).To(BeTrue())
		Expect(get(ctx, crd())).To(Succeed())
		Expect(get(ctx, policy)).To(Succeed())
		uid := product.UID
		Expect(get(ctx, product)).To(Succeed())
		Expect(product.UID).To(Equal(uid))
		Expect(product.DeletionTimestamp).To(BeNil())
	})

	It("comes back to what it left", func(ctx context.Context) {
		Expect(install(ctx)).To(Succeed())
		uid := product.UID
		Expect(get(ctx, product)).To(Succeed())
		Expect(product.UID).To(Equal(uid))
		Expect(get(ctx, deployment)).To(Succeed())
	})

	It("takes everything along where its values say so, and can then begin anew in a namespace of its own", func(ctx context.Context) {
		Expect(install(ctx, "--set", "crds.keep=false")).To(Succeed())
		_, err := helm(ctx, "uninstall", release, "--namespace", testenv.SystemNamespace)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(g Gomega) {
			all := &apiextensionsv1.CustomResourceDefinitionList{}
			g.Expect(kinds.List(ctx, all)).To(Succeed())
			g.Expect(all.Items).To(BeEmpty())
		}, "20s").Should(Succeed())
		Expect(apierrors.IsNotFound(get(ctx, policy))).To(BeTrue())

		const shop = "shop"
		_, err = helm(ctx, "install", release, chartFolder, "--namespace", shop, "--create-namespace", "--set", "facade.enabled=true")
		Expect(err).NotTo(HaveOccurred())
		By("the policies knowing the manager there")
		Expect(env.WaitForPolicies(ctx)).To(Succeed())
		Expect(get(ctx, policy)).To(Succeed())
		Expect(policy.Spec.MatchConditions[0].Expression).To(ContainSubstring("system:serviceaccount:shop:esim-operator-controllers"))
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "esim-facade"}}
		Expect(get(ctx, account)).To(Succeed())
	})
})
