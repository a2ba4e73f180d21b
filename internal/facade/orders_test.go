package facade_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// productOf is the id of a client's only product of its own.
func productOf(c *caller, shop *testshop.Shop) int64 {
	GinkgoHelper()
	var product v1alpha1.EsimProduct
	Expect(env.Client.Get(context.Background(), types.NamespacedName{Name: shop.Name}, &product)).To(Succeed())
	Expect(c.get(fmt.Sprintf("/api/v1/esim/products/%d", product.Status.ID)).status).To(Equal(http.StatusOK))
	return product.Status.ID
}

func orderPath(order map[string]any) string {
	return "/api/v1/esim/orders/" + strconv.FormatInt(number(order["id"]), 10)
}

var _ = Describe("Ordering over REST", func() {
	It("answers the delivered order with its activation code, which nothing on the way may keep", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-delivered", testshop.Options{})
		answer := client.post("/api/v1/esim/orders", map[string]any{
			"product_id": productOf(client, shop), "amount": 4.5, "client_reference": "TRIP_1", "notification_email": "ann@example.com",
		})
		Expect(answer.status).To(Equal(http.StatusOK), string(answer.body))
		order := answer.object()
		Expect(order).To(HaveKeyWithValue("status", "DELIVERED"))
		Expect(order["activation_code"]).To(HavePrefix("LPA:1$rsp.example.com$"))
		Expect(order["iccid"]).To(MatchRegexp(`^[0-9]{19,20}$`))
		Expect(fmt.Sprint(order["amount"])).To(Equal("4.5"))
		Expect(answer.header.Get("Cache-Control")).To(Equal("no-store"))

		By("finding it at the other replica at once, by its id")
		again := client.at(replicas[1]).get(orderPath(order))
		Expect(again.status).To(Equal(http.StatusOK))
		Expect(again.object()).To(HaveKeyWithValue("activation_code", order["activation_code"]))

		By("listing it without the code")
		Eventually(func() []any { return client.get("/api/v1/esim/orders?client_reference=TRIP_1").list() }).Should(HaveLen(1))
		Expect(client.get("/api/v1/esim/orders").header.Get("X-Total-Count")).To(Equal("1"))

		By("drawing it")
		drawn := client.get(orderPath(order) + "/qr.png")
		Expect(drawn.status).To(Equal(http.StatusOK))
		_, err := png.Decode(bytes.NewReader(drawn.body))
		Expect(err).NotTo(HaveOccurred())
		Expect(client.get(orderPath(order) + "/qr.svg").status).To(Equal(http.StatusOK))

		By("showing the debit")
		wallets := client.get("/api/v1/wallets")
		Expect(wallets.list()).To(HaveLen(1))
		Eventually(func() string { return string(client.get("/api/v1/transactions").body) }).Should(ContainSubstring(`"transaction_type":"DEBIT"`))
	})

	It("answers PENDING when the time that was preferred is up, and the order goes on", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-pending", testshop.Options{Stock: 1})
		product := productOf(client, shop)
		Expect(client.post("/api/v1/esim/orders", map[string]any{"product_id": product, "amount": 4.5}).object()).To(HaveKeyWithValue("status", "DELIVERED"))
		answer := client.post("/api/v1/esim/orders", map[string]any{"product_id": product, "amount": 4.5}, "Prefer", "wait=0")
		order := answer.object()
		Expect(order).To(HaveKeyWithValue("status", "PENDING"))
		Expect(order).NotTo(HaveKey("activation_code"))
		Expect(client.get(orderPath(order) + "/qr.png").status).To(Equal(http.StatusNotFound))

		By("cancelling it")
		cancelled := client.post(orderPath(order)+"/cancel", nil)
		Expect(cancelled.status).To(Equal(http.StatusOK), string(cancelled.body))
		Expect(cancelled.object()).To(HaveKeyWithValue("status", "CANCELLED"))
		Expect(client.post(orderPath(order)+"/cancel", nil).status).To(Equal(http.StatusOK), "to cancel twice does no harm")
	})

	It("answers FAILED with the reason where no plan has the amount", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-failed", testshop.Options{})
		order := client.post("/api/v1/esim/orders", map[string]any{"product_id": productOf(client, shop), "amount": 4.75}).object()
		Expect(order).To(HaveKeyWithValue("status", "FAILED"))
		Expect(order).To(HaveKeyWithValue("failure_code", "INVALID_PLAN"))
		Expect(order).To(HaveKeyWithValue("is_user_fixable", true))
		Expect(client.post(orderPath(order)+"/cancel", nil).status).To(Equal(http.StatusConflict))
	})

	It("does not stop an order whose client hangs up", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-hang-up", testshop.Options{Stock: 1})
		product := productOf(client, shop)
		client.post("/api/v1/esim/orders", map[string]any{"product_id": product, "amount": 4.5})
		gone, hangUp := context.WithCancel(ctx)
		asked := make(chan error, 1)
		go func() {
			defer GinkgoRecover()
			_, err := client.try(gone, http.MethodPost, "/api/v1/esim/orders",
				map[string]any{"product_id": product, "amount": 4.5, "client_reference": "LATE"})
			asked <- err
		}()
		Eventually(func() []any { return client.get("/api/v1/esim/orders?client_reference=LATE").list() }).Should(HaveLen(1))
		hangUp()
		Eventually(asked).Should(Receive(HaveOccurred()))
		Expect(shop.SMDP.SetStock(testshop.Plan, 5)).To(Succeed())
		waited := client.get("/api/v1/esim/orders?client_reference=LATE").list()[0].(map[string]any)
		Expect(client.get(orderPath(waited), "Prefer", "wait=60").object()).To(HaveKeyWithValue("status", "DELIVERED"))
	})

	It("sets where the receipt goes, and refuses what is no address", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-email", testshop.Options{})
		order := client.post("/api/v1/esim/orders", map[string]any{"product_id": productOf(client, shop), "amount": 4.5}).object()
		answer := client.do(ctx, http.MethodPatch, orderPath(order)+"/notification-email", map[string]any{"email": "bob@example.com"})
		Expect(answer.status).To(Equal(http.StatusOK), string(answer.body))
		Expect(answer.object()).To(HaveKeyWithValue("notification_email", "bob@example.com"))
		Expect(answer.object()).NotTo(HaveKey("activation_code"))
		refused := client.do(ctx, http.MethodPatch, orderPath(order)+"/notification-email", map[string]any{"email": "bob"})
		Expect(refused.status).To(Equal(http.StatusBadRequest))
		Expect(refused.problem()["message"]).To(HavePrefix("email must be an address"))
	})
})

