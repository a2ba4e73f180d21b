package rights

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/mailbox"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
	"github.com/telcodev/esim-operator/internal/operators/zendit"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

const (
	clientName = "acme"
	wholesaler = "zendit"
	hookHeader = "X-Webhook-Secret"
	hookSecret = "a-shared-secret"
)

// stage is what the manager and the facade deal with: a client with a wallet and an endpoint,
// an SM-DP+, a wholesaler, a mail server.
type stage struct {
	shop   *testshop.Shop
	zendit *zenditfake.Server
	mail   *mailbox.Mailbox
	rival  rival
	// heard counts the events that came to the client's endpoint.
	heard atomic.Int64
	// https trusts the certificate that the manager and the facade show.
	https *http.Client

	certDir                                                         string
	rest, managerMetrics, facadeMetrics, notifications, vendorHooks string
}

func setStage(ctx context.Context) *stage {
	GinkgoHelper()
	s := &stage{mail: startMail(ctx)}
	for _, address := range []*string{&s.rest, &s.managerMetrics, &s.facadeMetrics, &s.notifications, &s.vendorHooks} {
		*address = freeAddress(ctx)
	}
	var err error
	s.shop, err = testshop.Open(ctx, k8s, clientName, testshop.Options{Operator: func(o *v1alpha1.EsimOperator) {
		o.Spec.ES2Plus.Notifications = &v1alpha1.ES2PlusNotifications{
			CASecretRef: o.Spec.ES2Plus.TLSSecretRef, SANs: []v1alpha1.SubjectAlternativeName{"localhost"},
			Points: []v1alpha1.NotificationPoint{{ID: 6, Means: v1alpha1.PointUsed}, {ID: 8, Means: v1alpha1.PointDeleted}},
		}
	}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return s.shop.Close() })
	cert, key, err := s.shop.SMDP.PKI().IssueWith("manager", smdp.CertificateOptions{Hosts: []string{"127.0.0.1", "localhost"}})
	Expect(err).NotTo(HaveOccurred())
	s.certDir = writeCertificate(cert, key)
	roots := x509.NewCertPool()
	Expect(roots.AppendCertsFromPEM(s.shop.SMDP.PKI().CA)).To(BeTrue())
	s.https = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	DeferCleanup(s.https.CloseIdleConnections)
	Expect(s.shop.SMDP.SetNotifications(smdp.Notifications{URL: "https://" + s.notifications, Repeat: 1})).To(Succeed())
	bind(ctx, "esim-facade-client", testenv.SystemNamespace, facadeServiceAccount)
	s.openEndpoint(ctx)
	s.openWholesaler(ctx)
	return s
}

// bind gives a ServiceAccount a ClusterRole in the client's namespace, as config/samples does.
func bind(ctx context.Context, role, namespace, account string) {
	GinkgoHelper()
	Expect(k8s.Create(ctx, binding(clientName, role, namespace, account))).To(Succeed())
}

// binding gives a ServiceAccount of namespace a ClusterRole in another.
func binding(in, role, namespace, account string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: in, Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
	}
}

// openEndpoint has the client's orders told to an endpoint.
func (s *stage) openEndpoint(ctx context.Context) {
	GinkgoHelper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			s.heard.Add(1)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	DeferCleanup(server.Close)
	raw := make([]byte, 30)
	_, err := io.ReadFull(rand.Reader, raw)
	Expect(err).NotTo(HaveOccurred())
	Expect(k8s.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: clientName, Name: "hooks"},
		StringData: map[string]string{"one": webhook.SecretPrefix + base64.StdEncoding.EncodeToString(raw)},
	})).To(Succeed())
	Expect(k8s.Create(ctx, &v1alpha1.EsimClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: clientName, Name: v1alpha1.ClientName},
		Spec: v1alpha1.EsimClientSpec{Webhooks: []v1alpha1.WebhookEndpoint{{
			Name: "shop", URL: server.URL, SigningSecretRef: v1alpha1.SecretReference{Name: "hooks"},
		}}},
	})).To(Succeed())
}

