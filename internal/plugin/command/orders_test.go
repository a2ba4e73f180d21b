package command_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/story"
)

var _ = Describe("Listing orders", func() {
	It("says in words where each stands, and more with -o wide", func(ctx SpecContext) {
		deliveredOrder(ctx, "listed")
		done := run(ctx, buyer, "get")
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out).To(MatchRegexp(`(?m)^NAME +PLAN +STATE +PAID +ICCID +AGE$`))
		Expect(done.out).To(MatchRegexp(`(?m)^listed +Japan 1 GB / 7 days +ready to install +4\.05 USD +8986000000000000018 +\d+s$`))
		wide := run(ctx, buyer, "get", "listed", "-o", "wide")
		Expect(wide.out).To(MatchRegexp(`(?m)^listed .* telco-one +main +-$`))
	})

	It("prints objects for programs", func(ctx SpecContext) {
		deliveredOrder(ctx, "printed")
		var order v1alpha1.EsimOrder
		Expect(yaml.UnmarshalStrict([]byte(run(ctx, buyer, "get", "printed", "-o", "yaml").out), &order)).To(Succeed())
		Expect(order.Kind).To(Equal("EsimOrder"))
		Expect(order.Status.Esim.ICCID).To(Equal(iccid))
		Expect(order.ManagedFields).To(BeEmpty())
		var list v1alpha1.EsimOrderList
		Expect(json.Unmarshal([]byte(run(ctx, administrator, "get", "-A", "-o", "json").out), &list)).To(Succeed())
		Expect(list.Items).To(ContainElement(HaveField("Name", "printed")))
		Expect(run(ctx, buyer, "get", "printed", "-o", "name").out).To(Equal("esimorder.esim.telco.dev/printed\n"))
	})

	It("says that there is none of that name, and how to see what there is", func(ctx SpecContext) {
		Expect(run(ctx, buyer, "get", "nowhere").err).To(MatchError(ContainSubstring(
			"there is no esimorder nowhere in namespace acme; see what there is: kubectl esim get -n acme")))
	})

	It("says which right all namespaces take", func(ctx SpecContext) {
		Expect(run(ctx, buyer, "get", "-A").err).To(MatchError(ContainSubstring(
			"you lack the right to list esimorders.esim.telco.dev in all namespaces; have an administrator bind you the ClusterRole esimorders-view with a ClusterRoleBinding")))
	})
})

var _ = Describe("Describing an order", func() {
	It("tells its story, with what only events tell", func(ctx SpecContext) {
		order := deliveredOrder(ctx, "told")
		Expect(k8s.Create(ctx, &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: namespace, Name: "told.1"},
			InvolvedObject: corev1.ObjectReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "EsimOrder", Namespace: namespace, Name: "told", UID: order.UID},
			Type:           corev1.EventTypeWarning, Reason: "OutOfStock", Message: "The order is not filled yet: no stock", Action: "Retry",
			EventTime: metav1.NowMicro(), ReportingController: "test", ReportingInstance: "test",
		})).To(Succeed())
		done := run(ctx, buyer, "describe", "told")
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.errOut).To(BeEmpty())
		Expect(done.out).To(HavePrefix("told in acme: ready to install\n"))
		Expect(done.out).To(ContainSubstring("The order is not filled yet: no stock."))
		Expect(done.out).To(ContainSubstring("kubectl esim qr told -n acme"))
		Expect(done.out).NotTo(ContainSubstring(matchingID))
	})

	It("tells the rest, and what is missing, to who may not read events", func(ctx SpecContext) {
		deliveredOrder(ctx, "half-told")
		bind(ctx, "esimorders-view", "deaf")
		done := run(ctx, kubeconfigOf("deaf"), "describe", "half-told", "-o", "json")
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.errOut).To(ContainSubstring("you lack the right to list events in namespace acme"))
		var told story.Story
		Expect(json.Unmarshal([]byte(done.out), &told)).To(Succeed())
		Expect(told.State).To(Equal("ready to install"))
	})
})

