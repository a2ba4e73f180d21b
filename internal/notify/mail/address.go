package mail

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	// maxAddress and maxLocalPart are RFC 5321's, in bytes (section 4.5.3.1, with erratum 1690).
	maxAddress   = 254
	maxLocalPart = 64
)

// domains is how a domain is written for DNS: as IDNA 2008 has it, with what STD 3 allows.
var domains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// address is an e-mail address with nothing in it that means anything else to a header, to
// SMTP or to a shell of somebody's: a dot-atom (RFC 5322 section 3.2.3, with RFC 6531's
// letters), an @ and a domain.
type address struct {
	local string
	// domain in the letters that DNS knows, such as xn--bcher-kva.example.
	domain string
}

// parseAddress reads one address, without a name or angle brackets. Quoted local parts and
// domains that are IP addresses in brackets are not taken: almost nobody has one, and almost
// all that are seen are somebody's try to say something else. An error does not repeat the
// text.
func parseAddress(text string) (address, error) {
	if len(text) > maxAddress {
		return address{}, errors.New("the e-mail address is longer than 254 bytes")
	}
	local, domain, found := strings.Cut(text, "@")
	if !found || local == "" || domain == "" || strings.Contains(domain, "@") {
		return address{}, errors.New("the e-mail address must have the form ann@example.com")
	}
	if len(local) > maxLocalPart {
		return address{}, errors.New("the e-mail address has more than 64 bytes before the @")
	}
	if !dotAtom(local) {
		return address{}, errors.New("the e-mail address has a character, or a dot, before the @ that it cannot have there")
	}
	ascii, err := domains.ToASCII(strings.TrimSuffix(domain, "."))
	if err == nil {
		// What became valid by being mapped must be valid as it is, too.
		_, err = domains.ToUnicode(ascii)
	}
	if err != nil || !utf8.ValidString(domain) || !hostName(ascii) {
		return address{}, errors.New("the e-mail address has no valid domain after the @")
	}
	if parsed := (address{local: local, domain: ascii}); len(parsed.path()) <= maxAddress {
		return parsed, nil
	}
	return address{}, errors.New("the e-mail address is longer than 254 bytes as DNS writes it")
}

// path is the address as SMTP carries it, without brackets.
func (a address) path() string { return a.local + "@" + a.domain }

// international tells that the server must know SMTPUTF8 (RFC 6531).
func (a address) international() bool {
	for i := range len(a.local) {
		if a.local[i] >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// header is the address for a header, with the name of who has it.
func (a address) header(name string) *mail.Address {
	return &mail.Address{Name: name, Address: a.path()}
}

func dotAtom(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, atom := range strings.Split(text, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !atomLetter(r) }) {
			return false
		}
	}
	return true
}

func atomLetter(r rune) bool {
	if r >= utf8.RuneSelf {
		return r != utf8.RuneError && unicode.In(r, unicode.L, unicode.M, unicode.N)
	}
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// hostName tells that a domain is letters, digits and dashes in labels, of which the last is
// not a number: an IP address is no domain.
func hostName(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}
