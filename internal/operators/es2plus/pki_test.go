package es2plus

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
)

// authority signs certificates for one test.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pem is the authority's certificate.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// issue signs a certificate for name, for both sides of TLS, and returns it with its key.
func (a *authority) issue(name string) (certificate, key []byte) {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	private := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}

// serverTLS asks for client certificates of the authority.
func (a *authority) serverTLS() *tls.Config {
	certificate, err := tls.X509KeyPair(a.issue("es2plus.example.com"))
	if err != nil {
		a.t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(a.certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}
}

// config of a driver for the server at url that trusts the authority and is trusted by it.
func (a *authority) config(url string) Config {
	certificate, key := a.issue("OPERATOR-1")
	return Config{
		BaseURL: url, FunctionRequesterIdentifier: "OPERATOR-1", CertificatePEM: certificate, KeyPEM: key, CAPEM: a.pem(),
		Timeout: 20 * time.Second, InFlight: 4,
	}
}

// newTestDriver makes a driver and closes it when the test ends.
func newTestDriver(t *testing.T, config Config) *Driver {
	t.Helper()
	driver, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver
}

// serve starts a server that speaks mutual TLS.
func (a *authority) serve(handler http.Handler, change func(*tls.Config)) *httptest.Server {
	server := httptest.NewUnstartedServer(handler)
	server.TLS = a.serverTLS()
	if change != nil {
		change(server.TLS)
	}
	server.Config.ErrorLog = discardLog
	server.StartTLS()
	a.t.Cleanup(server.Close)
	return server
}

// anyPurchase is what the tests of the transport buy.
var anyPurchase = operators.Purchase{RequestID: "5JZ2-1", PlanID: "JP-1GB-7D", ConfiguredAddress: "rsp.example.com"}
