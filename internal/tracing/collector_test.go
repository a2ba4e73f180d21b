package tracing

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/testcollector"
)

// authority makes a certificate for this machine that signs for itself, and a file that holds it.
func authority(t *testing.T) (*tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestSpansGoToACollectorOfOurOwnAuthorityAndToNoOther(t *testing.T) {
	shown, own := authority(t)
	_, stranger := authority(t)
	for name, test := range map[string]struct {
		authorities string
		want        map[Fate]int
		spans       int
	}{
		"our own":            {own, map[Fate]int{Exported: 1}, 1},
		"another's":          {stranger, map[Fate]int{Refused: 1}, 0},
		"that of the system": {"", map[Fate]int{Refused: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // what is refused is tried for as long as the end may take
			collector, err := testcollector.StartTLS(t.Context(), shown)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := collector.Close(); err != nil {
					t.Error(err)
				}
			})
			var f fates
			config := Config{Endpoint: collector.Endpoint(), SamplingRatio: 1, CAFile: test.authorities}
			tracer, err := Open(t.Context(), config, "test", f.count, logr.Discard())
			if err != nil {
				t.Fatal(err)
			}
			_, span := tracer.Request(t.Context(), "buy", http.Header{})
			span.End("")
			tracer.Close()
			if diff := cmp.Diff(test.want, f.counted()); diff != "" {
				t.Errorf("what became of the span (-want +got):\n%s", diff)
			}
			if got := len(collector.Spans()); got != test.spans {
				t.Errorf("the collector has %d spans, want %d", got, test.spans)
			}
		})
	}
}
