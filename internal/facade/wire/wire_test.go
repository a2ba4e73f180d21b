package wire_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/api/rest/client"
	"github.com/telcodev/esim-operator/api/rest/decimal"
	"github.com/telcodev/esim-operator/internal/facade/conformance"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// desk answers to one operation, and keeps what it was asked. Asked for another it panics.
type desk struct {
	wire.StrictServerInterface
	asked  wire.CreateOrderRequestObject
	answer wire.Order
}

func (d *desk) CreateOrder(_ context.Context, request wire.CreateOrderRequestObject) (wire.CreateOrderResponseObject, error) {
	d.asked = request
	return wire.CreateOrder200JSONResponse{
		Body:    d.answer,
		Headers: wire.CreateOrder200ResponseHeaders{CacheControl: "no-store"},
	}, nil
}

// named writes the request's id, as the facade does for all requests.
func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		next.ServeHTTP(w, r)
	})
}

// An order must get from the client to the server and back with all that it says, to the
// last digit of its amounts, and as the document has it.
func TestAnOrderSurvivesTheWire(t *testing.T) {
	checker, err := conformance.New()
	if err != nil {
		t.Fatal(err)
	}
	size := decimal.Number("1.50")
	at := time.Date(2026, 5, 15, 14, 30, 0, 0, time.UTC)
	answerer := &desk{answer: wire.Order{
		ID: 1 << 52, Status: wire.OrderStatusPENDING, StatusText: "Waiting", ProductName: "Japan eSIM", CountryCode: "JPN",
		DataAmountGB: &size, Amount: "12345678901.23456789", Currency: "USD", CreatedAt: at, UpdatedAt: at,
	}}
	server := httptest.NewServer(named(wire.Handler(wire.NewStrictHandler(answerer, nil))))
	defer server.Close()

	api, err := client.NewClientWithResponses(server.URL, client.WithHTTPClient(&http.Client{Transport: checker.Transport(t, http.DefaultTransport)}))
	if err != nil {
		t.Fatal(err)
	}
	name, key, reference := "2Zk9xYJmPYFHvVvN5NuvjDPCsJS", `"TRIP"`, "TRIP"
	got, err := api.CreateOrderWithResponse(t.Context(),
		&client.CreateOrderParams{XRequestID: &name, IdempotencyKey: &key},
		client.OrderRequest{ProductID: 712, Amount: "4.50", ClientReference: &reference})
	if err != nil {
		t.Fatal(err)
	}
	want := wire.CreateOrderRequestObject{
		Params: wire.CreateOrderParams{IdempotencyKey: &key},
		Body:   &wire.OrderRequest{ProductID: 712, Amount: "4.50", ClientReference: &reference},
	}
	if diff := cmp.Diff(want, answerer.asked); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&client.Order{
		ID: 1 << 52, Status: client.OrderStatusPENDING, StatusText: "Waiting", ProductName: "Japan eSIM", CountryCode: "JPN",
		DataAmountGB: &size, Amount: "12345678901.23456789", Currency: "USD", CreatedAt: at, UpdatedAt: at,
	}, got.JSON200); diff != "" {
		t.Errorf("what came back (-want +got):\n%s", diff)
	}
	if strings.Contains(string(got.Body), "null") {
		t.Errorf("what is absent is null: %s", got.Body)
	}
}

// An amount that was forgotten in an answer must not become a number that nobody meant.
func TestAnAnswerWithoutItsAmountIsAnError(t *testing.T) {
	server := httptest.NewServer(named(wire.Handler(wire.NewStrictHandler(&desk{}, nil))))
	defer server.Close()
	response, err := http.Post(server.URL+"/api/v1/esim/orders", "application/json", strings.NewReader(`{"product_id":712,"amount":4.5}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusInternalServerError {
		t.Errorf("it was answered with %d", response.StatusCode)
	}
}

// No number may pass through a binary float, in the server or in the client.
func TestNoNumberIsAFloat(t *testing.T) {
	for _, generated := range []string{"wire.gen.go", "../../../api/rest/client/client.gen.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), generated, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		decimals := 0
		ast.Inspect(file, func(node ast.Node) bool {
			switch name, _ := node.(*ast.Ident); {
			case name == nil:
			case strings.HasPrefix(name.Name, "float"):
				t.Errorf("%s has a %s", generated, name.Name)
			case name.Name == "decimal":
				decimals++
			}
			return true
		})
		if decimals == 0 {
			t.Errorf("%s has no decimals: the check looks at nothing", generated)
		}
	}
}
