package servingcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

var issued = time.Date(2036, 5, 3, 12, 0, 0, 0, time.UTC)

// write puts a pair into a folder. The certificates of the text last for these times; the first is
// that of the key.
func write(t *testing.T, dir string, lasts ...time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var chain []byte
	for _, last := range lasts {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: issued, NotAfter: issued.Add(last)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"tls.crt": chain, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// gauged is the value of a server's gauge.
func gauged(t *testing.T, of *prometheus.GaugeVec, server string) float64 {
	t.Helper()
	var metric dto.Metric
	if err := of.WithLabelValues(server).Write(&metric); err != nil {
		t.Error(err)
	}
	return metric.GetGauge().GetValue()
}

// shown are how long a server's certificate lasts from issued on, and how long it lasts in all.
func shown(t *testing.T, server string) [2]time.Duration {
	t.Helper()
	ends := time.Unix(int64(gauged(t, expiry, server)), 0)
	return [2]time.Duration{ends.Sub(issued), time.Duration(gauged(t, lifetime, server)) * time.Second}
}

func TestTheMetricsTellOfTheCertificateThatIsShownAndThatEndsFirst(t *testing.T) {
	const day = 24 * time.Hour
	dir := t.TempDir()
	write(t, dir, 90*day, 30*day)
	watcher, err := Watch(REST, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([2]time.Duration{30 * day, 30 * day}, shown(t, REST)); diff != "" {
		t.Errorf("at the start (-want +got):\n%s", diff)
	}
	write(t, dir, 7*day, 365*day)
	if err := watcher.ReadCertificate(); err != nil { // as it does when the files change
		t.Fatal(err)
	}
	gomega.NewWithT(t).Eventually(func() [2]time.Duration { return shown(t, REST) }, 5*time.Second, 5*time.Millisecond).
		Should(gomega.Equal([2]time.Duration{7 * day, 7 * day}), "after the files have changed")
}

func TestWithoutACertificateThereIsNothingToWatch(t *testing.T) {
	dir := t.TempDir()
	if _, err := Watch(Notifications, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")); !os.IsNotExist(err) {
		t.Errorf("the error is %v", err)
	}
}
