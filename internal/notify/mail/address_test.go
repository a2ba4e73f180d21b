package mail

import (
	"net/mail"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestAddressesThatMailsAreSentTo(t *testing.T) {
	for _, tc := range []struct{ in, path string }{
		{"ann@example.com", "ann@example.com"},
		{"Ann.O'Neil+esim=1@Example.COM", "Ann.O'Neil+esim=1@example.com"},
		{"ann@bücher.example", "ann@xn--bcher-kva.example"},
		{"ann@例え.jp", "ann@xn--r8jz45g.jp"},
		{"ann@example.com.", "ann@example.com"},
		{"用户@example.com", "用户@example.com"},
		{"ann@localhost", "ann@localhost"},
		{strings.Repeat("a", 64) + "@example.com", strings.Repeat("a", 64) + "@example.com"},
	} {
		got, err := parseAddress(tc.in)
		if err != nil {
			t.Errorf("%s is refused: %v", tc.in, err)
			continue
		}
		if diff := cmp.Diff(tc.path, got.path()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.in, diff)
		}
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                 "",
		"no domain":               "secret@",
		"no local part":           "@secret.example",
		"two":                     "a@b>, secret@d",
		"two with commas":         "secret@b,c@d",
		"brackets":                "<secret@example.com>",
		"a name":                  "Secret <secret@example.com>",
		"a quoted local part":     `"secret"@example.com`,
		"a quoted @":              `"secret@x"@example.com`,
		"a line break":            "secret@example.com\r\nRCPT TO:<eve@example.com>",
		"a line break in front":   "secret\r\n@example.com",
		"a space":                 "secret @example.com",
		"a comment":               "secret(x)@example.com",
		"a route":                 "@eve.example:secret@example.com",
		"two dots":                "se..cret@example.com",
		"a dot first":             ".secret@example.com",
		"a dot last":              "secret.@example.com",
		"a null byte":             "secret\x00@example.com",
		"no UTF-8":                "secret\xff@example.com",
		"turned writing":          "secret\u202e@example.com",
		"a space beyond ASCII":    "secret\u2003@example.com",
		"an emoji":                "secret\U0001f4e7@example.com",
		"an IP address":           "secret@[127.0.0.1]",
		"a bare IP address":       "secret@127.0.0.1",
		"an underscore":           "secret@ex_ample.com",
		"a dash first":            "secret@-example.com",
		"an empty label":          "secret@example..com",
		"a full-width at sign":    "secret＠example.com",
		"a domain with a slash":   "secret@example.com/x",
		"a local part too long":   strings.Repeat("secret", 11) + "@example.com",
		"too long":                "secret@" + strings.Repeat("a.", 130) + "com",
		"a domain too long":       "secret@" + strings.Repeat("a", 64) + ".com",
		"too long in DNS letters": "secret@" + strings.Repeat("ü.", 70) + "secret.example",
	} {
		_, err := parseAddress(in)
		if err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats the address: %v", name, err)
		}
	}
}

// FuzzAnAddressSaysNothingElse looks for an address that would be read as something else by
// SMTP or in a header.
func FuzzAnAddressSaysNothingElse(f *testing.F) {
	for _, seed := range []string{"ann@example.com", "用户@bücher.example", "a@b>, c@d", `"a b"@c`, "a@b\r\nDATA", "a@[::1]", "a.b@c.d."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseAddress(text)
		if err != nil {
			return
		}
		path := parsed.path()
		if strings.ContainsAny(path, " <>,;:()[]\\\"") || strings.Count(path, "@") != 1 || len(path) > 254 {
			t.Fatalf("%q became %q", text, path)
		}
		for _, r := range path {
			if unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("%q became %q", text, path)
			}
		}
		if again, err := parseAddress(path); err != nil || again != parsed {
			t.Fatalf("%q became %q, which is read as %v, %v", text, path, again, err)
		}
		list, err := mail.ParseAddressList(parsed.header("Ann \"x\" <eve@example.com>, ").String())
		if err != nil || len(list) != 1 || list[0].Address != path {
			t.Fatalf("%q in a header is read as %v, %v", path, list, err)
		}
	})
}
