// Package mail sends receipts over SMTP (RFC 5321) with STARTTLS or TLS, and tells apart what
// will never be taken, what is worth another try, and what may have been sent.
package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

// Encryption is how a connection is protected.
type Encryption string

const (
	// STARTTLS begins in the clear and is encrypted before anything is said. A server that
	// does not offer it is not used.
	STARTTLS Encryption = "starttls"
	// TLS is encrypted from the beginning.
	TLS Encryption = "tls"
	// Unencrypted is for a server on the same machine, in development. It must have a loopback
	// address, and no password is sent to it.
	Unencrypted Encryption = "none"
)

const (
	// DefaultTimeout of sending one mail.
	DefaultTimeout = 30 * time.Second
	maxTimeout     = 10 * time.Minute
	maxName        = 100
)

// Server is a mail server, and how mails are sent through it.
type Server struct {
	// Host is a name or an IP address; Port is mostly 587 for STARTTLS and 465 for TLS.
	Host string
	Port int
	// Encryption is STARTTLS where empty.
	Encryption Encryption
	// ServerName is what the certificate must be for; Host where empty.
	ServerName string
	// RootCAs that the certificate is checked by; the system's where nil.
	RootCAs *x509.CertPool

	// Username and Password are sent by AUTH PLAIN or LOGIN, within TLS only; none where
	// Username is empty.
	Username string
	Password activation.Credential

	// From is the address that mails come from, and that bounces go to.
	From string
	// FromName is shown with it; it may be empty.
	FromName string
	// ReplyTo is where answers go; From where empty.
	ReplyTo string
	// HelloName is how this client names itself; the domain of From where empty.
	HelloName string

	// Timeout of sending one mail, from dialling to the last answer; DefaultTimeout where 0.
	Timeout time.Duration
}

// Sender sends mails through one server, each over a connection of its own. It is safe for
// concurrent use.
type Sender struct {
	server  Server
	clock   clock.PassiveClock
	tls     *tls.Config
	from    address
	replyTo *address
}

// NewSender checks the configuration; the error names the field and the remedy. The clock
// gives mails their date.
func NewSender(server Server, now clock.PassiveClock) (*Sender, error) {
	from, err := parseAddress(server.From)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	s := &Sender{server: server, clock: now, from: from}
	if server.ReplyTo != "" {
		replyTo, err := parseAddress(server.ReplyTo)
		if err != nil {
			return nil, fmt.Errorf("replyTo: %w", err)
		}
		s.replyTo = &replyTo
	}
	if err := s.withDefaults(); err != nil {
		return nil, err
	}
	if err := s.checkServer(); err != nil {
		return nil, err
	}
	s.tls = &tls.Config{ServerName: s.server.ServerName, RootCAs: server.RootCAs, MinVersion: tls.VersionTLS12}
	return s, nil
}

func (s *Sender) withDefaults() error {
	if s.server.Encryption == "" {
		s.server.Encryption = STARTTLS
	}
	if s.server.ServerName == "" {
		s.server.ServerName = s.server.Host
	}
	if s.server.HelloName == "" {
		s.server.HelloName = s.from.domain
	}
	if s.server.Timeout == 0 {
		s.server.Timeout = DefaultTimeout
	}
	if s.server.Timeout < 0 || s.server.Timeout > maxTimeout {
		return fmt.Errorf("timeout: must be between 0 and %s", maxTimeout)
	}
	return nil
}

func (s *Sender) checkServer() error {
	c := s.server
	switch c.Encryption {
	case STARTTLS, TLS:
	case Unencrypted:
		if ip := net.ParseIP(c.Host); c.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return errors.New("encryption: none is for a loopback address only; use starttls or tls")
		}
		if c.Username != "" {
			return errors.New("encryption: none with a username would show the password; use starttls or tls")
		}
	default:
		return errors.New("encryption: must be starttls, tls or none")
	}
	if c.Host == "" || net.ParseIP(c.Host) == nil && !hostName(strings.ToLower(strings.TrimSuffix(c.Host, "."))) {
		return errors.New("host: must be a host name such as smtp.example.com, or an IP address")
	}
	if c.Port < 1 || c.Port > 65535 {
		return errors.New("port: must be between 1 and 65535, mostly 587 or 465")
	}
	if !hostName(strings.ToLower(c.HelloName)) {
		return errors.New("helloName: must be a host name such as manager.example.com")
	}
	if len([]rune(c.FromName)) > maxName || strings.ContainsFunc(c.FromName, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("fromName: must have at most %d characters, all printable", maxName)
	}
	if c.Username == "" && !c.Password.Empty() {
		return errors.New("username: is missing while there is a password")
	}
	return nil
}

// Send sends one mail to one address. With nil the server has taken it, which is all that
// SMTP tells. Otherwise the error is *Refused where another try is of no use, *Deferred where
// it is, or ErrUnknownOutcome; it repeats neither the mail nor the address. The messageID is
// without brackets, and the same for the same mail: see MessageID.
//
// Quoted local parts (RFC 5321 section 4.1.2) are refused. International domains are sent as
// DNS writes them; an international local part is sent where the server knows SMTPUTF8.
func (s *Sender) Send(ctx context.Context, to, messageID string, m receipt.Message) error {
	recipient, err := parseAddress(to)
	if err != nil {
		return &Refused{Answer: Answer{Code: 553, Enhanced: "5.1.3"}, Reason: err.Error()}
	}
	mail, err := compose(envelope{
		from: s.from, fromName: s.server.FromName, replyTo: s.replyTo, to: recipient,
		messageID: messageID, date: s.clock.Now(),
	}, m)
	if err != nil {
		return &Refused{Answer: Answer{Code: 554, Enhanced: "5.6.0"}, Reason: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, s.server.Timeout)
	defer cancel()
	return s.converse(ctx, recipient, mail)
}

func (s *Sender) endpoint() string {
	return net.JoinHostPort(s.server.Host, strconv.Itoa(s.server.Port))
}
