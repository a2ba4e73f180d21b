package secrecy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
)

// Addresses at which the mail server behaves badly begin with these.
const (
	refusedMail  = "refused-"
	deferredMail = "deferred-"
	lostMail     = "lost-"
)

// postOffice is a mail server that repeats what it was sent.
type postOffice struct {
	listener net.Listener
	password string
	// refusals count the logins that were refused.
	refusals atomic.Int64

	mu   sync.Mutex
	got  []letter
	deaf bool
}

// letter is a mail as it arrived.
type letter struct {
	to  string
	raw []byte
}

// readable is the mail as it came, and as its reader sees it: without the line breaks that its
// encodings put in.
func (l letter) readable() []byte {
	plain, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(l.raw)))
	joined := bytes.ReplaceAll(l.raw, []byte("\r\n"), nil)
	// Where it is not quoted-printable to its end, what was read is still what a reader sees.
	return slices.Concat(l.raw, plain, joined, fmt.Appendf(nil, " %v", err))
}

func (l letter) messageID() string {
	message, err := netmail.ReadMessage(bytes.NewReader(l.raw))
	if err != nil {
		return ""
	}
	return strings.Trim(message.Header.Get("Message-Id"), "<>")
}

func (p *postOffice) open(ctx context.Context, pki *smdp.PKI) {
	GinkgoHelper()
	p.password = randomText()
	cert, key, err := pki.IssueWith("mail", smdp.CertificateOptions{Hosts: []string{"127.0.0.1"}})
	Expect(err).NotTo(HaveOccurred())
	pair, err := tls.X509KeyPair(cert, key)
	Expect(err).NotTo(HaveOccurred())
	server := smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) { return &counter{office: p, conn: conn}, nil }))
	server.Domain = "127.0.0.1"
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.ErrorLog = log.New(io.Discard, "", 0)
	p.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	served := make(chan error, 1)
	go func() { served <- server.Serve(p.listener) }()
	DeferCleanup(func() {
		if err := server.Close(); !errors.Is(err, net.ErrClosed) {
			Expect(err).NotTo(HaveOccurred())
		}
		Eventually(served).Should(Receive(Or(BeNil(), MatchError(smtp.ErrServerClosed))))
	})
}

func (p *postOffice) address() (host string, port int) {
	at, ok := p.listener.Addr().(*net.TCPAddr)
	Expect(ok).To(BeTrue())
	return at.IP.String(), at.Port
}

// credentials is the name of the Secret that the manager sends mails with.
func (p *postOffice) credentials(ctx context.Context) string {
	GinkgoHelper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: "smtp"},
		StringData: map[string]string{"username": "receipts", "password": p.password},
	}
	Expect(k8s.Create(ctx, secret)).To(Succeed())
	return secret.Name
}

func (p *postOffice) letters() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// to are how many mails came for an address.
func (p *postOffice) to(address string) func() int {
	return func() int {
		n := 0
		for _, l := range p.letters() {
			if l.to == address {
				n++
			}
		}
		return n
	}
}

// refuseLogins has the server refuse the password from now on, and repeat it.
func (p *postOffice) refuseLogins(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// counter serves one connection.
type counter struct {
	office *postOffice
	conn   *smtp.Conn
	to     string
}

// AuthMechanisms implements smtp.AuthSession.
func (*counter) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth implements smtp.AuthSession.
func (c *counter) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		c.office.mu.Lock()
		defer c.office.mu.Unlock()
		if c.office.deaf || password != c.office.password {
			c.office.refusals.Add(1)
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "not with " + username + " and " + password}
		}
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (*counter) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt implements smtp.Session.
func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.to = to
	return nil
}

// Data takes the mail, also where it says otherwise.
func (c *counter) Data(content io.Reader) error {
	raw, err := io.ReadAll(content)
	if err != nil {
		return fmt.Errorf("reading a mail: %w", err)
	}
	c.office.mu.Lock()
	c.office.got = append(c.office.got, letter{c.to, raw})
	c.office.mu.Unlock()
	repeated := "we do not like "
	if at := bytes.Index(raw, []byte("LPA:")); at >= 0 {
		repeated += strings.ReplaceAll(string(raw[at:min(at+200, len(raw))]), "\r\n", "")
	}
	switch {
	case strings.HasPrefix(c.to, refusedMail):
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: repeated}
	case strings.HasPrefix(c.to, deferredMail):
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: repeated}
	case strings.HasPrefix(c.to, lostMail):
		return c.conn.Close()
	}
	return nil
}

// Reset implements smtp.Session.
func (c *counter) Reset() { c.to = "" }

// Logout implements smtp.Session.
func (*counter) Logout() error { return nil }
