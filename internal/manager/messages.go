package manager

import (
	"crypto/x509"
	"fmt"
	netmail "net/mail"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/postoffice"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

// newReceipts is what sends receipts; nil where none are sent.
func newReceipts(config Config, live client.Reader, now clock.PassiveClock, log logr.Logger) (controllers.ReceiptSender, error) {
	m := config.Mail
	if !m.sent() {
		return nil, nil
	}
	server := mail.Server{
		Host: m.Host, Port: m.port(), Encryption: mail.Encryption(m.Encryption), Timeout: m.Timeout.Duration,
	}
	if m.ReplyTo != "" {
		replyTo, err := netmail.ParseAddress(m.ReplyTo)
		if err != nil {
			return nil, fmt.Errorf("mail.replyTo: %w", err)
		}
		server.ReplyTo = replyTo.Address
	}
	from, err := netmail.ParseAddress(m.From)
	if err != nil {
		return nil, fmt.Errorf("mail.from: %w", err)
	}
	server.From, server.FromName = from.Address, from.Name
	if server.RootCAs, err = readCAs("mail.caFile", m.CAFile, false); err != nil {
		return nil, err
	}
	inNamespace := func(name string) types.NamespacedName {
		return types.NamespacedName{Namespace: config.Namespace, Name: name}
	}
	if _, err := mail.NewSender(server, now); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return &postoffice.Office{
		Live: live, Server: server, Credentials: inNamespace(m.CredentialsSecret), Templates: inNamespace(m.TemplatesConfigMap),
		Clock: now, Log: log,
	}, nil
}

// port of the mail server.
func (m Mail) port() int {
	switch {
	case m.Port != 0:
		return m.Port
	case m.Encryption == encryptionTLS:
		return 465
	default:
		return 587
	}
}

// newWebhooks is what sends events to clients' endpoints.
func newWebhooks(config Webhooks, now clock.PassiveClock) (*webhook.Sender, error) {
	networks, err := config.networks()
	if err != nil {
		return nil, err
	}
	roots, err := readCAs("webhooks.caFile", config.CAFile, true)
	if err != nil {
		return nil, err
	}
	return webhook.New(webhook.Config{
		Allowed: networks, AllowHTTP: config.AllowHTTP, RootCAs: roots, Timeout: config.Timeout.Duration, Clock: now,
	})
}

// readCAs reads certificates to check servers by, beside the system's or instead of them; nil
// where no file is named.
func readCAs(field, file string, beside bool) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	pool := x509.NewCertPool()
	if beside {
		if system, err := x509.SystemCertPool(); err == nil {
			pool = system
		}
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM", field, file)
	}
	return pool, nil
}
