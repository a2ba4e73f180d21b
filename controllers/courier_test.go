package controllers_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
	"github.com/telcodev/esim-operator/internal/testdesk"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// world is whom the courier sends to.
type world struct {
	mu sync.Mutex
	// fails is why sending to an endpoint's url, or to an address, fails.
	fails map[string]error
	// got is what arrived, as "to what".
	got   []string
	ids   map[string][]string
	codes []string
	data  []map[string]any
}

func (w *world) fail(to string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails == nil {
		w.fails = map[string]error{}
	}
	w.fails[to] = err
}

func (w *world) arrives(to, what, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fails[to]; err != nil {
		return err
	}
	w.got = append(w.got, to+" "+what)
	if w.ids == nil {
		w.ids = map[string][]string{}
	}
	w.ids[what] = append(w.ids[what], id)
	return nil
}

func (w *world) arrived() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := slices.Clone(w.got)
	slices.Sort(got)
	return got
}

type hooks struct{ *world }

func (h hooks) Send(_ context.Context, url string, _ []webhook.Secret, e webhook.Event) error {
	var data map[string]any
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return err
	}
	h.mu.Lock()
	h.data = append(h.data, data)
	h.mu.Unlock()
	return h.arrives(url, e.Type, e.ID)
}

type letters struct{ *world }

func (l letters) Send(_ context.Context, to, about string, r receipt.Receipt) error {
	l.mu.Lock()
	l.codes = append(l.codes, r.Code.Reveal())
	l.mu.Unlock()
	return l.arrives(to, string(r.Kind), about)
}

const (
	shopHook  = "https://shop.example.com/hook"
	otherHook = "https://other.example.com/hook"
	ann       = "ann@example.com"
)

// office is a desk with a courier, for a client with two endpoints.
type office struct {
	*desk
	courier  *controllers.CourierReconciler
	clients  *controllers.ClientReconciler
	world    *world
	writes   int
	conflict bool
}

func openOffice(t *testing.T) *office {
	t.Helper()
	o := &office{desk: atDesk(t, testshop.Options{}, nil), world: &world{}}
	o.connect()
	o.Orders.Receipts = true
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.shop.Name, Name: "hooks"},
		Data:       map[string][]byte{"one": []byte("whsec_" + strings.Repeat("QUJD", 8))},
	}
	terms := &v1alpha1.EsimClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.shop.Name, Name: v1alpha1.ClientName},
		Spec: v1alpha1.EsimClientSpec{Webhooks: []v1alpha1.WebhookEndpoint{
			{Name: "shop", URL: shopHook, SigningSecretRef: v1alpha1.SecretReference{Name: "hooks"}},
			{
				Name: "other", URL: otherHook, SigningSecretRef: v1alpha1.SecretReference{Name: "hooks"},
				Events: []v1alpha1.WebhookEvent{v1alpha1.EventOrderDelivered},
			},
		}},
	}
	for _, object := range []client.Object{secret, terms} {
		if err := o.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	o.newCourier()
	return o
}

// newCourier has another process send: what the one before it knew is gone.
func (o *office) newCourier() {
	o.t.Helper()
	health := &controllers.EndpointHealth{}
	writer := testdesk.BeforeStatusWrite(o.api, func(_ context.Context, order *v1alpha1.EsimOrder) error {
		o.writes++
		if o.conflict {
			return apierrors.NewConflict(schema.GroupResource{Resource: "esimorders"}, order.Name, errors.New("it changed"))
		}
		return nil
	})
	o.courier = &controllers.CourierReconciler{
		Client: o.api, Live: o.api, Writer: writer, Webhooks: hooks{o.world}, Mail: letters{o.world}, Health: health,
		Clock: o.clock, Jitter: func() float64 { return 0 },
	}
	o.courier.Open()
	o.clients = &controllers.ClientReconciler{Client: o.api, Writer: o.api, Health: health, Clock: o.clock}
	courier := o.courier
	o.t.Cleanup(func() {
		if err := courier.Close(context.WithoutCancel(o.t.Context())); err != nil {
			o.t.Error(err)
		}
	})
}

