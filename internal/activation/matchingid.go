package activation

import (
	"errors"
	"fmt"
	"io"
)

const (
	// matchingIDAlphabet leaves out the dash, which the standard allows too: it would carry
	// less than the room it takes.
	matchingIDAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	// matchingIDLength of 20 characters carries 20 × log2(36) = 103 bits.
	matchingIDLength = 20
	// maxDraws bounds how many bytes are drawn for one matching ID. A sound source needs 21
	// on average; the chance that it needs all of these is below 2^-4000.
	maxDraws = 1024
)

// NewMatchingID draws a matching ID of 103 bits in [0-9A-Z] from random, each character
// equally likely. Give it crypto/rand.Reader: a matching ID is a credential.
func NewMatchingID(random io.Reader) (Credential, error) {
	// Bytes beyond the last whole multiple of 36 are thrown away: a bare modulo would draw
	// the first four characters more often than the others.
	const fair = 256 - 256%len(matchingIDAlphabet)
	id := make([]byte, 0, matchingIDLength)
	var draw [matchingIDLength]byte
	for drawn := 0; drawn < maxDraws; drawn += len(draw) {
		if _, err := io.ReadFull(random, draw[:]); err != nil {
			return Credential{}, fmt.Errorf("draw a matching ID: %w", err)
		}
		for _, b := range draw {
			if int(b) < fair {
				id = append(id, matchingIDAlphabet[int(b)%len(matchingIDAlphabet)])
			}
			if len(id) == matchingIDLength {
				return NewCredential(string(id)), nil
			}
		}
	}
	return Credential{}, errors.New("draw a matching ID: the source of randomness is broken")
}

// ParseMatchingID checks a matching ID against the standard's alphabet, [0-9A-Z-] (SGP.22
// section 5.3.2). The empty one is valid: it stands for the default SM-DP+. The error does
// not repeat the text.
func ParseMatchingID(text string) (Credential, error) {
	if len(text) > MaxCodeLength {
		return Credential{}, fmt.Errorf("the matching ID is longer than %d characters", MaxCodeLength)
	}
	for i := range len(text) {
		if c := text[i]; !isDigit(c) && !isUpper(c) && c != '-' {
			return Credential{}, errors.New("the matching ID may hold only digits, capital letters and dashes")
		}
	}
	return NewCredential(text), nil
}
