package secrecy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/util/retry"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
)

// order makes an order as kubectl does.
func order(ctx context.Context, name string, change ...func(*v1alpha1.EsimOrder)) {
	GinkgoHelper()
	_, err := shop.Order(ctx, name, change...)
	Expect(err).NotTo(HaveOccurred())
}

func mailTo(address string) func(*v1alpha1.EsimOrder) {
	return func(o *v1alpha1.EsimOrder) { o.Spec.NotificationEmail = address }
}

func cancel(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true }

// edit changes an order as kubectl does.
func edit(ctx context.Context, name string, change func(*v1alpha1.EsimOrder)) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found := look(ctx, name)
		change(found)
		return k8s.Update(ctx, found)
	})).To(Succeed())
}

func annotate(ctx context.Context, name, annotation, value string) {
	GinkgoHelper()
	edit(ctx, name, func(o *v1alpha1.EsimOrder) {
		if o.Annotations == nil {
			o.Annotations = map[string]string{}
		}
		o.Annotations[annotation] = value
	})
}

// look is an order as it stands; its zero value where it is gone.
func look(ctx context.Context, name string) *v1alpha1.EsimOrder {
	GinkgoHelper()
	found, err := shop.Find(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	if found == nil {
		return &v1alpha1.EsimOrder{}
	}
	return found
}

func becomes(ctx context.Context, phase v1alpha1.OrderPhase, names ...string) {
	GinkgoHelper()
	for _, name := range names {
		Eventually(func() v1alpha1.OrderPhase { return look(ctx, name).Status.Phase }).WithContext(ctx).Should(Equal(phase), name)
	}
}

// has waits until an order's condition is there.
func has(ctx context.Context, name, condition string) {
	GinkgoHelper()
	Eventually(func() []string {
		var types []string
		for _, c := range look(ctx, name).Status.Conditions {
			types = append(types, c.Type)
		}
		return types
	}).WithContext(ctx).Should(ContainElement(condition))
}

// remove deletes an order. It goes half a minute later, where somebody could not be told of its end.
func remove(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(k8s.Delete(ctx, look(ctx, name))).To(Succeed())
}

func goes(ctx context.Context, names ...string) {
	GinkgoHelper()
	for _, name := range names {
		Eventually(func() string { return look(ctx, name).Name }).WithContext(ctx).Should(BeEmpty(), name)
	}
}

func iccidOf(ctx context.Context, name string) activation.ICCID {
	GinkgoHelper()
	return activation.ICCID(look(ctx, name).Status.Esim.ICCID)
}

// deliver lets orders be delivered while everything goes wrong that can be mended by trying
// again.
func deliver(ctx context.Context) {
	GinkgoHelper()
	By("delivering, undisturbed at first, so that the SM-DP+ address is known")
	order(ctx, "plain", mailTo("plain@example.com"))
	becomes(ctx, v1alpha1.PhaseDelivered, "plain")

	By("delivering while answers are lost, cut, and repeat what was sent")
	line.arm(garbled(es2plus.ConfirmOrder)...)
	line.arm(refuse(es2plus.ReleaseProfile, "8.9", "5.1"))
	line.arm(garbled(es2plus.ReleaseProfile)...)
	for _, fault := range []smdp.Fault{
		{Kind: smdp.FaultDropAnswer, Function: es2plus.DownloadOrder, Times: 2},
		{Kind: smdp.FaultDropAnswer, Function: es2plus.ConfirmOrder, Times: 3},
		{Kind: smdp.FaultMalformedJSON, Function: es2plus.ConfirmOrder, Times: 2},
		{Kind: smdp.FaultHTTPStatus, HTTPStatus: http.StatusServiceUnavailable, Function: es2plus.ConfirmOrder, Times: 2},
		{Kind: smdp.FaultWrongContentType, Function: es2plus.ConfirmOrder, Times: 1},
		{Kind: smdp.FaultOmitSMDPAddress, Function: es2plus.ConfirmOrder, Times: 1},
	} {
		Expect(shop.SMDP.Inject(fault)).To(Succeed())
	}
	var names []string
	for i := range 24 {
		names = append(names, fmt.Sprintf("faulty-%d", i))
		order(ctx, names[i], mailTo(names[i]+"@example.com"))
	}
	// The one that got no address waits for its connection to be set right.
	Eventually(func() int { return len(delivered(ctx, names)) }).WithContext(ctx).Should(BeNumerically(">=", len(names)-1))
	setAddress(ctx, "rsp.example.com")
	becomes(ctx, v1alpha1.PhaseDelivered, names...)
	Expect(shop.SMDP.ClearFaults()).To(Succeed())
	line.disarm()

	By("taking the SM-DP+'s own matching ID, and none that cannot be used")
	line.arm(
		executedAs("another matching ID", func(sent exchangeSent) string {
			return fmt.Sprintf(`"matchingId":"OWN-%s","smdpAddress":"rsp.example.com"`, sent.matchingID()[:16])
		}),
		executedAs("a matching ID that no code can carry", func(sent exchangeSent) string {
			return fmt.Sprintf(`"matchingId":"%s_!","smdpAddress":"rsp.example.com"`, sent.matchingID())
		}),
		executedAs("an address that no code can carry", func(sent exchangeSent) string {
			return fmt.Sprintf(`"matchingId":%q,"smdpAddress":"%[1]s$%[1]s"`, sent.matchingID())
		}),
		executedAs("an address that is what was sent", func(sent exchangeSent) string {
			return fmt.Sprintf(`"matchingId":%q,"smdpAddress":"%s.example.com"`, sent.matchingID(), strings.ToLower(sent.matchingID()))
		}),
	)
	for _, name := range []string{"renamed", "misnamed", "misaddressed", "addressed-by-code"} {
		order(ctx, name, mailTo(name+"@example.com"))
		becomes(ctx, v1alpha1.PhaseDelivered, name)
	}
	Expect(line.left()).To(BeEmpty())
}

func delivered(ctx context.Context, names []string) (done []string) {
	GinkgoHelper()
	for _, name := range names {
		if look(ctx, name).Status.Phase == v1alpha1.PhaseDelivered {
			done = append(done, name)
		}
	}
	return done
}

// setAddress configures the address for activation codes, where the SM-DP+ answers none.
func setAddress(ctx context.Context, address string) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		operator := &v1alpha1.EsimOperator{}
		if err := k8s.Get(ctx, keyOf(shop.Name), operator); err != nil {
			return err
		}
		operator.Spec.ES2Plus.SMDPAddress = address
		return k8s.Update(ctx, operator)
	})).To(Succeed())
}

