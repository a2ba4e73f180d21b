package smdp

import "github.com/telcodev/esim-operator/internal/activation"

// Behaviour is what peers do differently, all within the standard or seen in the field. The
// zero value is what the standard's text suggests.
type Behaviour struct {
	// TrailingF: ICCIDs are answered with the filler F, as the standard's 20 characters.
	TrailingF bool `json:"trailingF"`
	// ReplayCalls: a repeated functionCallIdentifier is answered as the first time, and nothing
	// is done. No peer is required to do this.
	ReplayCalls bool `json:"replayCalls"`
	// MatchingIDFirst: ConfirmOrder looks at the matching ID before the state, so that a repeat
	// with the same matching ID is refused with 8.2.6/3.3 and not 8.2.1/3.5.
	MatchingIDFirst bool `json:"matchingIdFirst"`
	// CancelNeedsMatchingID: CancelOrder without the matching ID that was allocated is refused
	// with 8.2.6/2.3. SGP.22 makes the field conditional; peers leave it out all the same.
	CancelNeedsMatchingID bool `json:"cancelNeedsMatchingId"`

	// smdpAddress that ConfirmOrder answers at the moment.
	smdpAddress string
}

// iccidOnWire is the ICCID as it is answered.
func (b Behaviour) iccidOnWire(i activation.ICCID) string {
	if b.TrailingF && len(i) == iccidDigits {
		return string(i) + "F"
	}
	return string(i)
}
