package traces

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testcollector"
	"github.com/telcodev/esim-operator/internal/testshop"
	"github.com/telcodev/esim-operator/internal/tracing"
)

const (
	// callersTrace is one that a caller claims to be in.
	callersTrace       = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan        = "00f067aa0ba902b7"
	callersTraceparent = "00-" + callersTrace + "-" + callersSpan + "-01"
)

// ofOrder are the spans that name an order, and those above them. A write that was made from an old
// cache, and so not taken, is everyday, and made anew.
func ofOrder(collector *testcollector.Collector, order string) []testcollector.Span {
	all := collector.Spans()
	traces := map[string]bool{}
	for _, span := range all {
		if span.Attributes["esim.order"] == order {
			traces[span.TraceID] = true
		}
	}
	return slices.DeleteFunc(all, func(span testcollector.Span) bool { return !traces[span.TraceID] || span.Failure == "Conflict" })
}

// names are those of spans, each with the name of the span above it.
func names(spans []testcollector.Span) []string {
	byID := map[string]string{callersSpan: "the caller's"}
	for _, span := range spans {
		byID[span.ID] = span.Name
	}
	var told []string
	for _, span := range spans {
		above := "nothing"
		if span.ParentID != "" {
			above = fmt.Sprintf("%q", byID[span.ParentID])
		}
		told = append(told, fmt.Sprintf("%s: %s %q under %s", span.Program, strings.ToLower(strings.TrimPrefix(span.Kind, "SPAN_KIND_")), span.Name, above))
	}
	slices.Sort(told)
	return told
}

