package webhook

import "time"

// schedule of retries: the example of Standard Webhooks ("Deliverability and reliability").
var schedule = [...]time.Duration{
	5 * time.Second,
	5 * time.Minute,
	30 * time.Minute,
	2 * time.Hour,
	5 * time.Hour,
	10 * time.Hour,
	14 * time.Hour,
	20 * time.Hour,
	24 * time.Hour,
}

// jitterShare is how much longer a wait may become: less than the distance of any two waits.
const jitterShare = 0.1

// Wait is how long to wait after so many failed tries of an event: 5 s, 5 min, 30 min, 2 h,
// 5 h, 10 h, 14 h, 20 h, 24 h. jitter, a random number from 0 to 1, makes it up to a tenth
// longer, so that events that failed together do not come back together. It is false when
// the event has failed for good, after ten tries; before the first try there is nothing to
// wait for.
func Wait(tries int, jitter float64) (time.Duration, bool) {
	if tries <= 0 {
		return 0, true
	}
	if tries > len(schedule) {
		return 0, false
	}
	wait := schedule[tries-1]
	// NaN compares as neither and counts as none.
	if jitter > 0 {
		wait += time.Duration(float64(wait) * jitterShare * min(jitter, 1))
	}
	return wait, true
}
