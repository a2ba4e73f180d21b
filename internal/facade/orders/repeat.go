package orders

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// RequestAnnotation holds the fingerprint of the request that made an order: by it, a repeat
// is told from another request with the same reference, also after the order was changed, and
// after what it asked for has left the catalogue.
const RequestAnnotation = "esim.telco.dev/request"

// Request is what a request asks for, in its own words: what the numbers in it stand for may
// change between it and its repeat. Of what it leaves out it has the zero value.
type Request struct {
	ProductID, VariantID, WalletID int64
	Amount                         money.Amount
	ClientReference                string
	NotificationEmail              string
}

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
//
// An order that was made with kubectl is held against the spec that the request comes to now;
// nil where it comes to none.
func JudgeRepeat(first *v1alpha1.EsimOrder, asked *Request, spec *v1alpha1.EsimOrderSpec, key string) Repeat {
	if key == "" || asked.ClientReference == "" || key != asked.ClientReference && unquoted(key) != asked.ClientReference {
		return Duplicate
	}
	made, overREST := first.Annotations[RequestAnnotation]
	if overREST && made == asked.fingerprint() || !overREST && spec != nil && sameOrder(&first.Spec, spec) {
		return SameRequest
	}
	return OtherRequest
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
func (r *Request) fingerprint() string {
	hash := sha256.New()
	for _, field := range []string{
		strconv.FormatInt(r.ProductID, 10), strconv.FormatInt(r.VariantID, 10), strconv.FormatInt(r.WalletID, 10),
		r.Amount.String(), r.ClientReference, r.NotificationEmail,
	} {
		// With its length before it, no field runs into the next. Writing to a hash never fails.
		hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(field))))
		hash.Write([]byte(field))
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// sameOrder tells whether two specs ask for the same, as far as a request can: it cannot set a
// deadline or cancel.
func sameOrder(a, b *v1alpha1.EsimOrderSpec) bool {
	var wallets [2]v1alpha1.WalletReference
	for i, spec := range []*v1alpha1.EsimOrderSpec{a, b} {
		if spec.WalletRef != nil {
			wallets[i] = *spec.WalletRef
		}
	}
	return a.ProductRef == b.ProductRef && a.Variant == b.Variant && a.Amount.Equal(b.Amount) && wallets[0] == wallets[1] &&
		a.ClientReference == b.ClientReference && a.NotificationEmail == b.NotificationEmail
}
