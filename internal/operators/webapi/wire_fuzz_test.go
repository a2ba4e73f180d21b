package webapi

import (
	"net/http"
	"testing"
	"time"
)

// FuzzRetryAfter: no header has us wait for longer than we would, or into the past.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"120", " 7 ", "-1", "99999999999999999999", "Thu, 17 Jan 2036 12:00:30 GMT", "1.5", "", "never",
	} {
		f.Add(seed, "")
		f.Add(seed, "Thu, 17 Jan 2036 12:00:00 GMT")
	}
	now := time.Date(2036, 1, 17, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, retry, date string) {
		header := http.Header{"Retry-After": {retry}, "Date": {date}}
		if wait := retryAfter(header, now); wait < 0 || wait > maxRetryAfter {
			t.Fatalf("%q at %q is %s", retry, date, wait)
		}
	})
}
