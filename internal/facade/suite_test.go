package facade_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/conformance"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

var (
	env      *testenv.Environment
	checker  *conformance.Checker
	replicas [2]string
	logged   logBook
)

func TestFacade(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	RunSpecs(t, "The REST facade")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	checker, err = conformance.New()
	Expect(err).NotTo(HaveOccurred())
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	Expect(env.ApplyFolder(ctx, "config/facade")).To(Succeed())
	startManager()
	identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
	Expect(err).NotTo(HaveOccurred())
	for i := range replicas {
		replicas[i] = startFacade(identity, testConfig())
	}
})

// testConfig has limits that no test reaches by accident.
func testConfig() facade.Config {
	config := facade.DefaultConfig()
	config.RateLimits = v1alpha1.RateLimits{Read: 100_000, Order: 100_000, Quote: 100_000, Change: 100_000, Login: 100_000, Refresh: 100_000}
	config.FailuresPerAddress = 100_000
	return config
}

func startManager() {
	GinkgoHelper()
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	config := manager.DefaultConfig()
	config.Workers = 64
	config.Pace.Scarce = controllers.Backoff{Initial: metav1.Duration{Duration: 200 * time.Millisecond}, Max: metav1.Duration{Duration: time.Second}}
	config.LeaderElection.Enabled = false
	config.MetricsBindAddress, config.HealthProbeBindAddress = "0", "0"
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, identity, config, manager.Options{SkipNameValidation: true})
	Expect(err).NotTo(HaveOccurred())
	untilDone(cancel, func() error { return manager.Run(ctx, mgr) })
}

// startFacade serves a replica under an identity until the spec or the suite ends, and says where.
func startFacade(identity *rest.Config, config facade.Config) string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	served, err := facade.New(ctx, identity, config, logged.logger())
	Expect(err).NotTo(HaveOccurred())
	untilDone(cancel, func() error { return served.Serve(ctx, listener) })
	scheme := "http://"
	if config.TLS.CertFile != "" {
		scheme = "https://"
	}
	address := scheme + listener.Addr().String()
	if config.TLS.CertFile == "" {
		Eventually(func() int { return (&caller{base: address}).get("/readyz").status }).Should(Equal(http.StatusOK))
	}
	return address
}

// untilDone runs something until cancel, at the end of what started it.
func untilDone(cancel context.CancelFunc, run func() error) {
	ended := make(chan error, 1)
	go func() { ended <- run() }()
	DeferCleanup(func() {
		cancel()
		Eventually(ended).WithTimeout(time.Minute).Should(Receive(BeNil()))
	})
}

// newShop is a client with a shop of its own, and the caller with all rights there.
func newShop(ctx context.Context, name string, o testshop.Options) (*testshop.Shop, *caller) {
	GinkgoHelper()
	changed := o.Product
	o.Product = func(product *v1alpha1.EsimProduct) {
		product.Spec.DisplayName = "Japan of " + name + "."
		if changed != nil {
			changed(product)
		}
	}
	shop, err := testshop.Open(ctx, env.Client, name, o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return shop.Close() })
	bind(ctx, name, "esim-facade-client", testenv.SystemNamespace, "esim-facade")
	client := &caller{base: replicas[0], token: newToken(ctx, name, access.LoginServiceAccount, "esim-client")}
	Eventually(func() int { return len(client.get("/api/v1/esim/products?search=of%20" + name + ".").list()) }).Should(Equal(1), "the product has its number")
	return shop, client
}

func bind(ctx context.Context, namespace, role, ofNamespace, account string) {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ofNamespace, Name: account}},
	})).To(Succeed())
}

// newToken makes a ServiceAccount with a role, and a token of it for the REST API.
func newToken(ctx context.Context, namespace, name, role string) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	Expect(env.Client.Create(ctx, account)).To(Succeed())
	bind(ctx, namespace, role, namespace, name)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{access.Audience}, ExpirationSeconds: ptr.To(int64(3600)),
	}}
	Expect(env.Client.SubResource("token").Create(ctx, account, request)).To(Succeed())
	return request.Status.Token
}

// caller calls the API; every exchange is held against its document.
type caller struct {
	base, token string
}

// at is the same caller at another replica.
func (c *caller) at(base string) *caller { return &caller{base: base, token: c.token} }

type answered struct {
	status int
	header http.Header
	body   []byte
}

// object is the answer's body.
func (a answered) object() map[string]any {
	GinkgoHelper()
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	Expect(decoder.Decode(&object)).To(Succeed(), string(a.body))
	return object
}

func (a answered) list() []any {
	GinkgoHelper()
	var list []any
	Expect(json.Unmarshal(a.body, &list)).To(Succeed(), string(a.body))
	return list
}

// problem is the message of an error.
func (a answered) problem() map[string]any {
	GinkgoHelper()
	problem, ok := a.object()["error"].(map[string]any)
	Expect(ok).To(BeTrue(), string(a.body))
	return problem
}

func (c *caller) get(path string, headers ...string) answered {
	GinkgoHelper()
	return c.do(context.Background(), http.MethodGet, path, nil, headers...)
}

func (c *caller) post(path string, body any, headers ...string) answered {
	GinkgoHelper()
	return c.do(context.Background(), http.MethodPost, path, body, headers...)
}

// do makes a request. A body that is text is sent as it is, any other as JSON; headers are
// names and values in turn.
func (c *caller) do(ctx context.Context, method, path string, body any, headers ...string) answered {
	GinkgoHelper()
	answer, err := c.try(ctx, method, path, body, headers...)
	Expect(err).NotTo(HaveOccurred())
	return answer
}

func (c *caller) try(ctx context.Context, method, path string, body any, headers ...string) (answered, error) {
	GinkgoHelper()
	var sent io.Reader
	switch content := body.(type) {
	case nil:
	case string:
		sent = bytes.NewReader([]byte(content))
	default:
		text, err := json.Marshal(body)
		Expect(err).NotTo(HaveOccurred())
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, sent)
	Expect(err).NotTo(HaveOccurred())
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: checker.Transport(GinkgoT(), http.DefaultTransport)}
	response, err := client.Do(request)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	Expect(response.Header.Get("X-Request-Id")).NotTo(BeEmpty())
	return answered{status: response.StatusCode, header: response.Header, body: content}, nil
}

// number is an id in an answer.
func number(value any) int64 {
	GinkgoHelper()
	switch n := value.(type) {
	case json.Number:
		id, err := n.Int64()
		Expect(err).NotTo(HaveOccurred())
		return id
	case float64:
		return int64(n)
	}
	Fail("not a number")
	return 0
}

// logBook keeps what the facade logs, to be searched for what must not be in it.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) logger() logr.Logger {
	return funcr.New(func(prefix, arguments string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.text.WriteString(prefix + " " + arguments + "\n")
	}, funcr.Options{Verbosity: 1})
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
