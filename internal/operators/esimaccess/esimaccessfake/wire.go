package esimaccessfake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Function is a path of the API.
type Function string

// The functions that are served.
const (
	PackageList  Function = "/package/list"
	Order        Function = "/esim/order"
	Query        Function = "/esim/query"
	Cancel       Function = "/esim/cancel"
	BalanceQuery Function = "/balance/query"
)

// refusal is an errorCode; empty for none.
type refusal string

// The vendor's error codes.
const (
	headerMissing    refusal = "000101"
	headerFormat     refusal = "000102"
	methodWrong      refusal = "000103"
	notJSON          refusal = "000104"
	parameterMissing refusal = "000105"
	parameterLength  refusal = "000107"
	timestampExpired refusal = "101001"
	signatureWrong   refusal = "101003"
	statusForbids    refusal = "200002"
	priceWrong       refusal = "200005"
	amountWrong      refusal = "200006"
	noCredit         refusal = "200007"
	orderParameters  refusal = "200008"
	stillAllocating  refusal = "200010"
	outOfStock       refusal = "200011"
	packageUnknown   refusal = "310241"
	orderUnknown     refusal = "310272"
	profileUnknown   refusal = "310403"
)

// dollar is how money is told: × 10,000.
const dollar = 10_000

// object is an answer, or a part of one.
type object map[string]any

// decode reads one JSON object.
func decode(body []byte, into any) refusal {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(into); err != nil {
		return notJSON
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return notJSON
	}
	return ""
}
