// Package servingcert has the certificates that our own servers show: read from files, read again
// when these change, and told of by metrics before they expire.
package servingcert

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"github.com/telcodev/esim-operator/internal/instruments"
)

// The servers, as metrics call them.
const (
	// REST is the API of the facade.
	REST = "rest"
	// Notifications is what SM-DP+s report to (ES2+).
	Notifications = "notifications"
	// VendorWebhooks is what wholesalers report to.
	VendorWebhooks = "vendor-webhooks"
)

var (
	expiry = instruments.Registered(instruments.Define(instruments.Both, instruments.Gauge, "esim_serving_certificate_expiry_timestamp_seconds",
		"When the certificate that one of our servers shows expires, in seconds since 1970, by server: rest, notifications, vendor-webhooks. "+
			"Of those that are shown with it, the first to expire counts.",
		"server").NewGaugeVec())

	lifetime = instruments.Registered(instruments.Define(instruments.Both, instruments.Gauge, "esim_serving_certificate_lifetime_seconds",
		"For how long that certificate is valid from its issue on, in seconds, by server: what is issued for days is replaced later than what is issued for a year.",
		"server").NewGaugeVec())
)

// Watch reads the certificate of a server, and reads it again when its files change, once the
// result is started. What is wrong with a pair that comes later is logged, and the one before goes
// on being shown, until its end, of which the metrics tell.
func Watch(server, certFile, keyFile string) (*certwatcher.CertWatcher, error) {
	watcher, err := certwatcher.New(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	watcher.RegisterCallback(func(shown tls.Certificate) { show(server, &shown) })
	return watcher, nil
}

// show tells when a certificate expires.
func show(server string, shown *tls.Certificate) {
	first, err := firstToExpire(shown)
	if err != nil {
		// A pair with a certificate that cannot be read is not taken in the first place; of one
		// above it nobody can tell when it ends.
		expiry.DeleteLabelValues(server)
		lifetime.DeleteLabelValues(server)
		return
	}
	expiry.WithLabelValues(server).Set(float64(first.NotAfter.Unix()))
	lifetime.WithLabelValues(server).Set(first.NotAfter.Sub(first.NotBefore).Seconds())
}

// firstToExpire is that of a chain which ends before the others.
func firstToExpire(chain *tls.Certificate) (*x509.Certificate, error) {
	var first *x509.Certificate
	for _, der := range chain.Certificate {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("reading a certificate that is shown: %w", err)
		}
		if first == nil || certificate.NotAfter.Before(first.NotAfter) {
			first = certificate
		}
	}
	if first == nil {
		return nil, fmt.Errorf("no certificate is shown")
	}
	return first, nil
}
