package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

// maxMessageID bounds a Message-ID, in bytes.
const maxMessageID = 200

// MessageID makes a Message-ID of what a mail is about, such as the UID of an order, the kind
// of receipt and the address that it goes to: the same for the same, so that a mail that was
// sent twice can be recognised, and without telling any of it. The domain is the sender's.
func (s *Sender) MessageID(about ...string) string {
	hash := sha256.New()
	for _, text := range about {
		// A hash takes all that is written to it.
		_, _ = fmt.Fprintf(hash, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:16]) + "@" + s.from.domain
}

// envelope is what a message is sent with.
type envelope struct {
	from, to  address
	fromName  string
	replyTo   *address
	messageID string
	date      time.Time
}

// compose writes a whole mail: HTML and text as alternatives, related to the QR code. Its
// lines end with CR LF.
func compose(e envelope, m receipt.Message) ([]byte, error) {
	if err := checkMessageID(e.messageID); err != nil {
		return nil, err
	}
	if strings.ContainsAny(m.Subject, "\r\n") {
		return nil, errors.New("the subject has more than one line")
	}
	mail := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	mail.FromMailAddress(e.from.header(e.fromName))
	mail.ToMailAddress(e.to.header(""))
	if e.replyTo != nil {
		mail.ReplyToMailAddress(e.replyTo.header(""))
	}
	mail.Subject(m.Subject)
	mail.SetMessageIDWithValue(e.messageID)
	mail.SetDateWithValue(e.date)
	// Nobody's absence is answered to a machine (RFC 3834); the second is for Exchange.
	mail.SetGenHeader("Auto-Submitted", "auto-generated")
	mail.SetGenHeader("X-Auto-Response-Suppress", "All")
	mail.SetBodyString(gomail.TypeTextPlain, m.Text)
	mail.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	if m.QR != nil {
		if err := mail.EmbedReader("esim-qr.png", bytes.NewReader(m.QR),
			gomail.WithFileContentType("image/png"), gomail.WithFileContentID("<"+receipt.QRContentID+">")); err != nil {
			return nil, fmt.Errorf("embedding the QR code: %w", err)
		}
	}
	var out bytes.Buffer
	if _, err := mail.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("composing the mail: %w", err)
	}
	return out.Bytes(), nil
}

// checkMessageID tells what is wrong with a Message-ID without brackets (RFC 5322 section
// 3.6.4).
func checkMessageID(id string) error {
	left, right, found := strings.Cut(id, "@")
	if len(id) > maxMessageID || !found || !dotAtom(left) || !dotAtom(right) || strings.ContainsFunc(id, func(r rune) bool { return r > '~' }) {
		return errors.New("the Message-ID must have the form 5f0c…@example.com")
	}
	return nil
}