// openWholesaler connects a wholesaler whose list becomes products, and whose webhooks are taken.
func (s *stage) openWholesaler(ctx context.Context) {
	GinkgoHelper()
	s.zendit = zenditfake.New(zenditfake.Options{
		APIKey: "key", Balance: 1_000_000, Delivery: time.Hour,
		Offers: []zenditfake.Offer{{ID: "FR-1GB", Country: "FR", DataGB: "1", Days: 7, Cost: 300, Stock: -1}},
	})
	server := httptest.NewTLSServer(s.zendit)
	DeferCleanup(server.Close)
	Expect(k8s.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: wholesaler},
		Data: map[string][]byte{
			zendit.KeyAPIKey: []byte("key"), v1alpha1.SecretKeyWebhookHeader: []byte(hookSecret),
			zendit.KeyCA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		},
	})).To(Succeed())
	reference := v1alpha1.SecretReference{Name: wholesaler}
	Expect(k8s.Create(ctx, &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: wholesaler},
		Spec: v1alpha1.EsimOperatorSpec{
			Zendit: &v1alpha1.ResellerDriver{
				URL: server.URL + "/v1", CredentialsSecretRef: reference,
				Webhook: &v1alpha1.ResellerWebhook{HeaderName: hookHeader, HeaderSecretRef: &reference},
			},
			Timeout:   metav1.Duration{Duration: 2 * time.Second},
			Catalogue: &v1alpha1.OperatorCatalogue{Currency: "USD", MarkupPercent: "100", Interval: metav1.Duration{Duration: time.Hour}},
		},
	})).To(Succeed())
}

// rival writes objects a moment before the manager does, the first time that it writes one of a
// kind, so that the manager is answered 409 and has to read again.
type rival struct {
	mu   sync.Mutex
	done map[string]bool
}

func (r *rival) first(kind string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done[kind] {
		return false
	}
	if r.done == nil {
		r.done = map[string]bool{}
	}
	r.done[kind] = true
	return true
}

// met are the kinds that were written before the manager did.
func (r *rival) met() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.done)
}

// before is the manager's writer with the rival before it.
func (r *rival) before(writer client.Client) client.Client {
	return &disturbed{Client: writer, rival: r}
}

type disturbed struct {
	client.Client
	rival *rival
}

// Status implements client.Client.
func (d *disturbed) Status() client.SubResourceWriter {
	return &disturbedStatus{SubResourceWriter: d.Client.Status(), rival: d.rival}
}

type disturbedStatus struct {
	client.SubResourceWriter
	rival *rival
}

// Update implements client.SubResourceWriter.
func (d *disturbedStatus) Update(ctx context.Context, object client.Object, opts ...client.SubResourceUpdateOption) error {
	kind := ""
	switch written := object.(type) {
	case *v1alpha1.EsimOperator:
		if written.Status.SMDPAddress != "" {
			kind = "EsimOperator"
		}
	case *v1alpha1.EsimWallet:
		kind = "EsimWallet"
	}
	if kind != "" && d.rival.first(kind) {
		other, ok := object.DeepCopyObject().(client.Object)
		Expect(ok).To(BeTrue())
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"edited":"yes"}}}`))
		if err := k8s.Patch(ctx, other, patch); err != nil {
			return err
		}
	}
	return d.SubResourceWriter.Update(ctx, object, opts...)
}

// newAPIKey is a key with which the client logs in, and its secret.
func newAPIKey(ctx context.Context) (key, secret string) {
	GinkgoHelper()
	Expect(k8s.Create(ctx, &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: clientName, Name: access.LoginServiceAccount},
	})).To(Succeed())
	bind(ctx, "esim-client", clientName, access.LoginServiceAccount)
	made, err := access.NewAPIKey(rand.Reader, clientName)
	Expect(err).NotTo(HaveOccurred())
	Expect(k8s.Create(ctx, made.Object)).To(Succeed())
	return made.Key, made.Secret.Reveal()
}
