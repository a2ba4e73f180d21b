package conformance_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/facade/conformance"
)

const (
	product = `[{"id":712,"name":"Japan eSIM","country_code":"JPN","currency_code":"USD","image_url":""}]`
	order   = `{"id":9302481,"status":"DELIVERED","status_text":"Delivered","product_name":"Japan eSIM","country_code":"JPN",` +
		`"amount":4.275,"currency":"USD","is_installed":false,"created_at":"2026-05-15T14:30:00Z","updated_at":"2026-05-15T14:30:00Z"`
	notFound = `{"error":{"name":"NotFoundError","code":"NOT_FOUND","message":"Not found"}}`
	method   = `{"error":{"name":"MethodNotAllowedError","code":"METHOD_NOT_ALLOWED","message":"Method not allowed"}}`
	invalid  = `{"error":{"name":"ValidationException","code":"VALIDATION_FAILURE","message":"page must be at least 1"}}`
)

// page is the headers of a list, with changes: a header with an empty value is left out.
func page(changes ...string) http.Header {
	return header(append([]string{
		"X-Page", "1", "X-Per-Page", "50", "X-Total-Count", "1", "X-Total-Pages", "1", "X-Page-Size", "1", "X-Has-More", "false",
	}, changes...)...)
}

// header is what every JSON answer has, and pairs of names and values.
func header(pairs ...string) http.Header {
	h := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"2Zk9xYJmPYFHvVvN5NuvjDPCsJS"}}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			h.Del(pairs[i])
		} else {
			h.Set(pairs[i], pairs[i+1])
		}
	}
	return h
}

