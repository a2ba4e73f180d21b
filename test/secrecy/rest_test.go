package secrecy

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/testenv"
)

func keyOf(name string) client.ObjectKey { return types.NamespacedName{Name: name} }

// overREST tells the stories of a client that uses the REST API, of its support desk, and of
// another client.
func overREST(ctx context.Context) {
	GinkgoHelper()
	bind(ctx, shop.Name, "esim-facade-client", testenv.SystemNamespace, "esim-facade")
	other := "secrecy-other"
	Expect(k8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other}})).To(Succeed())
	bind(ctx, other, "esim-facade-client", testenv.SystemNamespace, "esim-facade")
	buyer := newCaller(ctx, shop.Name, access.LoginServiceAccount, clientRole)
	support := newCaller(ctx, shop.Name, "support", "esim-client-readonly")
	stranger := newCaller(ctx, other, "stranger", clientRole)
	Eventually(func() int { return buyer.get(ctx, "/api/v1/esim/products").status }).WithContext(ctx).Should(Equal(http.StatusOK))

	By("ordering over REST, repeatedly, and looking at orders in every way")
	path, code := buyOverREST(ctx, buyer)
	lookAround(ctx, path, buyer, support, stranger)

	By("sending what one should not send, and getting it wrong")
	mistake(ctx, path, code, buyer, stranger)

	By("changing the address, and cancelling")
	changed := buyer.do(ctx, http.MethodPatch, path+"/notification-email", map[string]any{"email": "changed@example.com"})
	Expect(changed.status).To(Equal(http.StatusOK))
	Eventually(post.to("changed@example.com")).WithContext(ctx).Should(Equal(1))
	second := buyer.post(ctx, ordersPath, map[string]any{"product_id": productID(ctx), "amount": 4.5})
	Expect(second.text("status")).To(Equal("DELIVERED"))
	Expect(buyer.post(ctx, ordersPath+"/"+second.text("id")+"/cancel", nil).text("status")).To(Equal("CANCELLED"))
	Expect(buyer.get(ctx, ordersPath+"/"+second.text("id")).text("status")).To(Equal("CANCELLED"))

	logIn(ctx)
}

func productID(ctx context.Context) int64 {
	GinkgoHelper()
	var product v1alpha1.EsimProduct
	Expect(k8s.Get(ctx, keyOf(shop.Name), &product)).To(Succeed())
	return product.Status.ID
}

// buyOverREST returns the path of an order, and its code.
func buyOverREST(ctx context.Context, buyer *caller) (path, code string) {
	GinkgoHelper()
	wanted := map[string]any{
		"product_id": productID(ctx), "amount": 4.5, "client_reference": "TRIP-1", "notification_email": "rest@example.com",
	}
	Expect(buyer.post(ctx, "/api/v1/esim/charges", map[string]any{"product_id": productID(ctx), "amount": 4.5}).status).To(Equal(http.StatusOK))
	bought := buyer.post(ctx, ordersPath, wanted, "Idempotency-Key", "TRIP-1")
	Expect(bought.status).To(Equal(http.StatusOK))
	Expect(bought.text("status")).To(Equal("DELIVERED"))
	Expect(buyer.post(ctx, ordersPath, wanted, "Idempotency-Key", "TRIP-1").text("id")).To(Equal(bought.text("id")))
	Expect(buyer.post(ctx, ordersPath, wanted).status).To(Equal(http.StatusBadRequest), "a duplicate")
	Expect(buyer.post(ctx, ordersPath, map[string]any{"product_id": productID(ctx), "amount": 4.75}).text("status")).To(Equal("FAILED"))
	pending := buyer.post(ctx, ordersPath, map[string]any{"product_id": productID(ctx), "amount": 9.75}, "Prefer", "wait=0")
	Expect(pending.text("status")).To(Equal("PENDING"))
	return ordersPath + "/" + bought.text("id"), bought.text("activation_code")
}

// lookAround reads everything that there is to read, as everybody.
func lookAround(ctx context.Context, path string, callers ...*caller) {
	GinkgoHelper()
	installed := ordersPath + "/" + strconv.FormatInt(look(ctx, "installed").Status.ID, 10)
	for _, who := range append(callers, &caller{}) {
		for _, wanted := range []string{
			path, path + "/qr.png", path + "/qr.svg", installed, installed + "/qr.svg", ordersPath + "?per_page=500",
			ordersPath + "?client_reference=TRIP-1", "/api/v1/wallets", "/api/v1/transactions?limit=500", "/api/v1/esim/products",
			"/openapi.yaml", "/docs", "/healthz", "/readyz", "/nowhere",
		} {
			who.get(ctx, wanted)
		}
	}
	buyer, support, stranger := callers[0], callers[1], callers[2]
	Expect(buyer.get(ctx, path+"/qr.svg").status).To(Equal(http.StatusOK))
	Expect(support.get(ctx, path).status).To(Equal(http.StatusOK))
	Expect(support.get(ctx, path+"/qr.svg").status).To(Equal(http.StatusForbidden))
	Expect(stranger.get(ctx, path).status).To(Equal(http.StatusNotFound))
	Expect(buyer.get(ctx, installed).text("activation_code")).To(HaveSuffix("$********"))
}

