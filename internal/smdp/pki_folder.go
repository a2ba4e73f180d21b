package smdp

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

// pkiFolder keeps certificates and keys:
//
//	ca.crt, ca.key                            the CA
//	server.crt, server.key                    the SM-DP+'s own
//	clients/<requester>/{tls.crt,tls.key,ca.crt}  a client's, named as Kubernetes' TLS Secrets
//
// Keys are readable by their owner alone.
type pkiFolder struct {
	path string
	// mu keeps certificates and keys together.
	mu sync.Mutex
}

// fileSafe is what a requester's name must look like to name a folder.
var fileSafe = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// openPKI makes the PKI or, where there is one in the folder, opens it. An empty folder name
// keeps it in memory. The server's certificate is renewed when it no longer fits.
func openPKI(folder string, hosts []string, now func() time.Time) (*PKI, error) {
	p := &PKI{now: now}
	if folder != "" {
		p.folder = &pkiFolder{path: filepath.Join(folder, "pki")}
	}
	ca, err := p.folder.pair("ca", func() (pemPair, error) { return newCA(now()) }, func(*x509.Certificate) bool { return true })
	if err != nil {
		return nil, err
	}
	caPair, caKey, err := parsePair(ca)
	if err != nil {
		return nil, fmt.Errorf("read the CA: %w", err)
	}
	p.CA, p.caCert, p.caKey = ca.cert, caPair.Leaf, caKey
	if p.server, err = p.openServer(hosts); err != nil {
		return nil, err
	}
	p.ClientCert, p.ClientKey, err = p.Client(DefaultRequester)
	return p, err
}

func (p *PKI) openServer(hosts []string) (tls.Certificate, error) {
	pair, err := p.folder.pair("server",
		func() (pemPair, error) { return p.issue("SM-DP+ simulator", CertificateOptions{Hosts: hosts}) },
		func(c *x509.Certificate) bool {
			for _, host := range hosts {
				if c.VerifyHostname(host) != nil {
					return false
				}
			}
			return p.valid(c)
		})
	if err != nil {
		return tls.Certificate{}, err
	}
	server, _, err := parsePair(pair)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the server certificate: %w", err)
	}
	return server, nil
}

// Client is the certificate and key of a client, as PEM: those in the data folder, if they are
// still good, or new ones.
func (p *PKI) Client(requester string) (cert, key []byte, err error) {
	if p.folder == nil {
		return p.Issue(requester)
	}
	if err := checkFileSafe(requester); err != nil {
		return nil, nil, err
	}
	pair, err := p.folder.pair(filepath.Join("clients", requester, "tls"),
		func() (pemPair, error) { return p.issue(requester, CertificateOptions{}) }, p.valid)
	if err != nil {
		return nil, nil, err
	}
	return pair.cert, pair.key, p.folder.writeLocked(filepath.Join("clients", requester, "ca.crt"), p.CA)
}

// checkFileSafe tells whether a client's name can name a folder.
func checkFileSafe(requester string) error {
	if !fileSafe.MatchString(requester) {
		return fmt.Errorf("client %q: the name must be letters, digits, dots, dashes and underscores, as it names a folder", requester)
	}
	return nil
}

// valid tells whether the certificate is the CA's and has a day left at least.
func (p *PKI) valid(c *x509.Certificate) bool {
	return c.CheckSignatureFrom(p.caCert) == nil && p.now().Add(clockSkew).Before(c.NotAfter)
}

// pair is what the folder holds under the name, if it is whole and good; else a new one, which
// is written. A nil folder holds nothing.
func (f *pkiFolder) pair(name string, fresh func() (pemPair, error), good func(*x509.Certificate) bool) (pemPair, error) {
	if f == nil {
		return fresh()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	pair, err := f.read(name)
	if err == nil {
		cert, _, err := parsePair(pair)
		if err != nil {
			return pemPair{}, fmt.Errorf("read %s: %w; remove the file to have it made again", filepath.Join(f.path, name+".crt"), err)
		}
		if good(cert.Leaf) {
			return pair, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return pemPair{}, fmt.Errorf("read the PKI: %w", err)
	}
	if pair, err = fresh(); err != nil {
		return pemPair{}, err
	}
	return pair, f.writePair(name, pair)
}

func (f *pkiFolder) read(name string) (pemPair, error) {
	cert, err := os.ReadFile(filepath.Join(f.path, name+".crt"))
	if err != nil {
		return pemPair{}, err
	}
	key, err := os.ReadFile(filepath.Join(f.path, name+".key"))
	return pemPair{cert: cert, key: key}, err
}

// writePair takes the old certificate away first and writes the new one last: a pair that is
// half written is then no pair, and is made again.
func (f *pkiFolder) writePair(name string, pair pemPair) error {
	if err := os.Remove(filepath.Join(f.path, name+".crt")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replace a certificate: %w", err)
	}
	if err := f.write(name+".key", pair.key); err != nil {
		return err
	}
	return f.write(name+".crt", pair.cert)
}

func (f *pkiFolder) writeClient(requester string, pair pemPair, ca []byte) error {
	if err := checkFileSafe(requester); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.writePair(filepath.Join("clients", requester, "tls"), pair); err != nil {
		return err
	}
	return f.write(filepath.Join("clients", requester, "ca.crt"), ca)
}

func (f *pkiFolder) writeLocked(name string, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(name, data)
}

// write replaces a file as a whole. Nothing is written where it holds the same already.
func (f *pkiFolder) write(name string, data []byte) error {
	path := filepath.Join(f.path, name)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write the PKI: %w", err)
	}
	if err := errors.Join(os.WriteFile(path+".new", data, 0o600), os.Rename(path+".new", path)); err != nil {
		return fmt.Errorf("write the PKI: %w", err)
	}
	return nil
}

// decodeCertificates reads PEM and returns its certificates; an error where there are none.
func decodeCertificates(data []byte) (*x509.CertPool, error) {
	pool, found := x509.NewCertPool(), false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read a CA certificate: %w", err)
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, errors.New("read a CA certificate: there is no PEM block in it")
	}
	return pool, nil
}
