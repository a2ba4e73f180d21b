package zendit

import (
	"errors"
	"net/http"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// WebhookGenuine tells whether a webhook came from Zendit: it carries, once, the static header
// that was set in Zendit's console. Without a header to expect none is genuine.
func WebhookGenuine(header http.Header, name string, want activation.Credential) bool {
	values := header.Values(name)
	if name == "" || want.Empty() || len(values) != 1 {
		return false
	}
	return activation.NewCredential(values[0]).Equal(want)
}

// WebhookHint is the transactionId, which is our request ID, of the purchase that a webhook's
// body is about. The body is a hint and nothing more: what became of the purchase is looked up.
// The caller bounds the body.
func WebhookHint(body []byte) (requestID string, err error) {
	var known purchase
	if err := webapi.Decode(body, &known); err != nil {
		return "", err
	}
	if known.TransactionID == "" || len(known.TransactionID) > 256 {
		return "", errors.New("the webhook names no transactionId")
	}
	return string(known.TransactionID), nil
}
