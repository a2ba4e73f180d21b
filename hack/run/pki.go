//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour
	// clockSkew keeps a fresh certificate valid on a clock that was just set back.
	clockSkew = time.Hour

	certificateBlock = "CERTIFICATE"
	privateKeyBlock  = "PRIVATE KEY"
	publicKeyBlock   = "PUBLIC KEY"
)

// keyPair is a certificate and its key, as PEM.
type keyPair struct{ cert, key []byte }

// authority is a CA. It lives as long as the state; what it issues is issued anew at every
// start, so that it never expires and always names the right hosts.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// PEM of the certificate.
	PEM []byte
}

// openAuthority reads a CA from <folder>/<name>.crt and .key, or makes it there.
func openAuthority(folder, name string, now time.Time) (*authority, error) {
	pair, err := readPair(folder, name)
	if errors.Is(err, fs.ErrNotExist) {
		if pair, err = newAuthority(name, now); err == nil {
			err = writePair(folder, name, pair)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the CA %s: %w", name, err)
	}
	cert, err := parseCertificate(pair.cert)
	if err != nil {
		return nil, fmt.Errorf("reading the CA %s: %w", name, err)
	}
	key, err := parseKey(pair.key)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the CA %s: %w", name, err)
	}
	return &authority{cert: cert, key: key, PEM: pair.cert}, nil
}

func newAuthority(name string, now time.Time) (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "esim-operator development " + name},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(caLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	return sign(template, template, key, key)
}

// issue makes a certificate for a server of the given hosts and, as etcd's peers need both,
// for a client; without hosts for a client alone.
func (a *authority) issue(subject pkix.Name, now time.Time, hosts ...string) (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{
		Subject:     subject,
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(leafLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if len(hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	return sign(template, a.cert, key, a.key)
}

func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (keyPair, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return keyPair{}, fmt.Errorf("choosing a serial number: %w", err)
	}
	template.SerialNumber = serial
	cert, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return keyPair{}, fmt.Errorf("signing the certificate of %s: %w", template.Subject.CommonName, err)
	}
	keyPEM, err := marshalKey(key)
	if err != nil {
		return keyPair{}, err
	}
	return keyPair{cert: pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: cert}), key: keyPEM}, nil
}

// ensureTokenKeys makes the key pair <folder>/sa.key and sa.pub that service account tokens
// are signed with, unless it is there: tokens outlive a restart.
func ensureTokenKeys(folder string) error {
	if _, err := os.Stat(filepath.Join(folder, "sa.pub")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key of service accounts: %w", err)
	}
	private, err := marshalKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encoding the key of service accounts: %w", err)
	}
	if err := supervise.WriteFile(filepath.Join(folder, "sa.key"), private); err != nil {
		return err
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: publicKeyBlock, Bytes: public})
	return supervise.WriteFile(filepath.Join(folder, "sa.pub"), publicPEM)
}

func marshalKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateKeyBlock, Bytes: der}), nil
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != certificateBlock {
		return nil, errors.New("it holds no certificate; remove the state with `make clean-run`")
	}
	return x509.ParseCertificate(block.Bytes)
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateKeyBlock {
		return nil, errors.New("it holds no key; remove the state with `make clean-run`")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T, not an ECDSA key; remove the state with `make clean-run`", parsed)
	}
	return key, nil
}

func readPair(folder, name string) (keyPair, error) {
	cert, err := os.ReadFile(filepath.Join(folder, name+".crt"))
	if err != nil {
		return keyPair{}, err
	}
	key, err := os.ReadFile(filepath.Join(folder, name+".key"))
	return keyPair{cert: cert, key: key}, err
}

// writePair writes the certificate last: where it is, its key is too.
func writePair(folder, name string, pair keyPair) error {
	if err := supervise.WriteFile(filepath.Join(folder, name+".key"), pair.key); err != nil {
		return err
	}
	return supervise.WriteFile(filepath.Join(folder, name+".crt"), pair.cert)
}
