package webhook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func secretOf(bytes int) string {
	return SecretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", bytes)))
}

func TestParseSecrets(t *testing.T) {
	many := map[string][]byte{}
	for i := range 11 {
		many[fmt.Sprint(i)] = []byte(exampleSecret)
	}
	tests := map[string]struct {
		data map[string][]byte
		want []string
		err  string
	}{
		"sorted by key": {
			data: map[string][]byte{"new": []byte(secretOf(25)), "old": []byte(secretOf(24)), "2026": []byte(secretOf(64))},
			want: []string{strings.Repeat("k", 64), strings.Repeat("k", 25), strings.Repeat("k", 24)},
		},
		"from a file with a newline": {data: map[string][]byte{"a": []byte(secretOf(32) + "\n")}, want: []string{strings.Repeat("k", 32)}},
		"none":                       {err: "no signing secret: put at least one value into the Secret, whsec_ followed by 24 to 64 random bytes in base64"},
		"too many":                   {data: many, err: "11 signing secrets are too many: keep at most 10 in the Secret"},
		"without prefix":             {data: map[string][]byte{"a": []byte("c2VjcmV0")}, err: `signing secret "a": must begin with whsec_`},
		"empty":                      {data: map[string][]byte{"a": nil}, err: `signing secret "a": must begin with whsec_`},
		"too short":                  {data: map[string][]byte{"a": []byte(secretOf(23))}, err: `signing secret "a": must be 24 to 64 bytes in base64 after whsec_, not 23`},
		"too long":                   {data: map[string][]byte{"a": []byte(secretOf(65))}, err: `signing secret "a": must be 24 to 64 bytes in base64 after whsec_, not 65`},
		"far too long":               {data: map[string][]byte{"a": []byte(secretOf(1 << 20))}, err: `signing secret "a": must be at most 64 bytes in base64 after whsec_`},
		"one of two wrong":           {data: map[string][]byte{"a": []byte(exampleSecret), "b": []byte("whsec_?")}, err: `signing secret "b": must be base64 with padding after whsec_`},
		"in the key's place": {
			data: map[string][]byte{exampleSecret: nil},
			err:  "signing secret (its key in the Secret holds whsec_ and is not shown: the signing secret belongs into the value): must begin with whsec_",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			secrets, err := ParseSecrets(test.data)
			if fmt.Sprint(err) != test.err && (err != nil || test.err != "") {
				t.Fatalf("error %v, want %s", err, test.err)
			}
			var got []string
			for _, s := range secrets {
				got = append(got, s.Reveal())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretsPrintMasked(t *testing.T) {
	secrets := mustSecrets(t, exampleSecret)
	marshalled, err := json.Marshal(secrets)
	if err != nil {
		t.Fatal(err)
	}
	key := secrets[0].Reveal()
	for _, text := range []string{fmt.Sprint(secrets), fmt.Sprintf("%+v %#v %s %x %q", secrets[0], secrets[0], secrets[0], secrets[0], secrets), string(marshalled)} {
		if !strings.Contains(text, "********") || strings.Contains(text, key) || strings.Contains(text, fmt.Sprintf("%x", key)) || strings.Contains(text, exampleSecret[6:]) {
			t.Errorf("a secret prints as %q", text)
		}
	}
}

// FuzzParseSecrets: what is accepted is usable, what is refused is not quoted.
func FuzzParseSecrets(f *testing.F) {
	f.Add([]byte(exampleSecret))
	f.Add([]byte(" " + otherSecret + "\r\n"))
	f.Add([]byte(secretOf(23)))
	f.Add([]byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\n="))
	f.Add([]byte("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	f.Fuzz(func(t *testing.T, value []byte) {
		secrets, err := ParseSecrets(map[string][]byte{"the-key": value})
		if err != nil {
			if text := strings.TrimSpace(string(value)); len(text) > 12 && strings.Contains(err.Error(), text) {
				t.Fatalf("the error quotes the value: %v", err)
			}
			if !strings.Contains(err.Error(), `"the-key"`) {
				t.Fatalf("the error does not name the key: %v", err)
			}
			return
		}
		if n := len(secrets[0].Reveal()); n < 24 || n > 64 || !usable(secrets) {
			t.Fatalf("accepted a key of %d bytes", n)
		}
	})
}
