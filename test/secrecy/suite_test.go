package secrecy

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testcollector"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

func TestSecrecy(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(25 * time.Millisecond)
	RunSpecs(t, "Secrecy")
}

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

func (r *record) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.text.Bytes())
}

// ahead is the real clock, some time ahead.
type ahead struct {
	clock.RealClock
	by atomic.Int64
}

// Now implements clock.PassiveClock.
func (a *ahead) Now() time.Time { return time.Now().Add(time.Duration(a.by.Load())) }

// Since implements clock.PassiveClock.
func (a *ahead) Since(t time.Time) time.Duration { return a.Now().Sub(t) }

// What the stories are told in, and what they leave behind.
var (
	env  *testenv.Environment
	k8s  client.Client
	shop *testshop.Shop
	now  ahead
	// dataDir is where the SM-DP+ keeps its state.
	dataDir string
	// base is where the REST API is, metricsOf where the metrics of both roles are.
	base      string
	metricsOf = map[string]string{}

	managerLog, facadeLog, smdpLog record

	line     wire
	post     postOffice
	hooks    receivers
	api      quarrelsome
	register book
	// traces gets every trace of both roles.
	traces *testcollector.Collector
)

var _ = BeforeSuite(func(ctx SpecContext) {
	log := facade.NewLog(io.MultiWriter(GinkgoWriter, &managerLog), "debug")
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	// Whatever else writes to the process' output writes there too.
	slog.SetDefault(slog.New(logr.ToSlogHandler(log)))
	var err error
	env, err = testenv.Start(ctx, testenv.Options{Audit: testenv.AuditMetadata})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	k8s = env.Client
	Expect(env.ApplyFolder(ctx, "config/facade")).To(Succeed())
	openShop(ctx)
	post.open(ctx, shop.SMDP.PKI())
	hooks.open(ctx)
	traces, err = testcollector.Start(ctx)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(traces.Close)
	startManager(ctx)
	startFacade(ctx)
})

