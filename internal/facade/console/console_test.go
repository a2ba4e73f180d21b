package console_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"

	"github.com/telcodev/esim-operator/internal/facade/console"
)

func files(t *testing.T) map[string]*console.File {
	t.Helper()
	all, err := console.Files()
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]*console.File{}
	for _, file := range all {
		byPath[file.Path] = file
	}
	return byPath
}

func get(file http.Handler, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, "/console", http.NoBody)
	request.Header = header
	answer := httptest.NewRecorder()
	file.ServeHTTP(answer, request)
	return answer
}

func text(file http.Handler) string { return get(file, http.Header{}).Body.String() }

func TestEveryFileAllowsTheBrowserAsLittleAsCanBe(t *testing.T) {
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; " +
			"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"Cache-Control":                "no-cache",
	}
	for path, file := range files(t) {
		header := get(file, http.Header{}).Header()
		got := map[string]string{}
		for name := range want {
			got[name] = header.Get(name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", path, diff)
		}
		if header.Get("ETag") == "" || header.Get("Content-Type") == "" {
			t.Errorf("%s has no ETag or no Content-Type: %v", path, header)
		}
	}
}

// A policy that forbids inline scripts and styles would make them useless; what comes from
// another host would tell it who uses the console.
func TestNoFileHasInlineCodeOrNamesAnotherHost(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)<script(?:>| [^>]*>[^<])|<style|\sstyle=|\son[a-z]+="|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage\.|(?:src|href)="(?:https?:)?//|@import|:\s*url\(`)
	for path, file := range files(t) {
		if found := forbidden.FindString(text(file)); found != "" {
			t.Errorf("%s has %q", path, found)
		}
	}
}

func TestWhatFilesNameIsThere(t *testing.T) {
	all := files(t)
	names := regexp.MustCompile(`(?:from '\./|(?:src|href)="console/)([a-z.]+)['"]`)
	named := 0
	for path, file := range all {
		for _, found := range names.FindAllStringSubmatch(text(file), -1) {
			named++
			if all[console.Page+"/"+found[1]] == nil {
				t.Errorf("%s names %s, which is not there", path, found[1])
			}
		}
	}
	if page := all[console.Page]; page == nil || named < len(all)-1 {
		t.Errorf("of %d files %d are named", len(all), named)
	}
}

func TestABrowserThatHasAFileIsNotSentItAgain(t *testing.T) {
	page := files(t)[console.Page]
	for _, encoding := range []string{"", "gzip"} {
		header := http.Header{"Accept-Encoding": {encoding}}
		tag := get(page, header).Header().Get("ETag")
		header.Set("If-None-Match", tag)
		if answer := get(page, header); answer.Code != http.StatusNotModified {
			t.Errorf("with the encoding %q and its tag the answer is %d", encoding, answer.Code)
		}
		header.Set("If-None-Match", `"another"`)
		if answer := get(page, header); answer.Code != http.StatusOK {
			t.Errorf("with the encoding %q and another tag the answer is %d", encoding, answer.Code)
		}
	}
}

func TestFilesAreCompressedForWhoTakesIt(t *testing.T) {
	page := files(t)[console.Page]
	plain := text(page)
	for accepted, want := range map[string]string{
		"": "", "gzip": "gzip", "br, gzip;q=0.8": "gzip", "gzip;q=0": "", "identity": "", "*": "", "gzip;q=x": "", "GZIP": "gzip",
	} {
		answer := get(page, http.Header{"Accept-Encoding": {accepted}})
		if got := answer.Header().Get("Content-Encoding"); got != want {
			t.Errorf("%q is answered with the encoding %q, want %q", accepted, got, want)
			continue
		}
		body := io.Reader(answer.Body)
		if want == "gzip" {
			unzipped, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = unzipped
		}
		got, err := io.ReadAll(body)
		if diff := cmp.Diff(plain, string(got)); err != nil || diff != "" {
			t.Errorf("%q: %v, -plain +got:\n%s", accepted, err, diff)
		}
	}
}

func TestCountriesAreThoseOfISO3166(t *testing.T) {
	pairs := regexp.MustCompile(`\b[A-Z]{5}\b`).FindAllString(text(files(t)[console.Page+"/places.js"]), -1)
	if len(pairs) < 249 {
		t.Errorf("there are %d countries; ISO 3166-1 has 249", len(pairs))
	}
	for _, pair := range pairs {
		// Kosovo's is user-assigned, and no two lists agree on it.
		if pair == "XKXXK" {
			continue
		}
		region, err := language.ParseRegion(pair[:3])
		if err != nil || region.String() != pair[3:] {
			t.Errorf("%s is %v (%v), and not %s", pair[:3], region, err, pair[3:])
		}
	}
}

func TestFilesAreRooms(t *testing.T) {
	for path, file := range files(t) {
		if lines := strings.Count(text(file), "\n"); lines > 400 {
			t.Errorf("%s has %d lines", path, lines)
		}
	}
}
