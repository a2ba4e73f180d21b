package activation_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/activation"
)

func TestAForeignTextIsLoggedWithoutCredentials(t *testing.T) {
	const short = "AB-12"
	known := []activation.Credential{activation.NewCredential(short), {}}
	code := "LPA:1$rsp.example.com$" + text
	for name, echoed := range map[string]string{
		"a known one":               "it is " + short + ", or " + strings.ToLower(short),
		"an unknown matching ID":    "in use: " + text,
		"with dashes":               "in use: 04386-AGYFT-A74Y8-3F815",
		"in base64":                 "body " + base64.StdEncoding.EncodeToString([]byte(code)),
		"in base64 for URLs":        "body " + base64.RawURLEncoding.EncodeToString([]byte(code)),
		"in hexadecimal digits":     hex.EncodeToString([]byte(text)),
		"escaped for a URL":         "?carddata=" + url.QueryEscape(code),
		"in JSON, escaped":          `{"code":"LPA:1\u0024rsp.example.com\u0024` + text + `"}`,
		"several, and other things": text + "$" + text + "!" + short + short,
	} {
		t.Run(name, func(t *testing.T) {
			got := activation.Redact(echoed, known...)
			if !strings.Contains(got, activation.Mask) {
				t.Errorf("nothing is masked in %s", got)
			}
			for _, secret := range []string{text, short, "AGYFT", base64.StdEncoding.EncodeToString([]byte(code))[30:40], hex.EncodeToString([]byte(text))[:12]} {
				if strings.Contains(strings.ToLower(got), strings.ToLower(secret)) {
					t.Errorf("%s shows the credential", got)
				}
			}
		})
	}
}

func TestWhatIsNoCredentialIsLoggedAsItCame(t *testing.T) {
	for _, words := range []string{
		"", "no profile of this type is left", "profile 89470100001234567840 of device 89001012012341234012345678901224",
		`User "system:serviceaccount:esim-system:esim-operator-controllers" cannot create resource "secrets"`,
		"exceeded quota: few, requested: count/secrets=1, used: count/secrets=0, limited: count/secrets=0",
	} {
		if got := activation.Redact(words); got != words {
			t.Errorf("%q became %q", words, got)
		}
	}
}