// openShop opens the shop that all stories happen in, with an SM-DP+ that writes down what it
// gives out.
func openShop(ctx context.Context) {
	GinkgoHelper()
	dataDir = GinkgoT().TempDir()
	server, err := smdp.New(smdp.Options{
		DataDir: dataDir, SMDPAddress: testshop.SMDPAddress, Stock: map[string]int{testshop.Plan: 10_000, scarcePlan: 0},
		Logger: slog.New(slog.NewJSONHandler(&smdpLog, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Close)
	Expect(server.Start(context.WithoutCancel(ctx))).To(Succeed())
	shop, err = testshop.Open(ctx, k8s, "secrecy", testshop.Options{
		SMDP: server,
		Operator: func(o *v1alpha1.EsimOperator) {
			// The manager's clock goes ahead of the API server's, which says when orders were made.
			o.Spec.Recovery.GiveUpAfter = metav1.Duration{Duration: 1000 * time.Hour}
			o.Spec.ES2Plus.Notifications = &v1alpha1.ES2PlusNotifications{
				CASecretRef: o.Spec.ES2Plus.TLSSecretRef, SANs: []v1alpha1.SubjectAlternativeName{"localhost"},
				Points: []v1alpha1.NotificationPoint{{ID: 6, Means: v1alpha1.PointUsed}, {ID: 8, Means: v1alpha1.PointDeleted}},
			}
		},
		Product: func(p *v1alpha1.EsimProduct) {
			scarce := p.Spec.Variants[0]
			scarce.Name, scarce.Amount = "scarce", scarceAmount
			scarce.Sources = []v1alpha1.VariantSource{{OperatorRef: scarce.Sources[0].OperatorRef, PlanID: scarcePlan}}
			p.Spec.Variants = append(p.Spec.Variants, scarce)
		},
	})
	Expect(err).NotTo(HaveOccurred())
}

// A plan that is never in stock.
const (
	scarcePlan   = "JP-SCARCE"
	scarceAmount = v1alpha1.Decimal("9.75")
)

// freeAddress is one that nobody listens on.
func freeAddress(ctx context.Context) string {
	GinkgoHelper()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	Expect(listener.Close()).To(Succeed())
	return listener.Addr().String()
}

// managerConfig is that of the manager under test: retries wait a hundredth of what they wait
// in earnest.
func managerConfig(ctx context.Context) manager.Config {
	GinkgoHelper()
	config := manager.DefaultConfig()
	config.LeaderElection.Enabled = false
	config.HealthProbeBindAddress, config.MetricsBindAddress = "0", freeAddress(ctx)
	config.Workers = 16
	duration := func(d time.Duration) metav1.Duration { return metav1.Duration{Duration: d} }
	quick := controllers.Backoff{Initial: duration(10 * time.Millisecond), Max: duration(300 * time.Millisecond)}
	config.Pace.Transient, config.Pace.Scarce, config.Pace.Misconfigured = quick, quick, quick
	config.ProbeInterval = duration(500 * time.Millisecond)
	config.Breaker = manager.Breaker{
		Failures: 100, Delay: duration(300 * time.Millisecond), TrialInterval: duration(200 * time.Millisecond),
		LostAnswersLimit: config.Breaker.LostAnswersLimit,
	}
	config.Notifications = manager.Notifications{BindAddress: freeAddress(ctx), CertDir: certify("notifications")}
	host, port := post.address()
	config.Mail.Host, config.Mail.Port = host, port
	config.Mail.CAFile, config.Mail.CredentialsSecret = writeFile("mail-ca.crt", shop.SMDP.PKI().CA), post.credentials(ctx)
	config.Mail.From = "eSIM shop <shop@example.com>"
	config.Webhooks.AllowedNetworks, config.Webhooks.AllowHTTP = []string{"127.0.0.0/8"}, true
	config.Tracing.Endpoint, config.Tracing.SamplingRatio, config.Tracing.TellOperators = traces.Endpoint(), 1, true
	return config
}

// certify makes a folder with a certificate for this machine.
func certify(name string) string {
	GinkgoHelper()
	cert, key, err := shop.SMDP.PKI().IssueWith(name, smdp.CertificateOptions{Hosts: []string{"127.0.0.1", "localhost"}})
	Expect(err).NotTo(HaveOccurred())
	return filepath.Dir(writeFile(filepath.Join(name, "tls.crt"), cert, writeFile(filepath.Join(name, "tls.key"), key)))
}

// writeFile writes a file into the shop's folder. What is named after its content is written
// before it.
func writeFile(name string, content []byte, _ ...string) string {
	GinkgoHelper()
	path := filepath.Join(dataDir, "files", name)
	Expect(os.MkdirAll(filepath.Dir(path), 0o700)).To(Succeed())
	Expect(os.WriteFile(path, content, 0o600)).To(Succeed())
	return path
}

func startManager(ctx context.Context) {
	GinkgoHelper()
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	config := managerConfig(ctx)
	metricsOf["the manager"] = config.MetricsBindAddress
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	mgr, err := manager.New(running, identity, config, manager.Options{
		SkipNameValidation: true, Clock: &now, Writer: api.writer, WrapTransport: line.around, AfterPass: register.passed,
	})
	Expect(err).NotTo(HaveOccurred())
	untilEnd(stop, func() error { return manager.Run(running, mgr) })
	Expect(shop.SMDP.SetNotifications(smdp.Notifications{URL: "https://" + config.Notifications.BindAddress, Repeat: 1})).To(Succeed())
}

func startFacade(ctx context.Context) {
	GinkgoHelper()
	identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
	Expect(err).NotTo(HaveOccurred())
	config := facade.DefaultConfig()
	config.BindAddress, config.MetricsBindAddress = freeAddress(ctx), freeAddress(ctx)
	config.Tracing.Endpoint, config.Tracing.SamplingRatio = traces.Endpoint(), 1
	base, metricsOf["the facade"] = "http://"+config.BindAddress, config.MetricsBindAddress
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	served, err := facade.New(running, identity, config, facade.NewLog(io.MultiWriter(GinkgoWriter, &facadeLog), "debug"))
	Expect(err).NotTo(HaveOccurred())
	untilEnd(stop, func() error { return served.Run(running) })
}

// untilEnd runs something until the suite's end.
func untilEnd(stop context.CancelFunc, run func() error) {
	ended := make(chan error, 1)
	go func() { ended <- run() }()
	DeferCleanup(func() {
		stop()
		Eventually(ended).WithTimeout(time.Minute).Should(Receive(BeNil()))
	})
}

// randomText is a secret of 240 bits, in base64.
func randomText() string {
	raw := make([]byte, 30)
	_, err := io.ReadFull(rand.Reader, raw)
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "=")
}
