package smdp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// DefaultRequester is the functionRequesterIdentifier of the client that the PKI starts with.
const DefaultRequester = "OPERATOR-1"

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 2 * 365 * 24 * time.Hour
	// clockSkew is how far a peer's clock may be behind ours.
	clockSkew = 24 * time.Hour
)

// PKI is the development PKI: an own CA, a certificate of the SM-DP+, and certificates of
// clients. All keys are ECDSA P-256. It is safe for concurrent use.
type PKI struct {
	// CA is the certificate by which both sides are checked, as PEM.
	CA []byte
	// ClientCert and ClientKey are those of DefaultRequester, as PEM.
	ClientCert, ClientKey []byte

	now    func() time.Time
	caCert *x509.Certificate
	caKey  *ecdsa.PrivateKey
	// folder to keep certificates in; nil keeps them in memory.
	folder *pkiFolder
	server tls.Certificate
}

// ServerCertificate is that of the SM-DP+, for what else is served under the same names. It is
// checked by CA.
func (p *PKI) ServerCertificate() tls.Certificate { return p.server }

// CertificateOptions tell how a certificate differs from the usual. The zero value is the
// usual: a client's, valid from yesterday for two years.
type CertificateOptions struct {
	// NotBefore and NotAfter bound its validity.
	NotBefore, NotAfter time.Time
	// Hosts are DNS names and IP addresses that it may serve. With any, it may be a server's
	// too: an operator that receives notifications needs such a one.
	Hosts []string
}

// Issue makes a certificate for a client and returns it and its key as PEM. The requester is
// its common name and so the client's identity: whoever has a certificate of the same name
// owns the same profiles. Issuing again is how a certificate is replaced; the earlier one
// stays valid. With a data folder the last one issued is kept there.
func (p *PKI) Issue(requester string) (cert, key []byte, err error) {
	return p.IssueWith(requester, CertificateOptions{})
}

// issue makes a certificate and keeps it nowhere.
func (p *PKI) issue(requester string, o CertificateOptions) (pair pemPair, err error) {
	if requester == "" || !isPrintable(requester) || len(requester) > 64 {
		return pemPair{}, errors.New("issue a certificate: the requester must be 1 to 64 printable characters: it is the common name")
	}
	now := p.now()
	if o.NotBefore.IsZero() {
		o.NotBefore = now.Add(-clockSkew)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = now.Add(leafLifetime)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: requester},
		NotBefore:   o.NotBefore,
		NotAfter:    o.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, host := range o.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if len(o.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	return signCertificate(template, p.caCert, p.caKey)
}

// IssueWith is Issue for a certificate that differs from the usual.
func (p *PKI) IssueWith(requester string, o CertificateOptions) (cert, key []byte, err error) {
	pair, err := p.issue(requester, o)
	if err != nil {
		return nil, nil, err
	}
	if p.folder != nil {
		if err := p.folder.writeClient(requester, pair, p.CA); err != nil {
			return nil, nil, err
		}
	}
	return pair.cert, pair.key, nil
}

// pool of CAs that both sides trust.
func (p *PKI) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.caCert)
	return pool
}

// pemPair is a certificate and its key as PEM.
type pemPair struct{ cert, key []byte }

// newCA makes a certification authority.
func newCA(now time.Time) (pemPair, error) {
	return signCertificate(&x509.Certificate{
		Subject:               pkix.Name{CommonName: "SM-DP+ simulator development CA"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(caLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil, nil)
}

// signCertificate makes a key and a certificate for it; without a parent it signs itself.
func signCertificate(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (pemPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pemPair{}, fmt.Errorf("make a key: %w", err)
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return pemPair{}, fmt.Errorf("draw a serial number: %w", err)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return pemPair{}, fmt.Errorf("sign the certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pemPair{}, fmt.Errorf("encode the key: %w", err)
	}
	return pemPair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

// parsePair reads what signCertificate made.
func parsePair(pair pemPair) (tls.Certificate, *ecdsa.PrivateKey, error) {
	cert, err := tls.X509KeyPair(pair.cert, pair.key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	key, ok := cert.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return tls.Certificate{}, nil, errors.New("the key is not an ECDSA key")
	}
	return cert, key, nil
}