// A facade that drifts from its document must be found out, whatever the drift.
func TestWhatIsNotInTheDocumentIsFound(t *testing.T) {
	checker, err := conformance.New()
	if err != nil {
		t.Fatal(err)
	}
	noStore := []string{"Cache-Control", "no-store"}
	for name, test := range map[string]struct {
		request string
		body    string
		status  int
		header  http.Header
		answer  string
		want    string // part of the error; empty for none
	}{
		"a list":                              {"GET /api/v1/esim/products", "", 200, page(), product, ""},
		"a list with an unknown parameter":    {"GET /api/v1/esim/products?colour=red", "", 200, page(), product, ""},
		"an empty list":                       {"GET /api/v1/esim/products", "", 200, page(), "[]", ""},
		"a list that is null":                 {"GET /api/v1/esim/products", "", 200, page(), "null", "not as the document says"},
		"a header that is missing":            {"GET /api/v1/esim/products", "", 200, page("X-Has-More", ""), product, `"X-Has-More" missing`},
		"a header of the wrong type":          {"GET /api/v1/esim/products", "", 200, page("X-Page", "first"), product, `"X-Page"`},
		"no request id":                       {"GET /api/v1/esim/products", "", 200, page("X-Request-Id", ""), product, `"X-Request-Id" missing`},
		"a content type":                      {"GET /api/v1/esim/products", "", 200, page("Content-Type", "text/html"), product, "content type"},
		"a status":                            {"GET /api/v1/esim/products", "", 204, page(), "", "does not have this status"},
		"a field that is new":                 {"GET /api/v1/esim/products", "", 200, page(), strings.Replace(product, "}", `,"new":1}`, 1), `"new" is unsupported`},
		"a field that is missing":             {"GET /api/v1/esim/products", "", 200, page(), strings.Replace(product, `,"image_url":""`, "", 1), `"image_url" is missing`},
		"a field that is null":                {"GET /api/v1/esim/products", "", 200, page(), strings.Replace(product, `""`, "null", 1), "/0/image_url"},
		"a page beyond the bounds is taken":   {"GET /api/v1/esim/products?per_page=501", "", 200, page(), product, "does not allow the request"},
		"a page beyond the bounds is refused": {"GET /api/v1/esim/products?per_page=501", "", 400, header(), invalid, ""},
		"a status word is taken":              {"GET /api/v1/esim/orders?status=LOST", "", 200, page(), "[]", "does not allow the request"},
		"an error of another status":          {"GET /api/v1/esim/products", "", 400, header(), notFound, "no error NotFoundError"},
		"an error without its name":           {"GET /api/v1/esim/products/1", "", 404, header(), `{"error":{"code":"NOT_FOUND","message":""}}`, `"name" is missing`},
		"a 401 that does not say how":         {"GET /api/v1/esim/products", "", 401, header(), strings.NewReplacer("NotFoundError", "UnauthorizedError", "NOT_FOUND", "UNAUTHORIZED").Replace(notFound), `"WWW-Authenticate" missing`},
		"an order":                            {"POST /api/v1/esim/orders", `{"product_id":712,"amount":4.50,"later":true}`, 200, header(noStore...), order + `,"activation_code":"LPA:1$a.example$B"}`, ""},
		"an order without a product":          {"POST /api/v1/esim/orders", `{"amount":4.50}`, 200, header(noStore...), order + "}", "does not allow the request"},
		"an amount in quotes":                 {"POST /api/v1/esim/orders", `{"product_id":712,"amount":"4.50"}`, 200, header(noStore...), order + "}", "does not allow the request"},
		"a code that may be stored":           {"GET /api/v1/esim/orders/9302481", "", 200, header(), order + "}", `"Cache-Control" missing`},
		"an amount in quotes in the answer":   {"GET /api/v1/esim/orders/9302481", "", 200, header(noStore...), strings.Replace(order, "4.275", `"4.275"`, 1) + "}", "/amount"},
		"a time that is none":                 {"GET /api/v1/esim/orders/9302481", "", 200, header(noStore...), strings.Replace(order, "2026-05-15T14:30:00Z", "yesterday", 1) + "}", "/created_at"},
		"an id that is no number":             {"GET /api/v1/esim/orders/first", "", 200, header(noStore...), order + "}", "does not allow the request"},
		"a code in a list":                    {"GET /api/v1/esim/orders", "", 200, page(), "[" + order + `,"activation_code":"LPA:1$a.example$B"}]`, "activation code is in the answer to listOrders"},
		"a code after cancelling":             {"POST /api/v1/esim/orders/9302481/cancel", "", 200, header(), order + `,"activation_code":"LPA:1$a.example$B"}`, "activation code is in the answer to cancelOrder"},
		"a picture":                           {"GET /api/v1/esim/orders/9302481/qr.png", "", 200, header("Content-Type", "image/png", "Cache-Control", "no-store"), "\x89PNG", ""},
		"a picture that may be stored":        {"GET /api/v1/esim/orders/9302481/qr.png", "", 200, header("Content-Type", "image/png"), "\x89PNG", `"Cache-Control" missing`},
		"no picture":                          {"GET /api/v1/esim/orders/9302481/qr.svg", "", 200, header("Content-Type", "image/svg+xml", "Cache-Control", "no-store"), "", "empty"},
		"a probe":                             {"GET /healthz", "", 200, header("Content-Type", "text/plain; charset=utf-8"), "ok", ""},
		"HEAD":                                {"HEAD /api/v1/esim/products", "", 200, page(), "", ""},
		"HEAD without a header":               {"HEAD /api/v1/esim/products", "", 200, page("X-Page", ""), "", `"X-Page" missing`},
		"a path that is unknown":              {"GET /api/v1/esim/secrets", "", 404, header(), notFound, ""},
		"a path that is unknown and answered": {"GET /api/v1/esim/secrets", "", 200, header(), "{}", "must be 404"},
		"a path with a slash too many":        {"GET /api/v1/esim/orders/1/", "", 404, header(), notFound, ""},
		"a method that is unknown":            {"DELETE /api/v1/esim/orders", "", 405, header("Allow", "GET, HEAD, POST"), method, ""},
		"a method that is unknown and hidden": {"DELETE /api/v1/esim/orders", "", 404, header(), notFound, "must be 405"},
		"a method that Allow leaves out":      {"DELETE /api/v1/esim/orders", "", 405, header("Allow", "GET"), method, "Allow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // with the one checker, as the facade's tests will
			verb, target, _ := strings.Cut(test.request, " ")
			request := httptest.NewRequest(verb, target, nil)
			if test.body != "" {
				request.Header.Set("Content-Type", "application/json")
			}
			err := checker.Check(conformance.Exchange{
				Request: request, RequestBody: []byte(test.body),
				Status: test.status, Header: test.header, Body: []byte(test.answer),
			})
			switch {
			case test.want == "" && err != nil:
				t.Errorf("a sound exchange is found wrong: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// What a test prints must not carry the credentials of the answer that it found wrong.
func TestAnErrorDoesNotRepeatTheAnswer(t *testing.T) {
	checker, err := conformance.New()
	if err != nil {
		t.Fatal(err)
	}
	const secret = "LPA:1$rsp.example.com$04386-AGYFT"
	err = checker.Check(conformance.Exchange{
		Request: httptest.NewRequest(http.MethodGet, "/api/v1/esim/orders/9302481", nil),
		Status:  200, Header: header("Cache-Control", "no-store"),
		Body: []byte(order + `,"activation_code":["` + secret + `"]}`),
	})
	if err == nil {
		t.Fatal("a code in a list is not found")
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the code is in the error")
	}
}
