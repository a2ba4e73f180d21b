package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

var (
	env *testenv.Environment
	k8s client.Client
)

func TestCrash(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(10 * time.Millisecond)
	RunSpecs(t, "Stopping the manager anywhere")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	k8s = env.Client
})

func quick() manager.Config {
	config := manager.DefaultConfig()
	config.LeaderElection.Enabled = false
	config.MetricsBindAddress, config.HealthProbeBindAddress = "0", "0"
	config.Workers = 16
	wait := func(initial, most time.Duration) controllers.Backoff {
		return controllers.Backoff{Initial: metav1.Duration{Duration: initial}, Max: metav1.Duration{Duration: most}}
	}
	config.Pace.Transient = wait(10*time.Millisecond, 200*time.Millisecond)
	config.Pace.Scarce = wait(10*time.Millisecond, 200*time.Millisecond)
	config.Breaker.Failures = 100
	return config
}

// employ starts a manager that talks to the world through line. It returns how to dismiss it.
func employ(line *lifeline.Line) (dismiss func()) {
	GinkgoHelper()
	config, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, config, quick(), manager.Options{
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

var runs int

// result is what one run of a scenario came to.
type result struct {
	points []string
	// reached tells whether the point to stop at came.
	reached bool
}

// play runs a scenario once: a manager that stops at a point, then a fresh one that finishes.
func play(ctx context.Context, s scenario, stopAt int, when lifeline.Moment) result {
	GinkgoHelper()
	runs++
	shop, err := testshop.Open(ctx, k8s, fmt.Sprintf("crash-%d", runs), testshop.Options{Product: s.product})
	Expect(err).NotTo(HaveOccurred())
	defer func() {
		operator := &v1alpha1.EsimOperator{ObjectMeta: metav1.ObjectMeta{Name: shop.Name}}
		Expect(client.IgnoreNotFound(k8s.Delete(ctx, operator))).To(Succeed())
		Expect(shop.Close()).To(Succeed())
	}()
	earlier := prepare(ctx, s, shop)
	for _, fault := range s.faults {
		Expect(shop.SMDP.Inject(fault)).To(Succeed())
	}

	line := lifeline.New(stopAt, when)
	dismiss := employ(line)
	order, err := shop.Order(ctx, "order")
	Expect(err).NotTo(HaveOccurred())
	told := false
	finished := func() bool { return step(ctx, s, shop, order, &told) }
	Eventually(func() bool {
		select {
		case <-line.Stopped:
			return true
		default:
			return finished()
		}
	}).WithContext(ctx).Should(BeTrue(), "%s, stopping %s point %d: neither finished nor stopped", s.name, when, stopAt)
	dismiss()

	fresh := lifeline.New(0, lifeline.Before)
	dismiss = employ(fresh)
	Eventually(finished).WithContext(ctx).Should(BeTrue(), "%s, stopped %s point %d (%s): not finished by a fresh manager",
		s.name, when, stopAt, strings.Join(line.Passed(), ", "))
	dismiss()

	r := result{points: line.Passed()}
	r.reached = stopAt > 0 && len(r.points) >= stopAt
	verify(ctx, s, shop, earlier, lostDownloads(s, r, when))
	return r
}

// prepare has the shop deliver an order where the scenario wants its address known.
func prepare(ctx context.Context, s scenario, shop *testshop.Shop) (delivered int) {
	GinkgoHelper()
	if !s.known {
		return 0
	}
	dismiss := employ(lifeline.New(0, lifeline.Before))
	defer dismiss()
	_, err := shop.Order(ctx, "teacher")
	Expect(err).NotTo(HaveOccurred())
	Eventually(func() v1alpha1.OrderPhase { return phase(ctx, shop, "teacher") }).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
	return 1
}

// step looks where the order stands, does what the scenario does meanwhile, and tells whether
// the order has reached its end.
func step(ctx context.Context, s scenario, shop *testshop.Shop, order *v1alpha1.EsimOrder, told *bool) bool {
	GinkgoHelper()
	now, err := shop.Find(ctx, order.Name)
	Expect(err).NotTo(HaveOccurred())
	if now == nil {
		return s.ends == ""
	}
	if s.meanwhile != nil && !*told && hasReason(now, s.reason) {
		Expect(s.meanwhile(ctx, k8s, shop, now)).To(Succeed())
		*told = true
	}
	return s.ends != "" && now.Status.Phase == s.ends
}

func hasReason(order *v1alpha1.EsimOrder, reason string) bool {
	for _, condition := range order.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady && condition.Reason == reason {
			return true
		}
	}
	return false
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

// lostDownloads counts the DownloadOrder answers that were lost: to the scenario's faults, and
// to a manager that was stopped before it had written down what the answer told.
func lostDownloads(s scenario, r result, when lifeline.Moment) int {
	if !r.reached {
		return s.lost
	}
	done := r.points[:len(r.points)-1]
	if when == lifeline.After {
		done = r.points
	}
	// What is written about operators goes on beside: it may be what the manager was stopped at.
	for _, point := range slices.Backward(done) {
		switch {
		case point == "call downloadOrder":
			return s.lost + 1
		case !strings.Contains(point, "esimoperator"):
			return s.lost
		}
	}
	return s.lost
}

// verify checks what is left in the world.
func verify(ctx context.Context, s scenario, shop *testshop.Shop, earlier, lost int) {
	GinkgoHelper()
	secret, err := shop.Secret(ctx, "order")
	Expect(err).NotTo(HaveOccurred())
	order, err := shop.Find(ctx, "order")
	Expect(err).NotTo(HaveOccurred())
	delivered := earlier
	switch s.ends {
	case v1alpha1.PhaseDelivered:
		delivered++
		Expect(secret).NotTo(BeNil(), "DELIVERED without a code")
		code, err := activation.ParseCode(string(secret.Data[v1alpha1.SecretKeyActivationCode]))
		Expect(err).NotTo(HaveOccurred())
		Expect(code.SMDPAddress).To(Equal(testshop.SMDPAddress), "the code names another SM-DP+")
		Expect(shop.SMDP.HasMatchingID(activation.ICCID(order.Status.Esim.ICCID), code.MatchingID)).To(BeTrue(), "DELIVERED a dead code")
	case "":
		Expect(secret).To(BeNil(), "an orphaned Secret")
	}
	Expect(shop.Bought()).To(Equal(delivered), "profiles bought, for %d delivered orders", delivered)
	Expect(shop.Stranded()).To(BeNumerically("<=", lost), "profiles stranded, for %d lost DownloadOrder answers", lost)
}

// everywhere has every point tried, as `make test-crash` does; otherwise a few of each
// scenario are, drawn by Ginkgo's seed.
var everywhere = os.Getenv("CRASH_EVERYWHERE") != ""

const sampled = 4

// stop is a point to stop at.
type stop struct {
	at   int
	when lifeline.Moment
}

// stops are the points to try, for a scenario that has this many.
func stops(points int) []stop {
	var all []stop
	// One point more than were counted: a run whose pace differs may have it.
	for k := 1; k <= points+1; k++ {
		all = append(all, stop{k, lifeline.Before}, stop{k, lifeline.After})
	}
	if everywhere {
		return all
	}
	random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), uint64(points)))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(sampled, len(all))]
}

