package facade_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// freeAddress is one that nobody listens on.
func freeAddress() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	Expect(listener.Close()).To(Succeed())
	return listener.Addr().String()
}

// newScraper is a token for /metrics, of a ServiceAccount with these ClusterRoles.
func newScraper(ctx context.Context, name string, roles ...string) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: name}}
	Expect(env.Client.Create(ctx, account)).To(Succeed())
	for _, role := range roles {
		Expect(env.Client.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: testenv.SystemNamespace, Name: name}},
		})).To(Succeed())
	}
	request := &authenticationv1.TokenRequest{}
	Expect(env.Client.SubResource("token").Create(ctx, account, request)).To(Succeed())
	return request.Status.Token
}

var _ = Describe("The facade's metrics", func() {
	It("are for those who may get /metrics, on a port of their own, and tell what it does", func(ctx SpecContext) {
		_, client := newShop(ctx, "rest-metrics", testshop.Options{})
		config := testConfig()
		config.BindAddress, config.MetricsBindAddress = freeAddress(), freeAddress()
		identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
		Expect(err).NotTo(HaveOccurred())
		running, stop := context.WithCancel(context.Background())
		served, err := facade.New(running, identity, config, logged.logger())
		Expect(err).NotTo(HaveOccurred())
		untilDone(stop, func() error { return served.Run(running) })
		// A connection that stays open would hold up the end.
		insecure := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		get := func(base, token string) (int, string) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
			Expect(err).NotTo(HaveOccurred())
			if token != "" {
				request.Header.Set("Authorization", "Bearer "+token)
			}
			response, err := insecure.Do(request)
			if err != nil {
				return 0, err.Error()
			}
			defer func() { Expect(response.Body.Close()).To(Succeed()) }()
			body, err := io.ReadAll(response.Body)
			Expect(err).NotTo(HaveOccurred())
			return response.StatusCode, string(body)
		}
		code := func(token string) func() int {
			return func() int { c, _ := get("https://"+config.MetricsBindAddress, token); return c }
		}
		nobody, scraper := newScraper(ctx, "nobody"), newScraper(ctx, "scraper", "esim-operator-metrics-reader")
		Eventually(code("")).WithContext(ctx).Should(Equal(http.StatusUnauthorized))
		Eventually(code(nobody)).WithContext(ctx).Should(Equal(http.StatusForbidden))
		Eventually(code(scraper)).WithContext(ctx).Should(Equal(http.StatusOK))
		Expect(code(client.token)()).To(BeNumerically(">=", 400), "a client's token is for the API")
		api := "http://" + config.BindAddress
		status, _ := get(api, scraper)
		Expect(status).To(Equal(http.StatusNotFound), "the API's own port has none")

		Eventually(func() int { answer, _ := client.at(api).try(ctx, http.MethodGet, "/readyz", nil); return answer.status }).Should(Equal(http.StatusOK))
		Expect(client.at(api).get("/api/v1/esim/orders?client_reference=SECRET_TRIP").status).To(Equal(http.StatusOK))
		Expect((&caller{base: api, token: randomToken()}).get("/api/v1/esim/orders/7").status).To(Equal(http.StatusUnauthorized))
		_, text := get("https://"+config.MetricsBindAddress, scraper)
		for _, line := range []string{
			`esim_rest_requests_total{method="GET",operation="listOrders",status="2xx"} 1`,
			`esim_rest_requests_total{method="GET",operation="getOrder",status="4xx"} 1`,
			`esim_rest_request_seconds_count{operation="listOrders"} 1`,
			`esim_rest_authentications_total{credential="token",result="accepted"} 1`,
			`esim_rest_authentications_total{credential="token",result="refused"} 1`,
			`esim_rest_waiting_requests 0`,
			`esim_rest_caches_synced 1`,
		} {
			Expect(text).To(ContainSubstring(line + "\n"))
		}
		Expect(text).To(ContainSubstring("esim_build_info{"))
		Expect(text).NotTo(ContainSubstring("SECRET_TRIP"))
	})
})
