package mail

import (
	"bytes"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

// FuzzNothingInAMailBecomesAHeader gives a mail any names and texts, and reads it back.
func FuzzNothingInAMailBecomesAHeader(f *testing.F) {
	f.Add("Shop", "Your eSIM is ready", "text", "<p>HTML</p>")
	f.Add("Bücher, \"x\" <eve@example.com>", "日本 "+strings.Repeat("x", 990), ".\r\n.\r\nMAIL FROM:<eve@example.com>", "--boundary\r\n")
	f.Add("a\\", "=?utf-8?q?=0D=0ABcc:_eve@example.com?=", "\r\n\r\n", "\n.\n")
	f.Add("", " \t", "\x00", "\u2028")
	from, to := address{local: "receipts", domain: "shop.example"}, address{local: "ann", domain: "example.com"}
	f.Fuzz(func(t *testing.T, fromName, subject, text, html string) {
		raw, err := compose(envelope{from: from, fromName: fromName, to: to, messageID: messageID, date: noon},
			receipt.Message{Subject: subject, Text: text, HTML: html, QR: []byte{1}})
		if err != nil {
			if !strings.ContainsAny(subject, "\r\n") {
				t.Fatal(err)
			}
			return
		}
		read, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%v:\n%s", err, raw)
		}
		var names []string
		for name, values := range read.Header {
			names = append(names, name)
			if len(values) != 1 {
				t.Fatalf("%s stands %d times:\n%s", name, len(values), raw)
			}
		}
		slices.Sort(names)
		if diff := cmp.Diff([]string{"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "X-Auto-Response-Suppress"}, names); diff != "" {
			t.Fatalf("headers (-want +got):\n%s\n%s", diff, raw)
		}
		if utf8.ValidString(fromName) && !strings.ContainsFunc(fromName, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			if list, err := read.Header.AddressList("From"); err != nil || len(list) != 1 || list[0].Address != from.path() {
				t.Fatalf("From is read as %v, %v:\n%s", list, err, raw)
			}
		}
		if list, err := read.Header.AddressList("To"); err != nil || len(list) != 1 || list[0].Address != to.path() {
			t.Fatalf("To is read as %v, %v:\n%s", list, err, raw)
		}
		_, parameters, err := mime.ParseMediaType(read.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		related := multipart.NewReader(read.Body, parameters["boundary"])
		for _, want := range []string{"multipart/alternative", "image/png"} {
			part, err := related.NextPart()
			if err != nil || !strings.HasPrefix(part.Header.Get("Content-Type"), want) {
				t.Fatalf("want a part %s: %v\n%s", want, err, raw)
			}
		}
	})
}
