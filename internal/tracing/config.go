package tracing

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
)

// Config says where spans go. The zero value traces nothing.
type Config struct {
	// Endpoint of a collector that speaks OTLP over gRPC: https://host:port, or http://host:port
	// within a network that is trusted; "" traces nothing.
	Endpoint string `json:"endpoint"`
	// SamplingRatio is the share of traces that is recorded, from 0 to 1. What else a caller asks
	// for does not count.
	SamplingRatio float64 `json:"samplingRatio"`
	// CAFile holds the certificates that the collector is checked by; "" for the system's.
	CAFile string `json:"caFile"`
}

// DefaultConfig traces nothing, and one in ten orders once there is an endpoint.
func DefaultConfig() Config { return Config{SamplingRatio: 0.1} }

// On tells that spans go somewhere.
func (c Config) On() bool { return c.Endpoint != "" }

// Validate names the field that is wrong and what it may be. The fields are those of "tracing" in a
// role's configuration.
func (c Config) Validate() error {
	if c.SamplingRatio < 0 || c.SamplingRatio > 1 {
		return fmt.Errorf("tracing.samplingRatio is %g; it may be 0 to 1", c.SamplingRatio)
	}
	if !c.On() {
		return nil
	}
	_, err := c.target()
	return err
}

func (c Config) target() (*url.URL, error) {
	target, err := url.Parse(c.Endpoint)
	if err != nil || target.Scheme != "https" && target.Scheme != "http" || target.Hostname() == "" || target.User != nil ||
		target.Path != "" && target.Path != "/" || target.RawQuery != "" || target.Fragment != "" {
		// It is not repeated: it may hold a password.
		return nil, fmt.Errorf("tracing.endpoint must be https://host:port or http://host:port, such as http://otel-collector.monitoring:4317")
	}
	if target.Scheme == "http" && c.CAFile != "" {
		return nil, fmt.Errorf("tracing.caFile is of no use with an endpoint that begins with http://; use https://, or leave it out")
	}
	if target.Port() == "" {
		target.Host = net.JoinHostPort(target.Hostname(), "4317") // that of OTLP over gRPC
	}
	target.Path = ""
	return target, nil
}

// authorities are what the collector is checked by; nil for the system's.
func (c Config) authorities() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("tracing.caFile: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tracing.caFile: %s holds no certificate in PEM", c.CAFile)
	}
	return pool, nil
}