// end lets orders fail, be cancelled and be deleted, each at several stages.
func end(ctx context.Context) {
	GinkgoHelper()
	By("failing where the operator refuses, and repeats what was sent")
	line.arm(refuse(es2plus.ConfirmOrder, "8.1.1", "2.2"))
	line.arm(garbled(es2plus.CancelOrder)...)
	order(ctx, "refused", mailTo("refused@example.com"))
	becomes(ctx, v1alpha1.PhaseFailed, "refused")
	line.disarm()
	order(ctx, "no-such-plan", func(o *v1alpha1.EsimOrder) { o.Spec.Variant = "no-such-variant" }, mailTo("none@example.com"))
	becomes(ctx, v1alpha1.PhaseFailed, "no-such-plan")

	By("cancelling before the delivery, without and with a profile in hand")
	order(ctx, "scarce", func(o *v1alpha1.EsimOrder) { o.Spec.Variant = "scarce" }, mailTo("scarce@example.com"))
	stuck := smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: http.StatusServiceUnavailable, Function: es2plus.ConfirmOrder}
	Expect(shop.SMDP.Inject(stuck)).To(Succeed())
	for _, name := range []string{"stuck", "stuck-and-deleted"} {
		order(ctx, name, mailTo(name+"@example.com"))
		has(ctx, name, v1alpha1.ConditionOutcomeUnknown)
	}
	edit(ctx, "scarce", cancel)
	edit(ctx, "stuck", cancel)
	remove(ctx, "stuck-and-deleted")
	becomes(ctx, v1alpha1.PhaseCancelled, "scarce", "stuck", "stuck-and-deleted")
	Expect(shop.SMDP.ClearFaults()).To(Succeed())

	By("cancelling after the delivery, also where the operator refuses")
	for _, name := range []string{"taken-back", "kept", "deleted"} {
		order(ctx, name, mailTo(name+"@example.com"))
	}
	becomes(ctx, v1alpha1.PhaseDelivered, "taken-back", "kept", "deleted")
	line.arm(garbled(es2plus.CancelOrder)...)
	edit(ctx, "taken-back", cancel)
	becomes(ctx, v1alpha1.PhaseCancelled, "taken-back")
	line.disarm()
	line.arm(refuse(es2plus.CancelOrder, "8.2.1", "3.3"))
	edit(ctx, "kept", cancel)
	has(ctx, "kept", v1alpha1.ConditionCancelRefused)
	Expect(line.left()).To(BeEmpty())

	By("deleting what was delivered")
	remove(ctx, "deleted")
}

