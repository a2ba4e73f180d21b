package facade_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/testshop"
)

var _ = Describe("Another client's things", Ordered, func() {
	var (
		mine, theirs               *caller
		myProduct, theirProduct    int64
		theirVariant, theirWallet  int64
		theirOrder, absent         string
		theirReference, theirICCID string
	)
	BeforeAll(func(ctx SpecContext) {
		own := func(name string) testshop.Options {
			return testshop.Options{Product: func(p *v1alpha1.EsimProduct) { p.Labels = map[string]string{"sold-to": name} }}
		}
		sellOnly := func(name string) {
			Expect(env.Client.Create(ctx, &v1alpha1.EsimClient{
				ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: v1alpha1.ClientName},
				Spec: v1alpha1.EsimClientSpec{
					ProductSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"sold-to": name}},
				},
			})).To(Succeed())
		}
		myShop, a := newShop(ctx, "rest-a", own("rest-a"))
		theirShop, b := newShop(ctx, "rest-b", own("rest-b"))
		mine, theirs = a, b
		myProduct, theirProduct = productOf(mine, myShop), productOf(theirs, theirShop)
		sellOnly("rest-a")
		sellOnly("rest-b")
		Eventually(func() []any { return mine.get("/api/v1/esim/products").list() }).Should(HaveLen(1))
		Eventually(func() []any { return theirs.get("/api/v1/esim/products").list() }).Should(HaveLen(1))

		theirReference = "THEIRS"
		order := theirs.post("/api/v1/esim/orders", map[string]any{"product_id": theirProduct, "amount": 4.5, "client_reference": theirReference}).object()
		Expect(order).To(HaveKeyWithValue("status", "DELIVERED"))
		theirOrder, theirICCID = orderPath(order), fmt.Sprint(order["iccid"])
		absent = "/api/v1/esim/orders/7"
		theirVariant = number(theirs.get(fmt.Sprintf("/api/v1/esim/products/%d/variants", theirProduct)).list()[0].(map[string]any)["id"])
		theirWallet = number(theirs.get("/api/v1/wallets").list()[0].(map[string]any)["id"])
		Eventually(func() []any { return theirs.get("/api/v1/esim/orders").list() }).Should(HaveLen(1))
	})

	// same tells that two answers cannot be told apart but by their request's id.
	same := func(got, want answered) {
		GinkgoHelper()
		Expect(got.status).To(Equal(want.status), string(got.body))
		Expect(string(got.body)).To(Equal(string(want.body)))
	}

	It("look as if they did not exist", func(ctx SpecContext) {
		for _, tail := range []string{"", "/qr.png", "/qr.svg"} {
			same(mine.get(theirOrder+tail), mine.get(absent+tail))
			Expect(mine.get(theirOrder + tail).status).To(Equal(http.StatusNotFound))
		}
		same(mine.post(theirOrder+"/cancel", nil), mine.post(absent+"/cancel", nil))
		address := map[string]any{"email": "mallory@example.com"}
		same(mine.do(ctx, http.MethodPatch, theirOrder+"/notification-email", address),
			mine.do(ctx, http.MethodPatch, absent+"/notification-email", address))
		for theirPath, absentPath := range map[string]string{
			fmt.Sprintf("/api/v1/esim/products/%d", theirProduct):          "/api/v1/esim/products/7",
			fmt.Sprintf("/api/v1/esim/products/%d/variants", theirProduct): "/api/v1/esim/products/7/variants",
			fmt.Sprintf("/api/v1/esim/variants/%d", theirVariant):          "/api/v1/esim/variants/7",
			"/api/v1/esim/orders?client_reference=" + theirReference:       "/api/v1/esim/orders?client_reference=NOBODYS",
			"/api/v1/esim/orders?iccid=" + theirICCID:                      "/api/v1/esim/orders?iccid=8944110068123456789",
			fmt.Sprintf("/api/v1/esim/orders?product_id=%d", theirProduct): "/api/v1/esim/orders?product_id=7",
			fmt.Sprintf("/api/v1/transactions?wallet_id=%d", theirWallet):  "/api/v1/transactions?wallet_id=7",
		} {
			same(mine.get(theirPath), mine.get(absentPath))
		}
		for _, path := range []string{"/api/v1/esim/orders", "/api/v1/esim/charges"} {
			same(mine.post(path, map[string]any{"product_id": theirProduct, "amount": 4.5}),
				mine.post(path, map[string]any{"product_id": 7, "amount": 4.5}))
			same(mine.post(path, map[string]any{"product_id": myProduct, "amount": 4.5, "wallet_id": theirWallet}),
				mine.post(path, map[string]any{"product_id": myProduct, "amount": 4.5, "wallet_id": 7}))
			same(mine.post(path, map[string]any{"product_id": myProduct, "amount": 4.5, "variant_id": theirVariant}),
				mine.post(path, map[string]any{"product_id": myProduct, "amount": 4.5, "variant_id": 7}))
		}
	})

	It("are in none of the lists, and stay as they are", func() {
		Expect(mine.get("/api/v1/esim/orders").list()).To(BeEmpty())
		Expect(string(mine.get("/api/v1/transactions").body)).NotTo(ContainSubstring(fmt.Sprint(theirWallet)))
		Expect(mine.get("/api/v1/wallets").list()).To(HaveLen(1))
		order := theirs.get(theirOrder).object()
		Expect(order).To(HaveKeyWithValue("status", "DELIVERED"))
		Expect(order).NotTo(HaveKey("notification_email"))
	})

	It("do not stand in the way of a reference of one's own", func() {
		order := mine.post("/api/v1/esim/orders", map[string]any{"product_id": myProduct, "amount": 4.5, "client_reference": theirReference})
		Expect(order.object()).To(HaveKeyWithValue("status", "DELIVERED"))
	})

	It("need a token, and a genuine one", func() {
		for _, path := range []string{
			"/api/v1/esim/products", "/api/v1/esim/orders", theirOrder, "/api/v1/wallets", "/api/v1/transactions", theirOrder + "/qr.png",
		} {
			answer := (&caller{base: replicas[0]}).get(path)
			Expect(answer.status).To(Equal(http.StatusUnauthorized))
			Expect(answer.header.Get("WWW-Authenticate")).To(Equal("Bearer"))
			forged := &caller{base: replicas[0], token: theirs.token[:len(theirs.token)-4] + "AAAA"}
			Expect(forged.get(path).status).To(Equal(http.StatusUnauthorized))
		}
	})
})

