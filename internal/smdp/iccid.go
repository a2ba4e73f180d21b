package smdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/telcodev/esim-operator/internal/activation"
)

const (
	// iccidDigits is the length of an ICCID without the filler F (ITU-T E.118).
	iccidDigits = 19
	// maxICCIDDraws bounds the search for a free ICCID. With half of all numbers in use, the
	// chance to miss is 2^-64.
	maxICCIDDraws = 64
)

// iccidOnWire is the form that SGP.22 gives for the iccid field.
var iccidOnWire = regexp.MustCompile(`^[0-9]{19}[0-9F]?$`)

// iccidSource makes ICCIDs: a prefix, random digits, Luhn's digit. Random, so that the numbers
// of two SM-DP+s with the same prefix do not collide in tests that run both.
type iccidSource struct {
	prefix string
}

// newICCIDSource checks the prefix: digits that leave room for at least a million profiles.
func newICCIDSource(prefix string) (iccidSource, error) {
	if len(prefix) > iccidDigits-1-6 || !isDigits(prefix) {
		return iccidSource{}, fmt.Errorf("ICCIDPrefix must be at most %d digits, such as %s", iccidDigits-1-6, DefaultICCIDPrefix)
	}
	return iccidSource{prefix: prefix}, nil
}

// next is an ICCID that is not used.
func (s iccidSource) next(random io.Reader, used func(activation.ICCID) bool) (activation.ICCID, error) {
	width := iccidDigits - 1 - len(s.prefix)
	room := uint64(1)
	for range width {
		room *= 10
	}
	for range maxICCIDDraws {
		var b [8]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("draw an ICCID: %w", err)
		}
		digits := fmt.Sprintf("%s%0*d", s.prefix, width, binary.BigEndian.Uint64(b[:])%room)
		luhn, err := activation.LuhnDigit(digits)
		if err != nil {
			return "", fmt.Errorf("draw an ICCID: %w", err)
		}
		if iccid := activation.ICCID(digits + string(luhn)); !used(iccid) {
			return iccid, nil
		}
	}
	return "", errors.New("draw an ICCID: no free number found; choose a shorter ICCIDPrefix")
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}
