// Package settling decides when it is proven that an order never reached a wholesaler whose
// only look-up is a list. A list shows a new order late, so that it does not show one yet
// proves nothing: only two look-ups do, both begun long enough after the last time that the
// order may have been sent, and some time apart.
package settling

import "time"

// Evidence is what is known about one order that was not found.
type Evidence struct {
	// Sent is when the order may have been sent last.
	Sent time.Time
	// Underway tells that it is being sent right now.
	Underway bool
	// Missed is when the first look-up began that counts; zero where none did yet.
	Missed time.Time
}

// Gap is how far apart two look-ups must be for both to count: a twentieth of settleAfter,
// between a second and half a minute.
func Gap(settleAfter time.Duration) time.Duration {
	return min(max(settleAfter/20, time.Second), 30*time.Second)
}

// Weigh adds a look-up that was begun at asked and found nothing. It returns the evidence as it
// is then and how long to wait before the next look-up; 0 says that the order was not sent.
func (e Evidence) Weigh(asked time.Time, settleAfter time.Duration) (Evidence, time.Duration) {
	gap := Gap(settleAfter)
	settled := e.Sent.Add(settleAfter)
	switch {
	case e.Underway:
		e.Missed = time.Time{}
		return e, gap
	case asked.Before(settled):
		e.Missed = time.Time{}
		return e, settled.Sub(asked)
	case e.Missed.IsZero():
		e.Missed = asked
		return e, gap
	case asked.Before(e.Missed):
		// It was begun before the one that counts; what counts is the later of the two.
		return e, gap
	default:
		return e, max(e.Missed.Add(gap).Sub(asked), 0)
	}
}
