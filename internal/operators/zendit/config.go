package zendit

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// DefaultURL of Zendit's API.
const DefaultURL = "https://api.zendit.io/v1"

// Keys of the Secret that spec.zendit.credentialsSecretRef names.
const (
	// KeyAPIKey is the API client secret from Zendit's console. Test mode has one of its own.
	KeyAPIKey = "api-key"
	// KeyCA holds the authorities by which Zendit is checked; optional.
	KeyCA = "ca.crt"
)

// maxAPIKey bounds an API key, in characters.
const maxAPIKey = 4096

// Config says how to reach Zendit.
type Config struct {
	// BaseURL, with the version; empty for DefaultURL.
	BaseURL string
	// Account is our own name for the account; may be empty.
	Account string
	// APIKey is our bearer key.
	APIKey activation.Credential
	// CAPEM holds the authorities by which Zendit is checked; the system's where empty.
	CAPEM []byte
	// Timeout, RequestsPerSecond, InFlight, OnCall, Guard, WrapTransport and Dial are
	// webapi.Config's.
	Timeout           time.Duration
	RequestsPerSecond int
	InFlight          int
	OnCall            func(operators.Call)
	Guard             func() (leave func(), err error)
	WrapTransport     func(http.RoundTripper) http.RoundTripper
	Dial              func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock; nil for the system's.
	Now func() time.Time
	// Pause waits between two looks at a purchase and ends early with ctx; nil for real time.
	Pause func(ctx context.Context, d time.Duration)
}

// key is the checked API key.
func (c Config) key() (string, error) {
	key := strings.TrimSpace(c.APIKey.Reveal())
	if key == "" {
		return "", errors.New(KeyAPIKey + " of the Secret that spec.zendit.credentialsSecretRef names must hold the API key from Zendit's console")
	}
	if len(key) > maxAPIKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New(KeyAPIKey + " of the Secret that spec.zendit.credentialsSecretRef names must be one line of printable ASCII")
	}
	return key, nil
}

func (c Config) webapi() webapi.Config {
	base := c.BaseURL
	if base == "" {
		base = DefaultURL
	}
	return webapi.Config{
		Vendor: "Zendit", Field: "spec.zendit.url", BaseURL: base, Account: c.Account, CAPEM: c.CAPEM, Timeout: c.Timeout,
		RequestsPerSecond: c.RequestsPerSecond, InFlight: c.InFlight, OnCall: c.OnCall, Guard: c.Guard,
		WrapTransport: c.WrapTransport, Dial: c.Dial, Now: c.Now,
	}
}

// pause waits in real time.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