// carry has the courier look at the order until it waits for nothing but time: three looks in a row
// find nothing on its way, as the first may hand over what was due behind what had just ended, and
// the second write down what became of that.
func (o *office) carry() time.Duration {
	o.t.Helper()
	key := types.NamespacedName{Namespace: o.shop.Name, Name: "order"}
	quiet := 0
	for began := time.Now(); time.Since(began) < time.Minute; runtime.Gosched() {
		result, err := o.courier.Reconcile(o.t.Context(), ctrl.Request{NamespacedName: key})
		if err != nil {
			o.t.Fatal(err)
		}
		if !o.courier.Idle() {
			quiet = 0
			continue
		}
		quiet++
		if quiet >= 3 && (o.conflict || result.RequeueAfter == 0 || result.RequeueAfter > 2*time.Second) {
			return result.RequeueAfter
		}
	}
	o.t.Fatal("the courier does not come to an end")
	return 0
}

func (o *office) deliver() {
	o.t.Helper()
	o.desk.order(func(order *v1alpha1.EsimOrder) { order.Spec.NotificationEmail = ann })
	for range 3 {
		o.work()
	}
	if phase := o.look().Status.Phase; phase != v1alpha1.PhaseDelivered {
		o.t.Fatalf("the order is %s", phase)
	}
}

// health of the client's endpoints, as kubectl shows it.
func (o *office) health() (terms v1alpha1.EsimClient, reason string) {
	o.t.Helper()
	key := types.NamespacedName{Namespace: o.shop.Name, Name: v1alpha1.ClientName}
	if _, err := o.clients.Reconcile(o.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		o.t.Fatal(err)
	}
	if err := o.api.Get(o.t.Context(), key, &terms); err != nil {
		o.t.Fatal(err)
	}
	if c := meta.FindStatusCondition(terms.Status.Conditions, v1alpha1.ConditionWebhooksReady); c != nil {
		reason = c.Reason
	}
	return terms, reason
}

