package activation

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Mask stands for a credential wherever one is printed. Its length tells nothing.
const Mask = "********"

// Credential is a text that must not be seen by others: a matching ID, a confirmation code,
// a whole activation code. It prints itself as Mask under every verb of fmt, in JSON and
// other text encodings and in logs; Reveal is the only way to the text. The zero value is
// empty and prints as nothing.
//
// The text is held in a closure and not in a field, because printers that walk a value by
// reflection see fields, exported or not, but cannot look into a function. That also makes
// credentials incomparable with ==, which is meant: compare them with Equal.
type Credential struct {
	reveal func() string
}

// NewCredential keeps text as a credential.
func NewCredential(text string) Credential {
	if text == "" {
		return Credential{}
	}
	return Credential{reveal: func() string { return text }}
}

// Reveal is the text itself, for the call or the Secret that must carry it.
func (c Credential) Reveal() string {
	if c.reveal == nil {
		return ""
	}
	return c.reveal()
}

// Empty tells that there is no text.
func (c Credential) Empty() bool { return c.reveal == nil }

// Equal tells whether both hold the same text, in a time that does not depend on where the
// texts differ.
func (c Credential) Equal(other Credential) bool {
	mine, theirs := sha256.Sum256([]byte(c.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(mine[:], theirs[:]) == 1
}

// String is the mask, or nothing where there is nothing to mask.
func (c Credential) String() string {
	if c.Empty() {
		return ""
	}
	return Mask
}

// GoString is the mask in quotes, for printers that ask for Go syntax.
func (c Credential) GoString() string { return `"` + c.String() + `"` }

// Format prints the mask whatever the verb and its flags, so that no verb reaches the
// closure.
func (c Credential) Format(state fmt.State, verb rune) {
	text := c.String()
	if verb == 'q' || (verb == 'v' && state.Flag('#')) {
		text = c.GoString()
	}
	// A State takes no error to anybody: fmt buffers, and reports errors of the buffer itself.
	_, _ = io.WriteString(state, text)
}

// MarshalText is the mask, for JSON, YAML and XML. There is no UnmarshalText: a mask that was
// written is not read back as if it were a credential.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue is the mask, for log/slog.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalLog is the mask, for logr.
func (c Credential) MarshalLog() any { return c.String() }