// live takes profiles onto devices, and away again.
func live(ctx context.Context) {
	GinkgoHelper()
	names := []string{"installed", "used", "deleted-there", "failed-there", "expired"}
	for _, name := range names {
		order(ctx, name, mailTo(name+"@example.com"))
	}
	becomes(ctx, v1alpha1.PhaseDelivered, names...)
	for _, name := range names {
		Eventually(post.to(name+"@example.com")).WithContext(ctx).Should(Equal(1), name)
	}
	By("installing, using and deleting profiles, and failing to")
	for _, name := range []string{"installed", "used", "deleted-there", "expired"} {
		Expect(shop.SMDP.Install(iccidOf(ctx, name))).To(Succeed())
	}
	Expect(shop.SMDP.Enable(iccidOf(ctx, "used"))).To(Succeed())
	Expect(shop.SMDP.Delete(iccidOf(ctx, "deleted-there"))).To(Succeed())
	Expect(shop.SMDP.FailInstall(iccidOf(ctx, "failed-there"))).To(Succeed())
	for _, name := range []string{"installed", "used", "deleted-there", "expired"} {
		Eventually(func() bool {
			life := look(ctx, name).Status.Activation
			return life.Installed && life.CodeRemoved
		}).WithContext(ctx).Should(BeTrue(), name)
	}
	has(ctx, "deleted-there", v1alpha1.ConditionDeletedFromDevice)
	has(ctx, "failed-there", v1alpha1.ConditionDownloadFailed)

	By("letting plans end")
	now.by.Store(int64(8 * 24 * time.Hour))
	annotate(ctx, "expired", v1alpha1.RefreshAnnotation, "now")
	Eventually(func() v1alpha1.ActivationStatus { return look(ctx, "expired").Status.Activation.Status }).
		WithContext(ctx).Should(Equal(v1alpha1.ActivationExpired))
}

// tell has receipts and events sent that do not arrive at once, and those that were asked for
// again.
func tell(ctx context.Context) {
	GinkgoHelper()
	By("sending receipts to a mail server that refuses them and repeats what it was sent")
	for _, name := range []string{"refused-ann", "deferred-bob", "lost-carol"} {
		order(ctx, name, mailTo(name+"@example.com"))
	}
	becomes(ctx, v1alpha1.PhaseDelivered, "refused-ann", "deferred-bob", "lost-carol")
	for _, name := range []string{"refused-ann", "deferred-bob", "lost-carol"} {
		Eventually(post.to(name+"@example.com")).WithContext(ctx).Should(BeNumerically(">=", 1), name)
	}
	has(ctx, "refused-ann", v1alpha1.ConditionReceiptSent)
	edit(ctx, "refused-ann", mailTo("ann@example.com"))
	Eventually(post.to("ann@example.com")).WithContext(ctx).Should(Equal(1))

	By("sending receipts of every end")
	for _, address := range []string{"plain", "refused", "none", "scarce", "stuck", "taken-back"} {
		Eventually(post.to(address+"@example.com")).WithContext(ctx).Should(BeNumerically(">=", 1), address)
	}

	By("sending events to endpoints that fail, and again to one that does not")
	for _, event := range []string{
		v1alpha1.EventOrderDelivered, v1alpha1.EventOrderFailed, v1alpha1.EventOrderCancelled, v1alpha1.EventInstalled,
		v1alpha1.EventActivated, v1alpha1.EventExpired, v1alpha1.EventDebited, v1alpha1.EventCredited,
	} {
		Eventually(hooks.events("good", event)).WithContext(ctx).Should(BeNumerically(">=", 1), event)
	}
	for _, endpoint := range []string{"failing", "garbled", "moved", "gone"} {
		Eventually(hooks.events(endpoint, "")).WithContext(ctx).Should(BeNumerically(">=", 1), endpoint)
	}
	before := hooks.events("good", v1alpha1.EventOrderDelivered)()
	annotate(ctx, "plain", v1alpha1.ReplayAnnotation, "again")
	Eventually(hooks.events("good", v1alpha1.EventOrderDelivered)).WithContext(ctx).Should(BeNumerically(">", before))

	By("being refused by the mail server, with the password in its answer")
	post.refuseLogins(true)
	order(ctx, "not-told", mailTo("nobody@example.com"))
	becomes(ctx, v1alpha1.PhaseDelivered, "not-told")
	Eventually(post.refusals.Load).WithContext(ctx).Should(BeNumerically(">=", 1))
	post.refuseLogins(false)

	By("letting deleted orders go")
	goes(ctx, "stuck-and-deleted", "deleted")
}
