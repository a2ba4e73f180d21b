package rights

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
)

func (s *stage) order(ctx context.Context, name string, change ...func(*v1alpha1.EsimOrder)) {
	GinkgoHelper()
	_, err := s.shop.Order(ctx, name, change...)
	Expect(err).NotTo(HaveOccurred())
}

// look is an order as it stands; its zero value where it is gone.
func (s *stage) look(ctx context.Context, name string) *v1alpha1.EsimOrder {
	GinkgoHelper()
	found, err := s.shop.Find(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	if found == nil {
		return &v1alpha1.EsimOrder{}
	}
	return found
}

func (s *stage) becomes(ctx context.Context, name string, phase v1alpha1.OrderPhase) {
	GinkgoHelper()
	Eventually(func() v1alpha1.OrderPhase { return s.look(ctx, name).Status.Phase }).WithContext(ctx).Should(Equal(phase), name)
}

// cancel asks for an order to be undone.
func (s *stage) cancel(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		order := s.look(ctx, name)
		order.Spec.Cancel = true
		return k8s.Update(ctx, order)
	})).To(Succeed())
}

// sell tells the stories of orders over ES2+: delivered, installed, taken back, deleted, and one
// that only a person can tell about.
func (s *stage) sell(ctx context.Context) {
	GinkgoHelper()
	By("delivering, telling and installing")
	s.order(ctx, "installed", func(o *v1alpha1.EsimOrder) { o.Spec.NotificationEmail = "ann@example.com" })
	s.becomes(ctx, "installed", v1alpha1.PhaseDelivered)
	Eventually(func() int { return len(s.letters(ctx)) }).WithContext(ctx).Should(BeNumerically(">=", 1))
	Eventually(s.heard.Load).WithContext(ctx).Should(BeNumerically(">=", 1))
	Expect(s.shop.SMDP.Install(activation.ICCID(s.look(ctx, "installed").Status.Esim.ICCID))).To(Succeed())
	Eventually(func() bool {
		life := s.look(ctx, "installed").Status.Activation
		return life.Installed && life.CodeRemoved
	}).WithContext(ctx).Should(BeTrue())

	By("refusing, which takes a look past the cache")
	poor := s.shop.NewWallet()
	poor.Name, poor.Spec.Deposits = "poor", nil
	Expect(k8s.Create(ctx, poor)).To(Succeed())
	s.order(ctx, "unpaid", func(o *v1alpha1.EsimOrder) { o.Spec.WalletRef = &v1alpha1.WalletReference{Name: poor.Name} })
	s.becomes(ctx, "unpaid", v1alpha1.PhaseFailed)
	s.order(ctx, "unsold", func(o *v1alpha1.EsimOrder) { o.Spec.Variant = "not-sold" })
	s.becomes(ctx, "unsold", v1alpha1.PhaseFailed)

	By("taking back, and settling what is deleted")
	for _, name := range []string{"taken-back", "deleted"} {
		s.order(ctx, name)
		s.becomes(ctx, name, v1alpha1.PhaseDelivered)
	}
	s.cancel(ctx, "taken-back")
	s.becomes(ctx, "taken-back", v1alpha1.PhaseCancelled)
	Expect(k8s.Delete(ctx, s.look(ctx, "deleted"))).To(Succeed())
	Eventually(func() string { return s.look(ctx, "deleted").Name }).WithContext(ctx).Should(BeEmpty())

	By("waiting for a person, and saying so")
	Expect(s.shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.1", ReasonCode: "3.9", Function: es2plus.ConfirmOrder})).To(Succeed())
	Expect(s.shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.6", ReasonCode: "3.10", Function: es2plus.CancelOrder})).To(Succeed())
	s.order(ctx, "mysterious")
	Eventually(func() bool { return has(s.look(ctx, "mysterious"), v1alpha1.ConditionOutcomeUnknown) }).WithContext(ctx).Should(BeTrue())
	Eventually(requestsFor("events")).WithContext(ctx).Should(BeNumerically(">=", 1))
	Expect(s.shop.SMDP.ClearFaults()).To(Succeed())

	By("deleting the wallet that orders count against")
	wallet, err := s.shop.Wallet(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(k8s.Delete(ctx, wallet)).To(Succeed())
	Eventually(requestsFor("namespaces")).WithContext(ctx).Should(BeNumerically(">=", 1))
}

// requestsFor is how many requests the manager has made for a resource.
func requestsFor(resource string) func() (int, error) {
	return func() (int, error) {
		all, err := asked(testenv.ManagerServiceAccount)
		all = slices.DeleteFunc(all, func(e testenv.AuditEvent) bool { return e.Resource != resource })
		return len(all), err
	}
}

func has(order *v1alpha1.EsimOrder, condition string) bool {
	for _, c := range order.Status.Conditions {
		if c.Type == condition {
			return true
		}
	}
	return false
}

// orderWholesale has a wholesaler's list become a product, and orders it.
func (s *stage) orderWholesale(ctx context.Context) {
	GinkgoHelper()
	By("importing a wholesaler's list")
	var product v1alpha1.EsimProduct
	Eventually(func() (int64, error) {
		err := k8s.Get(ctx, client.ObjectKey{Name: wholesaler + "-fra"}, &product)
		return product.Status.ID, client.IgnoreNotFound(err)
	}).WithContext(ctx).Should(BeNumerically(">", 0))

	By("ordering from it")
	s.order(ctx, "wholesale", func(o *v1alpha1.EsimOrder) {
		o.Spec.ProductRef.Name, o.Spec.Variant = product.Name, product.Spec.Variants[0].Name
	})
	Eventually(func() *v1alpha1.ProvisioningError {
		if p := s.look(ctx, "wholesale").Status.Provisioning; p != nil {
			return p.LastError
		}
		return nil
	}).WithContext(ctx).ShouldNot(BeNil())
}

// hearOfWholesale has a webhook tell that the wholesaler is done.
func (s *stage) hearOfWholesale(ctx context.Context) {
	GinkgoHelper()
	By("being told by a webhook to ask what became of an order")
	s.zendit.Change(func(o *zenditfake.Options) { o.Delivery = 0 })
	body := fmt.Sprintf(`{"transactionId":%q,"status":"DONE"}`, s.look(ctx, "wholesale").Status.Provisioning.RequestID)
	Eventually(func() int {
		return send(ctx, s.https, http.MethodPost, "https://"+s.vendorHooks+"/v1/"+wholesaler, strings.NewReader(body), hookHeader, hookSecret).status
	}).WithContext(ctx).Should(Equal(http.StatusNoContent))
	s.becomes(ctx, "wholesale", v1alpha1.PhaseDelivered)
}

// overREST tells the story of a client of the REST API.
func (s *stage) overREST(ctx context.Context) {
	GinkgoHelper()
	By("logging in, refreshing, ordering, changing, taking back, and logging out over REST")
	key, secret := newAPIKey(ctx)
	call := func(method, path, token string, body any) reply {
		GinkgoHelper()
		text, err := json.Marshal(body)
		Expect(err).NotTo(HaveOccurred())
		return send(ctx, s.https, method, "https://"+s.rest+path, bytes.NewReader(text),
			"Authorization", "Bearer "+token, "Content-Type", "application/json")
	}
	session := call(http.MethodPost, "/auth/login", "", map[string]any{"username": key, "password": secret}).object("data")
	session = call(http.MethodPost, "/auth/refresh", "", map[string]any{"refresh_token": session["refresh_token"]}).object("data")
	token := fmt.Sprint(session["access_token"])
	var product v1alpha1.EsimProduct
	Eventually(func() (int64, error) {
		err := k8s.Get(ctx, client.ObjectKey{Name: s.shop.Name}, &product)
		return product.Status.ID, err
	}).WithContext(ctx).Should(BeNumerically(">", 0))
	const path = "/api/v1/esim/orders"
	wanted := map[string]any{"product_id": product.Status.ID, "amount": 4.5, "client_reference": "TRIP-1"}
	bought := call(http.MethodPost, path, token, wanted)
	Expect(bought.object()["status"]).To(Equal("DELIVERED"), string(bought.body))
	one := fmt.Sprintf("%s/%d", path, int64(bought.object()["id"].(float64)))
	for _, wanted := range []string{one, one + "/qr.svg", path, "/api/v1/esim/products", "/api/v1/wallets", "/api/v1/transactions"} {
		Expect(call(http.MethodGet, wanted, token, nil).status).To(Equal(http.StatusOK), wanted)
	}
	Expect(call(http.MethodGet, path+"/1", token, nil).status).To(Equal(http.StatusNotFound), "an order that no cache has")
	Expect(call(http.MethodPatch, one+"/notification-email", token, map[string]any{"email": "bob@example.com"}).status).To(Equal(http.StatusOK))
	Expect(call(http.MethodPost, one+"/cancel", token, nil).object()["status"]).To(Equal("CANCELLED"))
	Expect(call(http.MethodPost, "/auth/logout", token, nil).status).To(Equal(http.StatusOK))
}

// scrape reads the metrics of both roles.
func (s *stage) scrape(ctx context.Context) {
	GinkgoHelper()
	By("reading metrics")
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: clientName, Name: "scraper"}}
	Expect(k8s.Create(ctx, account)).To(Succeed())
	Expect(k8s.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "esim-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	})).To(Succeed())
	request := &authenticationv1.TokenRequest{}
	Expect(k8s.SubResource("token").Create(ctx, account, request)).To(Succeed())
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	DeferCleanup(insecure.CloseIdleConnections)
	for _, address := range []string{s.managerMetrics, s.facadeMetrics} {
		Eventually(func() int {
			return send(ctx, insecure, http.MethodGet, "https://"+address+"/metrics", http.NoBody, "Authorization", "Bearer "+request.Status.Token).status
		}).WithContext(ctx).Should(Equal(http.StatusOK))
	}
}

// letters are the mails that were taken.
func (s *stage) letters(ctx context.Context) []any {
	GinkgoHelper()
	var all []any
	got := send(ctx, http.DefaultClient, http.MethodGet, s.mail.URL()+"messages", http.NoBody)
	Expect(json.Unmarshal(got.body, &all)).To(Succeed(), string(got.body))
	return all
}

type reply struct {
	status int
	body   []byte
}

// object is the answer's body, or an object within it.
func (r reply) object(fields ...string) map[string]any {
	GinkgoHelper()
	var object map[string]any
	Expect(json.Unmarshal(r.body, &object)).To(Succeed(), "%d: %s", r.status, r.body)
	for _, field := range fields {
		inner, ok := object[field].(map[string]any)
		Expect(ok).To(BeTrue(), "%d: no %s", r.status, field)
		object = inner
	}
	return object
}

// send makes a request; headers are names and values in turn. A server that cannot be reached
// has status 0.
func send(ctx context.Context, with *http.Client, method, url string, body io.Reader, headers ...string) reply {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	Expect(err).NotTo(HaveOccurred())
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := with.Do(request)
	if err != nil {
		return reply{body: []byte(err.Error())}
	}
	defer func() { Expect(response.Body.Close()).To(Succeed()) }()
	content, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return reply{response.StatusCode, content}
}
