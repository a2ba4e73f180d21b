package controllers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/instruments"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// shownBy is what a source tells, as name{labels} → value.
func shownBy(collect func(instruments.Tell)) map[string]float64 {
	shown := map[string]float64{}
	collect(func(gauge instruments.Definition, value float64, labels ...string) {
		shown[gauge.Name+"{"+strings.Join(labels, ",")+"}"] = value
	})
	return shown
}

func waiting(name string, age time.Duration, now time.Time, reason string) *v1alpha1.EsimOrder {
	order := standing("uid of "+name, "PENDING", reason)
	order.Namespace, order.Name, order.CreationTimestamp = "acme", name, metav1.NewTime(now.Add(-age))
	return order
}

func TestOrdersThatWaitLongAreNamed(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	waits := &orderWaits{clock: clocktesting.NewFakePassiveClock(now)}
	if diff := cmp.Diff(map[string]float64{"esim_oldest_pending_order_age_seconds{}": 0, "esim_outcome_unknown_orders{}": 0}, shownBy(waits.tell)); diff != "" {
		t.Errorf("with no order (-want +got):\n%s", diff)
	}
	old := waiting("old", time.Hour, now, "OutOfStock")
	old.Status.Provisioning = &v1alpha1.OrderProvisioning{OperatorRef: v1alpha1.OperatorReference{Name: "telco-one"}}
	doubted := waiting("doubted", 20*time.Minute, now, "OutcomeUnknown")
	doubted.Status.Provisioning = old.Status.Provisioning.DeepCopy()
	doubted.Status.Conditions = append(doubted.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionOutcomeUnknown, Status: metav1.ConditionTrue, Reason: "NeedsPerson", LastTransitionTime: metav1.NewTime(now.Add(-10 * time.Minute)),
	})
	delivered, deleted := waiting("delivered", 2*time.Hour, now, "Provisioning"), waiting("deleted", 3*time.Hour, now, "Provisioning")
	for _, order := range []*v1alpha1.EsimOrder{old, doubted, waiting("fresh", time.Minute, now, "Provisioning"), delivered, deleted} {
		waits.seen(order)
	}
	delivered = delivered.DeepCopy()
	delivered.Status.Phase = v1alpha1.PhaseDelivered
	waits.seen(delivered)
	waits.gone(deleted)
	want := map[string]float64{
		"esim_oldest_pending_order_age_seconds{}":                                    3600,
		"esim_pending_order_age_seconds{acme,old,telco-one,OutOfStock}":              3600,
		"esim_pending_order_age_seconds{acme,doubted,telco-one,OutcomeUnknown}":      1200,
		"esim_outcome_unknown_orders{}":                                              1,
		"esim_outcome_unknown_order_age_seconds{acme,doubted,telco-one,NeedsPerson}": 600,
	}
	if diff := cmp.Diff(want, shownBy(waits.tell)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	known := doubted.DeepCopy()
	known.Status.Conditions = known.Status.Conditions[:1]
	waits.seen(known)
	if shown := shownBy(waits.tell); shown["esim_outcome_unknown_orders{}"] != 0 || len(shown) != 4 {
		t.Errorf("what is known by now is still in doubt: %v", shown)
	}
}

func TestHoweverManyOrdersWaitTenAreNamed(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	waits := &orderWaits{clock: clocktesting.NewFakePassiveClock(now)}
	for n := range 500 {
		waits.seen(waiting(fmt.Sprint("order-", n), longPending+time.Duration(n)*time.Second, now, "OutOfStock"))
	}
	shown := shownBy(waits.tell)
	if len(shown) != namedAtMost+2 {
		t.Errorf("%d series are shown", len(shown))
	}
	if _, named := shown["esim_pending_order_age_seconds{acme,order-499,,OutOfStock}"]; !named {
		t.Errorf("the oldest is not named: %v", shown)
	}
}

