package mailbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	netsmtp "net/smtp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/camera"
	"github.com/telcodev/esim-operator/internal/mailbox"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

const code = "LPA:1$rsp.example.com$K3TQX9ZW7VJ2M4PBN8RD"

var noon = time.Date(2036, 1, 2, 12, 0, 0, 0, time.UTC)

func start(t *testing.T, options mailbox.Options) *mailbox.Mailbox {
	t.Helper()
	options.Clock = clocktesting.NewFakePassiveClock(noon)
	box, err := mailbox.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	return box
}

// send sends a receipt as the manager does.
func send(t *testing.T, box *mailbox.Mailbox, to string) error {
	t.Helper()
	host, port, err := net.SplitHostPort(box.SMTPAddress())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	sender, err := mail.NewSender(mail.Server{Host: host, Port: number, Encryption: mail.Unencrypted, From: "receipts@shop.example"}, clocktesting.NewFakePassiveClock(noon))
	if err != nil {
		t.Fatal(err)
	}
	message, err := receipt.Default().Render(receipt.Receipt{Kind: receipt.Delivered, ProductName: "Japan – 1 GB", Code: activation.NewCredential(code)})
	if err != nil {
		t.Fatal(err)
	}
	return sender.Send(t.Context(), to, sender.MessageID("uid", to), message)
}

type answer struct {
	status       int
	kind, policy string
	body         []byte
}

func get(t *testing.T, url string, spoil ...func(*http.Request)) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range spoil {
		change(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header.Get("Content-Type"), response.Header.Get("Content-Security-Policy"), body}
}

type listed struct {
	ID         int
	To         []string
	From       string
	Subject    string
	MessageID  string
	ReceivedAt time.Time
	HasQR      bool
	Problem    string
}

func list(t *testing.T, box *mailbox.Mailbox, query string) []listed {
	t.Helper()
	got := get(t, box.URL()+"messages"+query)
	var mails []listed
	if err := json.Unmarshal(got.body, &mails); err != nil {
		t.Fatalf("%v: %s", err, got.body)
	}
	return mails
}

