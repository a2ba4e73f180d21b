package progress

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"go.uber.org/goleak"
	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ourICCID   = "8947010000123456784"
	theirICCID = "8947010000123456792"
	senderName = "smdp.example.com"
	timeout    = 10 * time.Second
)

// authority issues certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issued is a certificate, its key, and what leads from it to its authority.
type issued struct {
	leaf *x509.Certificate
	tls  tls.Certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	out := a.issue(func(c *x509.Certificate) {
		c.Subject.CommonName = name
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage, c.DNSNames = true, true, x509.KeyUsageCertSign, nil, nil
	})
	return out.authority(t)
}

// authority that this certificate is the one of.
func (i issued) authority(t *testing.T) *authority {
	key, ok := i.tls.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("the key is a %T", i.tls.PrivateKey)
	}
	return &authority{t: t, cert: i.leaf, key: key}
}

// issue a sender's certificate, valid for a day, that differs as told. An authority that has
// no certificate yet lets it sign itself.
func (a *authority) issue(differs ...func(*x509.Certificate)) issued {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "an SM-DP+"}, DNSNames: []string{senderName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, change := range differs {
		change(template)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return issued{leaf: leaf, tls: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
}

func (a *authority) pem() []byte { return certificatePEM(a.cert) }

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func valid(from, until time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(until) }
}

func withLoopback(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }

func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

func usable(usages ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
}

func under(t *testing.T, uri string) func(*x509.Certificate) {
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *x509.Certificate) { c.URIs, c.DNSNames = []*url.URL{parsed}, nil }
}

// storeFunc is a Store.
type storeFunc func(context.Context, []string, v1alpha1.DeviceReport) error

func (f storeFunc) Report(ctx context.Context, operators []string, r v1alpha1.DeviceReport) error {
	return f(ctx, operators, r)
}

// books are a Store in memory: who has which profile, and what was reported.
type books struct {
	mu      sync.Mutex
	owners  map[string]string // by ICCID
	failing error
	stored  []v1alpha1.DeviceReport
}

func (b *books) Report(_ context.Context, operators []string, r v1alpha1.DeviceReport) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failing != nil:
		return b.failing
	case !slices.Contains(operators, b.owners[r.ICCID]):
		return ErrUnknownICCID
	}
	b.stored = append(b.stored, r)
	return nil
}

func (b *books) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing = err
}

func (b *books) events() []v1alpha1.DeviceEvent {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []v1alpha1.DeviceEvent
	for _, r := range b.stored {
		out = append(out, r.Event)
	}
	return out
}

// fixed are senders that never change.
func fixed(senders ...Sender) Senders {
	return func(context.Context) ([]Sender, error) { return senders, nil }
}

func sans(names ...v1alpha1.SubjectAlternativeName) v1alpha1.ES2PlusNotifications {
	return v1alpha1.ES2PlusNotifications{SANs: names}
}

// running is a Server that listens.
type running struct {
	t       *testing.T
	url     string
	certDir string
	// root that its certificate is checked by.
	root *authority
	// stop it, and return what Serve returned.
	stop func() error
}

// serve until the test ends.
func serve(t *testing.T, senders Senders, store Store, c clock.PassiveClock, log logr.Logger) *running {
	t.Helper()
	r := &running{t: t, certDir: t.TempDir(), root: newAuthority(t, "our CA")}
	r.writeCertificate(r.root.issue(withLoopback))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "https://" + listener.Addr().String()
	server := NewServer(NewReceiver(senders, store, c, log), ServerOptions{CertDir: r.certDir, Log: log})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// writeCertificate replaces the server's.
func (r *running) writeCertificate(i issued) {
	r.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.tls.PrivateKey)
	if err != nil {
		r.t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for name, content := range map[string][]byte{"tls.key": key, "tls.crt": certificatePEM(i.leaf)} {
		if err := os.WriteFile(filepath.Join(r.certDir, name), content, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

// client that shows these certificates.
func (r *running) client(certificates ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(r.root.cert)
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: certificates}}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: timeout}
}

// answer is what a request was answered.
type answer struct {
	status int
	header http.Header
	text   string
}

func (r *running) send(c *http.Client, method, path, body string) (answer, error) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := c.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

// post a notification, and return the status.
func (r *running) post(c *http.Client, body string) int {
	r.t.Helper()
	got, err := r.send(c, http.MethodPost, es2plus.HandleDownloadProgressInfo.Path(), body)
	if err != nil {
		r.t.Fatal(err)
	}
	return got.status
}

// notification of a point that was reached, with this status or status object.
func notification(iccid, point, status string) string {
	if !strings.HasPrefix(status, "{") {
		status = `{"status":"` + status + `"}`
	}
	return `{"header":{"functionRequesterIdentifier":"SMDP","functionCallIdentifier":"7"},"iccid":"` + iccid +
		`","profileType":"JP-1GB-7D","notificationPointId":` + point + `,"notificationPointStatus":` + status + `}`
}

var installed = notification(ourICCID, "4", "Executed-Success")

// journal is a log that many write to.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.text.WriteString(prefix + " " + args + "\n")
	}, funcr.Options{Verbosity: 9})
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// buyer orders profiles of the simulator.
type buyer struct {
	t           *testing.T
	url         string
	http        *http.Client
	certificate tls.Certificate
	header      es2plus.RequestHeader
}

func newBuyer(t *testing.T, s *smdp.Server) *buyer {
	t.Helper()
	pair, err := tls.X509KeyPair(s.PKI().ClientCert, s.PKI().ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.PKI().CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	t.Cleanup(transport.CloseIdleConnections)
	return &buyer{
		t: t, url: s.URL(), http: &http.Client{Transport: transport, Timeout: timeout}, certificate: pair,
		header: es2plus.RequestHeader{FunctionRequesterIdentifier: smdp.DefaultRequester, FunctionCallIdentifier: "1"},
	}
}

// call fails the test unless the function was executed.
func (b *buyer) call(f es2plus.Function, message, into any) {
	b.t.Helper()
	body, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+f.Path(), bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(es2plus.HeaderAdminProtocol, es2plus.AdminProtocol(protocolVersion))
	response, err := b.http.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(es2plus.ExecutedSuccess)) {
		b.t.Fatalf("%s was not executed: HTTP %d", f, response.StatusCode)
	}
	if err := json.Unmarshal(text, into); err != nil {
		b.t.Fatal(err)
	}
}
