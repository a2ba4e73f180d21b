package mail

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/internal/activation"
)

const (
	username = "receipts"
	password = "hunter2hunter2"
)

// office is a real SMTP server on a real port, that does as a test tells.
type office struct {
	port  int
	roots *x509.CertPool

	mechanisms []string
	onMail     func() error
	onRcpt     func(to string) error
	onData     func(content []byte) error
	smtp       func(*smtp.Server)
	// implicit TLS instead of STARTTLS; without any where plain.
	implicit, plain bool

	mutex sync.Mutex
	got   []delivery
}

type delivery struct {
	from, to string
	user     string
	utf8     bool
	raw      []byte
}

// open serves until the test ends.
func (o *office) open(t *testing.T) *office {
	t.Helper()
	certificate, roots := certify(t, "localhost")
	o.roots = roots
	server := smtp.NewServer(o)
	server.Domain = "localhost"
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.AllowInsecureAuth = o.plain
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if !o.implicit && !o.plain {
		server.TLSConfig = config
	}
	if o.smtp != nil {
		o.smtp(server)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.port = listener.Addr().(*net.TCPAddr).Port
	if o.implicit {
		listener = tls.NewListener(listener, config)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return o
}

// server is the configuration by which the office is reached.
func (o *office) server() Server {
	server := Server{
		Host: "127.0.0.1", Port: o.port, ServerName: "localhost", RootCAs: o.roots, Encryption: STARTTLS,
		Username: username, Password: activation.NewCredential(password),
		From: "receipts@shop.example", FromName: "Shop", Timeout: 20 * time.Second,
	}
	switch {
	case o.implicit:
		server.Encryption = TLS
	case o.plain:
		server.Encryption, server.Username, server.Password = Unencrypted, "", activation.Credential{}
	}
	return server
}

func (o *office) deliveries() []delivery {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return append([]delivery(nil), o.got...)
}

func (o *office) NewSession(conn *smtp.Conn) (smtp.Session, error) {
	return &desk{office: o, conn: conn}, nil
}

// desk serves one connection.
type desk struct {
	office *office
	conn   *smtp.Conn
	delivery
}

func (d *desk) AuthMechanisms() []string {
	if d.office.mechanisms != nil {
		return d.office.mechanisms
	}
	return []string{sasl.Plain}
}

func (d *desk) Auth(mechanism string) (sasl.Server, error) {
	check := func(_, user, word string) error {
		if user != username || word != password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong password: " + word}
		}
		d.user = user
		return nil
	}
	if mechanism == "LOGIN" {
		return &login{check: check}, nil
	}
	return sasl.NewPlainServer(check), nil
}

func (d *desk) Mail(from string, options *smtp.MailOptions) error {
	d.from, d.utf8 = from, options.UTF8
	if d.office.onMail != nil {
		return d.office.onMail()
	}
	return nil
}

func (d *desk) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	if d.office.onRcpt != nil {
		return d.office.onRcpt(to)
	}
	return nil
}

func (d *desk) Data(content io.Reader) error {
	raw, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	if d.office.onData != nil {
		if err := d.office.onData(raw); err != nil {
			if errors.Is(err, errHangUp) {
				return errors.Join(err, d.conn.Conn().Close())
			}
			return err
		}
	}
	d.raw = bytes.Clone(raw)
	d.office.mutex.Lock()
	d.office.got = append(d.office.got, d.delivery)
	d.office.mutex.Unlock()
	return nil
}

func (d *desk) Reset()        {}
func (d *desk) Logout() error { return nil }

// errHangUp has the office close the connection instead of answering.
var errHangUp = errors.New("hang up")

// login is the server's side of AUTH LOGIN.
type login struct {
	check func(identity, user, word string) error
	user  string
	asked int
}

func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check("", l.user, string(response))
}

// certify makes a self-signed certificate, and the pool that trusts it.
func certify(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

var noon = time.Date(2036, 1, 2, 12, 0, 0, 0, time.UTC)

func sender(t *testing.T, server Server) *Sender {
	t.Helper()
	made, err := NewSender(server, clocktesting.NewFakePassiveClock(noon))
	if err != nil {
		t.Fatal(err)
	}
	return made
}
