package restore

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// lost is the cluster that is saved and wiped, fresh the one that comes after it.
var lost, fresh *testenv.Environment

func TestRestore(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	RunSpecs(t, "A cluster that is restored from a backup")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	lost, fresh = startClusters(ctx)
})

// startClusters starts two control planes, which end with the suite, or with the spec that asks.
func startClusters(ctx context.Context) (first, second *testenv.Environment) {
	GinkgoHelper()
	var starts errgroup.Group
	for _, env := range []**testenv.Environment{&first, &second} {
		starts.Go(func() (err error) {
			*env, err = testenv.Start(ctx, testenv.Options{})
			return err
		})
	}
	err := starts.Wait()
	DeferCleanup(func() {
		for _, env := range []*testenv.Environment{first, second} {
			if env != nil {
				Expect(env.Stop()).To(Succeed())
			}
		}
	})
	Expect(err).NotTo(HaveOccurred())
	return first, second
}

// employ starts a manager on a cluster. It returns how to stop it.
func employ(env *testenv.Environment) (dismiss func()) {
	GinkgoHelper()
	rights, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, rights, quick(), manager.Options{
		SkipNameValidation: true,
		AfterPass: func(order *v1alpha1.EsimOrder) {
			defer GinkgoRecover()
			Expect(testshop.CheckOrder(order)).To(Succeed())
		},
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	dismiss = func() {
		GinkgoHelper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		Eventually(ended).WithTimeout(time.Minute).Should(Receive(BeNil()))
	}
	DeferCleanup(func() { dismiss() })
	return dismiss
}

func quick() manager.Config {
	config := manager.DefaultConfig()
	config.LeaderElection.Enabled = false
	config.MetricsBindAddress, config.HealthProbeBindAddress = "0", "0"
	wait := func(initial, most time.Duration) controllers.Backoff {
		return controllers.Backoff{Initial: metav1.Duration{Duration: initial}, Max: metav1.Duration{Duration: most}}
	}
	config.Pace.Transient = wait(10*time.Millisecond, 200*time.Millisecond)
	config.Pace.Scarce = wait(10*time.Millisecond, 200*time.Millisecond)
	config.Breaker.Failures = 1000
	return config
}
