package airalo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// The calls, by the vendor's names for them.
const (
	requestToken = "RequestToken"
	getPackages  = "GetPackages"
	submitOrder  = "SubmitOrder"
	getOrderList = "GetOrderList"
	getUsage     = "GetUsage"
)

// get asks for something, with a token, and has a 200 answer read.
func (d *Driver) get(ctx context.Context, function, path string, query url.Values, limit int64, read func(body []byte) error) *operators.Error {
	return d.withToken(ctx, webapi.Call{
		Function: function, Method: http.MethodGet, Path: path, Query: query, Limit: limit,
		Read: func(answer webapi.Answer) error {
			if answer.Status != http.StatusOK {
				return d.refusal(function, answer)
			}
			return read(answer.Body)
		},
	})
}

// withToken makes a call that needs a token. Where Airalo does not take it any more the call
// was not executed, so it is made once more, with a new one.
func (d *Driver) withToken(ctx context.Context, call webapi.Call) *operators.Error {
	token, failure := d.tokens.get(ctx, activation.Credential{})
	if failure != nil {
		return failure
	}
	failure = d.api.Do(ctx, authorized(call, token))
	if failure == nil || failure.Code != codeUnauthorized {
		return failure
	}
	if token, failure = d.tokens.get(ctx, token); failure != nil {
		return failure
	}
	return d.api.Do(ctx, authorized(call, token))
}

// authorized is the call with a token.
func authorized(call webapi.Call, token activation.Credential) webapi.Call {
	header := call.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Authorization", "Bearer "+token.Reveal())
	call.Header = header
	return call
}

// post is a call with a JSON body and its signature. The body holds nothing that cannot be
// written as JSON.
func (d *Driver) post(function, path string, fields any) (webapi.Call, *operators.Error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // what Airalo signs is what PHP writes
	if err := encoder.Encode(fields); err != nil {
		return webapi.Call{}, &operators.Error{Class: operators.Misconfigured, Function: function, Message: "the request cannot be written", Err: err}
	}
	text := bytes.TrimSpace(body.Bytes())
	return webapi.Call{
		Function: function, Method: http.MethodPost, Path: path, Body: text,
		Header: http.Header{"Airalo-Signature": {sign(text, d.secret)}},
	}, nil
}

// sign is the signature of a JSON body: the hexadecimal HMAC-SHA512 of it, keyed by the client
// secret, with slashes escaped as PHP writes them.
func sign(body []byte, secret activation.Credential) string {
	mac := hmac.New(sha512.New, []byte(secret.Reveal()))
	_, _ = mac.Write(bytes.ReplaceAll(body, []byte(`/`), []byte(`\/`))) // a hash never fails
	return hex.EncodeToString(mac.Sum(nil))
}