var _ = Describe("Cancelling an order", func() {
	It("waits for the money to come back", func(ctx SpecContext) {
		deliveredOrder(ctx, "cancelled")
		ended := make(chan outcome, 1)
		go func() { ended <- run(ctx, buyer, "cancel", "cancelled", "--wait") }()
		Eventually(func() bool { return look(ctx, "cancelled").Spec.Cancel }).Should(BeTrue())
		become(ctx, "cancelled", func(o *v1alpha1.EsimOrder) {
			o.Status.Phase = v1alpha1.PhaseCancelled
			o.Status.Charge.Refund = &v1alpha1.OrderRefund{TransactionID: 5, Time: metav1.Now(), Reason: "cancelled"}
		})
		var done outcome
		Eventually(ended).Should(Receive(&done))
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out).To(Equal("esimorder/cancelled cancelled; 4.05 USD went back to wallet main\n"))
		Expect(run(ctx, buyer, "cancel", "cancelled").out).To(Equal(done.out), "doing it again says the same")
	})

	It("says that the operator does not take it back", func(ctx SpecContext) {
		deliveredOrder(ctx, "kept")
		ended := make(chan outcome, 1)
		go func() { ended <- run(ctx, buyer, "cancel", "kept", "--wait") }()
		Eventually(func() bool { return look(ctx, "kept").Spec.Cancel }).Should(BeTrue())
		become(ctx, "kept", func(o *v1alpha1.EsimOrder) {
			o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{
				Type: v1alpha1.ConditionCancelRefused, Status: metav1.ConditionTrue, Reason: "OperatorRefused",
				Message: "The operator does not take the profile back", LastTransitionTime: metav1.Now(),
			})
		})
		var done outcome
		Eventually(ended).Should(Receive(&done))
		Expect(done.err).To(MatchError("order kept cannot be cancelled: The operator does not take the profile back"))
	})

	It("changes nothing where it is too late", func(ctx SpecContext) {
		deliveredOrder(ctx, "late")
		become(ctx, "late", func(o *v1alpha1.EsimOrder) { o.Status.Activation.Installed = true })
		Expect(run(ctx, buyer, "cancel", "late").err).To(MatchError(ContainSubstring("neither taken back nor refunded")))
		Expect(look(ctx, "late").Spec.Cancel).To(BeFalse())
	})

	It("says which right is missing", func(ctx SpecContext) {
		deliveredOrder(ctx, "not-yours")
		bind(ctx, "esimorders-view", "reader")
		Expect(run(ctx, kubeconfigOf("reader"), "cancel", "not-yours").err).To(MatchError(ContainSubstring(
			"you lack the right to patch esimorders.esim.telco.dev in namespace acme")))
	})
})

var _ = Describe("Refreshing an order", func() {
	It("waits for the operator's answer, and says what it is", func(ctx SpecContext) {
		deliveredOrder(ctx, "asked")
		ended := make(chan outcome, 1)
		go func() { ended <- run(ctx, buyer, "refresh", "asked") }()
		Eventually(func() string { return look(ctx, "asked").Annotations[v1alpha1.RefreshAnnotation] }).ShouldNot(BeEmpty())
		value := look(ctx, "asked").Annotations[v1alpha1.RefreshAnnotation]
		_, err := time.Parse(time.RFC3339Nano, value)
		Expect(err).NotTo(HaveOccurred())
		Consistently(ended, "300ms").ShouldNot(Receive())
		become(ctx, "asked", func(o *v1alpha1.EsimOrder) { o.Status.Activation.Refreshed = value })
		var done outcome
		Eventually(ended).Should(Receive(&done))
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out).To(Equal("esimorder/asked: ready to install\n"))
	})

	It("says that an operator cannot be asked, and does not pretend to", func(ctx SpecContext) {
		deliveredOrder(ctx, "mute")
		become(ctx, "mute", func(o *v1alpha1.EsimOrder) { o.Status.Activation.RefreshInterval = nil })
		Expect(run(ctx, buyer, "refresh", "mute").err).To(MatchError(ContainSubstring("cannot be asked")))
		Expect(look(ctx, "mute").Annotations).NotTo(HaveKey(v1alpha1.RefreshAnnotation))
	})

	It("gives up in time on an operator that does not answer", func(ctx SpecContext) {
		deliveredOrder(ctx, "unanswered")
		Expect(run(ctx, buyer, "refresh", "unanswered", "--timeout=500ms").err).To(MatchError(ContainSubstring(
			"the operator telco-one did not answer within 500ms")))
	})
})

