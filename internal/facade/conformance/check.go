package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Exchange is a request and the answer that it got.
type Exchange struct {
	// Request with its method, URL and headers; its body is in RequestBody.
	Request     *http.Request
	RequestBody []byte
	// Status, Header and Body of the answer.
	Status int
	Header http.Header
	Body   []byte
}

// Check returns what is wrong with an exchange, all of it in one error, nil for nothing. The
// error names operation and status. It does not repeat bodies, which may hold credentials.
func (c *Checker) Check(exchange Exchange) error {
	route, variables, methods := c.route(exchange.Request)
	checked := &check{Exchange: exchange, route: route, variables: variables}
	if route.Operation == c.other {
		checked.outside(methods)
	} else {
		checked.request()
	}
	checked.answer()
	if len(checked.found) == 0 {
		return nil
	}
	return fmt.Errorf("%s %s answered %d: %w", exchange.Request.Method, route.Path, exchange.Status, errors.Join(checked.found...))
}

// check gathers what is wrong with one exchange.
type check struct {
	Exchange
	route     *routers.Route
	variables map[string]string
	found     []error
}

func (c *check) wrong(format string, arguments ...any) {
	c.found = append(c.found, fmt.Errorf(format, arguments...))
}

// outside holds a request that is no operation to 404, or 405 where the path has methods.
func (c *check) outside(methods []string) {
	want := http.StatusNotFound
	if len(methods) > 0 {
		want = http.StatusMethodNotAllowed
	}
	if c.Status != want {
		c.wrong("the document has no such operation, so it must be %d", want)
		return
	}
	var allowed []string
	for method := range strings.SplitSeq(c.Header.Get("Allow"), ",") {
		if method = strings.TrimSpace(method); method != "" && method != http.MethodHead {
			allowed = append(allowed, method)
		}
	}
	slices.Sort(allowed)
	slices.Sort(methods)
	if !slices.Equal(allowed, methods) {
		c.wrong("Allow names %q, the document has %q", allowed, methods)
	}
}

// request holds that what the document does not allow does not succeed. Who asks is not the
// document's business.
func (c *check) request() {
	if c.Status >= http.StatusBadRequest {
		return
	}
	if err := openapi3filter.ValidateRequest(context.Background(), c.input()); err != nil {
		c.wrong("it succeeded, yet the document does not allow the request: %w", err)
	}
}

// input is the exchange's request in the validator's form, with a body to read.
func (c *check) input() *openapi3filter.RequestValidationInput {
	request := c.Request.Clone(context.Background())
	request.Body = io.NopCloser(bytes.NewReader(c.RequestBody))
	request.ContentLength = int64(len(c.RequestBody))
	return &openapi3filter.RequestValidationInput{
		Request:    request,
		PathParams: c.variables,
		Route:      c.route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc,
			SkipSettingDefaults: true,
		},
	}
}

// answer holds status, headers and body against the document.
func (c *check) answer() {
	response := c.route.Operation.Responses.Status(c.Status)
	if response == nil {
		c.wrong("the document does not have this status")
		return
	}
	if c.Request.Method == http.MethodHead {
		c.headers(response.Value)
		return
	}
	media := response.Value.Content.Get(c.Header.Get("Content-Type"))
	if media == nil {
		c.wrong("the document does not have the content type %q", c.Header.Get("Content-Type"))
		c.headers(response.Value)
		return
	}
	if len(c.Body) == 0 {
		c.wrong("the body is empty")
	}
	// Pictures, pages and YAML have no schema to be held against.
	text := !strings.HasPrefix(c.Header.Get("Content-Type"), "application/json")
	c.validate(text)
	if !text {
		c.errorCode(media)
		c.activationCode()
	}
}

// headers holds the headers alone.
func (c *check) headers(response *openapi3.Response) {
	if len(response.Headers) > 0 {
		c.validate(true)
	}
}

// validate runs the validator over the answer's headers and, unless told, its body.
func (c *check) validate(withoutBody bool) {
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: c.input(),
		Status:                 c.Status,
		Header:                 c.Header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: withoutBody},
	}
	if c.Request.Method == http.MethodHead {
		// The validator passes HEAD over; its headers are those of GET.
		input.RequestValidationInput.Request.Method = http.MethodGet
	}
	input.SetBodyBytes(c.Body)
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		c.wrong("the answer is not as the document says: %w", withoutValue(err))
	}
}

// withoutValue drops from an error the value that it is about, which may be a credential.
func withoutValue(err error) error {
	var schema *openapi3.SchemaError
	if !errors.As(err, &schema) {
		return err
	}
	return fmt.Errorf("/%s: %s", strings.Join(schema.JSONPointer(), "/"), schema.Reason)
}

// errorCode holds that an error's name and code are those of an example of its answer.
func (c *check) errorCode(media *openapi3.MediaType) {
	if c.Status < http.StatusBadRequest {
		return
	}
	var got errorBody
	if err := json.Unmarshal(c.Body, &got); err != nil {
		return // which the validator has said already
	}
	for _, example := range media.Examples {
		var want errorBody
		if text, err := json.Marshal(example.Value.Value); err != nil || json.Unmarshal(text, &want) != nil {
			c.wrong("an example of the document's is no error")
			continue
		}
		if got == want {
			return
		}
	}
	c.wrong("the document has no error %s, %s for this answer", got.Error.Name, got.Error.Code)
}

// errorBody is what programs read of an error.
type errorBody struct {
	Error struct {
		Name string `json:"name"`
		Code string `json:"code"`
	} `json:"error"`
}

// activationCode holds that the credential is only where the contract has it.
func (c *check) activationCode() {
	operation := c.route.Operation.OperationID
	if operation == "createOrder" || operation == "getOrder" {
		return
	}
	if bytes.Contains(c.Body, []byte(`"activation_code"`)) {
		c.wrong("an activation code is in the answer to %s", operation)
	}
}
