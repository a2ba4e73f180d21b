package manager_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

var env *testenv.Environment

func TestManager(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	RunSpecs(t, "The manager")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
})

func freeAddress() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(listener.Close()).To(Succeed()) }()
	return listener.Addr().String()
}

// start runs a manager under its own identity until stop, or until the spec ends.
func start(config manager.Config) (stop func()) {
	GinkgoHelper()
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
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

func unelected() manager.Config {
	config := manager.DefaultConfig()
	config.Workers = 16
	config.LeaderElection.Enabled = false
	config.MetricsBindAddress, config.HealthProbeBindAddress = "0", "0"
	return config
}

var _ = Describe("The manager's metrics", func() {
	It("are for those who may get /metrics, and for nobody else", func(ctx SpecContext) {
		config := unelected()
		config.MetricsBindAddress = freeAddress()
		start(config)
		insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		get := func(token string) (int, string) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+config.MetricsBindAddress+"/metrics", nil)
			Expect(err).NotTo(HaveOccurred())
			if token != "" {
				request.Header.Set("Authorization", "Bearer "+token)
			}
			response, err := insecure.Do(request)
			if err != nil {
				return 0, err.Error()
			}
			defer func() { Expect(response.Body.Close()).To(Succeed()) }()
			body, err := io.ReadAll(response.Body)
			Expect(err).NotTo(HaveOccurred())
			return response.StatusCode, string(body)
		}
		code := func(token string) func() int { return func() int { c, _ := get(token); return c } }
		nobody, scraper := tokenOf(ctx, "nobody"), tokenOf(ctx, "scraper")
		Expect(env.Client.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "esim-operator-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: testenv.SystemNamespace, Name: "scraper"}},
		})).To(Succeed())
		Eventually(code("")).WithContext(ctx).Should(Equal(http.StatusUnauthorized))
		Eventually(code(nobody)).WithContext(ctx).Should(Equal(http.StatusForbidden))
		Eventually(code(scraper)).WithContext(ctx).Should(Equal(http.StatusOK))
		Eventually(func() string {
			_, body := get(scraper)
			return body
		}).WithContext(ctx).Should(And(ContainSubstring("esim_order_delivery_seconds_count"), ContainSubstring("esim_build_info{")))
	})
})

// tokenOf makes a ServiceAccount and a token of it.
func tokenOf(ctx context.Context, name string) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: name}}
	Expect(env.Client.Create(ctx, account)).To(Succeed())
	request := &authenticationv1.TokenRequest{}
	Expect(env.Client.SubResource("token").Create(ctx, account, request)).To(Succeed())
	return request.Status.Token
}

var _ = Describe("Two managers", func() {
	It("take turns: the standby goes on where the leader stopped", func(ctx SpecContext) {
		shop, err := testshop.Open(ctx, env.Client, "two-managers", testshop.Options{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return shop.Close() })
		elected := func() manager.Config {
			config := unelected()
			config.LeaderElection = manager.DefaultConfig().LeaderElection
			config.LeaderElection.RetryPeriod = metav1.Duration{Duration: 200 * time.Millisecond}
			return config
		}
		holder := func() string {
			var lease coordinationv1.Lease
			key := types.NamespacedName{Namespace: testenv.SystemNamespace, Name: elected().LeaderElection.LeaseName}
			if err := env.Client.Get(ctx, key, &lease); client.IgnoreNotFound(err) != nil || lease.Spec.HolderIdentity == nil {
				return ""
			}
			return *lease.Spec.HolderIdentity
		}
		delivered := func(name string) {
			GinkgoHelper()
			_, err := shop.Order(ctx, name)
			Expect(err).NotTo(HaveOccurred())
			Eventually(func(g Gomega) {
				order, err := shop.Find(ctx, name)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(order.Status.Phase).To(Equal(v1alpha1.PhaseDelivered))
			}).WithContext(ctx).Should(Succeed())
		}

		stopFirst := start(elected())
		Eventually(holder).WithContext(ctx).ShouldNot(BeEmpty())
		first := holder()
		start(elected())
		delivered("by-the-leader")
		Expect(holder()).To(Equal(first))

		stopFirst() // it releases its lease: the standby need not wait until that runs out
		Eventually(holder).WithContext(ctx).WithTimeout(5 * time.Second).ShouldNot(Or(BeEmpty(), Equal(first)))
		delivered("by-the-standby")
		Expect(shop.Bought()).To(Equal(2))
	})
})

var _ = Describe("A manager that is told to stop", func() {
	It("lets the calls in flight end, and records what they did", func(ctx SpecContext) {
		shop, err := testshop.Open(ctx, env.Client, "stopping", testshop.Options{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return shop.Close() })
		hold := smdp.Fault{Kind: smdp.FaultDelay, Delay: time.Second, Function: es2plus.ConfirmOrder}
		Expect(shop.SMDP.Inject(hold)).To(Succeed())
		stop := start(unelected())
		_, err = shop.Order(ctx, "in-flight")
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() int { return len(shop.SMDP.Ledger()) }).WithContext(ctx).Should(Equal(1), "DownloadOrder is answered, ConfirmOrder on its way")
		stop()
		order, err := shop.Find(ctx, "in-flight")
		Expect(err).NotTo(HaveOccurred())
		Expect(order.Status.Phase).To(Equal(v1alpha1.PhaseDelivered))
	})
})

var _ = Describe("The manager's health", func() {
	It("is told at /healthz and /readyz", func(ctx SpecContext) {
		config := unelected()
		config.HealthProbeBindAddress = freeAddress()
		start(config)
		for _, path := range []string{"/healthz", "/readyz"} {
			Eventually(func() (int, error) {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s%s", config.HealthProbeBindAddress, path), nil)
				if err != nil {
					return 0, err
				}
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					return 0, err
				}
				return response.StatusCode, response.Body.Close()
			}).WithContext(ctx).Should(Equal(http.StatusOK))
		}
	})
})
