package esimaccess

import (
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/activation"
)

func TestAWrongConfigurationIsNamed(t *testing.T) {
	right := Config{AccessCode: activation.NewCredential("TOPSECRET")}
	if driver, err := New(right); err != nil {
		t.Fatalf("the configuration that the cases are made from is refused: %v", err)
	} else {
		driver.Close()
	}
	for want, spoil := range map[string]func(*Config){
		"access-code is missing": func(c *Config) { c.AccessCode = activation.Credential{} },
		"access-code in the Secret that spec.esimAccess.credentialsSecretRef": func(c *Config) { c.AccessCode = activation.NewCredential("TOPSECRET\n") },
		"secret-key in the Secret":                 func(c *Config) { c.SecretKey = activation.NewCredential("TOP SECRET") },
		"spec.esimAccess.url must be an https URL": func(c *Config) { c.BaseURL = "http://api.example.com" },
		"ca.crt of the credentials' Secret":        func(c *Config) { c.CAPEM = []byte("TOPSECRET") },
	} {
		config := right
		spoil(&config)
		_, err := New(config)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("got %v, want an error that tells %q", err, want)
		}
	}
}
