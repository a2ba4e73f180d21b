package manager_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/pages"
)

var _ = Describe("A list that is read in pages", func() {
	It("is the list that the API server has, as of one moment, however large the pages are", func(ctx SpecContext) {
		identity, err := env.ManagerConfig()
		Expect(err).NotTo(HaveOccurred())
		carrier, err := rest.HTTPClientFor(identity)
		Expect(err).NotTo(HaveOccurred())
		api, err := apiutil.RESTClientForGVK(v1alpha1.GroupVersion.WithKind("EsimOrder"), true, false, identity, serializer.NewCodecFactory(env.Scheme), carrier)
		Expect(err).NotTo(HaveOccurred())

		Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "paged"}})).To(Succeed())
		for i := range 7 {
			Expect(env.Client.Create(ctx, &v1alpha1.EsimOrder{
				ObjectMeta: metav1.ObjectMeta{Namespace: "paged", Name: fmt.Sprintf("order-%d", i), Labels: map[string]string{"continue": "metadata"}},
				Spec:       v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "nowhere"}, Variant: "any"},
			})).To(Succeed())
		}
		var want v1alpha1.EsimOrderList
		Expect(env.Client.List(ctx, &want)).To(Succeed())
		for _, size := range []int64{1, 3, 7, 1000} {
			listed, err := pages.Orders{API: api, Size: size}.ListWithContext(ctx, metav1.ListOptions{ResourceVersion: "0"})
			Expect(err).NotTo(HaveOccurred())
			got, ok := listed.(*v1alpha1.EsimOrderList)
			Expect(ok).To(BeTrue())
			Expect(got.Items).To(Equal(want.Items))
			Expect(got.ResourceVersion).NotTo(BeEmpty())
			Expect(got.Continue).To(BeEmpty())
		}
	})

	It("fails as the API server does where it may not be read", func(ctx SpecContext) {
		stranger := rest.CopyConfig(env.Config)
		stranger.Impersonate = rest.ImpersonationConfig{UserName: "stranger"}
		carrier, err := rest.HTTPClientFor(stranger)
		Expect(err).NotTo(HaveOccurred())
		api, err := apiutil.RESTClientForGVK(v1alpha1.GroupVersion.WithKind("EsimOrder"), true, false, stranger, serializer.NewCodecFactory(env.Scheme), carrier)
		Expect(err).NotTo(HaveOccurred())
		_, err = pages.Orders{API: api, Size: 1}.ListWithContext(ctx, metav1.ListOptions{})
		Expect(err).To(MatchError(ContainSubstring("forbidden")))
	})
})
