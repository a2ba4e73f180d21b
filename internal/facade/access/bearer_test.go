package access

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheTokenOfARequest(t *testing.T) {
	tests := map[string]struct {
		headers []string
		want    string
		refused error
	}{
		"a token":                            {headers: []string{"Bearer aA0.b-_.c"}, want: "aA0.b-_.c"},
		"in another case, with more spaces":  {headers: []string{"bEARER   a.b.c"}, want: "a.b.c"},
		"the longest":                        {headers: []string{"Bearer a.b." + strings.Repeat("c", MaxTokenLength-4)}, want: "a.b." + strings.Repeat("c", MaxTokenLength-4)},
		"no header":                          {refused: ErrNoToken},
		"an empty header":                    {headers: []string{""}, refused: ErrNoToken},
		"two headers":                        {headers: []string{"Bearer a.b.c", "Bearer a.b.c"}, refused: ErrInvalidToken},
		"a scheme alone":                     {headers: []string{"Bearer"}, refused: ErrInvalidToken},
		"a scheme and a space":               {headers: []string{"Bearer "}, refused: ErrInvalidToken},
		"a token alone":                      {headers: []string{"a.b.c"}, refused: ErrInvalidToken},
		"another scheme":                     {headers: []string{"Basic YTpi"}, refused: ErrInvalidToken},
		"a tab for a space":                  {headers: []string{"Bearer\ta.b.c"}, refused: ErrInvalidToken},
		"two parts":                          {headers: []string{"Bearer a.b"}, refused: ErrInvalidToken},
		"four parts":                         {headers: []string{"Bearer a.b.c.d"}, refused: ErrInvalidToken},
		"an unsigned token":                  {headers: []string{"Bearer a.b."}, refused: ErrInvalidToken},
		"an empty part":                      {headers: []string{"Bearer a..c"}, refused: ErrInvalidToken},
		"a space at the end":                 {headers: []string{"Bearer a.b.c "}, refused: ErrInvalidToken},
		"a list of tokens":                   {headers: []string{"Bearer a.b.c, Bearer a.b.c"}, refused: ErrInvalidToken},
		"characters that no base64url has":   {headers: []string{"Bearer a.b+/=.c"}, refused: ErrInvalidToken},
		"bytes that are no text":             {headers: []string{"Bearer a.\xff.c"}, refused: ErrInvalidToken},
		"one byte more than the longest":     {headers: []string{"Bearer a.b." + strings.Repeat("c", MaxTokenLength-3)}, refused: ErrInvalidToken},
		"a token after a megabyte of spaces": {headers: []string{"Bearer " + strings.Repeat(" ", 1<<20) + "a.b.c"}, want: "a.b.c"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := bearer(http.Header{"Authorization": test.headers})
			if !errors.Is(err, test.refused) {
				t.Errorf("refused with %v, want %v", err, test.refused)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheSecretThatATokenIsBoundTo(t *testing.T) {
	tests := map[string]struct {
		payload string
		want    boundSecret
		bound   bool
		bad     bool
	}{
		"a Secret":   {payload: `{"kubernetes.io":{"secret":{"name":"s","uid":"u"}}}`, want: boundSecret{Name: "s", UID: "u"}, bound: true},
		"a Pod":      {payload: `{"kubernetes.io":{"pod":{"name":"s","uid":"u"}}}`},
		"nothing":    {payload: `{"sub":"x"}`},
		"no JSON":    {payload: `x`, bad: true},
		"wrong type": {payload: `{"kubernetes.io":{"secret":7}}`, bad: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, bound, err := secretOf("a." + base64.RawURLEncoding.EncodeToString([]byte(test.payload)) + ".c")
			if (err != nil) != test.bad || bound != test.bound {
				t.Errorf("bound: %t, error: %v", bound, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// FuzzBearer looks for headers that are taken for a token and are none, or make secretOf
// panic.
func FuzzBearer(f *testing.F) {
	f.Add("Bearer a.b.c")
	f.Add("bearer  e30.eyJrdWJlcm5ldGVzLmlvIjp7fX0.x")
	f.Add("Basic YTpi")
	f.Fuzz(func(t *testing.T, value string) {
		token, err := bearer(http.Header{"Authorization": {value}})
		if err != nil {
			if !errors.Is(err, ErrNoToken) && !errors.Is(err, ErrInvalidToken) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if !strings.HasSuffix(value, " "+token) || len(token) > MaxTokenLength || strings.Count(token, ".") != 2 {
			t.Fatalf("%q is taken for a token of %d bytes", value, len(token))
		}
		if secret, bound, err := secretOf(token); err != nil && (bound || secret != (boundSecret{})) {
			t.Fatalf("a payload that cannot be read is bound to %v", secret)
		}
	})
}
