package facade_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/telcodev/esim-operator/internal/testshop"
)

var _ = Describe("A request that is not as documented", Ordered, func() {
	var (
		client  *caller
		product int64
	)
	BeforeAll(func(ctx SpecContext) {
		var shop *testshop.Shop
		shop, client = newShop(ctx, "rest-hardening", testshop.Options{})
		product = productOf(client, shop)
	})

	DescribeTable("is refused, and the message names the field",
		func(body, message string) {
			body = strings.ReplaceAll(body, "PRODUCT", fmt.Sprint(product))
			answer := client.post("/api/v1/esim/orders", body)
			Expect(answer.status).To(Equal(http.StatusBadRequest), string(answer.body))
			Expect(answer.problem()).To(HaveKeyWithValue("code", "VALIDATION_FAILURE"))
			Expect(answer.problem()["message"]).To(ContainSubstring(message))
		},
		Entry("no body", "", "the body must be a JSON object"),
		Entry("no JSON", `{"product_id":`, "well-formed JSON"),
		Entry("a list", `[1]`, "must be a JSON object"),
		Entry("null", `null`, "must be a JSON object"),
		Entry("two objects", `{"product_id":1,"amount":1} {}`, "nothing else"),
		Entry("text that is not UTF-8", "{\"product_id\":1,\"amount\":1,\"client_reference\":\"\xff\"}", "UTF-8"),
		Entry("a field that is there twice", `{"product_id":1,"product_id":2,"amount":1}`, `"product_id" must be given once`),
		Entry("a field of a nested object that is there twice", `{"product_id":1,"amount":1,"x":{"a":1,"a":2}}`, `"a" must be given once`),
		Entry("values nested too deep", `{"product_id":1,"amount":1,"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`, "nested"),
		Entry("a missing field", `{"amount":4.5}`, "product_id is required"),
		Entry("a field in another case", `{"PRODUCT_ID":1,"amount":4.5}`, "product_id is required"),
		Entry("null for a field", `{"product_id":1,"amount":4.5,"client_reference":null}`, "client_reference must not be null"),
		Entry("an id of 0", `{"product_id":0,"amount":4.5}`, "product_id must be greater than 0"),
		Entry("an id beyond int64", `{"product_id":9223372036854775808,"amount":4.5}`, "product_id must be greater than 0"),
		Entry("an id in quotes", `{"product_id":"1","amount":4.5}`, "product_id must be a whole number"),
		Entry("a number that no amount is", `{"product_id":1,"amount":1e400}`, "amount has more digits"),
		Entry("an amount in quotes", `{"product_id":1,"amount":"4.5"}`, "amount must be a number"),
		Entry("a negative amount", `{"product_id":1,"amount":-4.5}`, "amount must not be negative"),
		Entry("an amount with more decimals than any price", `{"product_id":PRODUCT,"amount":4.50001}`, "4 after it"),
		Entry("a reference with a control character", `{"product_id":1,"amount":4.5,"client_reference":"a\nb"}`, "client_reference must match"),
		Entry("a reference that is too long", `{"product_id":1,"amount":4.5,"client_reference":"`+strings.Repeat("a", 256)+`"}`, "between 1 and 255"),
		Entry("an e-mail address that is none", `{"product_id":1,"amount":4.5,"notification_email":"ann"}`, "notification_email must be an address"),
	)

	DescribeTable("is refused for its parameters",
		func(path, message string) {
			answer := client.get(path)
			Expect(answer.status).To(Equal(http.StatusBadRequest), string(answer.body))
			Expect(answer.problem()["message"]).To(ContainSubstring(message))
		},
		Entry("no items on a page", "/api/v1/esim/orders?per_page=0", "per_page must be between 1 and 500"),
		Entry("too many items on a page", "/api/v1/esim/products?limit=501", "limit must be between 1 and 500"),
		Entry("a negative page", "/api/v1/transactions?page=-1", "page must be greater than 0"),
		Entry("two pages", "/api/v1/esim/orders?page=1&page=2", "page must be given once"),
		Entry("an unknown status", "/api/v1/esim/orders?status=LOST", "status must be one of PENDING, DELIVERED, FAILED, CANCELLED"),
		Entry("no time", "/api/v1/esim/orders?created_from=yesterday", "created_from must be a time"),
		Entry("an id that is no number", "/api/v1/esim/orders/abc", "id must be a whole number"),
		Entry("an id beyond int64", "/api/v1/esim/orders/99999999999999999999", "id must be greater than 0"),
		Entry("a malformed query", "/api/v1/esim/products?search=%zz", "the query is malformed"),
	)

	It("is 413, 415, 404 or 405 where the form is all wrong", func(ctx SpecContext) {
		Expect(client.post("/api/v1/esim/orders", `{"x":"`+strings.Repeat("a", 64<<10)+`"}`).status).To(Equal(http.StatusRequestEntityTooLarge))
		Expect(client.post("/api/v1/esim/charges", `{}`, "Content-Type", "text/plain").status).To(Equal(http.StatusUnsupportedMediaType))
		for _, path := range []string{"/", "/api", "/API/v1/esim/orders", "/api/v1/esim/products/1%2F2"} {
			Expect(client.get(path).status).To(Equal(http.StatusNotFound), path)
		}
		answer := client.do(ctx, http.MethodDelete, "/api/v1/esim/orders", nil)
		Expect(answer.status).To(Equal(http.StatusMethodNotAllowed))
		Expect(answer.header.Get("Allow")).To(Equal("GET, HEAD, POST"))
		Expect(client.do(ctx, "BREW", "/healthz", nil).status).To(Equal(http.StatusMethodNotAllowed))
		Expect(client.get("/healthz", "X-Request-Id", "mine").header.Get("X-Request-Id")).To(Equal("mine"))
		Expect(client.get("/api/v1/esim/products", "X-Request-Id", strings.Repeat("x", 129)).header.Get("X-Request-Id")).To(HaveLen(27))
	})

	DescribeTable("is answered as what it is where no client library would send it",
		func(ctx SpecContext, head string, status int) {
			head = strings.ReplaceAll(head, "TOKEN", client.token)
			answer := raw(ctx, client.base, strings.ReplaceAll(head, "\n", "\r\n")+"\r\nHost: x\r\nConnection: close\r\n\r\n")
			Expect(answer.StatusCode).To(Equal(status))
			Expect(answer.Header.Get("X-Request-Id")).NotTo(BeEmpty())
			Expect(answer.Header.Get("Content-Type")).To(Equal("application/json"))
		},
		Entry("about the whole server", "OPTIONS * HTTP/1.1", http.StatusNotFound),
		Entry("to a proxy", "CONNECT elsewhere:80 HTTP/1.1", http.StatusNotFound),
		Entry("with a method in small letters", "get /api/v1/wallets HTTP/1.1", http.StatusMethodNotAllowed),
		Entry("that wants its headers back", "TRACE /api/v1/wallets HTTP/1.1\nAuthorization: Bearer TOKEN", http.StatusMethodNotAllowed),
		Entry("with its host in the target", "GET http://elsewhere/api/v1/wallets HTTP/1.1\nAuthorization: Bearer TOKEN", http.StatusOK),
		Entry("with two tokens", "GET /api/v1/wallets HTTP/1.1\nAuthorization: Bearer TOKEN\nAuthorization: Bearer TOKEN", http.StatusUnauthorized),
		Entry("with a zero byte in an id", "GET /api/v1/esim/orders/%00 HTTP/1.1\nAuthorization: Bearer TOKEN", http.StatusBadRequest),
		Entry("with length and chunks", "POST /auth/login HTTP/1.1\nContent-Type: application/json\nContent-Length: 3\nTransfer-Encoding: chunked", http.StatusBadRequest),
		Entry("that announces too much", "POST /auth/login HTTP/1.1\nContent-Type: application/json\nExpect: 100-continue\nContent-Length: 65537", http.StatusRequestEntityTooLarge),
		Entry("of HTTP/2 without TLS", "PRI * HTTP/2.0", http.StatusNotFound),
	)

	It("cannot hold a connection for long by sending it slowly", func(ctx SpecContext) {
		answer := raw(ctx, client.base, "POST /api/v1/esim/charges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\nAuthorization: Bearer "+client.token+"\r\n\r\n{")
		Expect(answer.StatusCode).To(Equal(http.StatusBadRequest))
	})
})

