package secrecy

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// credential is a text that must not be seen by others.
type credential struct {
	// kind such as "matching ID", and owner such as an order's name, say in a report what was
	// found; the text itself is never shown.
	kind, owner string
	text        string
}

// place is something that somebody could read.
type place struct {
	// name for a report.
	name    string
	content []byte
	// may tells whether a credential may be there; nil allows none.
	may func(credential) bool
}

// sighting is a credential in a place.
type sighting struct {
	place, kind, owner string
	// form is how the credential was written.
	form string
	// allowed tells that it may be there.
	allowed bool
}

// String names the place and the owner, and not the credential.
func (s sighting) String() string {
	return fmt.Sprintf("%s holds the %s of %s, %s", s.place, s.kind, s.owner, s.form)
}

// shortest is the length of the shortest credential that can be searched for: a shorter one
// could be found by accident.
const shortest = 12

// key is how many bytes of a needle the index tells apart.
const key = 8

// form is one way to write a credential.
type form struct {
	name, text string
	// folded tells that its case does not count.
	folded bool
}

// formsOf are the ways to write a text in which it is looked for.
func formsOf(text string) []form {
	var escaped strings.Builder
	for i := range len(text) {
		if c := text[i]; 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.:/+=", c) >= 0 {
			escaped.WriteByte(c)
		} else {
			fmt.Fprintf(&escaped, `\u%04x`, c)
		}
	}
	forms := []form{
		{"as it is", strings.ToLower(text), true},
		{"escaped for a URL's query", strings.ToLower(url.QueryEscape(text)), true},
		{"escaped for a URL's path", strings.ToLower(url.PathEscape(text)), true},
		{"escaped for JSON", strings.ToLower(escaped.String()), true},
		{"in hexadecimal digits", hex.EncodeToString([]byte(text)), true},
	}
	for shift := range 3 {
		forms = append(forms,
			form{"in base64", within(base64.RawStdEncoding, shift, text), false},
			form{"in base64 for URLs", within(base64.RawURLEncoding, shift, text), false})
	}
	return forms
}

// within is what is the same of a text's base64 wherever in a longer text it begins, shift bytes
// after a multiple of three.
func within(encoding *base64.Encoding, shift int, text string) string {
	whole := encoding.EncodeToString(append(make([]byte, shift), text...))
	const bits = 6
	first, last := (shift*8+bits-1)/bits, (shift+len(text))*8/bits
	return whole[first:last]
}

// needle is a form of a credential.
type needle struct {
	form
	of *credential
}

// hunter looks for many credentials in one go.
type hunter struct {
	// exact and folded are needles by their first bytes.
	exact, folded map[uint64][]needle
	// may hold a bit for each hash of first bytes that some needle has: most places are passed
	// over by looking there.
	may [1 << 16]bool
}

// newHunter prepares to look for credentials. A credential that is too short to be searched for
// is an error.
func newHunter(credentials []credential) (*hunter, error) {
	h := &hunter{exact: map[uint64][]needle{}, folded: map[uint64][]needle{}}
	for i := range credentials {
		c := &credentials[i]
		if len(c.text) < shortest {
			return nil, fmt.Errorf("the %s of %s has %d bytes and could be found by accident", c.kind, c.owner, len(c.text))
		}
		for _, f := range formsOf(c.text) {
			index := h.exact
			if f.folded {
				index = h.folded
			}
			first := binary.LittleEndian.Uint64([]byte(f.text))
			index[first] = append(index[first], needle{f, c})
			h.may[hash(first)] = true
		}
	}
	return h, nil
}

func hash(first uint64) uint16 {
	const golden = 0x9e3779b97f4a7c15 // Fibonacci hashing
	return uint16(first * golden >> 48)
}

// search returns what is found in the places, each credential once a place.
func (h *hunter) search(places ...place) []sighting {
	var found []sighting
	for _, p := range places {
		h.scan(p.content, h.exact, func(n needle) { found = append(found, p.sighted(n)) })
		h.scan(bytes.ToLower(p.content), h.folded, func(n needle) { found = append(found, p.sighted(n)) })
	}
	slices.SortFunc(found, func(a, b sighting) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.owner, b.owner), cmp.Compare(a.kind, b.kind), cmp.Compare(a.form, b.form))
	})
	return slices.CompactFunc(found, func(a, b sighting) bool {
		return a.place == b.place && a.owner == b.owner && a.kind == b.kind
	})
}

func (h *hunter) scan(content []byte, needles map[uint64][]needle, found func(needle)) {
	for at := 0; at+key <= len(content); at++ {
		first := binary.LittleEndian.Uint64(content[at:])
		if !h.may[hash(first)] {
			continue
		}
		for _, n := range needles[first] {
			if bytes.HasPrefix(content[at:], []byte(n.text)) {
				found(n)
			}
		}
	}
}

func (p place) sighted(n needle) sighting {
	return sighting{place: p.name, kind: n.of.kind, owner: n.of.owner, form: n.name, allowed: p.may != nil && p.may(*n.of)}
}
