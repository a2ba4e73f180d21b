package facade_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// newReplica serves one more replica, with a configuration of its own.
func newReplica(change func(*facade.Config)) string {
	GinkgoHelper()
	identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
	Expect(err).NotTo(HaveOccurred())
	config := testConfig()
	change(&config)
	return startFacade(identity, config)
}

// expectTooMany holds an answer against what the contract says of limits that are exceeded.
func expectTooMany(answer answered) {
	GinkgoHelper()
	Expect(answer.status).To(Equal(http.StatusTooManyRequests), string(answer.body))
	Expect(answer.problem()).To(HaveKeyWithValue("code", "TOO_MANY_REQUESTS"))
	Expect(answer.problem()).To(HaveKeyWithValue("name", "TooManyRequestsError"))
	seconds, err := strconv.Atoi(answer.header.Get("Retry-After"))
	Expect(err).NotTo(HaveOccurred())
	Expect(seconds).To(BeNumerically("~", 30, 30))
	Expect(seconds).NotTo(BeZero())
}

// newAPIKey makes an API key of a client, and what logs in with it.
func newAPIKey(ctx SpecContext, namespace string) map[string]any {
	GinkgoHelper()
	key, err := access.NewAPIKey(rand.Reader, namespace)
	Expect(err).NotTo(HaveOccurred())
	Expect(env.Client.Create(ctx, key.Object)).To(Succeed())
	return map[string]any{"username": key.Key, "password": key.Secret.Reveal()}
}

// randomToken has the form of a token, and nobody has made it.
func randomToken() string {
	GinkgoHelper()
	raw := make([]byte, 30)
	_, err := rand.Read(raw)
	Expect(err).NotTo(HaveOccurred())
	return "e30.e30." + base64.RawURLEncoding.EncodeToString(raw)
}

var _ = Describe("A client that asks too often", func() {
	It("is told when to come again, for each kind of request by itself, and others are not", func(ctx SpecContext) {
		shop, _ := newShop(ctx, "rest-often", testshop.Options{})
		_, other := newShop(ctx, "rest-seldom", testshop.Options{})
		Expect(shop.Name).NotTo(BeEmpty())
		credentials, otherCredentials := newAPIKey(ctx, "rest-often"), newAPIKey(ctx, "rest-seldom")
		base := newReplica(func(c *facade.Config) {
			c.RateLimits = v1alpha1.RateLimits{Read: 1, Order: 1, Quote: 1, Change: 1, Login: 1, Refresh: 1}
		})
		nobody := &caller{base: base}
		session := nobody.post("/auth/login", credentials)
		Expect(session.status).To(Equal(http.StatusOK), string(session.body))
		expectTooMany(nobody.post("/auth/login", credentials))
		expectTooMany(nobody.post("/auth/login", map[string]any{"username": credentials["username"], "password": "guess"}))
		Expect(nobody.post("/auth/login", otherCredentials).status).To(Equal(http.StatusOK))

		tokens := session.object()["data"].(map[string]any)
		client := &caller{base: base, token: fmt.Sprint(tokens["access_token"])}
		// Limits come before a request is looked at: what is wrong with these makes no difference.
		for _, kind := range []struct {
			method, first, second string
			want                  int
		}{
			{http.MethodGet, "/api/v1/esim/products", "/api/v1/esim/orders", http.StatusOK},
			{http.MethodPost, "/api/v1/esim/orders", "/api/v1/esim/orders", http.StatusBadRequest},
			{http.MethodPost, "/api/v1/esim/charges", "/api/v1/esim/charges", http.StatusBadRequest},
			{http.MethodPost, "/api/v1/esim/orders/7/cancel", "/api/v1/esim/orders/7/cancel", http.StatusNotFound},
		} {
			var body any
			if kind.want == http.StatusBadRequest {
				body = map[string]any{}
			}
			Expect(client.do(ctx, kind.method, kind.first, body).status).To(Equal(kind.want), kind.first)
			expectTooMany(client.do(ctx, kind.method, kind.second, body))
			Expect(other.at(base).do(ctx, kind.method, kind.first, body).status).To(Equal(kind.want), kind.first)
		}
		expectTooMany(client.do(ctx, http.MethodPatch, "/api/v1/esim/orders/7/notification-email", map[string]any{"email": "a@example.com"}))

		renewed := nobody.post("/auth/refresh", map[string]any{"refresh_token": tokens["refresh_token"]})
		Expect(renewed.status).To(Equal(http.StatusOK), string(renewed.body))
		again := renewed.object()["data"].(map[string]any)
		expectTooMany(nobody.post("/auth/refresh", map[string]any{"refresh_token": again["refresh_token"]}))
		client.token = fmt.Sprint(again["access_token"])
		expectTooMany(client.post("/auth/logout", nil))
	})

	It("has the limits of its EsimClient, once it has one", func(ctx SpecContext) {
		_, client := newShop(ctx, "rest-terms", testshop.Options{})
		Expect(env.Client.Create(ctx, &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: "rest-terms", Name: v1alpha1.ClientName},
			Spec:       v1alpha1.EsimClientSpec{RateLimits: &v1alpha1.RateLimits{Read: 2}},
		})).To(Succeed())
		Eventually(func() int { return client.get("/api/v1/wallets").status }).Should(Equal(http.StatusTooManyRequests))
		expectTooMany(client.get("/api/v1/wallets"))
		Expect(client.post("/api/v1/esim/charges", map[string]any{}).status).To(Equal(http.StatusBadRequest), "other kinds keep theirs")
	})
})

