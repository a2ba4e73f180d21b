package progress

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Sender is an EsimOperator that notifications are taken for, and the terms on which.
type Sender struct {
	// Operator is the EsimOperator's name.
	Operator string
	// CA holds the certificates, as PEM, that the sender's is checked by: ca.crt of the Secret
	// that Terms.CASecretRef names.
	CA []byte
	// Terms are the operator's spec.es2plus.notifications.
	Terms v1alpha1.ES2PlusNotifications
}

// Why a certificate does not speak for an operator, from far to near.
var (
	errNotPinned = errors.New("neither a name in the certificate nor its fingerprint is pinned")
	errOtherCA   = errors.New("the operator's CA has not issued the certificate")
	errValidity  = errors.New("the certificate has expired or is not valid yet")
)

// speaker is a Sender, ready to check certificates.
type speaker struct {
	operator string
	points   map[int32]v1alpha1.PointMeaning

	roots        *x509.CertPool
	names        map[string]bool
	fingerprints map[string]bool
}

// newSpeaker reads the CA and the pins. Its error names the operator.
func newSpeaker(s Sender) (*speaker, error) {
	roots, err := readCertificates(s.CA)
	if err != nil {
		return nil, fmt.Errorf("EsimOperator %s: spec.es2plus.notifications.caSecretRef: ca.crt of Secret %s %w",
			s.Operator, s.Terms.CASecretRef.Name, err)
	}
	out := &speaker{
		operator: s.Operator, roots: roots,
		points: map[int32]v1alpha1.PointMeaning{}, names: map[string]bool{}, fingerprints: map[string]bool{},
	}
	for _, name := range s.Terms.SANs {
		out.names[pinnedName(string(name))] = true
	}
	for _, fingerprint := range s.Terms.Fingerprints {
		out.fingerprints[strings.ToLower(strings.ReplaceAll(string(fingerprint), ":", ""))] = true
	}
	for _, point := range s.Terms.Points {
		out.points[point.ID] = point.Means
	}
	return out, nil
}

// readCertificates reads PEM. An error is what is wrong with it.
func readCertificates(text []byte) (*x509.CertPool, error) {
	pool, found := x509.NewCertPool(), false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("holds a PEM block that is no certificate")
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, errors.New("holds no certificate; it must be PEM")
	}
	return pool, nil
}

// pinnedName is a DNS name, or a URI, in the form in which both sides are compared. No pinned
// name is a pattern: *.example.com pins a certificate that says exactly that.
func pinnedName(text string) string {
	if strings.Contains(text, ":") { // as no DNS name does
		if uri, err := url.Parse(text); err == nil {
			return uri.String()
		}
		return text
	}
	return strings.ToLower(strings.TrimSuffix(text, "."))
}

// accepts checks that the certificate, which its sender has proved to hold, is pinned and is
// the CA's at this time. The pin comes first: it costs next to nothing.
func (s *speaker) accepts(certificate *x509.Certificate, intermediates *x509.CertPool, now time.Time) error {
	if !s.pins(certificate) {
		return errNotPinned
	}
	_, err := certificate.Verify(x509.VerifyOptions{
		Roots: s.roots, Intermediates: intermediates, CurrentTime: now,
		// Either will do. An SM-DP+ often shows the certificate that it serves with, and public
		// CAs no longer issue any that may be used for both.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	})
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return errValidity
	default:
		return errOtherCA // the error's own text repeats names in the certificate
	}
}

func (s *speaker) pins(certificate *x509.Certificate) bool {
	if s.fingerprints[fingerprint(certificate)] {
		return true
	}
	for _, name := range certificate.DNSNames {
		if s.names[pinnedName(name)] {
			return true
		}
	}
	for _, uri := range certificate.URIs {
		if s.names[uri.String()] {
			return true
		}
	}
	return false
}

// fingerprint is the SHA-256 of a certificate in hexadecimal digits.
func fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}
