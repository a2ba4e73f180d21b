package manager

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/internal/facade/access"
)

// Notifications is the server that takes what mobile operators report of profiles over ES2+.
type Notifications struct {
	// BindAddress takes HandleDownloadProgressInfo over mutual TLS; "0" for none.
	BindAddress string `json:"bindAddress"`
	// CertDir holds tls.crt and tls.key, by which the server shows who it is. They may be
	// replaced while it runs.
	CertDir string `json:"certDir"`
}

func (n Notifications) served() bool { return n.BindAddress != "" && n.BindAddress != "0" }

func (n Notifications) validate() error {
	if !n.served() {
		return nil
	}
	if _, _, err := net.SplitHostPort(n.BindAddress); err != nil {
		return fmt.Errorf("notifications.bindAddress is %q; it may be an address such as :8444, or 0 for none", n.BindAddress)
	}
	if n.CertDir == "" {
		return fmt.Errorf("notifications.certDir is empty; name the folder with tls.crt and tls.key")
	}
	return nil
}

// VendorWebhooks is the server that takes wholesalers' webhooks.
type VendorWebhooks struct {
	// BindAddress takes webhooks over HTTPS; "0" for none.
	BindAddress string `json:"bindAddress"`
	// CertDir holds tls.crt and tls.key, by which the server shows who it is. They may be
	// replaced while it runs.
	CertDir string `json:"certDir"`
	// TrustedProxies are the networks, in CIDR notation, of the proxies whose X-Forwarded-For is
	// believed.
	TrustedProxies []string `json:"trustedProxies"`
}

func (v VendorWebhooks) served() bool { return v.BindAddress != "" && v.BindAddress != "0" }

func (v VendorWebhooks) proxies() (access.Proxies, error) {
	proxies := make(access.Proxies, 0, len(v.TrustedProxies))
	for i, text := range v.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if err != nil || network.Masked() != network {
			return nil, fmt.Errorf("vendorWebhooks.trustedProxies[%d] is %q; it must be a network such as 10.0.0.0/8, a single address as 10.0.0.7/32", i, text)
		}
		proxies = append(proxies, network)
	}
	return proxies, nil
}

func (v VendorWebhooks) validate() error {
	if _, err := v.proxies(); err != nil {
		return err
	}
	if !v.served() {
		return nil
	}
	if _, _, err := net.SplitHostPort(v.BindAddress); err != nil {
		return fmt.Errorf("vendorWebhooks.bindAddress is %q; it may be an address such as :8445, or 0 for none", v.BindAddress)
	}
	if v.CertDir == "" {
		return fmt.Errorf("vendorWebhooks.certDir is empty; name the folder with tls.crt and tls.key")
	}
	return nil
}

// Ways to keep a mail server's connection secret.
const (
	encryptionSTARTTLS = "starttls"
	encryptionTLS      = "tls"
	encryptionNone     = "none"
)

// Mail is the server through which receipts go out.
type Mail struct {
	// Host of the mail server; without one no receipts are sent.
	Host string `json:"host"`
	// Port of the mail server; 587 where absent, or 465 with encryption tls.
	Port int `json:"port"`
	// Encryption is starttls, tls, or none, which only a loopback address may have.
	Encryption string `json:"encryption"`
	// CAFile, where set, holds the certificates that the mail server is checked by, instead of
	// the system's.
	CAFile string `json:"caFile"`
	// CredentialsSecret names a Secret in the manager's own namespace with username and
	// password; empty for a server that asks for none.
	CredentialsSecret string `json:"credentialsSecret"`
	// From is the sender, such as "eSIM shop <esim@example.com>".
	From string `json:"from"`
	// ReplyTo is where answers go, if not to the sender.
	ReplyTo string `json:"replyTo"`
	// TemplatesConfigMap names a ConfigMap in the manager's own namespace with templates that
	// take the place of our own.
	TemplatesConfigMap string `json:"templatesConfigMap"`
	// Timeout of sending one mail.
	Timeout metav1.Duration `json:"timeout"`
	// MaxInFlight is how many mails are sent at one time.
	MaxInFlight int `json:"maxInFlight"`
}

