package airalo

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

var (
	errNoToken   = errors.New("the answer holds no access token")
	errNoReason  = errors.New("the answer says neither code nor field")
	errNoOrder   = errors.New("the answer holds no order")
	errNoPaging  = errors.New("the answer is another page than was asked for")
	errNoCaption = errors.New("an order in the list has no description")
	errNoUsage   = errors.New("the answer says nothing of the SIM")
)

// codeUnauthorized is the code of a refused token.
const codeUnauthorized = "HTTP 401"

// Airalo's own codes, in the field code of an answer with status 422 or 403.
const (
	codeNoCredit     = 11
	codeMaintenance  = 13
	codeSignature    = 14
	codeStock        = 33
	codeInvalidOrOut = 34
	codeBadRequest   = 43
	codeUnexpected   = 53
	codeRecycled     = 73
	codeAddress      = 89
)

// meaning is what a code means to an order.
type meaning struct {
	class    operators.Class
	message  string
	oneOrder bool
}

var meanings = map[int]meaning{
	codeNoCredit:     {operators.Misconfigured, "our own account at Airalo is empty", false},
	codeMaintenance:  {operators.Transient, "Airalo is in maintenance", false},
	codeSignature:    {operators.Misconfigured, "Airalo does not take our signature; check " + KeyClientSecret, false},
	codeStock:        {operators.OutOfStock, "Airalo has too few eSIMs of this package left", true},
	codeInvalidOrOut: {operators.OutOfStock, "Airalo has no eSIM of this package now", true},
	codeBadRequest:   {operators.Misconfigured, "Airalo calls our request malformed", false},
	codeRecycled:     {operators.Rejected, "Airalo has recycled this SIM", true},
	codeAddress:      {operators.Misconfigured, "Airalo does not allow our IP address", false},
}

// refusal judges an answer that is no 2xx, of a call to function. Where it is unreadable, the
// error is no *operators.Error.
func (d *Driver) refusal(function string, answer webapi.Answer) error {
	switch {
	case answer.Status == http.StatusUnprocessableEntity:
		return d.refusedContent(function, answer)
	case answer.Status == http.StatusForbidden && codeIn(answer.Body) == codeAddress:
		return meant(codeAddress)
	case answer.Status == http.StatusUnauthorized && function == requestToken:
		failure := d.api.Refusal(answer.Status)
		failure.Message = "Airalo refuses " + KeyClientID + " and " + KeyClientSecret + "; check the Secret that spec.airalo.credentialsSecretRef names"
		return failure
	case answer.Status == http.StatusNotFound && function == getUsage:
		return &operators.Error{Class: operators.Transient, Code: "HTTP 404", Message: "Airalo does not know the SIM", OneOrder: true}
	case answer.Status/100 == 4:
		return d.api.Refusal(answer.Status)
	default:
		return errNoOrder // a 2xx that the call never has
	}
}

// refusedContent judges a 422: a code, or a field that is wrong.
func (d *Driver) refusedContent(function string, answer webapi.Answer) error {
	code := codeIn(answer.Body)
	if _, known := meanings[code]; known {
		return meant(code)
	}
	switch field := invalidField(answer.Body); {
	case code == 0 && field == "package_id":
		return &operators.Error{Class: operators.Rejected, Code: "HTTP 422", Message: "Airalo does not sell this package", OneOrder: true}
	case code == 0 && field != "":
		return d.api.Refusal(answer.Status)
	case function != submitOrder && code != 0:
		return &operators.Error{Class: operators.Transient, Code: codeText(code), Message: "Airalo could not execute the call"}
	case code != 0:
		// Code 53 says so itself; of a code that we do not know nobody else does.
		return &operators.Error{Class: operators.OutcomeUnknown, Code: codeText(code), Message: "Airalo does not say whether the order was placed"}
	default:
		return errNoReason
	}
}

func meant(code int) *operators.Error {
	found := meanings[code]
	return &operators.Error{Class: found.class, Code: codeText(code), Message: found.message, OneOrder: found.oneOrder}
}

func codeText(code int) string { return "Airalo " + strconv.Itoa(code) }

// codeIn is the code of a refusal; 0 where there is none.
func codeIn(body []byte) int {
	var refusal struct {
		Code webapi.Int `json:"code"`
	}
	if err := webapi.Decode(body, &refusal); err != nil || refusal.Code < 1 || refusal.Code > 9999 {
		return 0 // what is no code must not be shown as one
	}
	return int(refusal.Code)
}

// invalidFields are the fields of our requests that Airalo can find fault with, the telling one
// first.
var invalidFields = []string{"package_id", "quantity", "type", "description", "grant_type", "client_id", "client_secret"}

// invalidField is the field of the request that a refusal without a code names; empty where it
// names none that we send.
func invalidField(body []byte) string {
	var refusal struct {
		Data map[string]json.RawMessage `json:"data"`
	}
	if err := webapi.Decode(body, &refusal); err != nil {
		return ""
	}
	for _, field := range invalidFields {
		if _, named := refusal.Data[field]; named {
			return field
		}
	}
	return ""
}

// isPrintable tells that a text is printable ASCII without spaces.
func isPrintable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
