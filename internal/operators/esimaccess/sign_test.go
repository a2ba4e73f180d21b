package esimaccess

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
)

// zeros is randomness that a test knows.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestTheSignatureIsThatOfTheVendorsExample(t *testing.T) {
	got := signature(activation.NewCredential("1111"), "1628670421", "4ce9d9cdac9e4e17b3a2c66c358c1ce2",
		activation.NewCredential("11111"), []byte(`{"imsi":"326543826"}`))
	const want = "7eb765e27df5373dea2dbc8c41a7d9557743e46c8054750f3d851b3fd01d0835"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTheSecretDecidesWhetherRequestsAreSigned(t *testing.T) {
	s := signer{
		accessCode: activation.NewCredential("11111"), random: zeros{},
		now: func() time.Time { return time.UnixMilli(1628670421000) },
	}
	header, err := s.header([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(http.Header{"Rt-Accesscode": {"11111"}}, header); diff != "" {
		t.Errorf("with an access code alone (-want +got):\n%s", diff)
	}
	s.secretKey = activation.NewCredential("1111")
	if header, err = s.header([]byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Rt-Accesscode": {"11111"}, "Rt-Timestamp": {"1628670421000"}, "Rt-Requestid": {"00000000-0000-4000-8000-000000000000"},
		"Rt-Signature": {signature(s.secretKey, "1628670421000", "00000000-0000-4000-8000-000000000000", s.accessCode, []byte(`{}`))},
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("with a secret key, too (-want +got):\n%s", diff)
	}
}
