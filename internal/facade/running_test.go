package facade_test

import (
	"context"
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
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// writeCertificate makes a certificate with a name, and writes it with its key.
func writeCertificate(folder, name string) {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Expect(err).NotTo(HaveOccurred())
	private, err := x509.MarshalPKCS8PrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(filepath.Join(folder, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(folder, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600)).To(Succeed())
}

var _ = Describe("A facade with a certificate", func() {
	It("speaks HTTP/2, and takes a new certificate without a restart", func(ctx SpecContext) {
		folder := GinkgoT().TempDir()
		writeCertificate(folder, "first")
		config := testConfig()
		config.TLS = facade.TLS{CertFile: filepath.Join(folder, "tls.crt"), KeyFile: filepath.Join(folder, "tls.key")}
		identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
		Expect(err).NotTo(HaveOccurred())
		base := startFacade(identity, config)

		// ask makes a request on a connection of its own, and says who answers, and in what.
		ask := func() (name, protocol string) {
			transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer transport.CloseIdleConnections()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", nil)
			Expect(err).NotTo(HaveOccurred())
			response, err := (&http.Client{Transport: transport}).Do(request)
			if err != nil {
				return err.Error(), ""
			}
			Expect(response.Body.Close()).To(Succeed())
			return response.TLS.PeerCertificates[0].Subject.CommonName, response.Proto
		}
		name, protocol := ask()
		Expect(name).To(Equal("first"))
		Expect(protocol).To(Equal("HTTP/2.0"))
		writeCertificate(folder, "second")
		Eventually(func() string { name, _ := ask(); return name }).Should(Equal("second"))
	})
})

var _ = Describe("A facade that is told to stop", func() {
	It("answers at once who waits for an order, as it stands", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-stopping", testshop.Options{Stock: 1})
		product := productOf(client, shop)
		client.post("/api/v1/esim/orders", map[string]any{"product_id": product, "amount": 4.5})
		identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
		Expect(err).NotTo(HaveOccurred())
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		running, stop := context.WithCancel(context.Background())
		served, err := facade.New(running, identity, testConfig(), logged.logger())
		Expect(err).NotTo(HaveOccurred())
		untilDone(stop, func() error { return served.Serve(running, listener) })
		there := client.at("http://" + listener.Addr().String())
		Eventually(func() int { return there.get("/readyz").status }).Should(Equal(http.StatusOK))

		answers := make(chan answered, 1)
		go func() {
			defer GinkgoRecover()
			answers <- there.post("/api/v1/esim/orders", map[string]any{"product_id": product, "amount": 4.5, "client_reference": "WAITING"})
		}()
		Eventually(func() []any { return client.get("/api/v1/esim/orders?client_reference=WAITING").list() }).Should(HaveLen(1))
		stop()
		var answer answered
		Eventually(answers).WithTimeout(10 * time.Second).Should(Receive(&answer))
		Expect(answer.status).To(Equal(http.StatusOK))
		Expect(answer.object()).To(HaveKeyWithValue("status", "PENDING"))
	})
})
