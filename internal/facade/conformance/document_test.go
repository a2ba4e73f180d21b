package conformance_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/facade/conformance"
)

// What the contract names, operation by operation. A status that is missing in the document
// is one that clients in other languages would not know how to read.
const (
	open     = "500"                 // what can always happen
	limited  = "401 403 429 500 503" // with a token, limits and the cluster behind
	withBody = "400 413 415"
)

func statuses(lists ...string) []string {
	all := strings.Fields(strings.Join(lists, " "))
	slices.Sort(all)
	return slices.Compact(all)
}

var contract = map[string][]string{
	"POST /auth/login":   statuses("200", withBody, limited),
	"POST /auth/refresh": statuses("200", withBody, limited),
	"POST /auth/logout":  statuses("200", limited),

	"GET /api/v1/esim/products":               statuses("200 400", limited),
	"GET /api/v1/esim/products/{id}":          statuses("200 400 404", limited),
	"GET /api/v1/esim/products/{id}/variants": statuses("200 400 404", limited),
	"GET /api/v1/esim/variants/{id}":          statuses("200 400 404", limited),

	"POST /api/v1/esim/charges":                         statuses("200", withBody, limited),
	"GET /api/v1/esim/orders":                           statuses("200 400", limited),
	"POST /api/v1/esim/orders":                          statuses("200", withBody, limited),
	"GET /api/v1/esim/orders/{id}":                      statuses("200 400 404", limited),
	"PATCH /api/v1/esim/orders/{id}/notification-email": statuses("200 404", withBody, limited),
	"POST /api/v1/esim/orders/{id}/cancel":              statuses("200 202 400 404 409", limited),
	"GET /api/v1/esim/orders/{id}/qr.png":               statuses("200 400 404", limited),
	"GET /api/v1/esim/orders/{id}/qr.svg":               statuses("200 400 404", limited),

	"GET /api/v1/wallets":      statuses("200", limited),
	"GET /api/v1/transactions": statuses("200 400", limited),

	"GET /openapi.yaml": statuses("200", open),
	"GET /docs":         statuses("200", open),
	"GET /healthz":      statuses("200", open),
	"GET /readyz":       statuses("200 503", open),
}

// errorsOf is the contract's table: the name and the code that a status can have.
var errorsOf = map[string][]string{
	"400": {"BadRequestError BAD_REQUEST", "ValidationException VALIDATION_FAILURE"},
	"401": {"UnauthorizedError UNAUTHORIZED"},
	"403": {"ForbiddenError FORBIDDEN"},
	"404": {"NotFoundError NOT_FOUND"},
	"405": {"MethodNotAllowedError METHOD_NOT_ALLOWED"},
	"409": {"ConflictError CONFLICT"},
	"413": {"PayloadTooLargeError PAYLOAD_TOO_LARGE"},
	"415": {"UnsupportedMediaTypeError UNSUPPORTED_MEDIA_TYPE"},
	"429": {"TooManyRequestsError TOO_MANY_REQUESTS"},
	"500": {"InternalServerError INTERNAL_SERVER_ERROR"},
	"503": {"ServiceUnavailableError SERVICE_UNAVAILABLE"},
}

// headersOf is what answers of a status carry besides X-Request-Id.
var headersOf = map[string]string{"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After", "503": "Retry-After"}

