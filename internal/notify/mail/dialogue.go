package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// The steps of a dialogue, as errors name them.
const (
	stepConnect  = "connect"
	stepTLS      = "TLS"
	stepGreeting = "greeting"
	stepHello    = "EHLO"
	stepSTARTTLS = "STARTTLS"
	stepAuth     = "AUTH"
	stepMail     = "MAIL"
	stepRcpt     = "RCPT"
	stepData     = "DATA"
	stepContent  = "content"
)

// maxSaid bounds what a server may say in one dialogue, in bytes, TLS included.
const maxSaid = 256 << 10

var (
	errTooMuchSaid = errors.New("the server said more than 256 KiB")
	errNotLoopback = errors.New("without encryption only a loopback address is used")
)

// converse sends a composed mail over a new connection.
func (s *Sender) converse(ctx context.Context, to address, mail []byte) error {
	answers := newAnswers(to, s.server.Username, s.server.Password)
	conn, err := s.dial(ctx)
	if err != nil {
		return answers.deferred(stepConnect, err)
	}
	// A deadline in the past ends whatever waits; closing twice does no harm.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	client, err := s.open(ctx, conn, answers)
	if err != nil {
		return err
	}
	if err := s.authenticate(client, answers); err != nil {
		return err
	}
	if err := s.deliver(client, to, mail, answers); err != nil {
		return err
	}
	// The mail is sent, whatever becomes of the farewell.
	_ = client.Quit()
	return nil
}

func (s *Sender) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.endpoint())
	if err != nil {
		return nil, err
	}
	if s.server.Encryption == Unencrypted {
		// A name such as localhost is checked once it is an address.
		if peer, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !peer.IP.IsLoopback() {
			return nil, errors.Join(errNotLoopback, conn.Close())
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return &boundedConn{Conn: conn, left: maxSaid}, nil
}

// open greets, and returns a client whose connection is encrypted as it must be.
func (s *Sender) open(ctx context.Context, conn net.Conn, answers answers) (*smtp.Client, error) {
	if s.server.Encryption == TLS {
		encrypted := tls.Client(conn, s.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, answers.deferred(stepTLS, err)
		}
		conn = encrypted
	}
	client, err := smtp.NewClient(conn, s.server.Host)
	if err != nil {
		return nil, answers.deferred(stepGreeting, err)
	}
	if err := client.Hello(s.server.HelloName); err != nil {
		return nil, answers.deferred(stepHello, err)
	}
	if s.server.Encryption != STARTTLS {
		return client, nil
	}
	if offered, _ := client.Extension("STARTTLS"); !offered {
		return nil, &Deferred{Step: stepSTARTTLS, Reason: "the server does not offer STARTTLS"}
	}
	if err := client.StartTLS(s.tls); err != nil {
		return nil, answers.deferred(stepSTARTTLS, err)
	}
	return client, nil
}

// authenticate sends username and password, within TLS.
func (s *Sender) authenticate(client *smtp.Client, answers answers) error {
	if s.server.Username == "" {
		return nil
	}
	if _, encrypted := client.TLSConnectionState(); !encrypted {
		return &Deferred{Step: stepAuth, Reason: "the connection is not encrypted"}
	}
	_, offered := client.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	host, name, password := s.server.Host, s.server.Username, s.server.Password.Reveal()
	var auth smtp.Auth
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
		auth = smtp.PlainAuth("", name, password, host, false)
	case slices.Contains(mechanisms, "LOGIN"):
		auth = smtp.LoginAuth(name, password, host, false)
	default:
		return &Deferred{Step: stepAuth, Reason: "the server offers neither AUTH PLAIN nor LOGIN"}
	}
	if err := client.Auth(auth); err != nil {
		return answers.deferred(stepAuth, err)
	}
	return nil
}

// deliver hands over envelope and mail.
func (s *Sender) deliver(client *smtp.Client, to address, mail []byte, answers answers) error {
	// SMTPUTF8 is asked for where it is needed only: a mail that asks for it is refused by
	// each server on its way that does not know it.
	international := to.international() || s.from.international() || s.replyTo != nil && s.replyTo.international()
	if offered, _ := client.Extension("SMTPUTF8"); international && !offered {
		return &Refused{Answer: Answer{Code: 553, Enhanced: "5.6.7"}, Reason: "the mail server takes no address with letters beyond ASCII before the @"}
	}
	client.SkipSMTPUTF8(!international)
	if err := client.Mail("<" + s.from.path() + ">"); err != nil {
		return answers.deferred(stepMail, err)
	}
	if err := client.Rcpt("<" + to.path() + ">"); err != nil {
		return answers.final(stepRcpt, err)
	}
	content, err := client.Data()
	if err != nil {
		return answers.final(stepData, err)
	}
	if _, err := content.Write(mail); err != nil {
		// Without the final dot no server takes it.
		return answers.deferred(stepContent, err)
	}
	if err := content.Close(); err != nil {
		if errors.As(err, new(*textproto.Error)) {
			return answers.final(stepContent, err)
		}
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, answers.deferred(stepContent, err))
	}
	return nil
}

// boundedConn ends a dialogue in which the server says too much.
type boundedConn struct {
	net.Conn
	left int
}

// Read reads what is left at most.
func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuchSaid
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
