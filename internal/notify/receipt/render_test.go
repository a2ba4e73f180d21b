package receipt_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/camera"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

const (
	code       = "LPA:1$rsp.example.com$K3TQX9ZW7VJ2M4PBN8RD"
	matchingID = "K3TQX9ZW7VJ2M4PBN8RD"
	confirming = "471188"
)

func delivered() receipt.Receipt {
	return receipt.Receipt{
		Kind: receipt.Delivered, OrderID: 930248119, Reference: "trip-117",
		ProductName: "Japan 1 GB / 7 days", CountryCode: "JPN", DataAmountGB: "1", ValidityDays: 7,
		Amount: "4.50", Currency: "USD", ICCID: "8947010000123456784",
		Code: activation.NewCredential(code), Time: time.Date(2036, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func render(t *testing.T, r receipt.Receipt) receipt.Message {
	t.Helper()
	message, err := receipt.Default().Render(r)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestADeliveredReceiptTellsAllThatInstallingNeeds(t *testing.T) {
	r := delivered()
	r.ConfirmationCode = activation.NewCredential(confirming)
	message := render(t, r)
	if want := "Your eSIM is ready: Japan 1 GB / 7 days"; message.Subject != want {
		t.Errorf("the subject is %q, want %q", message.Subject, want)
	}
	shown := html.UnescapeString(message.HTML)
	for _, want := range []string{
		"Japan 1 GB / 7 days", "1 GB", "7 days from first use", "4.50 USD", "930248119", "trip-117",
		"8947010000123456784", "2 January 2036, 03:04 UTC",
		code, "rsp.example.com", matchingID, confirming, "iPhone", "Android",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the HTML part lacks %q", want)
		}
		if !strings.Contains(message.Text, want) {
			t.Errorf("the text part lacks %q", want)
		}
	}
	if !strings.Contains(message.HTML, `src="cid:`+receipt.QRContentID+`"`) {
		t.Error("the HTML part does not show the QR code")
	}
	if got := scan(t, message.QR); got != code {
		t.Errorf("the QR code is read as %q, want %q", got, code)
	}
}

func TestInstallLinksCarryTheCodeEscaped(t *testing.T) {
	r := delivered()
	r.Code = activation.NewCredential("LPA:1$rsp.example.com$A-1$$1")
	message := render(t, r)
	links := regexp.MustCompile(`https://esimsetup[^\s"]+`)
	for part, text := range map[string]string{"text": message.Text, "HTML": html.UnescapeString(message.HTML)} {
		var hosts []string
		for _, link := range links.FindAllString(text, -1) {
			address, err := url.Parse(link)
			if err != nil {
				t.Fatal(err)
			}
			hosts = append(hosts, address.Host+address.Path)
			if got := address.Query().Get("carddata"); got != "LPA:1$rsp.example.com$A-1$$1" {
				t.Errorf("a link in the %s part carries %q", part, got)
			}
			if strings.Contains(link, "$") {
				t.Errorf("a link in the %s part is not escaped: %s", part, link)
			}
		}
		want := []string{"esimsetup.apple.com/esim_qrcode_provisioning", "esimsetup.android.com/esim_qrcode_provisioning"}
		if diff := cmp.Diff(want, hosts); diff != "" {
			t.Errorf("links in the %s part (-want +got):\n%s", part, diff)
		}
	}
}

func TestWhatTheCustomerReads(t *testing.T) {
	failed := receipt.Receipt{Kind: receipt.Failed, FailureReason: "The plan is not sold any more."}
	charged, refunded, fixable := failed, failed, failed
	charged.Amount, charged.Currency = "4.50", "USD"
	refunded.Amount, refunded.Currency, refunded.RefundAmount, refunded.RefundCurrency = "4.50", "USD", "4.20", "EUR"
	fixable.UserFixable = true
	cancelled := refunded
	cancelled.Kind = receipt.Cancelled
	required, installed, unlimited := delivered(), delivered(), delivered()
	required.Code = activation.NewCredential(code + "$$1")
	installed.Code, installed.MatchingID = activation.Credential{}, activation.NewCredential(matchingID)
	unlimited.DataAmountGB, unlimited.CountryCode, unlimited.ValidityDays = "0", "XEU", 1

	for _, tc := range []struct {
		name        string
		in          receipt.Receipt
		want, never []string
	}{
		{"failed, and nothing was charged", failed, []string{"The plan is not sold any more.", "nothing was charged", "nothing that you did wrong"}, []string{"went back", "goes back"}},
		{"failed, and the refund is on its way", charged, []string{"4.50 USD goes back"}, []string{"nothing was charged"}},
		{"failed, and refunded", refunded, []string{"4.20 EUR went back"}, []string{"4.50", "goes back"}},
		{"failed by what the customer can change", fixable, []string{"order again once that is put right"}, []string{"nothing that you did wrong"}},
		{"cancelled, and refunded", cancelled, []string{"is cancelled", "4.20 EUR went back", "does not work any more"}, []string{"4.50"}},
		{"a confirmation code that somebody else tells", required, []string{"will ask for a confirmation code"}, []string{"if the phone asks for one"}},
		{"on a device already", installed, []string{"on a device already", "8947010000123456784"}, []string{matchingID, "cid:", "esimsetup", "QR"}},
		{"unlimited, in a region, for a day", unlimited, []string{"Unlimited", "Europe", "1 day from first use"}, []string{"0 GB", "XEU", "1 days"}},
	} {
		message := render(t, tc.in)
		flat := func(text string) string { return strings.Join(strings.Fields(text), " ") }
		tags := regexp.MustCompile(`</?(b|p)[^>]*>`)
		parts := map[string]string{
			"text": flat(message.Text),
			"HTML": flat(html.UnescapeString(tags.ReplaceAllString(message.HTML, ""))),
		}
		for part, text := range parts {
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s: the %s part lacks %q:\n%s", tc.name, part, want, text)
				}
			}
			for _, never := range tc.never {
				if strings.Contains(text, never) {
					t.Errorf("%s: the %s part has %q", tc.name, part, never)
				}
			}
		}
	}
}

func TestOnlyADeliveredReceiptShowsTheCode(t *testing.T) {
	for _, kind := range []receipt.Kind{receipt.Failed, receipt.Cancelled} {
		r := delivered()
		r.Kind, r.MatchingID, r.ConfirmationCode = kind, activation.NewCredential(matchingID), activation.NewCredential(confirming)
		message := render(t, r)
		for _, secret := range []string{matchingID, confirming, url.QueryEscape(code)} {
			if strings.Contains(message.Subject+message.Text+message.HTML, secret) {
				t.Errorf("the receipt %s shows a credential", kind)
			}
		}
		if message.QR != nil {
			t.Errorf("the receipt %s has a QR code", kind)
		}
	}
}

func TestNothingThatIsPrintedShowsTheCode(t *testing.T) {
	r := delivered()
	r.MatchingID, r.ConfirmationCode = activation.NewCredential(matchingID), activation.NewCredential(confirming)
	message := render(t, r)
	asJSON, err := json.Marshal([]any{r, message, &message})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("sent", "receipt", r, "message", message, "pointer", &message)
	printed := string(asJSON) + logged.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		printed += fmt.Sprintf(verb+verb+verb, r, message, &message) + fmt.Sprintf(verb, []any{message, r})
	}
	for _, secret := range []string{matchingID, confirming, fmt.Sprintf("%x", matchingID), url.QueryEscape(code)} {
		if strings.Contains(printed, secret) {
			t.Errorf("printing shows a credential: %s", printed)
		}
	}
}

