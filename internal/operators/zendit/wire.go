package zendit

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// The functions that are called.
const (
	functionOffers    = "GET /esim/offers"
	functionOffer     = "GET /esim/offers/{offerId}"
	functionBuy       = "POST /esim/purchases"
	functionLookUp    = "GET /esim/purchases/{transactionId}"
	functionRefund    = "POST /esim/purchases/{transactionId}/refund"
	functionGetRefund = "GET /esim/purchases/{transactionId}/refund"
	functionPlans     = "GET /esim/{iccId}/plans"
	functionBalance   = "GET /balance"
)

// refusal is a 4xx answer in Zendit's own words.
type refusal struct {
	status int
	// ofOffer tells that it complains about the offer.
	ofOffer bool
}

// get calls a function that changes nothing. found is false where Zendit says, in its own words,
// that there is nothing of that name.
func (d *Driver) get(ctx context.Context, function, path string, read func(body []byte) error) (found bool, _ *operators.Error) {
	return d.ask(ctx, webapi.Call{Function: function, Path: path}, read)
}

// ask is get with a query and a limit.
func (d *Driver) ask(ctx context.Context, call webapi.Call, read func(body []byte) error) (found bool, _ *operators.Error) {
	call.Method, call.Header = http.MethodGet, d.header()
	call.Read = func(answer webapi.Answer) error {
		if answer.Status/100 == 2 {
			found = true
			return read(answer.Body)
		}
		refused, err := d.refused(answer)
		if err == nil && refused.status != http.StatusNotFound {
			return d.client.Refusal(refused.status)
		}
		return err
	}
	failure := d.client.Do(ctx, call)
	if failure != nil {
		return false, failure
	}
	d.reached.Store(d.reached.Load() || found)
	return found, nil
}

// post calls a function that buys or gives back. refused is Zendit's refusal; nil where the
// function was executed.
func (d *Driver) post(ctx context.Context, function, path string, body, fields any) (refused *refusal, _ *operators.Error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, &operators.Error{Class: operators.Misconfigured, Function: function, Message: "the request cannot be written", Err: err}
	}
	failure := d.client.Do(ctx, webapi.Call{
		Function: function, Method: http.MethodPost, Path: path, Header: d.header(), Body: encoded, Buys: true, Guarded: true,
		Read: func(answer webapi.Answer) error {
			if answer.Status/100 == 2 {
				return webapi.Decode(answer.Body, fields)
			}
			found, err := d.refused(answer)
			refused = found
			return err
		},
	})
	return refused, failure
}

func (d *Driver) header() http.Header {
	return http.Header{"Authorization": {"Bearer " + d.key}}
}

// refused reads a 4xx answer. A 401 or 403 concerns us, not the call. What is not in Zendit's
// words comes from something between us and Zendit, and says nothing about a purchase.
func (d *Driver) refused(answer webapi.Answer) (*refusal, error) {
	switch {
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden:
		return nil, d.client.Refusal(answer.Status)
	case answer.Status/100 != 4:
		return nil, errors.New("an HTTP status that Zendit does not answer")
	}
	var said struct {
		ErrorCode *webapi.Text    `json:"errorCode"`
		Message   *webapi.Text    `json:"message"`
		Fields    json.RawMessage `json:"fields"`
	}
	if err := webapi.Decode(answer.Body, &said); err != nil {
		return nil, err
	}
	if said.ErrorCode == nil && said.Message == nil {
		return nil, errors.New("a refusal without errorCode and message")
	}
	return &refusal{status: answer.Status, ofOffer: slices.Contains(fieldNames(said.Fields), "offerId")}, nil
}

// fieldNames are the names in the fields of a refusal, which may be an object or a list.
func fieldNames(fields json.RawMessage) []string {
	var keyed map[string]json.RawMessage
	if json.Unmarshal(fields, &keyed) == nil {
		names := make([]string, 0, len(keyed))
		for name := range keyed {
			names = append(names, name)
		}
		return names
	}
	var names []string
	if json.Unmarshal(fields, &names) != nil {
		return nil // no form that we know: it names no field
	}
	return names
}

// moment reads a time as Zendit writes it; zero where there is none that can be read.
func moment(text webapi.Text) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05"} {
		if found, err := time.Parse(layout, string(text)); err == nil {
			return found.UTC()
		}
	}
	return time.Time{}
}

// reach makes sure that the base URL and the key work, so that a 404 is an answer about what
// was asked for.
func (d *Driver) reach(ctx context.Context) *operators.Error {
	if d.reached.Load() {
		return nil
	}
	if _, failure := d.balance(ctx); failure != nil {
		return failure
	}
	return nil
}