func document(t *testing.T) *openapi3.T {
	t.Helper()
	read, err := conformance.Document()
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// answers calls back with every answer of the document.
func answers(read *openapi3.T, each func(operation, status string, answer *openapi3.Response)) {
	for path, item := range read.Paths.Map() {
		for method, operation := range item.Operations() {
			for status, answer := range operation.Responses.Map() {
				each(method+" "+path, status, answer.Value)
			}
		}
	}
	each("any other", "405", read.Components.Responses["MethodNotAllowed"].Value)
}

// A client must find every operation, and every way in which it can end.
func TestTheDocumentHasWhatTheContractNames(t *testing.T) {
	got := map[string][]string{}
	answers(document(t), func(operation, status string, _ *openapi3.Response) {
		got[operation] = append(got[operation], status)
	})
	delete(got, "any other")
	for operation := range got {
		slices.Sort(got[operation])
	}
	if diff := cmp.Diff(contract, got); diff != "" {
		t.Errorf("operations and their statuses (-contract +document):\n%s", diff)
	}
}

// Clients switch on an error's code and wait as its headers say.
func TestErrorsAreThoseOfTheContract(t *testing.T) {
	answers(document(t), func(operation, status string, answer *openapi3.Response) {
		where := operation + " " + status
		if status >= "400" {
			for name, example := range answer.Content["application/json"].Examples {
				body, _ := example.Value.Value.(map[string]any)
				details, _ := body["error"].(map[string]any)
				if got := fmt.Sprint(details["name"], " ", details["code"]); !slices.Contains(errorsOf[status], got) {
					t.Errorf("%s, %s: the example is %s, the contract has %s", where, name, got, errorsOf[status])
				}
			}
		}
		for _, name := range []string{"X-Request-Id", headersOf[status]} {
			if name != "" && (answer.Headers[name] == nil || !answer.Headers[name].Value.Required) {
				t.Errorf("%s: the header %s is not there, or not always", where, name)
			}
		}
	})
}

// Pages of all lists are turned in the same way.
func TestListsHavePages(t *testing.T) {
	read := document(t)
	for _, path := range []string{"/api/v1/esim/products", "/api/v1/esim/orders", "/api/v1/transactions"} {
		list := read.Paths.Value(path).Get
		for _, name := range []string{"page", "per_page", "limit"} {
			if list.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
				t.Errorf("%s does not take %s", path, name)
			}
		}
		got := slices.Sorted(maps.Keys(list.Responses.Status(http.StatusOK).Value.Headers))
		want := []string{"X-Has-More", "X-Page", "X-Page-Size", "X-Per-Page", "X-Request-Id", "X-Total-Count", "X-Total-Pages"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the headers (-want +got):\n%s", path, diff)
		}
	}
}

// Answers with credentials must not be stored on their way.
func TestCredentialsAreNotStored(t *testing.T) {
	got := []string{}
	answers(document(t), func(operation, status string, answer *openapi3.Response) {
		if header := answer.Headers["Cache-Control"]; header != nil && header.Value.Required {
			got = append(got, operation+" "+status)
		}
	})
	slices.Sort(got)
	want := []string{
		"GET /api/v1/esim/orders/{id} 200", "GET /api/v1/esim/orders/{id}/qr.png 200", "GET /api/v1/esim/orders/{id}/qr.svg 200",
		"POST /api/v1/esim/orders 200", "POST /auth/login 200", "POST /auth/refresh 200",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers that nobody may store (-want +got):\n%s", diff)
	}
}

// All but logging in, this document and the probes need a token.
func TestWhatNeedsNoToken(t *testing.T) {
	read := document(t)
	if len(read.Security) == 0 {
		t.Error("the document asks for no token")
	}
	got := []string{}
	for path, item := range read.Paths.Map() {
		for _, operation := range item.Operations() {
			if operation.Security != nil && len(*operation.Security) == 0 {
				got = append(got, path)
			}
		}
	}
	slices.Sort(got)
	want := []string{"/auth/login", "/auth/refresh", "/docs", "/healthz", "/openapi.yaml", "/readyz"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations without a token (-want +got):\n%s", diff)
	}
}

// Somebody who writes a client in another language learns from examples. That they fit
// their schemas is part of the document's validation.
func TestEverythingHasAnExample(t *testing.T) {
	read := document(t)
	answers(read, func(operation, status string, answer *openapi3.Response) {
		if media := answer.Content["application/json"]; media != nil {
			if len(media.Examples) == 0 {
				t.Errorf("%s %s has no example", operation, status)
			}
		}
	})
	for name, body := range read.Components.RequestBodies {
		if len(body.Value.Content["application/json"].Examples) == 0 {
			t.Errorf("the request body %s has no example", name)
		}
	}
	for name, schema := range read.Components.Schemas {
		if schema.Value.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for field, property := range schema.Value.Properties {
			leaf := !property.Value.Type.Is(openapi3.TypeObject) && !property.Value.Type.Is(openapi3.TypeArray)
			if leaf && property.Value.Example == nil {
				t.Errorf("%s.%s has no example", name, field)
			}
			if property.Value.Description == "" {
				t.Errorf("%s.%s has no description", name, field)
			}
			if property.Value.Nullable {
				t.Errorf("%s.%s may be null; what is absent is left out", name, field)
			}
		}
	}
}

// An example that does not fit its schema must be found, or the tests above prove little.
func TestAnExampleThatDoesNotFitIsFound(t *testing.T) {
	read := document(t)
	read.Components.Examples["PendingOrder"].Value.Value.(map[string]any)["amount"] = "4.275"
	if err := read.Validate(t.Context(), openapi3.EnableExamplesValidation()); err == nil {
		t.Error("an amount in quotes passes for an example")
	}
}
