package esimaccess

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// function is one of the vendor's, all of which are a POST of JSON.
type function struct {
	// name as the vendor calls it, and the path.
	name string
	// acts tells that it buys or gives back.
	acts bool
	// limit of the answer in bytes.
	limit int64
}

// The functions.
var (
	order       = function{name: "/esim/order", acts: true, limit: webapi.DefaultLimit}
	cancel      = function{name: "/esim/cancel", acts: true, limit: webapi.DefaultLimit}
	queryOrder  = function{name: "/esim/query", limit: webapi.PageLimit}
	listPlans   = function{name: "/package/list", limit: maxCatalogue}
	askBalance  = function{name: "/balance/query", limit: webapi.DefaultLimit}
	errNoObject = errors.New("the answer has no obj")
)

// answer is the envelope of every answer.
type answer struct {
	Success   *webapi.Bool    `json:"success"`
	ErrorCode webapi.Text     `json:"errorCode"`
	Obj       json.RawMessage `json:"obj"`
}

// reader reads obj of an answer of success. Its error means that it cannot be read.
type reader func(obj []byte) error

// noFields is for functions whose obj has none.
func noFields([]byte) error { return nil }

// call calls a function and has its answer read. again tells of an order that it may have been
// sent before. Nil means that the function was executed.
func (d *Driver) call(ctx context.Context, f function, request any, again bool, read reader) *operators.Error {
	body, err := json.Marshal(request)
	if err != nil {
		return &operators.Error{Class: operators.Misconfigured, Function: f.name, Message: "the request cannot be written", Err: err}
	}
	header, err := d.signer.header(body)
	if err != nil {
		return &operators.Error{Class: operators.Transient, Function: f.name, Message: "the request cannot be signed; nothing was sent", Err: err}
	}
	return d.client.Do(ctx, webapi.Call{
		Function: f.name, Method: http.MethodPost, Path: f.name, Header: header, Body: body,
		Buys: f.acts, Guarded: f.acts, Limit: f.limit,
		Read: func(a webapi.Answer) error { return d.read(f, a, again, read) },
	})
}

// read judges an answer. The vendor answers its refusals with HTTP 200; another status comes
// from something before it, and does not tell whether the function was executed.
func (d *Driver) read(f function, a webapi.Answer, again bool, read reader) error {
	switch {
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		return d.client.Refusal(a.Status)
	case a.Status/100 != 2:
		return elsewhere(f, a.Status)
	}
	var said answer
	if err := webapi.Decode(a.Body, &said); err != nil {
		return err
	}
	switch {
	case said.Success == nil:
		return errors.New("the answer does not say whether it is a success")
	case !bool(*said.Success):
		return classify(f, string(said.ErrorCode), again)
	default:
		return read(said.Obj)
	}
}

// elsewhere is an answer that did not come from the vendor's function.
func elsewhere(f function, status int) *operators.Error {
	failure := &operators.Error{Class: operators.Transient, Function: f.name, Code: "HTTP " + strconv.Itoa(status),
		Message: "something other than the vendor's API answered; check spec.esimAccess.url"}
	if f.acts {
		failure.Class = operators.OutcomeUnknown
	}
	return failure
}

// decodeObject reads the obj of an answer that must have one.
func decodeObject(obj []byte, into any) error {
	if len(obj) == 0 || string(obj) == "null" {
		return errNoObject
	}
	return webapi.Decode(obj, into)
}
