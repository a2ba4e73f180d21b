package activation

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxCodeLength bounds a written activation code, prefix included (SGP.22 section 4.1:
	// 255 characters).
	MaxCodeLength = 255
	// maxReadLength bounds what ParseCode looks at: a legal code, its prefix, and room for
	// items that later versions of the standard may add.
	maxReadLength = 1024

	codePrefix    = "LPA:"
	codeFormat    = "1"
	codeDelimiter = "$"
	codeRequired  = "1"
)

// Code is an activation code (SGP.22 section 4.1): what a device needs to download a profile.
type Code struct {
	// SMDPAddress is the FQDN of the SM-DP+ that the device asks.
	SMDPAddress string
	// MatchingID, the standard's AC_Token, names the profile there. It may be empty.
	MatchingID Credential
	// OID of the SM-DP+, such as 1.3.6.1.4.1.31746; mostly empty.
	OID string
	// ConfirmationCodeRequired tells that the device must ask its user for a confirmation code.
	ConfirmationCodeRequired bool
}

// ParseCode reads an activation code liberally: with or without the prefix "LPA:", in any
// case, with space around it, and with unknown items after the confirmation code flag. A
// matching ID is taken as it stands. Errors say what is wrong without repeating the text.
func ParseCode(text string) (Code, error) {
	if len(text) > maxReadLength {
		return Code{}, fmt.Errorf("activation code: longer than %d characters", maxReadLength)
	}
	text = strings.TrimSpace(text)
	if len(text) >= len(codePrefix) && strings.EqualFold(text[:len(codePrefix)], codePrefix) {
		text = strings.TrimSpace(text[len(codePrefix):])
	}
	items := strings.Split(text, codeDelimiter)
	if items[0] != codeFormat {
		return Code{}, errors.New("activation code: must begin with 1$ or LPA:1$")
	}
	if len(items) < 3 {
		return Code{}, errors.New("activation code: must have the form 1$<SM-DP+ address>$<matching ID>")
	}
	address, err := ParseSMDPAddress(items[1])
	if err != nil {
		return Code{}, fmt.Errorf("activation code: %w", err)
	}
	if !printable(items[2]) {
		return Code{}, errors.New("activation code: the matching ID holds a character that is not printable ASCII")
	}
	code := Code{SMDPAddress: address, MatchingID: NewCredential(items[2])}
	if len(items) > 3 {
		if code.OID = items[3]; code.OID != "" && !validOID(code.OID) {
			return Code{}, errors.New("activation code: the SM-DP+ OID must be numbers with dots between them")
		}
	}
	code.ConfirmationCodeRequired = len(items) > 4 && items[4] == codeRequired
	return code, nil
}

// LPA writes the code as a QR code or an install link carries it, "LPA:1$…". It is strict:
// the address must be an FQDN, the matching ID of the standard's alphabet, and the whole at
// most MaxCodeLength characters.
func (c Code) LPA() (Credential, error) {
	address, err := ParseSMDPAddress(c.SMDPAddress)
	if err != nil {
		return Credential{}, fmt.Errorf("activation code: %w", err)
	}
	if _, err := ParseMatchingID(c.MatchingID.Reveal()); err != nil {
		return Credential{}, fmt.Errorf("activation code: %w", err)
	}
	if c.OID != "" && !validOID(c.OID) {
		return Credential{}, errors.New("activation code: the SM-DP+ OID must be numbers with dots between them")
	}
	items := []string{codePrefix + codeFormat, address, c.MatchingID.Reveal()}
	if c.OID != "" || c.ConfirmationCodeRequired {
		items = append(items, c.OID)
	}
	if c.ConfirmationCodeRequired {
		items = append(items, codeRequired)
	}
	text := strings.Join(items, codeDelimiter)
	if len(text) > MaxCodeLength {
		return Credential{}, fmt.Errorf("activation code: %d characters long, the standard allows %d", len(text), MaxCodeLength)
	}
	return NewCredential(text), nil
}

// Masked is the code as it may be shown to anybody: LPA:1$rsp.example.com$********.
func (c Code) Masked() string {
	return strings.Join([]string{codePrefix + codeFormat, c.SMDPAddress, Mask}, codeDelimiter)
}

// String is Masked.
func (c Code) String() string { return c.Masked() }

// ParseSMDPAddress reads the address of an SM-DP+: an FQDN (RFC 1123), so letters, digits
// and dashes in two labels at least, 253 characters at most, without scheme or port. A final
// dot is dropped.
func ParseSMDPAddress(text string) (string, error) {
	address := strings.TrimSuffix(strings.TrimSpace(text), ".")
	if address == "" {
		return "", errors.New("the SM-DP+ address is missing")
	}
	if len(address) > 253 {
		return "", errors.New("the SM-DP+ address is longer than 253 characters")
	}
	labels := strings.Split(address, ".")
	for _, label := range labels {
		if !validLabel(label) {
			return "", errors.New("the SM-DP+ address must be a host name such as rsp.example.com, without scheme, port or path")
		}
	}
	if len(labels) < 2 {
		return "", errors.New("the SM-DP+ address must be a full host name such as rsp.example.com")
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "", errors.New("the SM-DP+ address must be a host name such as rsp.example.com, not an IP address")
	}
	return address, nil
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if c := label[i]; !isDigit(c) && !isUpper(c) && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return true
}

func validOID(oid string) bool {
	arcs := strings.Split(oid, ".")
	for _, arc := range arcs {
		if !allDigits(arc) {
			return false
		}
	}
	return len(arcs) > 1 && len(oid) <= 128
}

func printable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// allDigits is false for the empty text.
func allDigits(text string) bool {
	for i := range len(text) {
		if !isDigit(text[i]) {
			return false
		}
	}
	return text != ""
}
