// Package conformance is for tests: it holds the requests that the REST facade takes and the
// answers that it gives against the API's document, so that neither drifts from it.
//
// What is held:
//   - A request that the document does not allow must not succeed. Otherwise the document
//     is stricter than the server, and clients that follow it leave out what works.
//   - An answer has a status, headers, a content type and a body that the document names
//     for the operation. Answers may not have fields that the document has not, nor null.
//   - An error's name and code are those of one of the examples of that answer.
//   - An activation code is in no other answer than to buying an order or getting one.
//   - What is no operation is 404, or 405 with the path's methods in Allow.
package conformance

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/telcodev/esim-operator/api/rest"
)

// Checker holds requests and answers against the API's document. It may be used by many
// goroutines at once.
type Checker struct {
	document *openapi3.T
	router   routers.Router
	// other is the operation that stands for all requests that are none.
	other *openapi3.Operation
}

// New reads the API's document. It is an error if the document is not valid in itself, which
// includes its examples.
func New() (*Checker, error) {
	document, err := Document()
	if err != nil {
		return nil, err
	}
	// The paths count, whatever host a test serves them on.
	document.Servers = nil
	closeAnswers(document)
	router, err := legacy.NewRouter(document)
	if err != nil {
		return nil, fmt.Errorf("reading the operations of the API's document: %w", err)
	}
	other := openapi3.NewResponses(
		openapi3.WithStatus(http.StatusNotFound, document.Components.Responses["NotFound"]),
		openapi3.WithStatus(http.StatusMethodNotAllowed, document.Components.Responses["MethodNotAllowed"]),
	)
	other.Delete("default")
	return &Checker{document: document, router: router, other: &openapi3.Operation{Responses: other}}, nil
}

// Document returns the API's document, read and validated together with its examples.
func Document() (*openapi3.T, error) {
	document, err := openapi3.NewLoader().LoadFromData(rest.Document())
	if err != nil {
		return nil, fmt.Errorf("reading the API's document: %w", err)
	}
	err = document.Validate(context.Background(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation(), openapi3.EnableMultiError())
	if err != nil {
		return nil, fmt.Errorf("validating the API's document: %w", err)
	}
	return document, nil
}

// closeAnswers forbids fields in answers that the document does not name. The document itself
// leaves them open: clients must live with fields that are added, tests must notice them.
func closeAnswers(document *openapi3.T) {
	seen := map[*openapi3.Schema]bool{}
	for _, path := range document.Paths.Map() {
		for _, operation := range path.Operations() {
			for _, response := range operation.Responses.Map() {
				for _, media := range response.Value.Content {
					closeSchema(media.Schema, seen)
				}
			}
		}
	}
	for _, response := range document.Components.Responses {
		for _, media := range response.Value.Content {
			closeSchema(media.Schema, seen)
		}
	}
}

// closeSchema closes one schema and what is in it.
func closeSchema(schema *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if schema == nil || schema.Value == nil || seen[schema.Value] {
		return
	}
	seen[schema.Value] = true
	if schema.Value.Type.Is(openapi3.TypeObject) {
		no := false
		schema.Value.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
	}
	closeSchema(schema.Value.Items, seen)
	for _, property := range schema.Value.Properties {
		closeSchema(property, seen)
	}
}

// route finds a request's operation. For what is none it is c.other, with the methods that
// the path has.
func (c *Checker) route(request *http.Request) (route *routers.Route, variables map[string]string, methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace} {
		asked := request.Clone(request.Context())
		asked.Method = method
		found, values, err := c.router.FindRoute(asked)
		if err != nil {
			continue
		}
		methods = append(methods, method)
		// HEAD is GET without a body (RFC 9110 section 9.3.2).
		if method == request.Method || method == http.MethodGet && request.Method == http.MethodHead {
			route, variables = found, values
		}
	}
	if route == nil {
		route = &routers.Route{Spec: c.document, PathItem: &openapi3.PathItem{}, Method: request.Method, Path: request.URL.Path, Operation: c.other}
	}
	return route, variables, methods
}

// Operations returns the operationId of every operation, sorted: to tell which of them no
// test has asked for.
func (c *Checker) Operations() []string {
	ids := map[string]bool{}
	for _, path := range c.document.Paths.Map() {
		for _, operation := range path.Operations() {
			ids[operation.OperationID] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
