package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"
)

// mailServer answers one connection. It offers STARTTLS if it has a certificate, or begins TLS at
// once.
func mailServer(t *testing.T, certificate *tls.Certificate, tlsAtOnce bool) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	go func() {
		defer close(done)
		connection, err := listener.Accept()
		if err != nil {
			return // the test is over
		}
		defer func() { _ = connection.Close() }() // the other side may have closed it
		if tlsAtOnce {
			// What becomes of it the client tells.
			_ = tls.Server(connection, serving(certificate)).HandshakeContext(context.Background())
			return
		}
		converse(connection, certificate)
	}()
	return listener.Addr().String()
}

func serving(certificate *tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
}

// converse is the part of SMTP before mail.
func converse(connection net.Conn, certificate *tls.Certificate) {
	say := func(lines ...string) { _, _ = connection.Write([]byte(strings.Join(lines, "\r\n") + "\r\n")) }
	say("220 localhost ESMTP")
	reader := bufio.NewReader(connection)
	for {
		line, err := reader.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "EHLO") && certificate != nil:
			say("250-localhost", "250 STARTTLS")
		case strings.HasPrefix(line, "EHLO"):
			say("250 localhost")
		case strings.HasPrefix(line, "STARTTLS"):
			say("220 go ahead")
			secured := tls.Server(connection, serving(certificate))
			if secured.HandshakeContext(context.Background()) != nil {
				return
			}
			connection, reader = secured, bufio.NewReader(secured)
		}
	}
}

func TestTryingAMailServerOut(t *testing.T) {
	now := time.Now()
	encoded, key := pair(t, now.Add(-time.Hour), now.Add(time.Hour))
	certificate, err := tls.X509KeyPair(encoded, key)
	if err != nil {
		t.Fatal(err)
	}
	trusted, others := x509.NewCertPool(), x509.NewCertPool()
	trusted.AppendCertsFromPEM(encoded)
	for name, c := range map[string]struct {
		certificate *tls.Certificate
		server      MailServer
		roots       *x509.CertPool
		says        string
	}{
		"STARTTLS":                  {&certificate, MailServer{Host: "localhost"}, trusted, ""},
		"TLS at once":               {&certificate, MailServer{Host: "localhost", TLS: true}, trusted, ""},
		"no STARTTLS":               {nil, MailServer{Host: "localhost"}, trusted, "does not offer STARTTLS"},
		"an unknown CA":             {&certificate, MailServer{Host: "localhost"}, others, "unknown authority"},
		"an unknown CA, at once":    {&certificate, MailServer{Host: "localhost", TLS: true}, others, "unknown authority"},
		"a CA that the manager has": {&certificate, MailServer{Host: "localhost", Unchecked: true}, others, ""},
		"another name":              {&certificate, MailServer{Host: "smtp.example.com"}, trusted, "certificate is valid for localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			c.server.Address = mailServer(t, c.certificate, c.server.TLS)
			reached, err := tryMail(t.Context(), c.server, c.roots)
			if !reached {
				t.Errorf("it was not reached: %v", err)
			}
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("it says %v, want %q", err, c.says)
			}
		})
	}
}

func TestAMailServerThatIsNotThere(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if reached, err := TryMail(t.Context(), MailServer{Host: "localhost", Address: address}); reached || err == nil {
		t.Errorf("reached: %v, %v", reached, err)
	}
}
