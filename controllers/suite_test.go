package controllers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/zap/zapcore"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// One control plane and one manager serve all specs; each spec that buys opens a shop of its
// own, so that none sees another's.
var (
	env *testenv.Environment
	// k8s is an administrator's client.
	k8s client.Client
	// logs is everything that the manager logs.
	logs lockedBuffer
)

// lockedBuffer is a buffer that several goroutines write to.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	RunSpecs(t, "Controllers")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(zap.New(zap.WriteTo(io.MultiWriter(GinkgoWriter, &logs)), zap.Level(zapcore.DebugLevel)))
	var err error
	env, err = testenv.Start(ctx, testenv.Options{Audit: testenv.AuditMetadata})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	k8s = env.Client
	startManager()
})

// quick is the configuration of the manager under test: everything waits a hundredth of what
// it waits in earnest.
func quick() manager.Config {
	config := manager.DefaultConfig()
	config.LeaderElection.Enabled = false
	config.MetricsBindAddress, config.HealthProbeBindAddress = "0", "0"
	config.Workers = 256
	duration := func(d time.Duration) metav1.Duration { return metav1.Duration{Duration: d} }
	config.ProbeInterval = duration(200 * time.Millisecond)
	config.Pace = controllers.Pace{
		Transient:     controllers.Backoff{Initial: duration(20 * time.Millisecond), Max: duration(time.Second)},
		Scarce:        controllers.Backoff{Initial: duration(100 * time.Millisecond), Max: duration(time.Second)},
		Misconfigured: controllers.Backoff{Initial: duration(100 * time.Millisecond), Max: duration(time.Second)},
		ProductGrace:  duration(2 * time.Second),
		Waiting:       duration(300 * time.Millisecond),
	}
	config.Breaker.Delay, config.Breaker.TrialInterval = duration(300*time.Millisecond), duration(200*time.Millisecond)
	return config
}

// contradictions are what testshop.CheckOrder found in any order after any pass.
var contradictions struct {
	sync.Mutex
	found []error
}

func startManager() {
	// The manager runs under the identity and the rights that config/rbac gives it: a missing
	// permission fails a spec.
	config, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, config, quick(), manager.Options{
		SkipNameValidation: true,
		AfterPass: func(order *v1alpha1.EsimOrder) {
			if err := testshop.CheckOrder(order); err != nil {
				contradictions.Lock()
				defer contradictions.Unlock()
				contradictions.found = append(contradictions.found, err)
			}
		},
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	DeferCleanup(func() {
		stop()
		Eventually(ended).WithTimeout(time.Minute).Should(Receive(BeNil()), "the manager must stop cleanly")
	})
}

var _ = AfterEach(func() {
	contradictions.Lock()
	defer contradictions.Unlock()
	Expect(contradictions.found).To(BeEmpty(), "conditions contradict each other")
})

var shops int

// openShop opens a shop that no other spec uses.
func openShop(ctx context.Context, o testshop.Options) *testshop.Shop {
	GinkgoHelper()
	shops++
	shop, err := testshop.Open(ctx, k8s, fmt.Sprintf("shop-%d-%d", GinkgoParallelProcess(), shops), o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return shop.Close() })
	return shop
}

// place creates an order in a shop.
func place(ctx context.Context, shop *testshop.Shop, name string, change ...func(*v1alpha1.EsimOrder)) {
	GinkgoHelper()
	_, err := shop.Order(ctx, name, change...)
	Expect(err).NotTo(HaveOccurred())
}

// look is an order as it stands; its zero value where it is gone.
func look(ctx context.Context, shop *testshop.Shop, name string) *v1alpha1.EsimOrder {
	GinkgoHelper()
	order, err := shop.Find(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	if order == nil {
		return &v1alpha1.EsimOrder{}
	}
	return order
}

// summary is phase and reason of an order, such as "PENDING OutOfStock".
func summary(order *v1alpha1.EsimOrder) string {
	for _, condition := range order.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady {
			return strings.TrimSpace(string(order.Status.Phase) + " " + condition.Reason)
		}
	}
	return string(order.Status.Phase)
}

// becomes waits for an order's phase and reason.
func becomes(ctx context.Context, shop *testshop.Shop, name, wanted string) {
	GinkgoHelper()
	Eventually(func() string { return summary(look(ctx, shop, name)) }).WithContext(ctx).Should(Equal(wanted))
}
