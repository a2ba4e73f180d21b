package mailbox

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/emersion/go-smtp"
)

// Addresses whose mails are not taken, whatever their domain, so that one can see what then
// becomes of an order.
const (
	refused = "refused@"
	later   = "later@"
)

func (m *Mailbox) smtpServer() *smtp.Server {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{mailbox: m}, nil
	}))
	server.Domain = "mailbox.localhost"
	server.EnableSMTPUTF8 = true
	server.MaxMessageBytes = maxMail
	server.MaxRecipients = maxRecipients
	server.ReadTimeout, server.WriteTimeout = patience, patience
	server.ErrorLog = slog.NewLogLogger(m.options.Logger.Handler(), slog.LevelDebug)
	return server
}

// session is what one client says.
type session struct {
	mailbox *Mailbox
	from    string
	to      []string
}

// Mail begins a mail.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from, s.to = from, nil
	return nil
}

// Rcpt adds a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch lower := strings.ToLower(to); {
	case strings.HasPrefix(lower, refused):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	case strings.HasPrefix(lower, later):
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "come back later"}
	}
	s.to = append(s.to, to)
	return nil
}

// Data takes the mail.
func (s *session) Data(content io.Reader) error {
	raw, err := io.ReadAll(content)
	if err != nil {
		return fmt.Errorf("reading a mail: %w", err)
	}
	s.mailbox.put(s.from, s.to, raw)
	return nil
}

// Reset forgets a mail that was begun.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout ends the session.
func (s *session) Logout() error { return nil }