var _ = Describe("Who shows bad credentials", func() {
	It("is stopped at their address, and those who are known there go on", func(ctx SpecContext) {
		_, known := newShop(ctx, "rest-known", testshop.Options{})
		newcomer := newAPIKey(ctx, "rest-known")
		base := newReplica(func(c *facade.Config) { c.FailuresPerAddress, c.TrustedProxies = 3, []string{"127.0.0.0/8"} })
		const office, elsewhere = "203.0.113.7", "198.51.100.1"
		client := known.at(base)
		Expect(client.get("/api/v1/wallets", "X-Forwarded-For", office).status).To(Equal(http.StatusOK))
		for range 3 {
			refused := (&caller{base: base, token: randomToken()}).get("/api/v1/wallets", "X-Forwarded-For", office)
			Expect(refused.status).To(Equal(http.StatusUnauthorized))
			Expect(refused.header.Get("WWW-Authenticate")).To(Equal("Bearer"))
		}
		guesser := &caller{base: base, token: randomToken()}
		expectTooMany(guesser.get("/api/v1/wallets", "X-Forwarded-For", office))
		expectTooMany(guesser.get("/api/v1/wallets", "X-Forwarded-For", "192.0.2.9, "+office))
		nobody := &caller{base: base}
		expectTooMany(nobody.post("/auth/login", newcomer, "X-Forwarded-For", office))
		expectTooMany(nobody.post("/auth/refresh", map[string]any{"refresh_token": randomToken()}, "X-Forwarded-For", office))

		Expect(client.get("/api/v1/wallets", "X-Forwarded-For", office).status).To(Equal(http.StatusOK))
		Expect(guesser.get("/api/v1/wallets", "X-Forwarded-For", elsewhere).status).To(Equal(http.StatusUnauthorized))
		Expect(nobody.post("/auth/login", newcomer, "X-Forwarded-For", elsewhere).status).To(Equal(http.StatusOK))
	})
})