func TestAllOfADeliveredOrdersMessagesCostOneWrite(t *testing.T) {
	o := openOffice(t)
	o.deliver()
	o.carry()
	want := []string{
		ann + " receipt.delivered", otherHook + " esim.order.delivered",
		shopHook + " esim.order.delivered", shopHook + " wallet.debited",
	}
	if diff := cmp.Diff(want, o.world.arrived()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	order := o.look()
	if o.writes != 1 || len(order.Status.Notifications) != 0 {
		t.Errorf("after %d writes the outbox holds %+v", o.writes, order.Status.Notifications)
	}
	if len(order.Status.Receipts) != 1 || strings.Contains(order.Status.Receipts[0].Recipient, "ann") {
		t.Errorf("the receipts are %+v", order.Status.Receipts)
	}
	if code := string(o.secret().Data[v1alpha1.SecretKeyActivationCode]); !cmp.Equal(o.world.codes, []string{code}) {
		t.Error("the receipt does not carry the order's activation code")
	}
	for _, data := range o.world.data {
		if _, shown := data["activation_code"]; shown || data["iccid"] != nil && data["iccid"] != order.Status.Esim.ICCID {
			t.Error("an event carries an activation code, or another ICCID")
		}
	}
}

func TestACrashBeforeTheRecordRepeatsWithTheSameIDs(t *testing.T) {
	o := openOffice(t)
	o.deliver()
	o.conflict = true
	o.carry()
	o.conflict = false
	o.newCourier()
	o.carry()
	for what, ids := range o.world.ids {
		if slices.Sort(ids); len(slices.Compact(slices.Clone(ids))) != 1 || len(ids) < 2 {
			t.Errorf("%s was sent with IDs %v", what, ids)
		}
	}
	if left := o.look().Status.Notifications; len(left) != 0 {
		t.Errorf("the outbox holds %+v", left)
	}
}

func TestAConflictRepeatsTheRecordAndNotTheSending(t *testing.T) {
	o := openOffice(t)
	o.deliver()
	o.conflict = true
	o.carry()
	o.conflict = false
	o.carry()
	if got := o.world.arrived(); len(got) != 4 {
		t.Errorf("arrived: %v", got)
	}
}

func TestADeadEndpointDelaysNobodyAndItsRetriesSurviveARestart(t *testing.T) {
	o := openOffice(t)
	o.world.fail(shopHook, &webhook.Failed{Status: 500, Reason: "it answered 500"})
	o.deliver()
	if wait := o.carry(); wait != 5*time.Second {
		t.Errorf("the next try is due after %s", wait)
	}
	if diff := cmp.Diff([]string{ann + " receipt.delivered", otherHook + " esim.order.delivered"}, o.world.arrived()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	terms, reason := o.health()
	if reason != v1alpha1.WebhooksReasonFailing || len(terms.Status.Webhooks) != 1 || terms.Status.Webhooks[0].LastError != "it answered 500" {
		t.Errorf("the client's webhooks are %s: %+v", reason, terms.Status.Webhooks)
	}
	for _, want := range []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour} {
		o.newCourier()
		o.clock.SetTime(o.clock.Now().Add(o.carry()))
		if wait := o.carry(); wait != want {
			t.Errorf("after a restart the next try is due after %s, want %s", wait, want)
		}
	}
	o.world.fail(shopHook, nil)
	o.clock.SetTime(o.clock.Now().Add(24 * time.Hour))
	o.carry()
	if got := o.world.arrived(); len(got) != 4 || len(o.look().Status.Notifications) != 0 {
		t.Errorf("arrived: %v", got)
	}
	if terms, reason := o.health(); reason != v1alpha1.WebhooksReasonDelivering || len(terms.Status.Webhooks) != 0 {
		t.Errorf("the client's webhooks are %s: %+v", reason, terms.Status.Webhooks)
	}
}

func TestAnEndpointIsGivenUpAfterItsLastTry(t *testing.T) {
	o := openOffice(t)
	o.world.fail(shopHook, &webhook.Failed{Status: 500, Reason: "it answered 500"})
	o.deliver()
	for range 12 {
		wait := o.carry()
		if wait == 0 {
			break
		}
		o.clock.SetTime(o.clock.Now().Add(wait))
	}
	if left := o.look().Status.Notifications; len(left) != 0 {
		t.Errorf("the outbox holds %+v", left)
	}
}

func TestAnEndpointThatIsGoneGetsNothingUntilSomebodyEnablesIt(t *testing.T) {
	o := openOffice(t)
	o.world.fail(shopHook, &webhook.Gone{})
	o.deliver()
	if wait := o.carry(); wait != 0 {
		t.Errorf("there is a next try after %s", wait)
	}
	terms, reason := o.health()
	if reason != v1alpha1.WebhooksReasonDisabled || !terms.Status.Webhooks[0].Disabled {
		t.Errorf("the client's webhooks are %s: %+v", reason, terms.Status.Webhooks)
	}
	o.world.fail(shopHook, nil)
	o.newCourier()
	replay := func(value string) {
		o.edit(func(order *v1alpha1.EsimOrder) {
			metav1.SetMetaDataAnnotation(&order.ObjectMeta, v1alpha1.ReplayAnnotation, value)
		})
		o.work()
		o.carry()
	}
	replay("once")
	if got := o.world.arrived(); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, shopHook) }) {
		t.Errorf("a disabled endpoint got %v", got)
	}
	metav1.SetMetaDataAnnotation(&terms.ObjectMeta, v1alpha1.EnableWebhooksAnnotation, "now")
	if err := o.api.Update(t.Context(), &terms); err != nil {
		t.Fatal(err)
	}
	if _, reason := o.health(); reason != v1alpha1.WebhooksReasonDelivering {
		t.Errorf("the client's webhooks are %s", reason)
	}
	replay("twice")
	got := o.world.arrived()
	for _, want := range []string{shopHook + " esim.order.delivered", shopHook + " wallet.debited"} {
		if !slices.Contains(got, want) {
			t.Errorf("after it was enabled the endpoint did not get %s: %v", want, got)
		}
	}
}