var _ = Describe("A client that may only look on", func() {
	It("sees orders without their activation codes, and changes nothing", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-readonly", testshop.Options{})
		product := productOf(client, shop)
		order := client.post("/api/v1/esim/orders", map[string]any{"product_id": product, "amount": 4.5}).object()
		support := &caller{base: replicas[0], token: newToken(ctx, "rest-readonly", "support", "esim-client-readonly")}
		seen := support.get(orderPath(order)).object()
		Expect(seen).To(HaveKeyWithValue("status", "DELIVERED"))
		Expect(seen).To(HaveKey("iccid"))
		Expect(seen).NotTo(HaveKey("activation_code"))
		Expect(support.get(orderPath(order) + "/qr.svg").status).To(Equal(http.StatusForbidden))
		Expect(support.post("/api/v1/esim/orders", map[string]any{"product_id": product, "amount": 4.5}).status).To(Equal(http.StatusForbidden))
		Expect(support.post(orderPath(order)+"/cancel", nil).status).To(Equal(http.StatusForbidden))
	})
})

var _ = Describe("Logging in", func() {
	It("gives tokens that are good for the API, can be renewed once, and end together", func(ctx SpecContext) {
		_, _ = newShop(ctx, "rest-session", testshop.Options{})
		key, err := access.NewAPIKey(rand.Reader, "rest-session")
		Expect(err).NotTo(HaveOccurred())
		Expect(env.Client.Create(ctx, key.Object)).To(Succeed())
		nobody := &caller{base: replicas[0]}
		credentials := map[string]any{"username": key.Key, "password": key.Secret.Reveal()}
		session := nobody.post("/auth/login", credentials)
		Expect(session.status).To(Equal(http.StatusOK), string(session.body))
		tokens := session.object()["data"].(map[string]any)
		client := &caller{base: replicas[1], token: fmt.Sprint(tokens["access_token"])}
		Expect(client.get("/api/v1/wallets").status).To(Equal(http.StatusOK))

		renewal := map[string]any{"refresh_token": tokens["refresh_token"]}
		renewed := nobody.post("/auth/refresh", renewal)
		Expect(renewed.status).To(Equal(http.StatusOK))
		Expect(nobody.post("/auth/refresh", renewal).status).To(Equal(http.StatusUnauthorized))
		client.token = fmt.Sprint(renewed.object()["data"].(map[string]any)["access_token"])
		Expect(client.post("/auth/logout", nil).status).To(Equal(http.StatusOK))
		Eventually(func() int { return client.get("/api/v1/wallets").status }).Should(Equal(http.StatusUnauthorized))

		Expect(nobody.post("/auth/login", map[string]any{"username": key.Key, "password": "wrong"}).problem()).To(HaveKeyWithValue("message", "Invalid credentials"))
		Expect(nobody.post("/auth/login", map[string]any{"username": key.Key}).problem()).To(HaveKeyWithValue("message", "Username and password are required"))
		Expect(nobody.post("/auth/refresh", map[string]any{}).problem()).To(HaveKeyWithValue("message", "Refresh token is required"))
	})
})

var _ = Describe("The access log", func() {
	It("has no token, no activation code, no e-mail address and no reference", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-log", testshop.Options{})
		order := client.post("/api/v1/esim/orders", map[string]any{
			"product_id": productOf(client, shop), "amount": 4.5, "client_reference": "SECRET_TRIP", "notification_email": "carol@example.com",
		}).object()
		client.get("/api/v1/esim/orders?client_reference=SECRET_TRIP")
		code := fmt.Sprint(order["activation_code"])
		text := logged.String()
		Expect(text).To(ContainSubstring(`"client"="rest-log"`))
		for _, secret := range []string{client.token, code, code[strings.LastIndex(code, "$")+1:], "carol@example.com", "SECRET_TRIP", "LPA:1"} {
			Expect(strings.Contains(text, secret)).To(BeFalse(), "it has something that it must not have")
		}
	})
})
