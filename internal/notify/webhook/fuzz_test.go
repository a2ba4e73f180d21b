package webhook

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// FuzzRetryAfter: no endpoint has us wait for longer than we would, or into the past.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"120", "-1", "99999999999999999999", "Thu, 17 Jan 2036 12:00:30 GMT", "Thu, 17 Jan 1036 12:00:30 GMT", "1.5", "", "+7",
	} {
		f.Add(seed)
	}
	now := time.Date(2036, 1, 17, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if wait := retryAfter(text, now); wait < 0 || wait > MaxRetryAfter {
			t.Fatalf("%q is %s", text, wait)
		}
	})
}

// FuzzEndpoint: a URL that is sent to is one of HTTPS with a host, or of HTTP where that is
// allowed, and what refuses one says nothing of it: it may hold a credential.
func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{
		"https://hooks.example.com/esim?key=0123456789abcdef0123456789abcdef", "http://10.0.0.7/", "https://user:secret@example.com/", "https://[::1%25eth0]:443/",
		"ftp://example.com", "//example.com", "https:///path", "https://a b/", "https://example.com/#part", "HTTPS://EXAMPLE.COM", "https://example.com:99999/", "\x00",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	sender := func(allowHTTP bool) *Sender {
		s, err := New(Config{AllowHTTP: allowHTTP, Allowed: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
		if err != nil {
			f.Fatal(err)
		}
		return s
	}
	strict, lax := sender(false), sender(true)
	f.Fuzz(func(t *testing.T, endpoint string, allowHTTP bool) {
		s := strict
		if allowHTTP {
			s = lax
		}
		target, via, refused := s.route(endpoint)
		if refused != "" {
			if len(endpoint) > 12 && strings.Contains(refused, endpoint) {
				t.Fatalf("%q", refused)
			}
			return
		}
		if target.Hostname() == "" || target.User != nil || len(endpoint) > MaxURL {
			t.Fatalf("%q is sent to", endpoint)
		}
		if target.Scheme == "https" && via != s.secure || target.Scheme != "https" && (target.Scheme != "http" || !allowHTTP || via != s.plain) {
			t.Fatalf("%q is sent to as %s", endpoint, target.Scheme)
		}
	})
}
