package progress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func TestOnlyASenderThatIsPinnedAndOfTheCAIsHeard(t *testing.T) {
	ca, other := newAuthority(t, "the operator's CA"), newAuthority(t, "another CA")
	middle := ca.issue(func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage, c.DNSNames = true, true, x509.KeyUsageCertSign, nil, nil
	})
	chained := middle.authority(t).issue()
	chained.tls.Certificate = append(chained.tls.Certificate, middle.leaf.Raw)
	orphan := middle.authority(t).issue()
	unnamed := ca.issue(named())
	selfSigned := (&authority{t: t}).issue()
	byFingerprint := v1alpha1.ES2PlusNotifications{Fingerprints: []v1alpha1.CertificateFingerprint{
		v1alpha1.CertificateFingerprint(withColons(strings.ToUpper(fingerprint(unnamed.leaf)))),
	}}
	either := byFingerprint
	either.SANs = sans(senderName).SANs
	const uri = "urn:gsma:smdp:7"
	for name, test := range map[string]struct {
		shows issued
		terms v1alpha1.ES2PlusNotifications
		want  int
	}{
		"by its DNS name":                  {ca.issue(), sans(senderName), 204},
		"in another case, with a dot":      {ca.issue(named("SMDP.Example.COM")), sans(senderName + "."), 204},
		"by its second name":               {ca.issue(named("a.example.com", senderName)), sans("b.example.com", senderName), 204},
		"by its URI":                       {ca.issue(under(t, uri)), sans(uri), 204},
		"by its fingerprint":               {unnamed, byFingerprint, 204},
		"by the fingerprint of two pins":   {unnamed, either, 204},
		"by the name of two pins":          {ca.issue(), either, 204},
		"through an intermediate":          {chained, sans(senderName), 204},
		"for clients":                      {ca.issue(usable(x509.ExtKeyUsageClientAuth)), sans(senderName), 204},
		"for anything":                     {ca.issue(usable()), sans(senderName), 204},
		"for signing code":                 {ca.issue(usable(x509.ExtKeyUsageCodeSigning)), sans(senderName), 403},
		"of another CA":                    {other.issue(), sans(senderName), 403},
		"of the CA, but not pinned":        {ca.issue(named("other.example.com")), sans(senderName), 403},
		"pinned by its common name only":   {ca.issue(named()), sans("an SM-DP+"), 403},
		"a host below the pinned one":      {ca.issue(named("a." + senderName)), sans(senderName), 403},
		"a wildcard that would match":      {ca.issue(named("*.example.com")), sans(senderName), 403},
		"expired":                          {ca.issue(valid(-2*time.Hour, -time.Hour)), sans(senderName), 403},
		"not valid yet":                    {ca.issue(valid(time.Hour, 2*time.Hour)), sans(senderName), 403},
		"signed by itself":                 {selfSigned, sans(senderName), 403},
		"its intermediate missing":         {orphan, sans(senderName), 403},
		"another one than by fingerprint":  {ca.issue(named()), byFingerprint, 403},
		"the pinned one of two is another": {ca.issue(named("other.example.com")), either, 403},
	} {
		t.Run(name, func(t *testing.T) {
			store := &books{owners: map[string]string{ourICCID: "telco-one"}}
			r := serve(t, fixed(Sender{Operator: "telco-one", CA: ca.pem(), Terms: test.terms}), store, clock.RealClock{}, logr.Discard())
			if got := r.post(r.client(test.shows.tls), installed); got != test.want {
				t.Errorf("answered %d, want %d", got, test.want)
			}
			if stored := len(store.events()); (stored == 1) != (test.want == 204) {
				t.Errorf("answered %d, and stored %d reports", test.want, stored)
			}
		})
	}
}

func withColons(digits string) string {
	var pairs []string
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.Join(pairs, ":")
}

func TestASelfSignedSenderCanBeItsOwnCA(t *testing.T) {
	own := (&authority{t: t}).issue()
	store := &books{owners: map[string]string{ourICCID: "telco-one"}}
	r := serve(t, fixed(Sender{Operator: "telco-one", CA: certificatePEM(own.leaf), Terms: sans(senderName)}), store, clock.RealClock{}, logr.Discard())
	if got := r.post(r.client(own.tls), installed); got != http.StatusNoContent {
		t.Errorf("answered %d", got)
	}
}

func TestWithoutACertificateThereIsNoConnection(t *testing.T) {
	ca := newAuthority(t, "the operator's CA")
	r := serve(t, fixed(Sender{Operator: "telco-one", CA: ca.pem(), Terms: sans(senderName)}), &books{}, clock.RealClock{}, logr.Discard())
	if got, err := r.send(r.client(), http.MethodPost, "/", installed); err == nil {
		t.Errorf("answered %d", got.status)
	}
	// A certificate that is shown, but whose key another has, proves nothing.
	stolen := tls.Certificate{Certificate: ca.issue().tls.Certificate, PrivateKey: ca.issue().tls.PrivateKey}
	if got, err := r.send(r.client(stolen), http.MethodPost, "/", installed); err == nil {
		t.Errorf("with a stolen certificate answered %d", got.status)
	}
	old := r.client(ca.issue().tls)
	transport, ok := old.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the transport is a %T", old.Transport)
	}
	transport.TLSClientConfig.MinVersion, transport.TLSClientConfig.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	if got, err := r.send(old, http.MethodPost, "/", installed); err == nil {
		t.Errorf("over TLS 1.1 answered %d", got.status)
	}
}

