//go:build unix

package supervise

import "time"

const (
	firstDelay = 250 * time.Millisecond
	lastDelay  = 15 * time.Second
	// steadyAfter is how long a process must have run for its earlier ends to be forgotten.
	steadyAfter = 30 * time.Second
)

// restartDelay is how long to wait before a process is started again that has ended so many
// times in a row: at once the first time, as nobody wants to wait for a process that they
// have just killed, then doubling.
func restartDelay(ends int) time.Duration {
	delay := firstDelay
	for range ends - 1 {
		if delay >= lastDelay {
			return lastDelay
		}
		delay *= 2
	}
	return min(delay, lastDelay)
}