func TestWalletsThatRunOutAreNamedTheEmptiestFirst(t *testing.T) {
	var g walletGauges
	amount := func(text string) money.Amount {
		t.Helper()
		a, err := money.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	set := func(name, available, largest string, low bool) {
		t.Helper()
		wallet := &v1alpha1.EsimWallet{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
		g.set(wallet, funds{available: amount(available), largest: amount(largest)}, low)
		t.Cleanup(func() { g.remove(types.NamespacedName{Namespace: "acme", Name: name}) })
	}
	set("full", "90", "100", false)
	set("low", "5", "100", true)
	set("over", "-20", "100", true)
	set("never paid in", "0", "0", true)
	set("taken back", "-3", "0", true)
	want := map[string]float64{"esim_wallet_low_available_ratio{acme,low}": .05, "esim_wallet_low_available_ratio{acme,over}": -.2, "esim_wallet_low_available_ratio{acme,taken back}": -1}
	if diff := cmp.Diff(want, shownBy(g.tellLow)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for n := range 2 * lowAtMost {
		set(fmt.Sprint("empty-", n), "0", "100", true)
	}
	shown := shownBy(g.tellLow)
	if _, named := shown["esim_wallet_low_available_ratio{acme,over}"]; !named || len(shown) != lowAtMost {
		t.Errorf("of many: %v", shown)
	}
}

func TestEndpointsThatTakeNothingAreNamed(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	stands := &endpointStands{clock: clocktesting.NewFakePassiveClock(now)}
	endpoint := func(name string) v1alpha1.WebhookEndpoint {
		return v1alpha1.WebhookEndpoint{Name: name, URL: "https://" + name + ".example.com"}
	}
	status := func(name string, ago time.Duration, disabled bool) v1alpha1.WebhookStatus {
		return v1alpha1.WebhookStatus{Name: name, URL: endpoint(name).URL, FailingSince: metav1.NewTime(now.Add(-ago)), Disabled: disabled}
	}
	terms := &v1alpha1.EsimClient{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "default"}}
	terms.Spec.Webhooks = []v1alpha1.WebhookEndpoint{endpoint("shop"), endpoint("books"), endpoint("old"), endpoint("moved")}
	moved := status("moved", time.Hour, false)
	moved.URL = "https://where-it-was.example.com"
	terms.Status.Webhooks = []v1alpha1.WebhookStatus{status("shop", time.Hour, false), status("old", time.Minute, true), moved}
	stands.seen(terms)
	want := map[string]float64{
		"esim_webhook_endpoints{taking}": 2, "esim_webhook_endpoints{failing}": 1, "esim_webhook_endpoints{disabled}": 1,
		"esim_webhook_endpoint_failing_age_seconds{acme,shop,failing}": 3600, "esim_webhook_endpoint_failing_age_seconds{acme,old,disabled}": 60,
	}
	if diff := cmp.Diff(want, shownBy(stands.tell)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stands.gone(toolscache.DeletedFinalStateUnknown{Key: "acme/default", Obj: terms}) // its deletion was missed
	if shown := shownBy(stands.tell); len(shown) != 3 || shown["esim_webhook_endpoints{taking}"] != 0 {
		t.Errorf("of a client that is gone: %v", shown)
	}
}

// certificate is a PEM text of a certificate that ends then.
func certificate(t *testing.T, end time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// gaugedOf is what the controllers' gauges show of an operator.
func gaugedOf(t *testing.T, operator string, gauges ...prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(gauges...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if label(metric, "operator") == operator {
				shown[family.GetName()+"{"+label(metric, "key")+label(metric, "reason")+"}"] = metric.GetGauge().GetValue()
			}
		}
	}
	return shown
}

func TestTheFirstCertificateThatEndsIsShown(t *testing.T) {
	soon, later := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)
	t.Cleanup(func() { forgetGauges("certified") })
	gaugeCertificates("certified", &corev1.Secret{Data: map[string][]byte{
		"tls.crt": []byte(certificate(t, later) + certificate(t, soon)),
		"ca.crt":  []byte(certificate(t, soon) + certificate(t, later)),
		"tls.key": []byte("not looked at"),
	}})
	want := map[string]float64{
		"esim_operator_certificate_expiry_timestamp_seconds{tls.crt}": float64(soon.Unix()),
		"esim_operator_certificate_expiry_timestamp_seconds{ca.crt}":  float64(later.Unix()),
	}
	if diff := cmp.Diff(want, gaugedOf(t, "certified", certificateExpiry)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	gaugeCertificates("certified", &corev1.Secret{Data: map[string][]byte{"tls.crt": []byte("-----BEGIN CERTIFICATE-----\nbad\n-----END CERTIFICATE-----\n")}})
	if shown := gaugedOf(t, "certified", certificateExpiry); len(shown) > 0 {
		t.Errorf("of certificates that are gone: %v", shown)
	}
}

func TestAnOperatorThatIsNotReadyIsShownWithOneReason(t *testing.T) {
	t.Cleanup(func() { forgetGauges("ailing") })
	shown := func() map[string]float64 { return gaugedOf(t, "ailing", readyGauge, unreadyInfo) }
	for _, step := range []struct {
		ready readiness
		want  map[string]float64
	}{
		{readiness{reason: "Unreachable"}, map[string]float64{"esim_operator_ready{}": 0, "esim_operator_unready_info{Unreachable}": 1}},
		{readiness{reason: "AuthFailed"}, map[string]float64{"esim_operator_ready{}": 0, "esim_operator_unready_info{AuthFailed}": 1}},
		{readiness{ok: true, reason: "Reachable"}, map[string]float64{"esim_operator_ready{}": 1}},
	} {
		gaugeReady("ailing", step.ready)
		if diff := cmp.Diff(step.want, shown()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.ready.reason, diff)
		}
	}
	forgetGauges("ailing")
	if left := shown(); len(left) > 0 {
		t.Errorf("of an operator that is gone: %v", left)
	}
}

func TestTheLoadOfAnOperatorIsShown(t *testing.T) {
	pool := connections.NewPool(connections.DefaultConfig)
	connection := pool.For("telco-one")
	for n := range 3 { // there is no driver: they wait
		if _, err := connection.Enter(types.NamespacedName{Namespace: "acme", Name: fmt.Sprint(n)}, n == 1); err == nil {
			t.Fatal("an order went in where there is no driver")
		}
	}
	want := map[string]float64{
		"esim_operator_in_flight_orders{telco-one}": 0, "esim_operator_in_flight_orders_limit{telco-one}": 0,
		"esim_operator_waiting_orders{telco-one}": 3, "esim_operator_circuit_open{telco-one}": 0,
	}
	if diff := cmp.Diff(want, shownBy(tellLoads(pool))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
