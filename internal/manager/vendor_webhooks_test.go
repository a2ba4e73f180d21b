package manager_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// hookedConfig is a configuration that takes webhooks, under any certificate.
func hookedConfig(shop *testshop.Shop) manager.Config {
	GinkgoHelper()
	dir, pki := GinkgoT().TempDir(), shop.SMDP.PKI()
	Expect(os.WriteFile(filepath.Join(dir, "tls.crt"), pki.ClientCert, 0o600)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(dir, "tls.key"), pki.ClientKey, 0o600)).To(Succeed())
	config := unelected()
	config.VendorWebhooks = manager.VendorWebhooks{BindAddress: freeAddress(), CertDir: dir}
	return config
}

// awaitWholesaler has an order wait for an hour for what a wholesaler makes of a request.
func awaitWholesaler(ctx context.Context, order *v1alpha1.EsimOrder, operator, requestID string) {
	GinkgoHelper()
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	writer, err := client.New(identity, client.Options{Scheme: env.Client.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	now := metav1.Now()
	next := metav1.NewTime(now.Add(time.Hour))
	Eventually(func() error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(order), order); err != nil {
			return err
		}
		order.Status.Provisioning = &v1alpha1.OrderProvisioning{
			OperatorRef: v1alpha1.OperatorReference{Name: operator}, PlanID: "plan", Attempt: 1, RequestID: requestID,
			StartTime: now, Tries: 1, NextAttemptTime: &next,
			LastError: &v1alpha1.ProvisioningError{Class: string(operators.Busy), Message: "still at it", Time: now},
		}
		return writer.Status().Update(ctx, order)
	}).WithContext(ctx).Should(Succeed())
}

var _ = Describe("A wholesaler's webhook", func() {
	It("has the order that it names asked about, under the manager's own rights", func(ctx SpecContext) {
		shop, err := testshop.Open(ctx, env.Client, "hooked", testshop.Options{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return shop.Close() })
		config := hookedConfig(shop)
		start(config)
		Expect(env.Client.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: "hooked-webhook"},
			Data:       map[string][]byte{v1alpha1.SecretKeyWebhookHeader: []byte("a-shared-secret")},
		})).To(Succeed())
		Expect(env.Client.Create(ctx, &v1alpha1.EsimOperator{
			ObjectMeta: metav1.ObjectMeta{Name: "wholesaler"},
			Spec: v1alpha1.EsimOperatorSpec{Zendit: &v1alpha1.ResellerDriver{
				URL: "https://127.0.0.1:1", CredentialsSecretRef: v1alpha1.SecretReference{Name: "hooked-webhook"},
				Webhook: &v1alpha1.ResellerWebhook{
					HeaderName: "X-Webhook-Secret", HeaderSecretRef: &v1alpha1.SecretReference{Name: "hooked-webhook"},
				},
			}},
		})).To(Succeed())
		order, err := shop.Order(ctx, "waiting", func(o *v1alpha1.EsimOrder) { o.Spec.ProductRef.Name = "not-there-yet" })
		Expect(err).NotTo(HaveOccurred())
		awaitWholesaler(ctx, order, "wholesaler", "request-1")

		insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		DeferCleanup(insecure.CloseIdleConnections)
		post := func(secret string) func() (int, error) {
			return func() (int, error) {
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+config.VendorWebhooks.BindAddress+"/v1/wholesaler",
					strings.NewReader(`{"transactionId":"request-1","status":"DONE"}`))
				if err != nil {
					return 0, err
				}
				request.Header.Set("X-Webhook-Secret", secret)
				answer, err := insecure.Do(request)
				if err != nil {
					return 0, err
				}
				return answer.StatusCode, answer.Body.Close()
			}
		}
		asked := func() (string, error) {
			err := env.Client.Get(ctx, client.ObjectKeyFromObject(order), order)
			return order.Annotations[v1alpha1.RefreshAnnotation], err
		}
		Eventually(post("a-guess")).WithContext(ctx).Should(Equal(http.StatusNotFound))
		Expect(asked()).To(BeEmpty())
		// A cache that does not show the order yet has the webhook come to nothing.
		Eventually(func() (string, error) {
			if _, err := post("a-shared-secret")(); err != nil {
				return "", err
			}
			return asked()
		}).WithContext(ctx).ShouldNot(BeEmpty())
		Expect(post("a-shared-secret")()).To(Equal(http.StatusNoContent))
	})
})