// mistake sends credentials where they do not belong, and requests that are wrong.
func mistake(ctx context.Context, path, code string, buyer, stranger *caller) {
	GinkgoHelper()
	for _, who := range []*caller{buyer, stranger, {token: buyer.token[:len(buyer.token)-6] + "AAAAAA"}} {
		for _, wanted := range []string{
			ordersPath + "/" + url.PathEscape(code), ordersPath + "?iccid=" + url.QueryEscape(code), ordersPath + "?status=" + url.QueryEscape(code),
			ordersPath + "?page=" + url.QueryEscape(code), ordersPath + "?product_id=" + url.QueryEscape(code), "/" + url.PathEscape(code),
			ordersPath + "?client_reference=" + url.QueryEscape(code), "/api/v1/esim/products?country_code=" + url.QueryEscape(code),
		} {
			Expect(who.get(ctx, wanted).status).To(BeNumerically("<", 500))
		}
		for _, body := range []any{
			code, `{"product_id":"` + code + `"}`, `{"product_id":1,"amount":"` + code + `"}`, `{"` + code + `":`,
			map[string]any{"product_id": 1, "amount": 4.5, "notification_email": code},
			map[string]any{"product_id": 1, "amount": 4.5, "client_reference": code + "\n"},
		} {
			Expect(who.post(ctx, ordersPath, body).status).To(BeNumerically(">=", 400))
		}
		Expect(who.do(ctx, http.MethodPatch, path+"/notification-email", map[string]any{"email": code}).status).To(BeNumerically(">=", 400))
		Expect(who.do(ctx, http.MethodDelete, path, nil).status).To(BeNumerically(">=", 400))
	}
}

// logIn is the life of an API key's session.
func logIn(ctx context.Context) {
	GinkgoHelper()
	By("logging in, refreshing and logging out, and failing to")
	key, err := access.NewAPIKey(rand.Reader, shop.Name)
	Expect(err).NotTo(HaveOccurred())
	Expect(k8s.Create(ctx, key.Object)).To(Succeed())
	secret := register.keep(kindSecret, ownerKey, key.Secret.Reveal())
	nobody := &caller{}
	session := func(a answer) (access, refresh string) {
		GinkgoHelper()
		Expect(a.status).To(Equal(http.StatusOK))
		data, ok := a.object()["data"].(map[string]any)
		Expect(ok).To(BeTrue())
		return register.keep(kindToken, ownerLogin, fmt.Sprint(data["access_token"])),
			register.keep(kindRefresh, ownerLogin, fmt.Sprint(data["refresh_token"]))
	}
	_, refresh := session(nobody.post(ctx, "/auth/login", map[string]any{"username": key.Key, "password": secret}))
	renewed, second := session(nobody.post(ctx, "/auth/refresh", map[string]any{"refresh_token": refresh}))
	for _, wrong := range []any{
		map[string]any{"username": key.Key, "password": secret[:len(secret)-1]}, map[string]any{"username": secret, "password": secret},
		map[string]any{"username": key.Key, "password": []string{secret}}, map[string]any{"username": key.Key + "x", "password": secret},
	} {
		Expect(nobody.post(ctx, "/auth/login", wrong).status).To(BeNumerically(">=", 400))
	}
	for _, wrong := range []any{
		map[string]any{"refresh_token": refresh}, map[string]any{"refresh_token": renewed}, map[string]any{"refresh_token": []string{second}},
	} {
		Expect(nobody.post(ctx, "/auth/refresh", wrong).status).To(BeNumerically(">=", 400))
	}
	Expect((&caller{token: second}).get(ctx, ordersPath).status).To(Equal(http.StatusUnauthorized), "a refresh token is no access token")
	Expect((&caller{token: renewed}).post(ctx, "/auth/logout", nil).status).To(Equal(http.StatusOK))
	Eventually(func() int { return (&caller{token: renewed}).get(ctx, "/api/v1/wallets").status }).WithContext(ctx).Should(Equal(http.StatusUnauthorized))
}
