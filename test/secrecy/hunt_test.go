package secrecy

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	id   = "7KQ2M9XTR4B8WZ1VY6NH"
	code = "LPA:1$rsp.example.com$" + id
)

func sightings(t *testing.T, content string) []sighting {
	t.Helper()
	h, err := newHunter([]credential{{"matching ID", "acme/trip", id}, {"activation code", "acme/trip", code}})
	if err != nil {
		t.Fatal(err)
	}
	return h.search(place{name: "the log", content: []byte(content)})
}

func TestACredentialIsFoundHoweverItIsWritten(t *testing.T) {
	quoted, err := json.Marshal(map[string]string{"code": code})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"as it is":               "it is " + code + ".",
		"the matching ID alone":  id,
		"in lower case":          strings.ToLower(code),
		"in JSON":                string(quoted),
		"in JSON, escaped":       strings.ReplaceAll(string(quoted), "$", `\u0024`),
		"in JSON within JSON":    fmt.Sprintf("%q", quoted),
		"in a query":             "?carddata=" + url.QueryEscape(code),
		"in a path":              "/orders/" + url.PathEscape(code),
		"in hexadecimal digits":  strings.ToUpper(hex.EncodeToString([]byte(code))),
		"in base64":              base64.StdEncoding.EncodeToString([]byte(code)),
		"in base64 for URLs":     base64.RawURLEncoding.EncodeToString([]byte("{}" + code)),
		"in base64 after 1 byte": base64.StdEncoding.EncodeToString([]byte("x" + id + "!")),
		"at the very end":        "code=" + id,
	} {
		t.Run(name, func(t *testing.T) {
			if len(sightings(t, content)) == 0 {
				t.Error("it was not found")
			}
		})
	}
}

func TestWhatIsNoCredentialIsNotFound(t *testing.T) {
	for _, content := range []string{"", "7KQ2", id[:len(id)-1], "LPA:1$rsp.example.com$********", strings.Repeat("7KQ2M9XTR4B8", 50)} {
		if found := sightings(t, content); len(found) > 0 {
			t.Errorf("found %v", found)
		}
	}
}

func TestASightingTellsWhereAndWhoseAndNotWhat(t *testing.T) {
	for _, seen := range sightings(t, code+" "+id) {
		text := seen.String()
		if !strings.Contains(text, "the log") || !strings.Contains(text, "acme/trip") {
			t.Errorf("it does not tell where and whose: %s", text)
		}
		if strings.Contains(text, id) {
			t.Error("it shows the credential")
		}
	}
}

func TestWhatMayBeThereIsMarked(t *testing.T) {
	h, err := newHunter([]credential{{"matching ID", "acme/mine", id}, {"matching ID", "acme/other", id[1:] + "Q"}})
	if err != nil {
		t.Fatal(err)
	}
	found := h.search(place{"the Secret", []byte(id + " " + id[1:] + "Q"), func(c credential) bool { return c.owner == "acme/mine" }})
	if len(found) != 2 || !found[0].allowed || found[1].allowed {
		t.Errorf("found %v", found)
	}
}

func TestWhatCouldBeFoundByAccidentIsNotSearchedFor(t *testing.T) {
	if _, err := newHunter([]credential{{"matching ID", "acme/trip", "SHORT"}}); err == nil {
		t.Error("a credential of five characters was taken")
	} else if strings.Contains(err.Error(), "SHORT") {
		t.Error("the error shows the credential")
	}
}

func TestBase64IsFoundWhereverItBegins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[0-9A-Z]{12,40}`).Draw(t, "text")
		before, after := rapid.SliceOf(rapid.Byte()).Draw(t, "before"), rapid.SliceOf(rapid.Byte()).Draw(t, "after")
		encoding := rapid.SampledFrom([]*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding}).Draw(t, "encoding")
		h, err := newHunter([]credential{{"text", "somebody", text}})
		if err != nil {
			t.Fatal(err)
		}
		written := encoding.EncodeToString(append(append(before, text...), after...))
		if len(h.search(place{name: "it", content: []byte(written)})) != 1 {
			t.Errorf("not found in %s", written)
		}
	})
}
