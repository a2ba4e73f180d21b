package controllers

import (
	"testing"
	"time"
)

func TestAWalletWaitsForItsNextWriteNoLongerThanTheInterval(t *testing.T) {
	written := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		now  time.Time
		want time.Duration
	}{
		"just written":                           {written, walletWriteInterval},
		"in the midst of the interval":           {written.Add(walletWriteInterval / 4), walletWriteInterval * 3 / 4},
		"after it":                               {written.Add(time.Hour), 0},
		"the clock was set back since the write": {written.Add(-time.Hour), 0},
	} {
		if got := (&walletMemory{writtenAt: written}).wait(tc.now); got != tc.want {
			t.Errorf("%s: it waits %s, want %s", name, got, tc.want)
		}
	}
}
