package rights

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientfeatures "k8s.io/client-go/features"
	clientfeaturestesting "k8s.io/client-go/features/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/mailbox"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
)

const facadeServiceAccount = "esim-facade"

func TestRights(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	RunSpecs(t, "Rights")
}

var (
	env *testenv.Environment
	k8s client.Client
)

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	// API servers that cannot stream a list into a watch are asked for a list first. This one can:
	// its clients are told not to know that.
	clientfeaturestesting.SetFeatureDuringTest(GinkgoTB(), clientfeatures.WatchListClient, false)
	var err error
	env, err = testenv.Start(ctx, testenv.Options{
		Audit: testenv.AuditMetadata,
		// Some distributions have it: it asks for more rights of who makes objects that others own.
		AdmissionPlugins: []string{"OwnerReferencesPermissionEnforcement"},
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	k8s = env.Client
	Expect(env.ApplyFolder(ctx, "config/facade")).To(Succeed())
})

// freeAddress is one that nobody listens on.
func freeAddress(ctx context.Context) string {
	GinkgoHelper()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	Expect(listener.Close()).To(Succeed())
	return listener.Addr().String()
}

// startManager runs `manager controllers` with everything that can be switched on, until stop.
func startManager(ctx context.Context, stage *stage) (stop func()) {
	GinkgoHelper()
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	mgr, err := manager.New(running, identity, managerConfig(ctx, stage), manager.Options{SkipNameValidation: true, Writer: stage.rival.before})
	Expect(err).NotTo(HaveOccurred())
	return runUntil(cancel, func() error { return manager.Run(running, mgr) })
}

func managerConfig(ctx context.Context, stage *stage) manager.Config {
	GinkgoHelper()
	duration := func(d time.Duration) metav1.Duration { return metav1.Duration{Duration: d} }
	config := manager.DefaultConfig()
	config.HealthProbeBindAddress, config.MetricsBindAddress = "0", stage.managerMetrics
	config.Workers = 16
	config.ProbeInterval = duration(500 * time.Millisecond)
	quick := controllers.Backoff{Initial: duration(10 * time.Millisecond), Max: duration(300 * time.Millisecond)}
	config.Pace.Transient, config.Pace.Scarce, config.Pace.Misconfigured = quick, quick, quick
	config.Pace.Waiting = duration(100 * time.Millisecond)
	config.Notifications = manager.Notifications{BindAddress: stage.notifications, CertDir: stage.certDir}
	config.VendorWebhooks.BindAddress, config.VendorWebhooks.CertDir = stage.vendorHooks, stage.certDir
	host, port, err := net.SplitHostPort(stage.mail.SMTPAddress())
	Expect(err).NotTo(HaveOccurred())
	config.Mail.Host, config.Mail.Encryption, config.Mail.From = host, "none", "eSIM shop <shop@example.com>"
	config.Mail.Port, err = net.DefaultResolver.LookupPort(ctx, "tcp", port)
	Expect(err).NotTo(HaveOccurred())
	config.Mail.TemplatesConfigMap = templatesName
	config.Webhooks.AllowedNetworks, config.Webhooks.AllowHTTP = []string{"127.0.0.0/8"}, true
	return config
}

// startFacade runs `manager facade` until stop.
func startFacade(ctx context.Context, stage *stage) (stop func()) {
	GinkgoHelper()
	identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, facadeServiceAccount)
	Expect(err).NotTo(HaveOccurred())
	config := facade.DefaultConfig()
	config.BindAddress, config.MetricsBindAddress = stage.rest, stage.facadeMetrics
	config.TLS = facade.TLS{CertFile: filepath.Join(stage.certDir, "tls.crt"), KeyFile: filepath.Join(stage.certDir, "tls.key")}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	served, err := facade.New(running, identity, config, GinkgoLogr)
	Expect(err).NotTo(HaveOccurred())
	return runUntil(cancel, func() error { return served.Run(running) })
}

// runUntil runs something until stop, or until the specs end.
func runUntil(cancel context.CancelFunc, run func() error) (stop func()) {
	ended := make(chan error, 1)
	go func() { ended <- run(); close(ended) }()
	stop = func() {
		GinkgoHelper()
		cancel()
		Eventually(ended).WithTimeout(time.Minute).Should(Or(Receive(BeNil()), BeClosed()))
	}
	DeferCleanup(stop)
	return stop
}

const templatesName = "receipts"

// startMail runs a mail server, and makes the ConfigMap that changes what receipts say.
func startMail(ctx context.Context) *mailbox.Mailbox {
	GinkgoHelper()
	box, err := mailbox.Start(ctx, mailbox.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(box.Close)
	Expect(k8s.Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: templatesName},
		Data:       map[string]string{"delivered.subject": "Your eSIM"},
	})).To(Succeed())
	return box
}

// writeCertificate makes a folder with a certificate for this machine.
func writeCertificate(cert, key []byte) string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	Expect(os.WriteFile(filepath.Join(dir, "tls.crt"), cert, 0o600)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(dir, "tls.key"), key, 0o600)).To(Succeed())
	return dir
}
