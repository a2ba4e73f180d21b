// Package decimal holds the numbers of the REST API: decimals with exactly the digits that
// were sent or are to be sent. Nothing here passes through a binary float, and nothing here
// computes; that is for a decimal library, which reads and writes the text.
package decimal

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxText is how long a number may be, before and after an exponent is written out: more
// digits than any sum of money has, and few enough to be harmless.
const maxText = 64

var (
	// ErrNotNumber says that a text is not a decimal number such as 4.50, -3 or 1e2.
	ErrNotNumber = errors.New("not a decimal number such as 4.50")
	// ErrTooLong says that a number has more digits than an amount can have.
	ErrTooLong = errors.New("more digits than an amount can have")
)

// Number is the text of a decimal number in plain digits, such as 4.50: what a JSON document
// holds, to the last digit. Numbers are compared as numbers by a decimal library, not by ==:
// 4.5 and 4.50 are one number written in two ways. The zero value is no number: it stands
// for a required field that was left out.
//
// It is not json.Number, which reads "4.50" in quotes too and keeps 1e400 as it is.
type Number string

// Parse reads a number in JSON's form (RFC 8259 section 6), 64 characters at most. An
// exponent is written out: 1.5e2 becomes 150. The errors are ErrNotNumber and ErrTooLong.
func Parse(text string) (Number, error) {
	if len(text) > maxText {
		return "", fmt.Errorf("reading a number of %d characters: %w", len(text), ErrTooLong)
	}
	if !isNumber(text) {
		return "", fmt.Errorf("reading %q: %w", text, ErrNotNumber)
	}
	mantissa, exponent := text, ""
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		mantissa, exponent = text[:at], text[at+1:]
	}
	if exponent == "" {
		return Number(mantissa), nil
	}
	shift, err := strconv.Atoi(exponent)
	if err != nil || shift > maxText || shift < -maxText {
		return "", fmt.Errorf("reading %q: %w", text, ErrTooLong)
	}
	plain := shifted(mantissa, shift)
	if len(plain) > maxText {
		return "", fmt.Errorf("reading %q: %w", text, ErrTooLong)
	}
	return Number(plain), nil
}

// isNumber tells whether a text is a number as JSON has it.
func isNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && strings.TrimSpace(text) == text && json.Valid([]byte(text))
}

// shifted writes mantissa × 10^places in plain digits.
func shifted(mantissa string, places int) string {
	digits, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	switch {
	case places > 0:
		fraction += strings.Repeat("0", max(0, places-len(fraction)))
		whole, fraction = whole+fraction[:places], fraction[places:]
	case places < 0:
		whole = strings.Repeat("0", max(0, 1-places-len(whole))) + whole
		at := len(whole) + places
		whole, fraction = whole[:at], whole[at:]+fraction
	}
	plain := strings.TrimLeft(whole, "0")
	if plain == "" {
		plain = "0"
	}
	if fraction != "" {
		plain += "." + fraction
	}
	if negative {
		return "-" + plain
	}
	return plain
}

// String returns the number in plain digits; empty for the zero value.
func (n Number) String() string { return string(n) }

// IsZero tells whether this is the zero value, which is no number, not whether it is 0.
func (n Number) IsZero() bool { return n == "" }

// MarshalJSON writes the digits as they are. A Number that Parse would not have made is an
// error: better no answer than one with a number that nobody can read.
func (n Number) MarshalJSON() ([]byte, error) {
	plain, err := Parse(string(n))
	if err != nil {
		return nil, fmt.Errorf("writing a number: %w", err)
	}
	return []byte(plain), nil
}

// UnmarshalJSON reads a JSON number; neither text in quotes nor null. The errors are those
// of Parse.
func (n *Number) UnmarshalJSON(text []byte) error {
	read, err := Parse(string(text))
	if err != nil {
		return err
	}
	*n = read
	return nil
}