var _ = Describe("Following an order", func() {
	It("goes on when the API server ends a watch", func(ctx SpecContext) {
		deliveredOrder(ctx, "watched")
		var watches atomic.Int32
		cutting := call{transport: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(request *http.Request) (*http.Response, error) {
				if request.URL.Query().Get("watch") == "true" && watches.Add(1) == 1 {
					query := request.URL.Query()
					query.Set("timeoutSeconds", "1")
					request = request.Clone(request.Context())
					request.URL.RawQuery = query.Encode()
				}
				return next.RoundTrip(request)
			})
		}}
		ended := make(chan outcome, 1)
		go func() { ended <- cutting.run(ctx, buyer, "cancel", "watched", "--wait") }()
		Eventually(watches.Load).Should(BeNumerically(">=", 2))
		become(ctx, "watched", func(o *v1alpha1.EsimOrder) { o.Status.Phase = v1alpha1.PhaseCancelled })
		var done outcome
		Eventually(ended).Should(Receive(&done))
		Expect(done.err).NotTo(HaveOccurred())
	})

	It("says that the order was deleted meanwhile", func(ctx SpecContext) {
		order := placed(ctx, "deleted")
		ended := make(chan outcome, 1)
		go func() { ended <- run(ctx, buyer, "cancel", "deleted", "--wait") }()
		Eventually(func() bool { return look(ctx, "deleted").Spec.Cancel }).Should(BeTrue())
		Expect(k8s.Delete(ctx, order)).To(Succeed())
		patch := client.RawPatch(types.JSONPatchType, []byte(`[{"op": "remove", "path": "/metadata/finalizers"}]`))
		Expect(manager.Patch(ctx, order, patch)).To(Succeed())
		var done outcome
		Eventually(ended).Should(Receive(&done))
		Expect(done.err).To(MatchError("order deleted was deleted while you waited"))
	})
})

var _ = Describe("Completion", func() {
	It("offers orders, products with their names, and a product's plans", func(ctx SpecContext) {
		placed(ctx, "completed")
		Expect(k8s.Create(ctx, &v1alpha1.EsimProduct{
			ObjectMeta: metav1.ObjectMeta{Name: "bolivia"},
			Spec: v1alpha1.EsimProductSpec{DisplayName: "Bolivia", CountryCode: "BOL", Currency: "USD", Variants: []v1alpha1.EsimVariant{
				{
					Name: "1gb-7d", DisplayName: "1 GB / 7 days", Amount: "4.50", DataAmountGB: "1", ValidityDays: 7,
					Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: "telco-one"}, PlanID: "BO"}},
				},
				{Name: "3gb-7d", DisplayName: "3 GB / 7 days", Amount: "9.50", DataAmountGB: "3", ValidityDays: 7, Inactive: true},
			}},
		})).To(Succeed())
		Expect(strings.Split(completions(run(ctx, buyer, "__complete", "describe", "comple")), "\n")).To(ContainElement("completed"))
		Expect(completions(run(ctx, administrator, "__complete", "buy", "boli"))).To(ContainSubstring("bolivia\tBolivia\n"))
		plans := completions(run(ctx, administrator, "__complete", "quote", "bolivia", ""))
		Expect(plans).To(ContainSubstring("1gb-7d\t1 GB / 7 days, 4.50 USD\n"))
		Expect(plans).NotTo(ContainSubstring("3gb-7d"), "a plan that is not on sale")
	})

	It("offers nothing to who may not list", func(ctx SpecContext) {
		Expect(completions(run(ctx, stranger, "__complete", "describe", ""))).To(HavePrefix(":"))
	})
})

func completions(done outcome) string {
	GinkgoHelper()
	Expect(done.err).NotTo(HaveOccurred())
	return done.out
}
