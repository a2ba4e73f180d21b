package crash

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// What follows is for the specs of managers that overlap all the time, with many orders at once.
// Stories have their own stages.
var (
	env *testenv.Environment
	k8s client.Client
)

func TestOverlap(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(10 * time.Millisecond)
	RunSpecs(t, "Managers that overlap")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	k8s = env.Client
})

// employ starts a manager that talks to the world through line. It returns how to dismiss it.
func employ(line *lifeline.Line, config manager.Config) (dismiss func()) {
	GinkgoHelper()
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, identity, config, manager.Options{
		Writer: line.Writer, Live: line.Reader, WrapTransport: line.Transport, SkipNameValidation: true,
		AfterPass: func(order *v1alpha1.EsimOrder) {
			defer GinkgoRecover()
			Expect(testshop.CheckOrder(order)).To(Succeed())
		},
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return func() {
		cancel()
		Eventually(ended).WithTimeout(time.Minute).Should(Receive(BeNil()))
	}
}

func phase(ctx context.Context, shop *testshop.Shop, name string) v1alpha1.OrderPhase {
	GinkgoHelper()
	order, err := shop.Find(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	if order == nil {
		return ""
	}
	return order.Status.Phase
}