// raw sends bytes on a connection of their own, and reads the answer's head.
func raw(ctx context.Context, base, request string) *http.Response {
	GinkgoHelper()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(base, "http://"))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = connection.Close() })
	_, err = io.WriteString(connection, request)
	Expect(err).NotTo(HaveOccurred())
	Expect(connection.SetReadDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(answer.Body.Close()).To(Succeed())
	return answer
}

var _ = Describe("The service's own pages", func() {
	It("need no token, and load nothing from elsewhere", func() {
		nobody := &caller{base: replicas[0]}
		Expect(nobody.get("/openapi.yaml").status).To(Equal(http.StatusOK))
		docs := nobody.get("/docs")
		Expect(docs.status).To(Equal(http.StatusOK))
		Expect(docs.header.Get("Content-Security-Policy")).To(HavePrefix("default-src 'none'; style-src 'sha256-"))
		Expect(docs.header.Get("Content-Security-Policy")).To(HaveSuffix("; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"))
		Expect(docs.header.Get("X-Content-Type-Options")).To(Equal("nosniff"))
		Expect(docs.header.Get("Referrer-Policy")).To(Equal("no-referrer"))
		Expect(string(docs.body)).NotTo(ContainSubstring("<script"))
		Expect(string(docs.body)).NotTo(MatchRegexp(`(?i)(src|href)="?(https?:)?//`))
		Expect(string(docs.body)).To(ContainSubstring("/api/v1/esim/orders/{id}/cancel"))
		Expect(nobody.get("/healthz").status).To(Equal(http.StatusOK))
		Expect(nobody.get("/readyz").status).To(Equal(http.StatusOK))
	})
})
