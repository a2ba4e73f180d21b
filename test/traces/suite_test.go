package traces

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
	"github.com/telcodev/esim-operator/internal/testcollector"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
	"github.com/telcodev/esim-operator/internal/tracing"
)

var (
	env       *testenv.Environment
	facadeLog record
)

// record is a text that several goroutines write.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func TestTraces(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(25 * time.Millisecond)
	RunSpecs(t, "Traces")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	Expect(env.ApplyFolder(ctx, "config/facade")).To(Succeed())
})

// headers keeps the headers traceparent of requests that went somewhere, by where.
type headers struct {
	mu   sync.Mutex
	seen []string
	all  int
	// away has what goes to operators fail.
	away bool
}

func (h *headers) note(r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all++
	if told := r.Header.Get(tracing.Header); told != "" {
		h.seen = append(h.seen, told)
	}
}

// told are the headers of the requests that had one, and count is how many requests there were.
func (h *headers) told() (seen []string, count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.seen...), h.all
}

// around notes what goes to operators.
func (h *headers) around(inner http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		h.note(r)
		if h.isAway() {
			return nil, errAway
		}
		return inner.RoundTrip(r)
	})
}

var errAway = errors.New("the operator is away")

func (h *headers) isAway() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.away
}

func (h *headers) setAway(away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = away
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// stand is a client's shop with an endpoint for webhooks.
type stand struct {
	*testshop.Shop
	endpoint, operator headers
}

func openStand(ctx context.Context, name string, o testshop.Options) *stand {
	GinkgoHelper()
	s := &stand{}
	var err error
	s.Shop, err = testshop.Open(ctx, env.Client, name, o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return s.Close() })
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { s.endpoint.note(r) }))
	DeferCleanup(server.Close)
	Expect(env.Client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "hooks"},
		StringData: map[string]string{"one": webhook.SecretPrefix + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
	})).To(Succeed())
	Expect(env.Client.Create(ctx, &v1alpha1.EsimClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: v1alpha1.ClientName},
		Spec: v1alpha1.EsimClientSpec{Webhooks: []v1alpha1.WebhookEndpoint{{
			Name: "shop", URL: server.URL, SigningSecretRef: v1alpha1.SecretReference{Name: "hooks"},
		}}},
	})).To(Succeed())
	return s
}

func newCollector(ctx context.Context) *testcollector.Collector {
	GinkgoHelper()
	collector, err := testcollector.Start(ctx)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(collector.Close)
	return collector
}

// everything has every trace recorded.
func everything(endpoint string) tracing.Config {
	return tracing.Config{Endpoint: endpoint, SamplingRatio: 1}
}

// startManager runs the manager until stop is called, or the spec ends.
func startManager(s *stand, traced manager.Tracing) (stop func()) {
	GinkgoHelper()
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	config := manager.DefaultConfig()
	config.LeaderElection.Enabled = false
	config.MetricsBindAddress, config.HealthProbeBindAddress = "0", "0"
	config.Workers = 16
	quick := controllers.Backoff{Initial: metav1.Duration{Duration: 50 * time.Millisecond}, Max: metav1.Duration{Duration: 300 * time.Millisecond}}
	config.Pace.Transient, config.Pace.Scarce, config.Pace.Misconfigured = quick, quick, quick
	config.Webhooks.AllowedNetworks, config.Webhooks.AllowHTTP = []string{"127.0.0.0/8"}, true
	config.Tracing = traced
	running, cancel := context.WithCancel(context.Background())
	mgr, err := manager.New(running, identity, config, manager.Options{SkipNameValidation: true, WrapTransport: s.operator.around})
	Expect(err).NotTo(HaveOccurred())
	return untilDone(cancel, func() error { return manager.Run(running, mgr) })
}

// startFacade serves the API until stop is called, or the spec ends, and returns where.
func startFacade(traced tracing.Config) (base string, stop func()) {
	GinkgoHelper()
	identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
	Expect(err).NotTo(HaveOccurred())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	config := facade.DefaultConfig()
	config.Tracing = traced
	running, cancel := context.WithCancel(context.Background())
	served, err := facade.New(running, identity, config, facade.NewLog(io.MultiWriter(GinkgoWriter, &facadeLog), "info"))
	Expect(err).NotTo(HaveOccurred())
	stop = untilDone(cancel, func() error { return served.Serve(running, listener) })
	return "http://" + listener.Addr().String(), stop
}

// untilDone runs something until stop is called, or the spec ends.
func untilDone(cancel context.CancelFunc, run func() error) (stop func()) {
	ended := make(chan error, 1)
	go func() { ended <- run() }()
	var once sync.Once
	stop = func() {
		GinkgoHelper()
		once.Do(func() {
			cancel()
			Eventually(ended).Should(Receive(BeNil()))
		})
	}
	DeferCleanup(func() { stop() })
	return stop
}

// caller is a client's program that uses the REST API.
type caller struct{ base, token string }

func newCaller(ctx context.Context, namespace, base string) *caller {
	GinkgoHelper()
	for role, account := range map[string]client.ObjectKey{
		"esim-facade-client": {Namespace: testenv.SystemNamespace, Name: "esim-facade"},
		"esim-client":        {Namespace: namespace, Name: access.LoginServiceAccount},
	} {
		Expect(env.Client.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
		})).To(Succeed())
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: access.LoginServiceAccount}}
	Expect(env.Client.Create(ctx, account)).To(Succeed())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{access.Audience}}}
	Expect(env.Client.SubResource("token").Create(ctx, account, request)).To(Succeed())
	return &caller{base, request.Status.Token}
}

// order buys a product over REST, and returns what is answered once that is 200. Its caller says
// that it is in a trace of its own, where that is not empty.
func (c *caller) order(ctx context.Context, product, traceparent string) map[string]any {
	GinkgoHelper()
	var of v1alpha1.EsimProduct
	Eventually(func(g Gomega) {
		g.Expect(env.Client.Get(ctx, client.ObjectKey{Name: product}, &of)).To(Succeed())
		g.Expect(of.Status.ID).NotTo(BeZero())
	}).WithContext(ctx).Should(Succeed())
	body, err := json.Marshal(map[string]any{"product_id": of.Status.ID, "amount": 4.5})
	Expect(err).NotTo(HaveOccurred())
	var told map[string]any
	Eventually(func(g Gomega) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/api/v1/esim/orders", bytes.NewReader(body))
		g.Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+c.token)
		if traceparent != "" {
			request.Header.Set(tracing.Header, traceparent)
		}
		response, err := http.DefaultClient.Do(request)
		g.Expect(err).NotTo(HaveOccurred())
		defer func() { g.Expect(response.Body.Close()).To(Succeed()) }()
		g.Expect(json.NewDecoder(response.Body).Decode(&told)).To(Succeed())
		// Its caches may not be filled yet, or may not have the product.
		g.Expect(response.StatusCode).To(Equal(http.StatusOK), "%v", told)
	}).WithContext(ctx).Should(Succeed())
	return told
}