func TestACredentialThatCannotBeShownIsAnErrorThatDoesNotRepeatIt(t *testing.T) {
	for name, spoil := range map[string]func(*receipt.Receipt){
		"confirmation code": func(r *receipt.Receipt) { r.ConfirmationCode = activation.NewCredential(confirming + "\r\nX: 1") },
		"matching ID":       func(r *receipt.Receipt) { r.MatchingID = activation.NewCredential(matchingID + "\u202e") },
		"activation code":   func(r *receipt.Receipt) { r.Code = activation.NewCredential(strings.Repeat(code, 100)) },
	} {
		r := delivered()
		spoil(&r)
		message, err := receipt.Default().Render(r)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a bad %s gave the message %v and the error %v", name, message, err)
			continue
		}
		if strings.Contains(err.Error(), matchingID) || strings.Contains(err.Error(), confirming) {
			t.Errorf("the error repeats the %s: %v", name, err)
		}
	}
}

func TestAnUnknownKindIsRefused(t *testing.T) {
	if _, err := receipt.Default().Render(receipt.Receipt{Kind: "receipt.lost"}); err == nil {
		t.Error("a receipt of no known kind was written")
	}
}

// TestNoTextEscapesFromItsPlace gives every field any text at all.
func TestNoTextEscapesFromItsPlace(t *testing.T) {
	kinds := []receipt.Kind{receipt.Delivered, receipt.Failed, receipt.Cancelled}
	templates := receipt.Default()
	calm := func(kind receipt.Kind) string {
		r := receipt.Receipt{Kind: kind, Reference: "x", ProductName: "x", CountryCode: "x", DataAmountGB: "x", Amount: "x", RefundAmount: "x", ICCID: "x", FailureReason: "x"}
		message, err := templates.Render(r)
		if err != nil {
			t.Fatal(err)
		}
		return tagsOf(message.HTML)
	}
	tags := map[receipt.Kind]string{}
	for _, kind := range kinds {
		tags[kind] = calm(kind)
	}
	hostile := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{
			"\r\nBcc: eve@example.com", "x\r\n\r\n.\r\nMAIL FROM:<eve@example.com>", "</td><script>alert(1)</script>",
			"\" onload=\"alert(1)", "<img src=https://example.net/x.png>", "{{.ActivationCode}}", "\u202egnp.exe", "\u2028", "a\x00b", "\xff\xfe",
			strings.Repeat("é", 10_000), "<!--", "=?utf-8?q?x?=", "\u200b\ufeff",
		}),
	).Filter(func(text string) bool {
		return strings.Trim(text, " \r\n\t\v\f\x00\u200b\ufeff\u2028\u2029\u0085\u00a0") != ""
	})
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		draw := func(name string) string { return "x" + hostile.Draw(t, name) }
		message, err := templates.Render(receipt.Receipt{
			Kind: kind, Reference: draw("reference"), ProductName: draw("product"), CountryCode: draw("country"),
			DataAmountGB: draw("data"), Amount: draw("amount"), RefundAmount: draw("refund"), ICCID: draw("iccid"),
			FailureReason: draw("reason"),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := tagsOf(message.HTML); got != tags[kind] {
			t.Fatalf("a text made or broke a tag:\n%s", message.HTML)
		}
		for _, r := range message.Subject {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("the subject holds %q: %q", r, message.Subject)
			}
		}
		if !utf8.ValidString(message.Subject+message.Text+message.HTML) || utf8.RuneCountInString(message.Subject) > 150 {
			t.Fatalf("the subject is too long, or a part is no UTF-8: %q", message.Subject)
		}
		if lines := strings.Count(message.Text, "\n"); lines > 60 {
			t.Fatalf("a text broke into lines: there are %d", lines)
		}
	})
}

// tagsOf is an HTML page without its texts.
func tagsOf(page string) string {
	return strings.Join(regexp.MustCompile(`<[^>]*>`).FindAllString(page, -1), "")
}

func TestTheBuiltInPagesAskNoOtherHost(t *testing.T) {
	addresses := regexp.MustCompile(`(?i)(src=|href=|background=|action=|url\(|@import)\s*["']?([^"'\s>)]*)`)
	for _, key := range receipt.Keys() {
		source, err := receipt.Source(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range addresses.FindAllStringSubmatch(source, -1) {
			switch found[2] {
			case "cid:" + receipt.QRContentID, "{{.AppleLink}}", "{{.AndroidLink}}":
			default:
				t.Errorf("%s asks for %q", key, found[2])
			}
		}
	}
	if size := len(render(t, delivered()).HTML); size > 30_000 {
		t.Errorf("the page has %d bytes", size)
	}
}

func scan(t *testing.T, picture []byte) string {
	t.Helper()
	read, err := camera.ReadPNG(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	return read
}