func traceIDs(spans []testcollector.Span) []string {
	var ids []string
	for _, span := range spans {
		ids = append(ids, span.TraceID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func phaseOf(ctx SpecContext, key client.ObjectKey) func() (v1alpha1.OrderPhase, error) {
	return func() (v1alpha1.OrderPhase, error) {
		var order v1alpha1.EsimOrder
		err := env.Client.Get(ctx, key, &order)
		return order.Status.Phase, err
	}
}

// refused is how many spans the collector did not take, as the manager's metrics say.
func refused() float64 {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		if family.GetName() != "esim_trace_spans_total" {
			continue
		}
		for _, one := range family.GetMetric() {
			if one.GetLabel()[0].GetValue() == "refused" {
				return one.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// onlyOrder is the one that a shop's client has.
func onlyOrder(ctx SpecContext, s *stand) *v1alpha1.EsimOrder {
	GinkgoHelper()
	var orders v1alpha1.EsimOrderList
	Expect(env.Client.List(ctx, &orders, client.InNamespace(s.Name))).To(Succeed())
	Expect(orders.Items).To(HaveLen(1))
	return &orders.Items[0]
}

func within(traceparent string) func(*v1alpha1.EsimOrder) {
	return func(o *v1alpha1.EsimOrder) {
		o.Annotations = map[string]string{v1alpha1.TraceparentAnnotation: traceparent}
	}
}

func (s *stand) make(ctx SpecContext, name string, change ...func(*v1alpha1.EsimOrder)) client.ObjectKey {
	GinkgoHelper()
	order, err := s.Order(ctx, name, change...)
	Expect(err).NotTo(HaveOccurred())
	return client.ObjectKeyFromObject(order)
}

var _ = Describe("Where traces are on", func() {
	It("an order over REST is one trace, from its request to the operator's calls and the webhook", func(ctx SpecContext) {
		collector := newCollector(ctx)
		s := openStand(ctx, "followed", testshop.Options{})
		startManager(s, manager.Tracing{Config: everything(collector.Endpoint()), TellOperators: true})
		base, _ := startFacade(everything(collector.Endpoint()))
		bought := newCaller(ctx, s.Name, base).order(ctx, s.Name, callersTraceparent)
		Expect(bought["status"]).To(Equal("DELIVERED"))
		order := onlyOrder(ctx, s)

		By("gathering its spans")
		const made = `under "create EsimOrder"`
		var spans []testcollector.Span
		Eventually(func() []string {
			spans = ofOrder(collector, order.Name)
			return names(spans)
		}).WithContext(ctx).Should(ConsistOf(
			`esim-facade: server "POST /api/v1/esim/orders" under nothing`,
			`esim-facade: producer "create EsimOrder" under "POST /api/v1/esim/orders"`,
			`esim-controllers: internal "accept" `+made,
			`esim-controllers: internal "charge" `+made,
			`esim-controllers: internal "provision" `+made,
			`esim-controllers: client "DownloadOrder" under "provision"`,
			`esim-controllers: client "ConfirmOrder" under "provision"`,
			`esim-controllers: internal "journal" under "provision"`,
			`esim-controllers: internal "journal" `+made,
			`esim-controllers: internal "deliver" `+made,
			`esim-controllers: client "webhook" `+made, // accepted
			`esim-controllers: client "webhook" `+made, // delivered
		))
		Expect(traceIDs(spans)).To(HaveLen(1))

		By("looking at what they say")
		byName, events := map[string]testcollector.Span{}, map[string]string{}
		told := func(span testcollector.Span) string { return "00-" + span.TraceID + "-" + span.ID + "-01" }
		for _, span := range spans {
			byName[span.Name] = span
			if event, ok := span.Attributes["esim.event"]; ok {
				events[event] = told(span)
			}
			Expect(span.Attributes).To(HaveKeyWithValue("esim.client", s.Name), span.Name)
			Expect(span.Failure).To(BeEmpty(), span.Name)
		}
		Expect(byName["POST /api/v1/esim/orders"].Links).To(ConsistOf(callersTrace), "the caller's own trace is named, and not gone on with")
		Expect(traceIDs(spans)).NotTo(ContainElement(callersTrace))
		Expect(byName["POST /api/v1/esim/orders"].Attributes).To(HaveKeyWithValue("http.response.status_code", "200"))
		Expect(byName["ConfirmOrder"].Attributes).To(And(HaveKeyWithValue("esim.operator", s.Name), HaveKeyWithValue("http.response.status_code", "200")))
		Expect(byName["provision"].Attributes).To(And(HaveKeyWithValue("esim.attempt", "1"), HaveKeyWithValue("esim.plan", testshop.Plan)))

		By("looking at what others were told of them")
		Expect(order.Annotations).To(HaveKeyWithValue(v1alpha1.TraceparentAnnotation, told(byName["create EsimOrder"])))
		toEndpoint, _ := s.endpoint.told()
		Expect(toEndpoint).To(ConsistOf(slices.Collect(maps.Values(events))))
		Expect(events).To(HaveLen(2))
		toOperator, _ := s.operator.told()
		Expect(toOperator).To(ConsistOf(told(byName["DownloadOrder"]), told(byName["ConfirmOrder"])))

		Expect(facadeLog.String()).To(ContainSubstring(`"traceID":"`+byName["create EsimOrder"].TraceID+`"`), "the line of the request")

		By("looking for what nobody may see")
		code := strings.Split(fmt.Sprint(bought["activation_code"]), "$")
		Expect(code).To(HaveLen(3))
		Expect(string(collector.Text())).NotTo(ContainSubstring(code[2]))
	}, SpecTimeout(2*time.Minute))

	It("an order stays in its trace when the manager restarts, however it was made", func(ctx SpecContext) {
		collector := newCollector(ctx)
		s := openStand(ctx, "restarted", testshop.Options{})
		s.operator.setAway(true)
		stop := startManager(s, manager.Tracing{Config: everything(collector.Endpoint())})
		keys := []client.ObjectKey{s.make(ctx, "annotated", within(callersTraceparent)), s.make(ctx, "plain")}
		tried := func(order, failure, span string) func() bool {
			return func() bool {
				return slices.ContainsFunc(ofOrder(collector, order), func(of testcollector.Span) bool {
					return of.Name == span && (of.Failure != "") == (failure != "")
				})
			}
		}
		for _, key := range keys {
			Eventually(tried(key.Name, "any", "provision")).WithContext(ctx).Should(BeTrue(), key.Name)
		}
		stop()
		s.operator.setAway(false)
		startManager(s, manager.Tracing{Config: everything(collector.Endpoint())})
		for _, key := range keys {
			Eventually(phaseOf(ctx, key)).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
			Eventually(tried(key.Name, "", "webhook")).WithContext(ctx).Should(BeTrue(), key.Name)
		}
		Expect(traceIDs(ofOrder(collector, "annotated"))).To(Equal([]string{callersTrace}))
		Expect(traceIDs(ofOrder(collector, "plain"))).To(HaveLen(1))
		seen, calls := s.operator.told()
		Expect(calls).To(BeNumerically(">", 0))
		Expect(seen).To(BeEmpty(), "operators are told nothing unless that is switched on")
	}, SpecTimeout(2*time.Minute))

	It("an order that is cancelled, refunded and deleted is followed to its end", func(ctx SpecContext) {
		const trace = "0af7651916cd43dd8448eb211c80319c"
		collector := newCollector(ctx)
		s := openStand(ctx, "undone", testshop.Options{})
		startManager(s, manager.Tracing{Config: everything(collector.Endpoint())})
		key := s.make(ctx, "undone", within("00-"+trace+"-"+callersSpan+"-01"))
		Eventually(phaseOf(ctx, key)).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		order := onlyOrder(ctx, s)
		Expect(env.Client.Patch(ctx, order, client.RawPatch(types.MergePatchType, []byte(`{"spec": {"cancel": true}}`)))).To(Succeed())
		Eventually(phaseOf(ctx, key)).WithContext(ctx).Should(Equal(v1alpha1.PhaseCancelled))
		Expect(env.Client.Delete(ctx, order)).To(Succeed())
		Eventually(func() error { return env.Client.Get(ctx, key, order) }).WithContext(ctx).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))

		var spans []testcollector.Span
		Eventually(func() []string {
			spans = ofOrder(collector, key.Name)
			return names(spans)
		}).WithContext(ctx).Should(ContainElements(
			`esim-controllers: internal "deliver" under "the caller's"`,
			`esim-controllers: internal "give back" under "the caller's"`,
			`esim-controllers: client "CancelOrder" under "give back"`,
			`esim-controllers: internal "refund" under "the caller's"`,
			`esim-controllers: internal "settle" under "the caller's"`,
		))
		Expect(traceIDs(spans)).To(Equal([]string{trace}))
		said := map[string]gomegatypes.GomegaMatcher{
			"give back":   And(HaveKeyWithValue("esim.operator", s.Name), HaveKeyWithValue("esim.attempt", "1")),
			"CancelOrder": HaveKeyWithValue("http.response.status_code", "200"),
			"refund":      HaveKeyWithValue("esim.phase", "CANCELLED"),
			"settle":      HaveKeyWithValue("esim.wallet", "main"),
		}
		for _, span := range spans {
			if of, ok := said[span.Name]; ok {
				Expect(span.Attributes).To(of, span.Name)
				Expect(span.Failure).To(BeEmpty(), span.Name)
			}
		}
	}, SpecTimeout(2*time.Minute))

	It("an order that waits, unseen, for its wallet is accepted once in its trace", func(ctx SpecContext) {
		collector := newCollector(ctx)
		s := openStand(ctx, "poor", testshop.Options{Wallet: func(wallet *v1alpha1.EsimWallet) {
			wallet.Spec.Deposits[0].Amount = "1"
		}})
		startManager(s, manager.Tracing{Config: everything(collector.Endpoint())})
		// A refusal is looked at a second time, in the API server itself; once a second for each wallet.
		var keys []client.ObjectKey
		for _, name := range []string{"first", "second", "third"} {
			keys = append(keys, s.make(ctx, name))
		}
		for _, key := range keys {
			Eventually(phaseOf(ctx, key)).WithContext(ctx).Should(Equal(v1alpha1.PhaseFailed))
			Eventually(func() []string { return names(ofOrder(collector, key.Name)) }).WithContext(ctx).Should(ConsistOf(
				`esim-controllers: internal "accept" under nothing`,
				`esim-controllers: internal "fail" under nothing`,
				`esim-controllers: client "webhook" under nothing`,
			), key.Name)
		}
	}, SpecTimeout(2*time.Minute))

	It("an annotation that is no traceparent is ignored, and one that is not sampled heeded", func(ctx SpecContext) {
		collector := newCollector(ctx)
		s := openStand(ctx, "crafted", testshop.Options{})
		stop := startManager(s, manager.Tracing{Config: everything(collector.Endpoint()), TellOperators: true})
		unsampled := s.make(ctx, "unsampled", within("00-"+callersTrace+"-00f067aa0ba902b7-00"))
		crafted := map[string]string{
			"header": "00-" + callersTrace + "-00f067aa0ba902b7-01\r\nX-Planted: yes",
			"text":   "planted<script>", "long": strings.Repeat("planted", 10_000), "later": "cc-" + callersTrace + "-00f067aa0ba902b7-01",
		}
		for name, text := range crafted {
			s.make(ctx, name, within(text))
		}
		var all []testcollector.Span
		for name := range crafted {
			Eventually(phaseOf(ctx, client.ObjectKey{Namespace: s.Name, Name: name})).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
			Eventually(func() []string { return names(ofOrder(collector, name)) }).WithContext(ctx).
				Should(ContainElement(`esim-controllers: client "webhook" under nothing`))
			all = append(all, ofOrder(collector, name)...)
		}
		Eventually(phaseOf(ctx, unsampled)).WithContext(ctx).Should(Equal(v1alpha1.PhaseDelivered))
		stop()
		Expect(traceIDs(all)).To(And(HaveLen(len(crafted)), Not(ContainElement(callersTrace))))
		Expect(ofOrder(collector, unsampled.Name)).To(BeEmpty())
		Expect(strings.ToLower(string(collector.Text()))).NotTo(ContainSubstring("planted"))
	}, SpecTimeout(2*time.Minute))

	It("a caller cannot have more recorded than the ratio says", func(ctx SpecContext) {
		collector := newCollector(ctx)
		s := openStand(ctx, "unrecorded", testshop.Options{})
		nothing := tracing.Config{Endpoint: collector.Endpoint(), SamplingRatio: 0}
		stopManager := startManager(s, manager.Tracing{Config: nothing, TellOperators: true})
		base, stopFacade := startFacade(nothing)
		Expect(newCaller(ctx, s.Name, base).order(ctx, s.Name, callersTraceparent)["status"]).To(Equal("DELIVERED"))
		Eventually(func() int { _, all := s.endpoint.told(); return all }).WithContext(ctx).Should(Equal(2))
		stopManager()
		stopFacade()
		Expect(onlyOrder(ctx, s).Annotations[v1alpha1.TraceparentAnnotation]).To(MatchRegexp("^00-[0-9a-f]{32}-[0-9a-f]{16}-00$"))
		Expect(collector.Spans()).To(BeEmpty())
		for _, to := range []*headers{&s.endpoint, &s.operator} {
			seen, _ := to.told()
			Expect(seen).To(BeEmpty())
		}
	}, SpecTimeout(2*time.Minute))

	It("orders are delivered and told of while there is no collector, and what is lost is counted", func(ctx SpecContext) {
		collector := newCollector(ctx)
		Expect(collector.Close()).To(Succeed())
		s := openStand(ctx, "alone", testshop.Options{})
		before := refused()
		stopManager := startManager(s, manager.Tracing{Config: everything(collector.Endpoint())})
		base, stopFacade := startFacade(everything(collector.Endpoint()))
		Expect(newCaller(ctx, s.Name, base).order(ctx, s.Name, "")["status"]).To(Equal("DELIVERED"))
		Eventually(func() int { _, all := s.endpoint.told(); return all }).WithContext(ctx).Should(Equal(2))
		stopping := time.Now()
		stopManager()
		stopFacade()
		Expect(time.Since(stopping)).To(BeNumerically("<", 20*time.Second), "each waits three seconds for the last spans, and no longer")
		Expect(refused() - before).To(BeNumerically(">=", 7))
	}, SpecTimeout(2*time.Minute))
})

var _ = Describe("Where traces are off", func() {
	It("orders say nothing of traces, nor is anybody told of them", func(ctx SpecContext) {
		s := openStand(ctx, "untraced", testshop.Options{})
		startManager(s, manager.DefaultConfig().Tracing)
		base, _ := startFacade(tracing.DefaultConfig())
		Expect(newCaller(ctx, s.Name, base).order(ctx, s.Name, callersTraceparent)["status"]).To(Equal("DELIVERED"))
		Eventually(func() int { _, all := s.endpoint.told(); return all }).WithContext(ctx).Should(Equal(2))
		Expect(onlyOrder(ctx, s).Annotations).NotTo(HaveKey(v1alpha1.TraceparentAnnotation))
		for _, to := range []*headers{&s.endpoint, &s.operator} {
			seen, _ := to.told()
			Expect(seen).To(BeEmpty())
		}
	}, SpecTimeout(2*time.Minute))
})
