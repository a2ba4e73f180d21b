package activation

import (
	"errors"
	"strings"
)

// ICCID is the number of a profile (ITU-T E.118): 19 or 20 digits, without the F that pads
// 19 digits to a whole number of bytes on ES2+ and on the card. Two ICCIDs name one profile
// exactly if they are equal.
type ICCID string

// ParseICCID reads 19 or 20 digits, or 19 digits and an F of either case, which it strips.
// It does not check Luhn's digit: real ICCIDs of some vendors fail it; see LuhnValid.
func ParseICCID(text string) (ICCID, error) {
	text = strings.TrimSpace(text)
	digits := text
	if len(text) == 20 && (text[19] == 'F' || text[19] == 'f') {
		digits = text[:19]
	}
	if (len(digits) != 19 && len(digits) != 20) || !allDigits(digits) {
		return "", errors.New("the ICCID must be 19 or 20 digits, or 19 digits and F")
	}
	return ICCID(digits), nil
}

// LuhnValid tells whether the last digit is Luhn's check digit of those before it (ISO/IEC
// 7812-1 annex B). False calls for a warning, never for a rejection.
func (i ICCID) LuhnValid() bool {
	if len(i) < 2 {
		return false
	}
	last := len(i) - 1
	digit, err := LuhnDigit(string(i[:last]))
	return err == nil && digit == i[last]
}

// LuhnDigit is the check digit, '0' to '9', to append to digits (ISO/IEC 7812-1 annex B).
func LuhnDigit(digits string) (byte, error) {
	if !allDigits(digits) {
		return 0, errors.New("a Luhn digit can only be computed over digits")
	}
	sum := 0
	for i := range len(digits) {
		digit := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 { // every second digit counts double, beginning next to the check digit
			digit *= 2
			if digit > 9 {
				digit -= 9
			}
		}
		sum += digit
	}
	return byte('0' + (10-sum%10)%10), nil
}
