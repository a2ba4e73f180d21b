package testenv_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	esimv1alpha1 "github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
)

func TestEnvironment(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	RunSpecs(t, "Test environment")
}

var env *testenv.Environment

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	env, err = testenv.Start(ctx, testenv.Options{Audit: testenv.AuditMetadata})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(env.Stop()).To(Succeed()) })
}, NodeTimeout(10*time.Minute))

var _ = Describe("A control plane for tests", func() {
	It("serves the kinds of esim.telco.dev to an administrator", func(ctx context.Context) {
		Expect(env.Client.List(ctx, &esimv1alpha1.EsimProductList{})).To(Succeed())
		Expect(env.Client.List(ctx, &esimv1alpha1.EsimOrderList{})).To(Succeed())
	})

	It("has the namespace that the manager runs in", func(ctx context.Context) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: testenv.SystemNamespace}}
		Expect(env.Client.Get(ctx, objectKey(namespace), namespace)).To(Succeed())
	})

	It("lets a new user do nothing until a role says so", func(ctx context.Context) {
		stranger, err := env.UserClient("stranger")
		Expect(err).NotTo(HaveOccurred())
		err = stranger.List(ctx, &esimv1alpha1.EsimOrderList{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	})

	It("tells from the audit log who wrote what", func(ctx context.Context) {
		written := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "audited"}}
		Expect(env.Client.Create(ctx, written)).To(Succeed())

		Eventually(func(g Gomega) {
			events, err := env.AuditEvents()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(events).To(ContainElement(And(
				HaveField("User", "admin"),
				HaveField("Verb", "create"),
				HaveField("Resource", "configmaps"),
				HaveField("Namespace", "default"),
				HaveField("Name", "audited"),
				HaveField("Code", 201),
				HaveField("Write()", true),
			)))
		}).WithTimeout(10 * time.Second).Should(Succeed())
	})
})