func TestACertificateThatExpiresMeanwhileIsRefusedOnTheSameConnection(t *testing.T) {
	ca := newAuthority(t, "the operator's CA")
	now := clocktesting.NewFakePassiveClock(time.Now())
	store := &books{owners: map[string]string{ourICCID: "telco-one"}}
	r := serve(t, fixed(Sender{Operator: "telco-one", CA: ca.pem(), Terms: sans(senderName)}), store, now, logr.Discard())
	c := r.client(ca.issue().tls)
	if got := r.post(c, installed); got != http.StatusNoContent {
		t.Fatalf("answered %d while it is valid", got)
	}
	now.SetTime(time.Now().Add(25 * time.Hour))
	if got := r.post(c, installed); got != http.StatusForbidden {
		t.Errorf("answered %d after it has expired", got)
	}
}

func TestTermsAreReadAnewWhereTheyChange(t *testing.T) {
	ca, next := newAuthority(t, "the CA of old"), newAuthority(t, "the next CA")
	sender := ca.issue()
	current := []Sender{{Operator: "telco-one", CA: ca.pem(), Terms: sans(senderName)}}
	var trouble error
	book := &roster{senders: func(context.Context) ([]Sender, error) { return current, trouble }}
	heard := func() error {
		t.Helper()
		speakers, err := book.speakers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, refusal := identify(speakers, []*x509.Certificate{sender.leaf}, time.Now())
		if len(found) > 0 {
			return nil
		}
		return refusal
	}
	if err := heard(); err != nil {
		t.Fatalf("at first: %v", err)
	}
	first, err := book.speakers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := book.speakers(t.Context()); again[0] != first[0] {
		t.Error("terms that did not change were read anew")
	}
	current = []Sender{{Operator: "telco-one", CA: next.pem(), Terms: sans(senderName)}}
	if err := heard(); !errors.Is(err, errOtherCA) {
		t.Errorf("after the CA was replaced: %v", err)
	}
	current = []Sender{{Operator: "telco-one", CA: bytes.Join([][]byte{next.pem(), ca.pem()}, nil), Terms: sans(senderName)}}
	if err := heard(); err != nil {
		t.Errorf("with both CAs: %v", err)
	}
	current[0].Terms = sans("other.example.com")
	if err := heard(); !errors.Is(err, errNotPinned) {
		t.Errorf("after the pin was replaced: %v", err)
	}
	current = nil
	if err := heard(); !errors.Is(err, errNotPinned) {
		t.Errorf("after the operator was removed: %v", err)
	}
}

func TestACAThatCannotBeReadNamesTheOperatorAndHarmsNoOther(t *testing.T) {
	ca := newAuthority(t, "the operator's CA")
	bad := Sender{Operator: "telco-two", CA: []byte("K3TSECRET"), Terms: v1alpha1.ES2PlusNotifications{
		CASecretRef: v1alpha1.SecretReference{Name: "telco-two-ca"}, SANs: sans(senderName).SANs,
	}}
	good := Sender{Operator: "telco-one", CA: ca.pem(), Terms: sans(senderName)}
	for _, broken := range [][]byte{
		nil, []byte("K3TSECRET"), []byte("-----BEGIN CERTIFICATE-----\nSzNUU0VDUkVU\n-----END CERTIFICATE-----\n"),
		ca.pem()[:len(ca.pem())/2],
	} {
		bad.CA = broken
		_, err := (&roster{senders: fixed(bad, good)}).speakers(t.Context())
		if err == nil || !strings.Contains(err.Error(), "telco-two") || !strings.Contains(err.Error(), "telco-two-ca") ||
			strings.Contains(err.Error(), "K3T") {
			t.Errorf("the error is %v", err)
		}
	}
	store := &books{owners: map[string]string{ourICCID: "telco-one", theirICCID: "telco-two"}}
	r := serve(t, fixed(bad, good), store, clock.RealClock{}, logr.Discard())
	known := r.client(ca.issue().tls)
	if got := r.post(known, installed); got != http.StatusNoContent {
		t.Errorf("the other operator's sender was answered %d", got)
	}
	if got := r.post(known, notification(theirICCID, "4", "Executed-Success")); got != http.StatusServiceUnavailable {
		t.Errorf("a profile that may be the broken operator's was answered %d", got)
	}
	if got := r.post(r.client(newAuthority(t, "their CA").issue().tls), installed); got != http.StatusServiceUnavailable {
		t.Errorf("a sender who may be the broken operator's was answered %d", got)
	}
}
