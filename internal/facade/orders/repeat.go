package orders

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// RequestAnnotation holds the fingerprint of the request that made an order: by it, a repeat
// is told from another request with the same reference, also after the order was changed.
const RequestAnnotation = "esim.telco.dev/request"

// Repeat is what a second request with a client_reference is.
type Repeat int

const (
	// Duplicate is a request that does not say that it is a repeat: 400, with the id of the
	// first order.
	Duplicate Repeat = iota
	// SameRequest is the first one again: it is answered with the first order.
	SameRequest
	// OtherRequest says that it is a repeat and asks for something else: 400.
	OtherRequest
)

// JudgeRepeat tells what a request is whose reference an order has already. The key is the
// header Idempotency-Key as it came, empty where there was none: it makes a repeat of the
// request where it is the reference, bare or in double quotes.
func JudgeRepeat(first *v1alpha1.EsimOrder, asked *v1alpha1.EsimOrderSpec, key string) Repeat {
	if key == "" || asked.ClientReference == "" || key != asked.ClientReference && unquoted(key) != asked.ClientReference {
		return Duplicate
	}
	made, ok := first.Annotations[RequestAnnotation]
	if !ok {
		made = fingerprint(&first.Spec)
	}
	if made != fingerprint(asked) {
		return OtherRequest
	}
	return SameRequest
}

// unquoted takes a key out of its double quotes.
func unquoted(key string) string {
	inner, opened := strings.CutPrefix(key, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	if !opened || !closed {
		return key
	}
	return inner
}

// fingerprint is the same for two requests that ask for the same: 4.5 and 4.50 are one amount.
// What a request cannot say (a cancellation, a deadline) is not in it.
func fingerprint(spec *v1alpha1.EsimOrderSpec) string {
	amount := string(spec.Amount)
	if number, err := money.Parse(amount); err == nil {
		amount = number.String()
	}
	var wallet string
	if spec.WalletRef != nil {
		wallet = spec.WalletRef.Name
	}
	hash := sha256.New()
	for _, field := range []string{spec.ProductRef.Name, spec.Variant, amount, wallet, spec.ClientReference, spec.NotificationEmail} {
		// With its length before it, no field runs into the next. Writing to a hash never fails.
		hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(field))))
		hash.Write([]byte(field))
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}
