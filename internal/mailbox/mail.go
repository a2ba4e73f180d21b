package mailbox

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"time"
)

const (
	// maxDepth and maxParts bound what is read of a mail's structure.
	maxDepth = 8
	maxParts = 64
)

// mail is a mail that was taken.
type mail struct {
	ID         int       `json:"id"`
	To         []string  `json:"to"`
	From       string    `json:"from"`
	Subject    string    `json:"subject"`
	MessageID  string    `json:"messageID,omitempty"`
	ReceivedAt time.Time `json:"receivedAt"`
	HasQR      bool      `json:"hasQR"`
	// Problem tells what of the mail could not be read.
	Problem string `json:"problem,omitempty"`

	raw        []byte
	text, html string
	inline     []inline
	parts      int
}

// inline is an image that the HTML part shows.
type inline struct {
	id, kind string
	content  []byte
}

// read takes a mail apart, as far as it can be read.
func read(raw []byte) *mail {
	m := &mail{raw: raw}
	message, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		m.Problem = "the head cannot be read: " + err.Error()
		return m
	}
	var words mime.WordDecoder
	m.Subject = message.Header.Get("Subject")
	if decoded, err := words.DecodeHeader(m.Subject); err == nil {
		m.Subject = decoded
	}
	m.MessageID = strings.Trim(message.Header.Get("Message-Id"), "<>")
	if err := m.readPart(textproto.MIMEHeader(message.Header), message.Body, maxDepth); err != nil {
		m.Problem = "the body cannot be read: " + err.Error()
	}
	m.HasQR = m.qr() != nil
	return m
}

func (m *mail) readPart(header textproto.MIMEHeader, body io.Reader, depth int) error {
	if m.parts++; m.parts > maxParts || depth == 0 {
		return errors.New("it has too many parts")
	}
	written := header.Get("Content-Type")
	if written == "" {
		written = "text/plain"
	}
	kind, parameters, err := mime.ParseMediaType(written)
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		return m.readParts(multipart.NewReader(body, parameters["boundary"]), depth-1)
	}
	content, err := io.ReadAll(decode(header.Get("Content-Transfer-Encoding"), body))
	if err != nil {
		return err
	}
	id := strings.Trim(header.Get("Content-Id"), "<>")
	switch {
	case kind == "text/html" && m.html == "":
		m.html = string(content)
	case kind == "text/plain" && m.text == "":
		m.text = string(content)
	case strings.HasPrefix(kind, "image/") && id != "":
		m.inline = append(m.inline, inline{id: id, kind: kind, content: content})
	}
	return nil
}

func (m *mail) readParts(parts *multipart.Reader, depth int) error {
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := m.readPart(part.Header, part, depth); err != nil {
			return err
		}
	}
}

func decode(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(encoding) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	}
	return body
}

// qr is the first PNG that the HTML part can show, nil where there is none.
func (m *mail) qr() []byte {
	for _, image := range m.inline {
		if image.kind == "image/png" {
			return image.content
		}
	}
	return nil
}

// page is the HTML part with its images in it.
func (m *mail) page() string {
	page := m.html
	for _, image := range m.inline {
		page = strings.ReplaceAll(page, "cid:"+image.id, "data:"+image.kind+";base64,"+base64.StdEncoding.EncodeToString(image.content))
	}
	return page
}
