package activation

import (
	"regexp"
	"strings"
)

// opaque is what could be a credential in some encoding: letters, digits and what base64 adds
// to them without a space between, of the length of a matching ID of 100 bits.
var opaque = regexp.MustCompile(`[0-9A-Za-z+/=_-]{20,}`)

var (
	// named is a name that people have given, and number an ICCID or an EID: they are opaque in
	// form, and no credentials.
	named  = regexp.MustCompile(`^[a-z/=_-]+$`)
	number = regexp.MustCompile(`^[0-9]+[Ff]?$`)
)

// Redact is a foreign text as it may be logged: others repeat what they were sent. The known
// credentials are masked in whatever case they are written, and so is whatever else could be a
// credential in some encoding.
func Redact(text string, known ...Credential) string {
	for _, credential := range known {
		text = maskFold(text, credential)
	}
	return opaque.ReplaceAllStringFunc(text, func(word string) string {
		if named.MatchString(word) || number.MatchString(word) {
			return word
		}
		return Mask
	})
}

// maskFold masks secret in text in whatever case it is written.
func maskFold(text string, secret Credential) string {
	needle := lowerASCII(secret.Reveal())
	if needle == "" {
		return text
	}
	var out strings.Builder
	for {
		at := strings.Index(lowerASCII(text), needle)
		if at < 0 {
			return out.String() + text
		}
		out.WriteString(text[:at] + Mask)
		text = text[at+len(needle):]
	}
}

// lowerASCII keeps the length of text, as strings.ToLower may not.
func lowerASCII(text string) string {
	lower := []byte(text)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}