var _ = Describe("A client_reference", func() {
	// hundred sends one request a hundred times at one moment, to two replicas in turn. Each has
	// caches of its own.
	hundred := func(client *caller, body map[string]any, headers ...string) []answered {
		GinkgoHelper()
		var wait sync.WaitGroup
		answers := make([]answered, 100)
		for i := range answers {
			wait.Go(func() {
				defer GinkgoRecover()
				answers[i] = client.at(replicas[i%2]).post("/api/v1/esim/orders", body, headers...)
			})
		}
		wait.Wait()
		return answers
	}

	It("makes one order of a hundred requests at once over two replicas", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-hundred", testshop.Options{})
		body := map[string]any{"product_id": productOf(client, shop), "amount": 4.5, "client_reference": "ONCE"}
		var made int64
		refused := map[int64]int{}
		for _, answer := range hundred(client, body) {
			if answer.status == http.StatusOK {
				Expect(made).To(BeZero(), "a second order")
				made = number(answer.object()["id"])
				continue
			}
			Expect(answer.status).To(Equal(http.StatusBadRequest), string(answer.body))
			Expect(answer.problem()).To(HaveKeyWithValue("message", "Duplicate client_reference"))
			refused[number(answer.problem()["order_id"])]++
		}
		Expect(refused).To(Equal(map[int64]int{made: 99}))
		Expect(shop.Bought()).To(Equal(1))
	})

	It("answers the one order to a hundred who say that they may be repeats, at once over two replicas", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-repeats", testshop.Options{})
		body := map[string]any{"product_id": productOf(client, shop), "amount": 4.5, "client_reference": "ONCE"}
		answers := hundred(client, body, "Idempotency-Key", `"ONCE"`)
		first := answers[0].object()
		for _, answer := range answers {
			Expect(answer.status).To(Equal(http.StatusOK), string(answer.body))
			Expect(answer.object()).To(HaveKeyWithValue("id", first["id"]))
			Expect(answer.object()).To(HaveKeyWithValue("status", "DELIVERED"))
			Expect(answer.object()).To(HaveKeyWithValue("activation_code", first["activation_code"]))
		}
		Expect(shop.Bought()).To(Equal(1))

		By("refusing another request with the key")
		body["amount"] = 9.5
		Expect(client.post("/api/v1/esim/orders", body, "Idempotency-Key", "ONCE").status).To(Equal(http.StatusBadRequest))
	})
})

var _ = Describe("Requests that wait", func() {
	It("are all answered once there is stock, many at one time", func(ctx SpecContext) {
		const many = 200
		shop, client := newShop(ctx, "rest-waiting", testshop.Options{Stock: 1, Operator: func(o *v1alpha1.EsimOperator) { o.Spec.Limits.InFlight = 200 }})
		product := productOf(client, shop)
		client.post("/api/v1/esim/orders", map[string]any{"product_id": product, "amount": 4.5})
		var wait sync.WaitGroup
		answers := make([]answered, many)
		for i := range answers {
			wait.Go(func() {
				defer GinkgoRecover()
				reference := fmt.Sprintf("WAIT_%d", i)
				body := map[string]any{"product_id": product, "amount": 4.5, "client_reference": reference}
				answers[i] = client.at(replicas[i%2]).post("/api/v1/esim/orders", body)
				Expect(answers[i].status).To(Equal(http.StatusOK), string(answers[i].body))
			})
		}
		Eventually(func() string {
			return client.get("/api/v1/esim/orders?status=PENDING&per_page=1").header.Get("X-Total-Count")
		}).Should(Equal(strconv.Itoa(many)))
		Expect(shop.SMDP.SetStock(testshop.Plan, 10*many)).To(Succeed())
		wait.Wait()
		for _, answer := range answers {
			Expect(string(answer.body)).To(ContainSubstring(`"status":"DELIVERED"`))
			Expect(strings.Count(string(answer.body), "LPA:1$")).To(Equal(1))
		}
	}, NodeTimeout(2*time.Minute))
})
