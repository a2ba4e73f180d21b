package smdp

import (
	"strings"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// maxFieldLength bounds the text fields of a request for which the standard gives no bound.
const maxFieldLength = 255

// firstRefusal is the first that is not nil.
func firstRefusal(found ...*refusal) *refusal {
	for _, r := range found {
		if r != nil {
			return r
		}
	}
	return nil
}

// isPrintable tells whether the text is visible ASCII of a sensible length: what goes into
// logs and the ledger as it is.
func isPrintable(text string) bool {
	if len(text) > maxFieldLength {
		return false
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// checkHeader: both identifiers are mandatory (SGP.22 section 6.5.1.3).
func checkHeader(h es2plus.RequestHeader) *refusal {
	for _, field := range []struct{ name, value string }{
		{"header.functionRequesterIdentifier", h.FunctionRequesterIdentifier},
		{"header.functionCallIdentifier", h.FunctionCallIdentifier},
	} {
		switch {
		case field.value == "":
			return &refusal{subjectFunction, reasonMandatoryMissing, field.name + " is missing"}
		case !isPrintable(field.value):
			return &refusal{subjectFunction, reasonInvalid, field.name + " must be at most 255 printable characters"}
		}
	}
	return nil
}

// checkICCID: mandatory, 19 digits and optionally F or another digit.
func checkICCID(iccid string) *refusal {
	switch {
	case iccid == "":
		return &refusal{subjectICCID, reasonMandatoryMissing, "iccid is missing"}
	case !iccidOnWire.MatchString(iccid):
		return &refusal{subjectICCID, reasonInvalid, "iccid must be 19 digits, optionally with a trailing F"}
	}
	return nil
}

// bareICCID is a checked ICCID without the filler.
func bareICCID(iccid string) activation.ICCID {
	return activation.ICCID(strings.TrimSuffix(iccid, "F"))
}

// checkEID: optional, 32 digits that pass their check.
func checkEID(eid string) *refusal {
	if eid == "" {
		return nil
	}
	if parsed, err := activation.ParseEID(eid); err != nil || string(parsed) != eid {
		return &refusal{subjectEID, reasonInvalid, "eid must be 32 digits with right check digits"}
	}
	return nil
}

// checkProfileType: optional, readable.
func checkProfileType(profileType string) *refusal {
	if !isPrintable(profileType) {
		return &refusal{subjectProfileType, reasonInvalid, "profileType must be at most 255 printable characters"}
	}
	return nil
}

// checkMatchingID: optional, the activation code's alphabet.
func checkMatchingID(id string) *refusal {
	if _, err := activation.ParseMatchingID(id); err != nil {
		return &refusal{subjectMatchingID, reasonInvalid, "matchingId may hold only digits, capital letters and dashes, at most 255"}
	}
	return nil
}

// checkConfirmationCode: optional, bounded.
func checkConfirmationCode(code string) *refusal {
	if !isPrintable(code) {
		return &refusal{subjectConfirmationCode, reasonInvalid, "confirmationCode must be at most 255 printable characters"}
	}
	return nil
}
