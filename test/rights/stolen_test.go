package rights

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/testenv"
)

// thief is the user agent of those who have stolen an identity.
const thief = "thief"

// clientOf is a client with a stolen token of a ServiceAccount of ours.
func clientOf(account string) client.Client {
	GinkgoHelper()
	config, err := env.ServiceAccountConfig(testenv.SystemNamespace, account)
	Expect(err).NotTo(HaveOccurred())
	config.UserAgent = thief
	stolen, err := client.New(config, client.Options{})
	Expect(err).NotTo(HaveOccurred())
	return stolen
}

// With a stolen identity one may do what its roles say; these are ways to more.
var _ = Describe("Who has stolen", func() {
	const victim = "somebody"
	asManager := func() client.Client { return clientOf(testenv.ManagerServiceAccount) }
	asFacade := func() client.Client { return clientOf(facadeServiceAccount) }

	BeforeEach(func(ctx SpecContext) {
		for _, object := range []client.Object{
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}},
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "served"}},
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: victim}},
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "served", Name: victim}},
		} {
			Expect(client.IgnoreAlreadyExists(k8s.Create(ctx, object))).To(Succeed())
		}
		// For this spec alone: it is a grant that nobody but a thief uses.
		served := binding("served", "esim-facade-client", testenv.SystemNamespace, facadeServiceAccount)
		Expect(k8s.Create(ctx, served)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(k8s.Delete(ctx, served)).To(Succeed()) })
		Eventually(func() error { return asFacade().List(ctx, &corev1.SecretList{}, client.InNamespace("served")) }).WithContext(ctx).Should(Succeed())
	})

	DescribeTable("a token of ours becomes nobody else by a Secret that the cluster fills in:",
		func(ctx SpecContext, identity func() client.Client, namespace string) {
			stolen := identity()
			err := stolen.Create(ctx, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: namespace, Name: "loot", Annotations: map[string]string{corev1.ServiceAccountNameKey: victim},
				},
				Type: corev1.SecretTypeServiceAccountToken,
			})
			Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
			Expect(err).To(MatchError(ContainSubstring("secrets-own-types.esim.telco.dev")))
		},
		Entry("the manager's, in kube-system", asManager, "kube-system"),
		Entry("the facade's, in a namespace that it serves", asFacade, "served"),
	)

	DescribeTable("a token of ours deletes no Secret of others:",
		func(ctx SpecContext, identity func() client.Client, namespace string) {
			stolen := identity()
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "others-"}}
			Expect(k8s.Create(ctx, secret)).To(Succeed())
			Expect(stolen.Delete(ctx, secret)).To(MatchError(ContainSubstring("secrets-own-types.esim.telco.dev")))
		},
		Entry("the manager's, in kube-system", asManager, "kube-system"),
		Entry("the facade's, in a namespace that it serves", asFacade, "served"),
	)

	It("the facade's token reads no credentials of operators, and makes tokens of no other ServiceAccount", func(ctx SpecContext) {
		stolen := asFacade()
		for _, namespace := range []string{testenv.SystemNamespace, "kube-system", "default"} {
			Expect(apierrors.IsForbidden(stolen.List(ctx, &corev1.SecretList{}, client.InNamespace(namespace)))).To(BeTrue(), namespace)
		}
		other := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "served", Name: victim}}
		err := stolen.SubResource("token").Create(ctx, other, &authenticationv1.TokenRequest{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	})

	It("the manager's token lists no Secrets but in its own namespace, and makes no tokens, Pods or roles", func(ctx SpecContext) {
		stolen := asManager()
		Expect(apierrors.IsForbidden(stolen.List(ctx, &corev1.SecretList{}))).To(BeTrue())
		Expect(apierrors.IsForbidden(stolen.List(ctx, &corev1.SecretList{}, client.InNamespace("kube-system")))).To(BeTrue())
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "served", Name: victim}}
		Expect(apierrors.IsForbidden(stolen.SubResource("token").Create(ctx, account, &authenticationv1.TokenRequest{}))).To(BeTrue())
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "served", Name: "loot"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "loot", Image: "loot"}}},
		}
		Expect(apierrors.IsForbidden(stolen.Create(ctx, pod))).To(BeTrue())
		Expect(apierrors.IsForbidden(stolen.Create(ctx, binding("served", "cluster-admin", testenv.SystemNamespace, testenv.ManagerServiceAccount)))).To(BeTrue())
	})
})
