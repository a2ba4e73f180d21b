package es2plus

import (
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
)

func TestAnUnusableConfigurationIsToldByItsField(t *testing.T) {
	ca := newAuthority(t)
	otherCertificate, otherKey := ca.issue("OTHER")
	for _, tc := range []struct {
		name, want string
		spoil      func(*Config)
	}{
		{"no URL", "spec.es2plus.url", func(c *Config) { c.BaseURL = "" }},
		{"http", "spec.es2plus.url", func(c *Config) { c.BaseURL = "http://es2plus.example.com" }},
		{"a path", "spec.es2plus.url", func(c *Config) { c.BaseURL = "https://es2plus.example.com/gsma" }},
		{"a query", "spec.es2plus.url", func(c *Config) { c.BaseURL = "https://es2plus.example.com?x=1" }},
		{"a password", "spec.es2plus.url", func(c *Config) { c.BaseURL = "https://user:SECRET@es2plus.example.com" }},
		{"no host", "spec.es2plus.url", func(c *Config) { c.BaseURL = "https://:8443" }},
		{"no URL at all", "spec.es2plus.url", func(c *Config) { c.BaseURL = "https://%zzSECRET" }},
		{"no requester", "spec.es2plus.functionRequesterIdentifier", func(c *Config) { c.FunctionRequesterIdentifier = "" }},
		{"a version of two parts", "spec.es2plus.protocolVersion", func(c *Config) { c.ProtocolVersion = "2.2" }},
		{"a version that ends the header", "spec.es2plus.protocolVersion", func(c *Config) { c.ProtocolVersion = "2.2.0\r\nX: y" }},
		{"no certificate", "tls.crt", func(c *Config) { c.CertificatePEM = nil }},
		{"no key", "tls.key", func(c *Config) { c.KeyPEM = []byte("SECRET") }},
		{"the key of another certificate", "tls.crt and tls.key", func(c *Config) { c.CertificatePEM, _ = otherCertificate, otherKey }},
		{"no authority", "ca.crt", func(c *Config) { c.CAPEM = []byte("SECRET") }},
	} {
		config := ca.config("https://es2plus.example.com:8443")
		tc.spoil(&config)
		_, err := New(config)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: the error is %v, want it to name %s", tc.name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error repeats what was given: %v", tc.name, err)
		}
	}
	if _, err := New(ca.config("https://es2plus.example.com:8443/")); err != nil {
		t.Errorf("a usable configuration is refused: %v", err)
	}
}

func TestAProbeThatSucceedsIsNoTypedNil(t *testing.T) {
	if err := newDriver(Config{}, replying{}).Probe(t.Context()); err != nil {
		t.Errorf("Probe: %v", err)
	}
	w := newWorld(options{}, nil)
	w.smdp.profiles = map[activation.ICCID]*sold{heldICCID: {state: stateAllocated}}
	var driver operators.Driver = w.manager(1).driver
	if err := driver.GiveBack(t.Context(), operators.Held{RequestID: "R", ICCID: heldICCID}); err != nil {
		t.Errorf("GiveBack: %v", err)
	}
}