func (m Mail) sent() bool { return m.Host != "" }

func (m Mail) validate() error {
	if !m.sent() {
		return nil
	}
	switch m.Encryption {
	case encryptionSTARTTLS, encryptionTLS:
	case encryptionNone:
		address, err := netip.ParseAddr(m.Host)
		if (err != nil || !address.IsLoopback()) && m.Host != "localhost" {
			return fmt.Errorf("mail.encryption may be none on this machine only, and mail.host is %q; use starttls or tls", m.Host)
		}
		if m.CredentialsSecret != "" {
			return fmt.Errorf("mail.credentialsSecret would be sent in clear with mail.encryption none; use starttls or tls")
		}
	default:
		return fmt.Errorf("mail.encryption is %q; it may be starttls, tls or none", m.Encryption)
	}
	if m.Port < 0 || m.Port > 65535 {
		return fmt.Errorf("mail.port is %d; it may be 1 to 65535", m.Port)
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		return fmt.Errorf("mail.from is %q; it must be an address such as eSIM shop <esim@example.com>", m.From)
	}
	if _, err := mail.ParseAddress(m.ReplyTo); m.ReplyTo != "" && err != nil {
		return fmt.Errorf("mail.replyTo is %q; it must be an address such as help@example.com", m.ReplyTo)
	}
	if m.Timeout.Duration <= 0 {
		return fmt.Errorf("mail.timeout is %s; it must be longer than 0s", m.Timeout.Duration)
	}
	if m.MaxInFlight < 1 || m.MaxInFlight > 1000 {
		return fmt.Errorf("mail.maxInFlight is %d; it may be 1 to 1000", m.MaxInFlight)
	}
	return nil
}

// Webhooks are how clients' endpoints are called.
type Webhooks struct {
	// AllowedNetworks are private networks, in CIDR notation, that endpoints may be in.
	AllowedNetworks []string `json:"allowedNetworks"`
	// AllowHTTP allows endpoints in these networks to be called without TLS.
	AllowHTTP bool `json:"allowHTTP"`
	// CAFile, where set, holds further certificates that endpoints are checked by.
	CAFile string `json:"caFile"`
	// Timeout of one call.
	Timeout metav1.Duration `json:"timeout"`
	// MaxInFlight is how many calls each endpoint gets at one time.
	MaxInFlight int `json:"maxInFlight"`
}

func (w Webhooks) networks() ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, 0, len(w.AllowedNetworks))
	for i, text := range w.AllowedNetworks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("webhooks.allowedNetworks[%d] is %q; it must be a network such as 10.0.0.0/8", i, text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

func (w Webhooks) validate() error {
	if _, err := w.networks(); err != nil {
		return err
	}
	if w.AllowHTTP && len(w.AllowedNetworks) == 0 {
		return fmt.Errorf("webhooks.allowHTTP counts for webhooks.allowedNetworks only, and there are none")
	}
	if w.Timeout.Duration <= 0 {
		return fmt.Errorf("webhooks.timeout is %s; it must be longer than 0s", w.Timeout.Duration)
	}
	if w.MaxInFlight < 1 || w.MaxInFlight > 100 {
		return fmt.Errorf("webhooks.maxInFlight is %d; it may be 1 to 100", w.MaxInFlight)
	}
	return nil
}

// defaultMail and defaultWebhooks are what holds where the file says nothing.
var (
	defaultMail     = Mail{Encryption: encryptionSTARTTLS, Timeout: metav1.Duration{Duration: 30 * time.Second}, MaxInFlight: 8}
	defaultWebhooks = Webhooks{AllowedNetworks: []string{}, Timeout: metav1.Duration{Duration: 15 * time.Second}, MaxInFlight: 8}
)
