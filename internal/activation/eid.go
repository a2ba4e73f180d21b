package activation

import (
	"errors"
	"strings"
)

// EID is the number of an eUICC, the chip that profiles are installed on: 32 digits whose
// value modulo 97 is 1 (SGP.02 section 2.2.2, SGP.29).
type EID string

// ParseEID reads an EID and checks its check digits.
func ParseEID(text string) (EID, error) {
	text = strings.TrimSpace(text)
	if len(text) != 32 || !allDigits(text) {
		return "", errors.New("the EID must be 32 digits")
	}
	remainder := 0
	for i := range len(text) {
		remainder = (remainder*10 + int(text[i]-'0')) % 97
	}
	if remainder != 1 {
		return "", errors.New("the EID's check digits are wrong; was it mistyped?")
	}
	return EID(text), nil
}
