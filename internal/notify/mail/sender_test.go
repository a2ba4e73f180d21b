package mail

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/camera"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

const (
	matchingID = "K3TQX9ZW7VJ2M4PBN8RD"
	code       = "LPA:1$rsp.example.com$" + matchingID
	messageID  = "5f0c1e@shop.example"
)

func rendered(t *testing.T, product string) receipt.Message {
	t.Helper()
	message, err := receipt.Default().Render(receipt.Receipt{
		Kind: receipt.Delivered, OrderID: 930248119, ProductName: product, CountryCode: "JPN",
		DataAmountGB: "1", ValidityDays: 7, Code: activation.NewCredential(code), Time: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestAMailArrivesOverEachKindOfConnection(t *testing.T) {
	for _, tc := range []struct {
		name   string
		office *office
		user   string
	}{
		{"STARTTLS, AUTH PLAIN", &office{}, username},
		{"STARTTLS, AUTH LOGIN", &office{mechanisms: []string{"LOGIN"}}, username},
		{"TLS, AUTH PLAIN", &office{implicit: true}, username},
		{"TLS, AUTH LOGIN", &office{implicit: true, mechanisms: []string{"LOGIN", "XOAUTH2"}}, username},
		{"loopback without encryption", &office{plain: true}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			open := tc.office.open(t)
			if err := sender(t, open.server()).Send(t.Context(), "ann@example.com", messageID, rendered(t, "Japan")); err != nil {
				t.Fatal(err)
			}
			got := open.deliveries()
			if len(got) != 1 {
				t.Fatalf("%d mails arrived", len(got))
			}
			if diff := cmp.Diff([]string{"receipts@shop.example", "ann@example.com", tc.user}, []string{got[0].from, got[0].to, got[0].user}); diff != "" {
				t.Errorf("from, to, user (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheMailIsWhatWasRendered(t *testing.T) {
	open := (&office{}).open(t)
	server := open.server()
	server.FromName, server.ReplyTo = "Bücher & eSIMs <eve@example.com>, ", "help@bücher.example"
	message := rendered(t, "日本 1 GB – 7 Tage, a name that is long enough to need more than one line in a header")
	if err := sender(t, server).Send(t.Context(), "ann@bücher.example", messageID, message); err != nil {
		t.Fatal(err)
	}
	raw := open.deliveries()[0].raw
	got, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var words mime.WordDecoder
	subject, err := words.DecodeHeader(got.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	from, err := got.Header.AddressList("From")
	if err != nil || len(from) != 1 {
		t.Fatalf("From is %v, %v", from, err)
	}
	date, err := got.Header.Date()
	if err != nil {
		t.Fatal(err)
	}
	header := func(name string) string { return strings.Join(got.Header[name], "|") }
	if diff := cmp.Diff(map[string]string{
		"subject": message.Subject, "from": "receipts@shop.example", "name": server.FromName, "to": "<ann@xn--bcher-kva.example>",
		"reply to": "<help@xn--bcher-kva.example>", "ID": "<" + messageID + ">", "automatic": "auto-generated", "date": noon.String(),
		"version": "1.0",
	}, map[string]string{
		"subject": subject, "from": from[0].Address, "name": from[0].Name, "to": header("To"),
		"reply to": header("Reply-To"), "ID": header("Message-Id"), "automatic": header("Auto-Submitted"), "date": date.UTC().String(),
		"version": header("Mime-Version"),
	}); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}

	related := parts(t, got.Header.Get("Content-Type"), got.Body, "multipart/related")
	if len(related) != 2 {
		t.Fatalf("%d related parts", len(related))
	}
	alternatives := parts(t, related[0].kind, strings.NewReader(related[0].body), "multipart/alternative")
	if len(alternatives) != 2 {
		t.Fatalf("%d alternatives", len(alternatives))
	}
	if diff := cmp.Diff([]string{"text/plain; charset=UTF-8", message.Text, "text/html; charset=UTF-8", message.HTML},
		[]string{alternatives[0].kind, unix(alternatives[0].body), alternatives[1].kind, unix(alternatives[1].body)}); diff != "" {
		t.Errorf("alternatives (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"<" + receipt.QRContentID + ">", `inline; filename="esim-qr.png"`}, []string{related[1].id, related[1].disposition}); diff != "" {
		t.Errorf("QR code (-want +got):\n%s", diff)
	}
	if got := scan(t, related[1].body); got != code {
		t.Errorf("the QR code is read as %q, want %q", got, code)
	}
	for number, line := range bytes.Split(raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
			t.Errorf("line %d is not one of RFC 5322", number)
		}
	}
}

func TestAMailWithoutAQRCodeIsOfTwoAlternatives(t *testing.T) {
	open := (&office{}).open(t)
	message, err := receipt.Default().Render(receipt.Receipt{Kind: receipt.Failed, FailureReason: "Sold out."})
	if err != nil {
		t.Fatal(err)
	}
	if err := sender(t, open.server()).Send(t.Context(), "ann@example.com", messageID, message); err != nil {
		t.Fatal(err)
	}
	got, err := mail.ReadMessage(bytes.NewReader(open.deliveries()[0].raw))
	if err != nil {
		t.Fatal(err)
	}
	if found := parts(t, got.Header.Get("Content-Type"), got.Body, "multipart/alternative"); len(found) != 2 {
		t.Errorf("%d alternatives", len(found))
	}
}

func TestSMTPUTF8IsAskedForOnlyWhereItIsNeeded(t *testing.T) {
	open := (&office{smtp: func(s *smtp.Server) { s.EnableSMTPUTF8 = true }}).open(t)
	send := sender(t, open.server())
	for _, to := range []string{"ann@bücher.example", "用户@example.com"} {
		if err := send.Send(t.Context(), to, messageID, rendered(t, "Japan")); err != nil {
			t.Fatal(err)
		}
	}
	got := open.deliveries()
	if got[0].utf8 || !got[1].utf8 || got[1].to != "用户@example.com" {
		t.Errorf("the mails went with SMTPUTF8 %v to %s, %v to %s", got[0].utf8, got[0].to, got[1].utf8, got[1].to)
	}
}

func TestAMessageIDIsStableAndTellsNothing(t *testing.T) {
	send := sender(t, Server{Host: "smtp.example.com", Port: 587, From: "receipts@shop.example"})
	first := send.MessageID("0f2a-uid", string(receipt.Delivered), "ann@example.com")
	if again := send.MessageID("0f2a-uid", "receipt.delivered", "ann@example.com"); again != first {
		t.Errorf("%s and then %s", first, again)
	}
	for _, other := range [][]string{{"0f2a-uid", "receipt.delivered", "bob@example.com"}, {"0f2a-uidr", "eceipt.delivered", "ann@example.com"}, {"0f2a-uid", "receipt.deliveredann@example.com"}} {
		if send.MessageID(other...) == first {
			t.Errorf("%v has the Message-ID of another", other)
		}
	}
	if strings.Contains(first, "uid") || strings.Contains(first, "ann") || !strings.HasSuffix(first, "@shop.example") || checkMessageID(first) != nil {
		t.Errorf("the Message-ID is %s", first)
	}
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	good := Server{Host: "smtp.example.com", Port: 587, From: "receipts@shop.example", Username: "x", Password: activation.NewCredential(password)}
	if _, err := NewSender(good, nil); err != nil {
		t.Fatalf("the configuration that the cases are made from: %v", err)
	}
	for _, tc := range []struct {
		field string
		spoil func(*Server)
	}{
		{"host", func(s *Server) { s.Host = "" }},
		{"host", func(s *Server) { s.Host = "smtp.example.com:587" }},
		{"port", func(s *Server) { s.Port = 0 }},
		{"port", func(s *Server) { s.Port = 70000 }},
		{"encryption", func(s *Server) { s.Encryption = "ssl" }},
		{"encryption: none is for a loopback", func(s *Server) { s.Encryption = Unencrypted }},
		{"encryption: none with a username", func(s *Server) { s.Encryption, s.Host = Unencrypted, "127.0.0.1" }},
		{"username", func(s *Server) { s.Username = "" }},
		{"from", func(s *Server) { s.From = "Shop <receipts@shop.example>" }},
		{"fromName", func(s *Server) { s.FromName = "Shop\r\nBcc: eve@example.com" }},
		{"replyTo", func(s *Server) { s.ReplyTo = "x" }},
		{"helloName", func(s *Server) { s.HelloName = "a b" }},
		{"timeout", func(s *Server) { s.Timeout = -time.Second }},
		{"timeout", func(s *Server) { s.Timeout = time.Hour }},
	} {
		server := good
		tc.spoil(&server)
		_, err := NewSender(server, nil)
		if err == nil || !strings.HasPrefix(err.Error(), tc.field) {
			t.Errorf("want an error about %s, got %v", tc.field, err)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestAMailThatWouldSayMoreInItsHeadIsNotSent(t *testing.T) {
	open := (&office{}).open(t)
	send := sender(t, open.server())
	message := rendered(t, "Japan")
	for name, id := range map[string]string{"line break": "a\r\nBcc: eve@example.com@b", "nothing": "", "space": "a b@c", "bracket": "a>@b", "endless": strings.Repeat("a", 300) + "@b"} {
		if err := send.Send(context.Background(), "ann@example.com", id, message); err == nil {
			t.Errorf("a Message-ID with %s was sent", name)
		}
	}
	message.Subject = "Hello\r\nBcc: eve@example.com"
	if err := send.Send(context.Background(), "ann@example.com", messageID, message); err == nil {
		t.Error("a subject of two lines was sent")
	}
	if got := open.deliveries(); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}

// part of a multipart body, decoded.
type part struct{ kind, id, disposition, body string }

func parts(t *testing.T, kind string, body io.Reader, want string) []part {
	t.Helper()
	media, parameters, err := mime.ParseMediaType(kind)
	if err != nil || media != want {
		t.Fatalf("the content is %s (%v), want %s", kind, err, want)
	}
	var found []part
	reader := multipart.NewReader(body, parameters["boundary"])
	for {
		next, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		var decoded io.Reader = next
		switch next.Header.Get("Content-Transfer-Encoding") {
		case "quoted-printable":
			decoded = quotedprintable.NewReader(next)
		case "base64":
			decoded = base64.NewDecoder(base64.StdEncoding, next)
		}
		content, err := io.ReadAll(decoded)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, part{next.Header.Get("Content-Type"), next.Header.Get("Content-Id"), next.Header.Get("Content-Disposition"), string(content)})
	}
}

func unix(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

func scan(t *testing.T, picture string) string {
	t.Helper()
	read, err := camera.ReadPNG(strings.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	return read
}
