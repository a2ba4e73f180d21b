package command_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/transport"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// roundTrip is a transport in a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// losing has the first answer to a POST of an order get lost, after it was executed.
func losing(lost *int) transport.WrapperFunc {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(request *http.Request) (*http.Response, error) {
			answer, err := next.RoundTrip(request)
			if request.Method != http.MethodPost || !strings.HasSuffix(request.URL.Path, "/esimorders") || *lost > 0 || err != nil {
				return answer, err
			}
			*lost++
			return nil, errors.Join(errors.New("connection reset by peer"), answer.Body.Close())
		})
	}
}

func ordersNamed(ctx context.Context, prefix string) []v1alpha1.EsimOrder {
	GinkgoHelper()
	var list v1alpha1.EsimOrderList
	Expect(k8s.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
	var found []v1alpha1.EsimOrder
	for _, order := range list.Items {
		if strings.HasPrefix(order.Name, prefix) {
			found = append(found, order)
		}
	}
	return found
}

var _ = Describe("Buying", func() {
	It("places an order under a name of its own, which is not accepted after an hour", func(ctx SpecContext) {
		before := time.Now()
		done := run(ctx, buyer, "buy", "peru", "1gb-7d", "--reference=booking-1", "--email=ann@example.com", "--wallet=main")
		Expect(done.err).NotTo(HaveOccurred())
		orders := ordersNamed(ctx, "peru-1gb-7d-")
		Expect(orders).To(HaveLen(1))
		Expect(orders[0].Name).To(MatchRegexp(`^peru-1gb-7d-[a-z0-9]{5}$`))
		Expect(done.out).To(ContainSubstring("esimorder/" + orders[0].Name + " placed"))
		Expect(orders[0].Spec.AcceptBefore.Time).To(BeTemporally("~", before.Add(time.Hour), 30*time.Second))
		Expect(orders[0].Spec.ClientReference).To(Equal("booking-1"))
		Expect(orders[0].Spec.NotificationEmail).To(Equal("ann@example.com"))
		Expect(orders[0].Spec.WalletRef.Name).To(Equal("main"))
	})

	It("says which field is wrong, and what it may be", func(ctx SpecContext) {
		done := run(ctx, buyer, "buy", "japan", "1gb-7d", "--email=nobody", "--name=wrong")
		Expect(apierrors.IsInvalid(done.err)).To(BeTrue())
		Expect(done.err).To(MatchError(ContainSubstring(`spec.notificationEmail: "nobody" is refused: must be an e-mail address such as ann@example.com`)))
		Expect(done.err.Error()).NotTo(ContainSubstring("Invalid value"))
	})

	It("says which right is missing, and which role gives it", func(ctx SpecContext) {
		done := run(ctx, stranger, "buy", "japan", "1gb-7d")
		Expect(done.err).To(MatchError(ContainSubstring("you lack the right to create esimorders.esim.telco.dev in namespace acme; have an administrator bind you the ClusterRole esimorders-edit there")))
	})

	It("leaves an order alone that has the name already", func(ctx SpecContext) {
		before := placed(ctx, "taken")
		done := run(ctx, buyer, "buy", "japan", "1gb-7d", "--name=taken")
		Expect(done.err).To(MatchError(ContainSubstring("esimorder taken in namespace acme exists already")))
		Expect(look(ctx, "taken").ResourceVersion).To(Equal(before.ResourceVersion))
	})

	It("places nothing with --dry-run, and prints what can be applied", func(ctx SpecContext) {
		done := run(ctx, buyer, "buy", "japan", "--amount=4.50", "--name=dry", "--accept-within=0", "--dry-run", "-o", "yaml")
		Expect(done.err).NotTo(HaveOccurred())
		var order v1alpha1.EsimOrder
		Expect(yaml.UnmarshalStrict([]byte(done.out), &order)).To(Succeed())
		Expect(order.Kind).To(Equal("EsimOrder"))
		Expect(order.Spec.Amount).To(Equal(v1alpha1.Decimal("4.50")))
		Expect(order.Spec.AcceptBefore).To(BeNil())
		By("without what belongs to the order that the API server would have made")
		Expect(order.ObjectMeta).To(Equal(metav1.ObjectMeta{Namespace: namespace, Name: "dry"}))
		Expect(done.out).NotTo(ContainSubstring("status:"))
		Expect(ordersNamed(ctx, "dry")).To(BeEmpty())
	})

	It("buys once although the first answer got lost", func(ctx SpecContext) {
		lost := 0
		done := call{transport: losing(&lost)}.run(ctx, buyer, "buy", "chile", "1gb-7d")
		Expect(done.err).NotTo(HaveOccurred())
		Expect(lost).To(Equal(1))
		orders := ordersNamed(ctx, "chile-")
		Expect(orders).To(HaveLen(1))
		Expect(done.out).To(ContainSubstring(orders[0].Name))
	})

	It("waits until the order is delivered, and tells each turn on the way", func(ctx SpecContext) {
		ended := make(chan outcome, 1)
		go func() { ended <- run(ctx, buyer, "buy", "japan", "1gb-7d", "--name=awaited", "--wait") }()
		Eventually(func() []v1alpha1.EsimOrder { return ordersNamed(ctx, "awaited") }).Should(HaveLen(1))
		become(ctx, "awaited", func(o *v1alpha1.EsimOrder) {
			delivered(o)
			o.Status.Phase, o.Status.Esim, o.Status.Activation = v1alpha1.PhasePending, nil, nil
			o.Status.Conditions = ready(metav1.ConditionFalse, "OutOfStock", "no stock")
		})
		become(ctx, "awaited", delivered)
		var done outcome
		Eventually(ended).Should(Receive(&done))
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out).To(ContainSubstring("esimorder/awaited delivered for 4.05 USD from wallet main"))
		Expect(done.errOut).To(ContainSubstring("esimorder/awaited placed"))
		Expect(done.errOut).To(ContainSubstring("  ready to install"))
	})

	It("ends with an error, and the reason, when the order FAILED", func(ctx SpecContext) {
		ended := make(chan outcome, 1)
		go func() { ended <- run(ctx, buyer, "buy", "japan", "1gb-7d", "--name=failing", "--wait") }()
		become(ctx, "failing", func(o *v1alpha1.EsimOrder) {
			o.Status.Phase = v1alpha1.PhaseFailed
			o.Status.Failure = &v1alpha1.OrderFailure{Code: v1alpha1.FailureInsufficientFunds, Reason: "the wallet main is empty"}
		})
		var done outcome
		Eventually(ended).Should(Receive(&done))
		Expect(done.err).To(MatchError(ContainSubstring("order failing FAILED: the wallet main is empty; what you can do: kubectl esim describe failing -n acme")))
	})

	It("stops waiting in time, and says that the order goes on", func(ctx SpecContext) {
		done := run(ctx, buyer, "buy", "japan", "1gb-7d", "--name=slow", "--wait", "--timeout=1s")
		Expect(done.err).To(MatchError("not done within 1s; the order goes on without you; see how: kubectl esim describe slow -n acme"))
		Expect(ordersNamed(ctx, "slow")).To(HaveLen(1))
	})

	It("asks for a plan where none is named, and for one way to name it", func(ctx SpecContext) {
		Expect(run(ctx, buyer, "buy", "japan").err).To(MatchError(ContainSubstring("say which plan of japan to buy")))
		Expect(run(ctx, buyer, "buy", "japan", "1gb-7d", "--amount=4.50").err).To(MatchError(ContainSubstring("say which plan of japan to buy")))
	})

	It("says that no API server answers, and at which address", func(ctx SpecContext) {
		done := call{transport: func(http.RoundTripper) http.RoundTripper {
			return roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route to host") })
		}}.run(ctx, buyer, "buy", "japan", "1gb-7d")
		Expect(done.err).To(MatchError(MatchRegexp(`the API server at 127.0.0.1:\d+ cannot be reached \(no route to host\)`)))
	})
})