// unannounced are the CancelOrder calls that no status write came before: another worker could
// deliver what they cancel.
func unannounced(points []string) (found []int) {
	announced := false
	for i, point := range points {
		switch {
		case point == "update v1alpha1.esimorder/status":
			announced = true
		case point == "call cancelOrder" && !announced:
			found = append(found, i)
		case strings.HasPrefix(point, "call ") && point != "call cancelOrder":
			announced = false
		}
	}
	return found
}

var _ = Describe("A manager that is stopped", func() {
	for _, s := range scenarios() {
		It(fmt.Sprintf("at any point of an order that is %s leaves the rest to the next one", s.name), func(ctx SpecContext) {
			undisturbed := play(ctx, s, 0, lifeline.Before)
			Expect(unannounced(undisturbed.points)).To(BeEmpty(), "CancelOrder left before the order said that it is being closed")
			tried := stops(len(undisturbed.points))
			reached := 0
			for _, stop := range tried {
				if play(ctx, s, stop.at, stop.when).reached {
					reached++
				}
			}
			fmt.Fprintf(os.Stderr, "%-40s %2d points, stopped at %d: %s\n", s.name, len(undisturbed.points), reached, strings.Join(undisturbed.points, ", "))
			// How often an operator's status is written depends on timing; the rest does not.
			Expect(reached).To(BeNumerically(">=", len(tried)/4), "the points were not reached")
		})
	}
})