func TestARefusedReceiptIsSaidAndAnotherAddressGetsIt(t *testing.T) {
	o := openOffice(t)
	o.world.fail(ann, &mail.Refused{Reason: "the mail server knows no such address"})
	o.deliver()
	o.carry()
	order := o.look()
	refused := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReceiptSent)
	if refused == nil || refused.Status != metav1.ConditionFalse || !strings.Contains(refused.Message, "spec.notificationEmail") {
		t.Fatalf("the condition is %+v", refused)
	}
	to := func(address string) {
		o.edit(func(order *v1alpha1.EsimOrder) {
			order.Spec.NotificationEmail, order.Generation = address, order.Generation+1
		})
		o.work()
		o.carry()
	}
	to("bob@example.com")
	to("eve@example.com")
	to("bob@example.com")
	to("eve@example.com")
	mails := slices.DeleteFunc(o.world.arrived(), func(s string) bool { return strings.HasPrefix(s, "https") })
	if diff := cmp.Diff([]string{"bob@example.com receipt.delivered", "eve@example.com receipt.delivered"}, mails); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	if meta.FindStatusCondition(o.look().Status.Conditions, v1alpha1.ConditionReceiptSent) != nil {
		t.Error("the condition stays although the receipt was sent")
	}
}

func TestAReceiptIsTriedAgainForTwoDays(t *testing.T) {
	o := openOffice(t)
	o.world.fail(ann, &mail.Deferred{Reason: "the mail server asks to come back later"})
	o.deliver()
	start, tries := o.clock.Now(), 0
	for ; ; tries++ {
		wait := o.carry()
		if wait == 0 {
			break
		}
		o.clock.SetTime(o.clock.Now().Add(wait))
	}
	if took := o.clock.Now().Sub(start); took < 36*time.Hour || took > 72*time.Hour {
		t.Errorf("it was tried %d times in %s", tries, took)
	}
	if c := meta.FindStatusCondition(o.look().Status.Conditions, v1alpha1.ConditionReceiptSent); c == nil || c.Reason != "Refused" {
		t.Errorf("the condition is %+v", c)
	}
}

func TestAReceiptForWhatWasCancelledMeanwhileIsNotSent(t *testing.T) {
	o := openOffice(t)
	o.world.fail(ann, &mail.Deferred{Reason: "the mail server asks to come back later"})
	o.deliver()
	o.carry()
	o.edit(func(order *v1alpha1.EsimOrder) { order.Spec.Cancel = true })
	for range 3 {
		o.work()
	}
	o.world.fail(ann, nil)
	o.clock.SetTime(o.clock.Now().Add(time.Hour))
	o.carry()
	mails := slices.DeleteFunc(o.world.arrived(), func(s string) bool { return strings.HasPrefix(s, "https") })
	if diff := cmp.Diff([]string{ann + " receipt.cancelled"}, mails); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
}

func TestAnInstallationIsToldOnce(t *testing.T) {
	o := openOffice(t)
	o.deliver()
	o.carry()
	for range 2 {
		o.reports(v1alpha1.DeviceInstalled)
		o.work()
		o.carry()
	}
	o.clock.SetTime(o.look().Status.Activation.ExpiryTime.Time)
	o.work()
	o.carry()
	got := slices.DeleteFunc(o.world.arrived(), func(s string) bool { return !strings.HasPrefix(s, shopHook+" esim.") })
	want := []string{
		shopHook + " esim.activated", shopHook + " esim.expired", shopHook + " esim.installed", shopHook + " esim.order.delivered",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestTroubleOfOurOwnIsNoTryAndIsNotTheEndpointsFault(t *testing.T) {
	o := openOffice(t)
	o.world.fail(shopHook, errors.New("the API server is away"))
	o.deliver()
	for range 30 {
		o.clock.SetTime(o.clock.Now().Add(o.carry()))
	}
	if terms, reason := o.health(); reason != v1alpha1.WebhooksReasonDelivering {
		t.Errorf("the client's webhooks are %s: %+v", reason, terms.Status.Webhooks)
	}
	o.world.fail(shopHook, nil)
	o.carry()
	if got := o.world.arrived(); len(got) != 4 {
		t.Errorf("arrived: %v", got)
	}
}

func TestWhoHasNoEndpointAndNoAddressPaysNoWrite(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	if left := d.look().Status.Notifications; len(left) != 0 {
		t.Errorf("the outbox holds %+v", left)
	}
}
