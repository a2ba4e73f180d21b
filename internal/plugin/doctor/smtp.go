package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"time"
)

// mailPatience bounds how long a mail server is tried.
const mailPatience = 5 * time.Second

// TryMail is a MailTrial over the network, with the system's certificates.
func TryMail(ctx context.Context, server MailServer) (reached bool, err error) {
	return tryMail(ctx, server, nil)
}

func tryMail(ctx context.Context, server MailServer, roots *x509.CertPool) (reached bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, mailPatience)
	defer cancel()
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", server.Address)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, closed(connection)) }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := connection.SetDeadline(deadline); err != nil {
			return true, fmt.Errorf("bounding the time: %w", err)
		}
	}
	config := &tls.Config{
		ServerName: server.Host, MinVersion: tls.VersionTLS12, RootCAs: roots,
		InsecureSkipVerify: server.Unchecked, //nolint:gosec // nothing is sent; the manager checks by a CA that is not here
	}
	if server.TLS {
		return true, tls.Client(connection, config).HandshakeContext(ctx)
	}
	talk, err := smtp.NewClient(connection, server.Host)
	if err != nil {
		return false, fmt.Errorf("waiting for its greeting: %w", err)
	}
	if offered, _ := talk.Extension("STARTTLS"); !offered {
		return true, errors.New("it does not offer STARTTLS")
	}
	return true, talk.StartTLS(config)
}

// closed closes a connection that may be closed already.
func closed(connection net.Conn) error {
	if err := connection.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing the connection: %w", err)
	}
	return nil
}