var _ = Describe("A client with a list of networks", Ordered, func() {
	var (
		client              *caller
		direct, behindProxy string
	)
	BeforeAll(func(ctx SpecContext) {
		_, client = newShop(ctx, "rest-networks", testshop.Options{})
		direct = newReplica(func(*facade.Config) {})
		behindProxy = newReplica(func(c *facade.Config) { c.TrustedProxies = []string{"127.0.0.0/8", "10.0.0.0/8"} })
		Expect(env.Client.Create(ctx, &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: "rest-networks", Name: v1alpha1.ClientName},
			Spec:       v1alpha1.EsimClientSpec{AllowedCIDRs: []v1alpha1.CIDR{"203.0.113.0/24", "2001:db8::/32"}},
		})).To(Succeed())
		for _, base := range []string{direct, behindProxy} {
			Eventually(func() int { return client.at(base).get("/api/v1/wallets").status }).Should(Equal(http.StatusForbidden))
		}
	})

	DescribeTable("is let in from these only, whatever it writes in X-Forwarded-For",
		func(ctx SpecContext, want int, lines ...string) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, behindProxy+"/api/v1/wallets", nil)
			Expect(err).NotTo(HaveOccurred())
			request.Header.Set("Authorization", "Bearer "+client.token)
			request.Header["X-Forwarded-For"] = lines
			response, err := (&http.Client{Transport: checker.Transport(GinkgoT(), http.DefaultTransport)}).Do(request)
			Expect(err).NotTo(HaveOccurred())
			Expect(response.Body.Close()).To(Succeed())
			Expect(response.StatusCode).To(Equal(want))
		},
		Entry("within", http.StatusOK, "203.0.113.7"),
		Entry("within, with the port", http.StatusOK, "203.0.113.7:4711"),
		Entry("elsewhere", http.StatusForbidden, "198.51.100.1"),
		Entry("elsewhere, with an invention before", http.StatusForbidden, "203.0.113.7, 198.51.100.1"),
		Entry("elsewhere, with an invention in a header before", http.StatusForbidden, "203.0.113.7", "198.51.100.1"),
		Entry("within, with an invention in a header before", http.StatusOK, "198.51.100.1", "203.0.113.7"),
		Entry("within, through two proxies", http.StatusOK, "203.0.113.7, 10.1.1.1"),
		Entry("within, through two proxies with a header each", http.StatusOK, "203.0.113.7", "10.1.1.1"),
		Entry("elsewhere, naming a proxy itself", http.StatusForbidden, "203.0.113.7, 198.51.100.1, 10.1.1.1"),
		Entry("within, IPv6", http.StatusOK, "2001:db8::1"),
		Entry("within, IPv6 with the port", http.StatusOK, "[2001:db8::1]:4711"),
		Entry("elsewhere, IPv6", http.StatusForbidden, "2001:db9::1"),
		Entry("within, IPv4 written as IPv6", http.StatusOK, "::ffff:203.0.113.7"),
		Entry("elsewhere, IPv4 written as IPv6", http.StatusForbidden, "::ffff:198.51.100.1"),
		Entry("from the proxy itself", http.StatusForbidden),
		Entry("from nobody knows where", http.StatusForbidden, "unknown"),
		Entry("from nobody knows where, after an invention", http.StatusForbidden, "203.0.113.7,"),
	)

	It("is told so, and cannot talk its way in where no proxy is trusted", func() {
		for _, headers := range [][]string{nil, {"X-Forwarded-For", "203.0.113.7"}, {"Forwarded", "for=203.0.113.7"}, {"X-Real-Ip", "203.0.113.7"}} {
			answer := client.at(direct).get("/api/v1/wallets", headers...)
			Expect(answer.status).To(Equal(http.StatusForbidden))
			Expect(answer.problem()).To(HaveKeyWithValue("message", "IP address not authorized"))
		}
	})

	It("cannot log in from elsewhere either", func(ctx SpecContext) {
		credentials := newAPIKey(ctx, "rest-networks")
		nobody := &caller{base: behindProxy}
		Expect(nobody.post("/auth/login", credentials, "X-Forwarded-For", "198.51.100.1").status).To(Equal(http.StatusForbidden))
		Expect(nobody.post("/auth/login", credentials, "X-Forwarded-For", "203.0.113.7").status).To(Equal(http.StatusOK))
	})

	It("is let in directly from a network of its own", func(ctx SpecContext) {
		_, local := newShop(ctx, "rest-local", testshop.Options{})
		Expect(env.Client.Create(ctx, &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: "rest-local", Name: v1alpha1.ClientName},
			Spec:       v1alpha1.EsimClientSpec{AllowedCIDRs: []v1alpha1.CIDR{"127.0.0.0/8"}, RateLimits: &v1alpha1.RateLimits{Change: 1}},
		})).To(Succeed())
		// Its limit shows that the list is known, too.
		Eventually(func() int { return local.at(direct).post("/api/v1/esim/orders/7/cancel", nil).status }).Should(Equal(http.StatusTooManyRequests))
		Expect(local.at(direct).get("/api/v1/wallets").status).To(Equal(http.StatusOK))
	})
})
