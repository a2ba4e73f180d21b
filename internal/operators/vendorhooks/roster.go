package vendorhooks

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/netip"
	"strings"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
)

// Vendor is an EsimOperator that webhooks are taken for, and by what its wholesaler is known.
type Vendor struct {
	// Operator is the EsimOperator's name.
	Operator string
	// Kind of its webhooks.
	Kind Kind
	// Terms are the driver's webhook block.
	Terms v1alpha1.ResellerWebhook
	// Header is the value of the header that Terms.HeaderName names, where it does.
	Header activation.Credential
	// HMACKey is the key of the signature, where Terms.HMAC wants one.
	HMACKey activation.Credential
}

// Vendors are the EsimOperators that webhooks are taken for, as they are now. Where some cannot
// be read it returns the others, with an error: whoever is not known may be theirs, and is told
// to try again. How long it takes must not depend on who asks.
type Vendors func(ctx context.Context) (Roster, error)

// Roster knows vendors by their EsimOperators' names.
type Roster struct{ gates map[string]*gate }

// NewRoster makes these vendors ready to be recognised. Its error names the EsimOperator and the
// field that is wrong; the roster holds the others.
func NewRoster(vendors []Vendor) (Roster, error) {
	roster := Roster{gates: make(map[string]*gate, len(vendors))}
	var failed error
	for _, vendor := range vendors {
		g, err := newGate(vendor)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("EsimOperator %s: %w", vendor.Operator, err))
			continue
		}
		roster.gates[vendor.Operator] = g
	}
	return roster, failed
}

// gate is a Vendor, ready to check webhooks.
type gate struct {
	operator string
	kind     Kind

	header header
	mac    mac
	// networks that a webhook must come from; from anywhere where there are none.
	networks []netip.Prefix
}

// header is a header that must hold a secret.
type header struct {
	name string
	sum  [sha256.Size]byte
}

// mac is a header that must hold the HMAC of the body, in hexadecimal digits.
type mac struct {
	name string
	key  []byte
	hash func() hash.Hash
}

func newGate(v Vendor) (*gate, error) {
	g := &gate{operator: v.Operator, kind: v.Kind}
	terms := v.Terms
	if terms.HeaderName == "" && terms.HMAC == nil && len(terms.SourceCIDRs) == 0 {
		return nil, errors.New("webhook: one of headerName, hmac and sourceCIDRs must be set")
	}
	if terms.HeaderName != "" {
		// HTTP drops white space around a header's value (RFC 9110 section 5.5); a file's last line
		// break is some.
		value := strings.TrimSpace(v.Header.Reveal())
		if value == "" {
			return nil, fmt.Errorf("webhook.headerSecretRef: the Secret needs a %s", v1alpha1.SecretKeyWebhookHeader)
		}
		g.header = header{string(terms.HeaderName), sha256.Sum256([]byte(value))}
	}
	if signed := terms.HMAC; signed != nil {
		if v.HMACKey.Empty() {
			return nil, fmt.Errorf("webhook.hmac.secretRef: the Secret needs a %s", v1alpha1.SecretKeyWebhookHMACKey)
		}
		g.mac = mac{string(signed.HeaderName), []byte(v.HMACKey.Reveal()), sha256.New}
		if signed.Algorithm == v1alpha1.HMACSHA512 {
			g.mac.hash = sha512.New
		}
	}
	for _, text := range terms.SourceCIDRs {
		network, err := netip.ParsePrefix(string(text))
		if err != nil {
			return nil, errors.New("webhook.sourceCIDRs: every entry must be a network such as 203.0.113.0/24")
		}
		g.networks = append(g.networks, network)
	}
	return g, nil
}

// nobody lets nobody in. It stands in where there is no EsimOperator of a name, so that this
// takes as long to find out as that a secret is wrong.
var nobody = &gate{}

// admission is what was checked about a webhook. Only whoever runs the manager learns which
// check failed.
type admission struct{ known, header, signature, source bool }

func (a admission) granted() bool { return a.known && a.header && a.signature && a.source }

// admit checks a webhook that came from an address. Each check is made whether or not the one
// before it held.
func (g *gate) admit(from netip.Addr, headers http.Header, body []byte) admission {
	return admission{
		known: g != nobody, header: g.header.holds(headers), signature: g.mac.holds(headers, body), source: g.includes(from),
	}
}

func (h header) holds(headers http.Header) bool {
	value, once := only(headers, h.name)
	sum := sha256.Sum256([]byte(value))
	equal := subtle.ConstantTimeCompare(sum[:], h.sum[:]) == 1
	return h.name == "" || (once && equal)
}

func (m mac) holds(headers http.Header, body []byte) bool {
	text, once := only(headers, m.name)
	newHash := m.hash
	if newHash == nil {
		newHash = sha256.New // nothing is to be checked, and that takes as long
	}
	computed := hmac.New(newHash, m.key)
	computed.Write(body)
	said, err := hex.DecodeString(text)
	equal := hmac.Equal(computed.Sum(nil), said)
	return m.name == "" || (once && err == nil && equal)
}

// only is the value of a header that is there once. One that is there twice may have been read
// another way by something on the way.
func only(headers http.Header, name string) (value string, once bool) {
	values := headers.Values(name)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

func (g *gate) includes(from netip.Addr) bool {
	included := len(g.networks) == 0
	for _, network := range g.networks {
		included = network.Contains(from) || included
	}
	return included
}