func TestAReceiptIsListedAndShown(t *testing.T) {
	box := start(t, mailbox.Options{})
	if err := send(t, box, "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	mails := list(t, box, "")
	if len(mails) != 1 || !strings.HasSuffix(mails[0].MessageID, "@shop.example") {
		t.Fatalf("the list is %+v", mails)
	}
	want := listed{ID: 1, To: []string{"ann@example.com"}, From: "receipts@shop.example", Subject: "Your eSIM is ready: Japan – 1 GB",
		MessageID: mails[0].MessageID, ReceivedAt: noon, HasQR: true}
	if diff := cmp.Diff(want, mails[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	front := get(t, box.URL())
	if !strings.Contains(string(front.body), "Your eSIM is ready: Japan – 1 GB") || front.policy == "" {
		t.Errorf("the front page is %s", front.body)
	}
	page := get(t, box.URL()+"messages/1")
	if page.kind != "text/html; charset=utf-8" || !strings.HasPrefix(page.policy, "sandbox") {
		t.Errorf("the mail is shown as %s under %s", page.kind, page.policy)
	}
	if strings.Contains(string(page.body), "cid:") || !strings.Contains(string(page.body), `src="data:image/png;base64,`) {
		t.Error("the mail is shown without its QR code")
	}
	if text := get(t, box.URL()+"messages/1/text"); !strings.Contains(string(text.body), code) {
		t.Errorf("the text part is %s", text.body)
	}
	if raw := get(t, box.URL()+"messages/1/raw"); !strings.Contains(string(raw.body), "Auto-Submitted: auto-generated\r\n") || raw.kind != "text/plain; charset=utf-8" {
		t.Errorf("raw it is %s", raw.body)
	}
	picture := get(t, box.URL()+"messages/1/qr.png")
	if got := scan(t, picture.body); got != code || picture.kind != "image/png" {
		t.Errorf("the QR code, %s, is read as %q", picture.kind, got)
	}
}

func TestOnlyTheLastMailsAreKept(t *testing.T) {
	box := start(t, mailbox.Options{Keep: 2})
	for i := range 4 {
		if err := send(t, box, fmt.Sprintf("ann%d@example.com", i)); err != nil {
			t.Fatal(err)
		}
	}
	var ids []int
	for _, kept := range list(t, box, "") {
		ids = append(ids, kept.ID)
	}
	if diff := cmp.Diff([]int{4, 3}, ids); diff != "" {
		t.Errorf("kept, newest first (-want +got):\n%s", diff)
	}
	if got := list(t, box, "?to=ann3@example.com"); len(got) != 1 || got[0].ID != 4 {
		t.Errorf("to one address there are %+v", got)
	}
	if got := get(t, box.URL()+"messages/1"); got.status != http.StatusNotFound {
		t.Errorf("a forgotten mail answers %d", got.status)
	}
}

func TestMailsCanBeSeenToBeRefusedAndPutOff(t *testing.T) {
	box := start(t, mailbox.Options{})
	var refused *mail.Refused
	if err := send(t, box, "Refused@example.com"); !errors.As(err, &refused) {
		t.Errorf("refused@ gives %v", err)
	}
	var deferred *mail.Deferred
	if err := send(t, box, "later@example.com"); !errors.As(err, &deferred) || deferred.Code != 451 {
		t.Errorf("later@ gives %v", err)
	}
	if got := list(t, box, ""); len(got) != 0 {
		t.Errorf("kept: %+v", got)
	}
}

func TestAPageThatLeadsItsNameHereSeesNothing(t *testing.T) {
	box := start(t, mailbox.Options{})
	got := get(t, box.URL()+"messages", func(r *http.Request) { r.Host = "eve.example:80" })
	if got.status != http.StatusMisdirectedRequest {
		t.Errorf("the answer is %d %s", got.status, got.body)
	}
	if got := get(t, box.URL()+"messages", func(r *http.Request) { r.Host = "localhost" }); got.status != http.StatusOK {
		t.Errorf("localhost gets %d", got.status)
	}
}

func TestMailsThatCannotBeReadAreKeptAllTheSame(t *testing.T) {
	nested := "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	for range 20 {
		nested += "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	}
	for name, raw := range map[string]string{
		"no head":          "\r\n\r\n",
		"a broken head":    "no colon here\r\n\r\nx",
		"a broken type":    "Content-Type: ;;;\r\n\r\nx",
		"no boundary":      "Content-Type: multipart/mixed\r\n\r\nx",
		"broken base64":    "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n<<<",
		"many parts":       "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 200) + "--b--\r\n",
		"parts within all": nested,
	} {
		t.Run(name, func(t *testing.T) {
			box := start(t, mailbox.Options{})
			if err := netsmtp.SendMail(box.SMTPAddress(), nil, "a@example.com", []string{"b@example.com"}, []byte(raw)); err != nil {
				t.Fatal(err)
			}
			if got := list(t, box, ""); len(got) != 1 || got[0].Problem == "" && name != "no head" {
				t.Errorf("the list is %+v", got)
			}
			for _, part := range []string{"", "/text", "/raw"} {
				if got := get(t, box.URL()+"messages/1"+part); got.status != http.StatusOK {
					t.Errorf("%q answers %d", part, got.status)
				}
			}
			if got := get(t, box.URL()+"messages/1/qr.png"); got.status != http.StatusNotFound {
				t.Errorf("a QR code that is not there answers %d", got.status)
			}
		})
	}
}

func TestAMailboxListensOnThisMachineOnly(t *testing.T) {
	for _, options := range []mailbox.Options{
		{SMTPAddress: "0.0.0.0:0"}, {HTTPAddress: ":0"}, {HTTPAddress: "192.0.2.1:8025"}, {SMTPAddress: "localhost:0"}, {SMTPAddress: "127.0.0.1"}, {Keep: -1}, {Keep: 1 << 30},
	} {
		box, err := mailbox.Start(t.Context(), options)
		if err == nil {
			t.Errorf("%+v: started", options)
			if err := box.Close(); err != nil {
				t.Error(err)
			}
		}
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

func TestAMailboxThatIsClosedAtOnceEnds(t *testing.T) {
	for range 200 {
		box, err := mailbox.Start(t.Context(), mailbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := box.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
