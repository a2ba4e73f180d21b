package smdp

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

func TestOnlyClientsOfThePKIAreLetIn(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	elsewhere, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = elsewhere.Close() })
	expiredCert, expiredKey, err := s.PKI().IssueWith("OPERATOR-1", CertificateOptions{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		cert, key []byte
		change    func(*tls.Config)
		works     bool
	}{
		{"the default client", s.PKI().ClientCert, s.PKI().ClientKey, nil, true},
		{"TLS 1.2", s.PKI().ClientCert, s.PKI().ClientKey, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		{"TLS 1.1", s.PKI().ClientCert, s.PKI().ClientKey, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		{"no certificate", s.PKI().ClientCert, s.PKI().ClientKey, func(c *tls.Config) { c.Certificates = nil }, false},
		{"a certificate of another PKI", elsewhere.PKI().ClientCert, elsewhere.PKI().ClientKey, func(c *tls.Config) {
			// A client that asks which CAs are trusted would send none.
			foreign := c.Certificates[0]
			c.Certificates = nil
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &foreign, nil }
		}, false},
		{"an expired certificate", expiredCert, expiredKey, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := clientWith(t, s, "OPERATOR-1", tt.cert, tt.key)
			if tt.change != nil {
				tt.change(p.tlsConfig())
			}
			if o := p.observe(t.Context()); o.works() != tt.works {
				t.Errorf("works is %v: HTTP %d, %v", o.works(), o.status, o.err)
			}
		})
	}
	if got := len(s.Ledger()); got != 2 {
		t.Errorf("%d calls were executed, want those of the two that are let in", got)
	}
}

func TestTheServerCertificateIsGoodForItsNames(t *testing.T) {
	s := startServer(t, Options{ServerNames: []string{"smdp.example.com", "192.0.2.7"}})
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "smdp.example.com", "192.0.2.7"} {
		if err := s.pki.server.Leaf.VerifyHostname(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.pki.server.Leaf.VerifyHostname("other.example.com") == nil {
		t.Error("the certificate is good for any name")
	}
}

func TestTheCertificateIsTheOwner(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	before := client(t, s, "OPERATOR-1")
	iccid := before.order(plan)
	// Issued again, with another key: the same owner.
	after := client(t, s, "OPERATOR-1")
	after.success(es2plus.ConfirmOrder, fields{"iccid": iccid, "releaseFlag": true})
	// Another certificate that says in its messages to be the first.
	liar := client(t, s, "OPERATOR-2")
	liar.name = "OPERATOR-1"
	if got := liar.call(es2plus.ReleaseProfile, fields{"iccid": iccid}).code(); got != "1.1/1.2" {
		t.Errorf("a false functionRequesterIdentifier is answered %s", got)
	}
}

func TestACertificateWithoutANameIsNobody(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	nameless, err := signCertificate(&x509.Certificate{
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, s.pki.caCert, s.pki.caKey)
	if err != nil {
		t.Fatal(err)
	}
	p := clientWith(t, s, "OPERATOR-1", nameless.cert, nameless.key)
	if got := p.call(es2plus.DownloadOrder, fields{"profileType": plan}).code(); got != "1.1/1.1" {
		t.Errorf("answered %s", got)
	}
}

func TestThePKILastsOverARestart(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Stock: map[string]int{plan: 5}}
	first := startServer(t, o)
	server := first.pki.server.Certificate[0]
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := startServer(t, o)
	for name, pair := range map[string][2][]byte{
		"CA":                 {first.PKI().CA, second.PKI().CA},
		"client certificate": {first.PKI().ClientCert, second.PKI().ClientCert},
		"client key":         {first.PKI().ClientKey, second.PKI().ClientKey},
		"server certificate": {server, second.pki.server.Certificate[0]},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Errorf("the %s changed", name)
		}
	}
	if o := clientWith(t, second, "OPERATOR-1", first.PKI().ClientCert, first.PKI().ClientKey).observe(t.Context()); !o.works() {
		t.Errorf("the first run's certificate: HTTP %d, %v", o.status, o.err)
	}
}

func TestCertificatesAreRenewedBeforeTheyEnd(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	o := Options{DataDir: t.TempDir(), Clock: clock}
	reopen := func() *PKI {
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return s.PKI()
	}
	first := reopen()
	clock.Step(leafLifetime - clockSkew - time.Minute)
	early := reopen()
	clock.Step(2 * time.Minute)
	late := reopen()
	o.ServerNames = []string{"smdp.example.com"}
	renamed := reopen()
	got := []bool{
		bytes.Equal(first.ClientCert, early.ClientCert), bytes.Equal(early.ClientCert, late.ClientCert),
		bytes.Equal(early.CA, late.CA), bytes.Equal(late.server.Certificate[0], renamed.server.Certificate[0]),
	}
	if diff := cmp.Diff([]bool{true, false, true, false}, got); diff != "" {
		t.Errorf("kept: client early, client late, CA, server with another name (-want +got):\n%s", diff)
	}
}

func TestAPKIThatIsHalfWrittenIsMadeAgain(t *testing.T) {
	for _, missing := range []string{"ca.crt", "server.crt", "clients/OPERATOR-1/tls.crt", "clients/OPERATOR-1/ca.crt"} {
		o := Options{DataDir: t.TempDir(), Stock: map[string]int{plan: 5}}
		first := startServer(t, o)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(o.DataDir, "pki", missing)); err != nil {
			t.Fatal(err)
		}
		again := startServer(t, o)
		if seen := clientWith(t, again, "OPERATOR-1", again.PKI().ClientCert, again.PKI().ClientKey).observe(t.Context()); !seen.works() {
			t.Errorf("without %s: HTTP %d, %v", missing, seen.status, seen.err)
		}
		if _, err := os.Stat(filepath.Join(o.DataDir, "pki", missing)); err != nil {
			t.Errorf("%s was not made again: %v", missing, err)
		}
	}
}

func TestAClientsNameStaysWithinItsFolder(t *testing.T) {
	o := Options{DataDir: t.TempDir()}
	s := startServer(t, o)
	for _, name := range []string{"../../x", "..", "a/b", "", ".hidden", strings.Repeat("x", 65), "new\nline"} {
		if _, _, err := s.PKI().Issue(name); err == nil {
			t.Errorf("a certificate for %q was written", name)
		}
		if _, _, err := s.PKI().Client(name); err == nil {
			t.Errorf("a certificate for %q was kept", name)
		}
	}
	cert, _, err := s.PKI().Client("OPERATOR-2")
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(o.DataDir, "pki", "clients", "OPERATOR-2", "tls.crt"))
	if err != nil || !bytes.Equal(written, cert) {
		t.Errorf("the certificate is not in its folder: %v", err)
	}
}
