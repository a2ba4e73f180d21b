package shards_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

var env *testenv.Environment

func TestShards(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	RunSpecs(t, "Shards")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	env, err = testenv.Start(ctx, testenv.Options{Audit: testenv.AuditMetadata})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	Expect(env.ApplyFolder(ctx, "config/shards")).To(Succeed())
})

// shardLabel is what the managers of this suite select namespaces by.
const shardLabel = "esim.telco.dev/shard"

// run starts a manager that works in the namespaces of a shard, or in all where shard is empty. It
// calls itself by its shard, so that the audit log tells who wrote.
func run(shard string) (stop func()) {
	GinkgoHelper()
	args := []string{"--metrics-bind-address=0", "--health-probe-bind-address=0"}
	if shard != "" {
		args = append(args, "--namespace-selector="+shardLabel+"="+shard)
	}
	config, err := manager.ReadConfig(args)
	Expect(err).NotTo(HaveOccurred())
	config.Workers = 64
	// A busy machine must not end a leader: nothing here is about leases that run out.
	config.LeaderElection.LeaseDuration = metav1.Duration{Duration: time.Minute}
	config.LeaderElection.RenewDeadline = metav1.Duration{Duration: 50 * time.Second}
	config.LeaderElection.RetryPeriod = metav1.Duration{Duration: 200 * time.Millisecond}
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	identity.UserAgent = "shard-" + shard
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, identity, config, manager.Options{SkipNameValidation: true})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(ctx, mgr); close(ended) }()
	stop = func() {
		cancel()
		Eventually(ended).WithTimeout(time.Minute).Should(Or(Receive(BeNil()), BeClosed()))
	}
	DeferCleanup(stop)
	return stop
}

// open opens a shop, which is a client of no shard itself.
func open(ctx context.Context, name string, change ...func(*v1alpha1.EsimOperator)) *testshop.Shop {
	GinkgoHelper()
	shop, err := testshop.Open(ctx, env.Client, name, testshop.Options{Operator: func(o *v1alpha1.EsimOperator) {
		for _, c := range change {
			c(o)
		}
	}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return shop.Close() })
	return shop
}

// newClient makes a client's namespace with a wallet, of a shard, or of none where that is empty.
func newClient(ctx context.Context, shop *testshop.Shop, name, shard string) {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if shard != "" {
		namespace.Labels = map[string]string{shardLabel: shard}
	}
	Expect(env.Client.Create(ctx, namespace)).To(Succeed())
	wallet := shop.NewWallet()
	wallet.Namespace = name
	Expect(env.Client.Create(ctx, wallet)).To(Succeed())
}

// place makes a client's order.
func place(ctx context.Context, shop *testshop.Shop, namespace, name string) {
	GinkgoHelper()
	order := shop.NewOrder(name)
	order.Namespace = namespace
	Expect(env.Client.Create(ctx, order)).To(Succeed())
}

// relabel gives a client to another shard.
func relabel(ctx context.Context, namespace, shard string) {
	GinkgoHelper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, shardLabel, shard)
	Expect(env.Client.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed())
}

// phase of an order.
func phase(ctx context.Context, namespace, name string) func() (v1alpha1.OrderPhase, error) {
	return func() (v1alpha1.OrderPhase, error) {
		var order v1alpha1.EsimOrder
		err := env.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &order)
		return order.Status.Phase, err
	}
}

// delivered counts the DELIVERED orders of a client.
func delivered(ctx context.Context, namespace string) func() (int, error) {
	return func() (int, error) {
		var orders v1alpha1.EsimOrderList
		err := env.Client.List(ctx, &orders, client.InNamespace(namespace), client.MatchingFields{"status.phase": string(v1alpha1.PhaseDelivered)})
		return len(orders.Items), err
	}
}
