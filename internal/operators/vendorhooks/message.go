package vendorhooks

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess"
	"github.com/telcodev/esim-operator/internal/operators/zendit"
)

// Kind is whose webhooks an EsimOperator gets.
type Kind int

// The wholesalers that send webhooks.
const (
	Zendit Kind = iota + 1
	ESIMAccess
)

const (
	// maxBody bounds a webhook; a usual one has a kilobyte.
	maxBody = 64 << 10
	// maxDepth bounds how deep its objects and lists lie in each other; a usual one has three.
	maxDepth = 32
)

// About is what a webhook hints at: an order by the request ID that it was bought under, or a
// profile, or both.
type About struct {
	// RequestID is EsimOrder.status.provisioning.requestID; empty where the webhook has none.
	RequestID string
	// ICCID of the profile; empty where the webhook has none.
	ICCID activation.ICCID
}

// message is what is read of a webhook.
type message struct {
	// key is the same for the same webhook, sent again.
	key [sha256.Size]byte
	// health tells that the wholesaler only wants to know whether anybody answers.
	health bool
	about  About
}

var (
	// errMalformed is a body that is no JSON object within the bounds.
	errMalformed = errors.New("the body must be a JSON object, at most 32 levels deep")
	// errNotUnderstood is a JSON object that names nothing that can be looked for, or is of a
	// type that the wholesaler did not have when this was written.
	errNotUnderstood = errors.New("the webhook names no order and no profile in a way that is known")
)

// read reads a webhook. It returns errMalformed or errNotUnderstood, and repeats nothing of the
// body.
func read(kind Kind, body []byte) (message, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !isObject(body) {
		return message{}, errMalformed
	}
	switch kind {
	case Zendit:
		requestID, err := zendit.WebhookHint(body)
		if err != nil {
			return message{}, errNotUnderstood
		}
		return message{key: keyOf("body", body), about: About{RequestID: requestID}}, nil
	case ESIMAccess:
		hint, err := esimaccess.ParseWebhook(body)
		if err != nil {
			return message{}, errNotUnderstood
		}
		health := hint.Type == esimaccess.NotifyHealth
		if !health && hint.RequestID == "" && hint.ICCID == "" {
			return message{}, errNotUnderstood // it names its own order number alone
		}
		key := keyOf("body", body)
		if hint.ID != "" {
			key = keyOf("notifyId", []byte(hint.ID))
		}
		return message{key: key, health: health, about: About{RequestID: hint.RequestID, ICCID: hint.ICCID}}, nil
	default:
		return message{}, errNotUnderstood
	}
}

// keyOf is by what a webhook is known again.
func keyOf(what string, text []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte(what+"\x00"), text...))
}

// isObject tells whether a body is a JSON object that is not too deep.
func isObject(body []byte) bool {
	body = bytes.TrimSpace(body)
	return len(body) > 0 && body[0] == '{' && depth(body) <= maxDepth && json.Valid(body)
}

// depth is how deep objects and lists lie in each other. It means something for JSON only.
func depth(body []byte) int {
	deepest, now := 0, 0
	quoted, escaped := false, false
	for _, c := range body {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{', c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}', c == ']':
			now--
		}
	}
	return deepest
}
