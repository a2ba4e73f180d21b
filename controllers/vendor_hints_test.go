package controllers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/vendorhooks"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// hints is what takes hints at d's orders.
func (d *desk) hints() *controllers.VendorHints {
	return &controllers.VendorHints{Client: d.api, Live: d.api, Writer: d.api, Clock: d.clock}
}

// hint gives a hint at d's order as d's operator, and returns what became of it.
func (d *desk) hint() vendorhooks.Fate {
	d.t.Helper()
	fate, err := d.hints().Hint(d.t.Context(), d.shop.Name, d.byRequest())
	if err != nil {
		d.t.Fatal(err)
	}
	return fate
}

func (d *desk) byRequest() vendorhooks.About {
	d.t.Helper()
	return vendorhooks.About{RequestID: d.look().Status.Provisioning.RequestID}
}

func (d *desk) later(by time.Duration) { d.clock.SetTime(d.clock.Now().Add(by)) }

func TestAHintAtADeliveredProfileHasItsOperatorAsked(t *testing.T) {
	for name, about := range map[string]func(*v1alpha1.EsimOrder) vendorhooks.About{
		"by its request ID": func(o *v1alpha1.EsimOrder) vendorhooks.About {
			return vendorhooks.About{RequestID: o.Status.Provisioning.RequestID}
		},
		"by its ICCID": func(o *v1alpha1.EsimOrder) vendorhooks.About {
			return vendorhooks.About{ICCID: activation.ICCID(o.Status.Esim.ICCID)}
		},
		"by a request ID that is not ours, and its ICCID": func(o *v1alpha1.EsimOrder) vendorhooks.About {
			return vendorhooks.About{RequestID: "theirs", ICCID: activation.ICCID(o.Status.Esim.ICCID)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked := &tracking{life: operators.Life{Installed: true}}
			d := deliveredAtDesk(t, asked)
			if fate, err := d.hints().Hint(t.Context(), d.shop.Name, about(d.look())); fate != vendorhooks.Stored || err != nil {
				t.Fatalf("it became %d, %v", fate, err)
			}
			d.work()
			if life := d.look().Status.Activation; asked.asked != 1 || !life.Installed {
				t.Errorf("the operator was asked %d times; the order's activation is %+v", asked.asked, life)
			}
			if fate := d.hint(); fate != vendorhooks.Moot {
				t.Errorf("a hint at what is known became %d", fate)
			}
		})
	}
}

func TestHintsAtOneOrderAreJoined(t *testing.T) {
	asked := &tracking{}
	d := deliveredAtDesk(t, asked)
	if fate := d.hint(); fate != vendorhooks.Stored {
		t.Fatalf("the first became %d", fate)
	}
	before := d.look().ResourceVersion
	d.later(999 * time.Millisecond)
	if fate := d.hint(); fate != vendorhooks.Covered || d.look().ResourceVersion != before {
		t.Errorf("one within the same second became %d", fate)
	}
	d.work()
	if fate := d.hint(); fate != vendorhooks.Stored {
		t.Errorf("one after the operator was asked became %d", fate)
	}
	before = d.look().ResourceVersion
	d.later(v1alpha1.DefaultRefreshInterval - time.Second)
	if fate := d.hint(); fate != vendorhooks.Covered || d.look().ResourceVersion != before {
		t.Errorf("one while the operator must not be asked again yet became %d", fate)
	}
	d.later(time.Second)
	d.work()
	if asked.asked != 2 {
		t.Errorf("the operator was asked %d times", asked.asked)
	}
}

func TestAHintIsNotCoveredByAQuestionThatMayBeAnsweredAlready(t *testing.T) {
	d := deliveredAtDesk(t, &tracking{err: &operators.Error{Class: operators.Transient, Message: "no answer"}})
	d.hint()
	d.work()
	d.later(time.Second)
	if fate := d.hint(); fate != vendorhooks.Stored {
		t.Errorf("it became %d", fate)
	}
}

func TestAnOperatorHintsAtItsOwnOrdersOnly(t *testing.T) {
	d := deliveredAtDesk(t, &tracking{})
	before := d.look().ResourceVersion
	for name, tc := range map[string]struct {
		operator string
		about    vendorhooks.About
	}{
		"another operator, by request ID": {"another", d.byRequest()},
		"another operator, by ICCID":      {"another", vendorhooks.About{ICCID: activation.ICCID(d.look().Status.Esim.ICCID)}},
		"an unknown request ID":           {d.shop.Name, vendorhooks.About{RequestID: "unknown"}},
		"an unknown ICCID":                {d.shop.Name, vendorhooks.About{ICCID: "8997250230000292199"}},
		"nothing":                         {d.shop.Name, vendorhooks.About{}},
	} {
		fate, err := d.hints().Hint(t.Context(), tc.operator, tc.about)
		if fate != vendorhooks.UnknownOrder || err != nil {
			t.Errorf("%s: it became %d, %v", name, fate, err)
		}
	}
	if d.look().ResourceVersion != before {
		t.Error("the order was written")
	}
}

func TestAHintByICCIDFindsTheNewestOfTheOperatorsOwnOrders(t *testing.T) {
	d := deliveredAtDesk(t, &tracking{})
	ours := d.look()
	resold := func(name, operator string, later time.Duration) {
		order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{
			Namespace: d.shop.Name, Name: name, CreationTimestamp: metav1.NewTime(ours.CreationTimestamp.Add(later)),
		}}
		if err := d.api.Create(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		ours.Status.DeepCopyInto(&order.Status)
		order.Status.Provisioning.OperatorRef.Name, order.Status.Provisioning.RequestID = operator, name
		if err := d.api.Status().Update(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	d.later(time.Hour)
	resold("newer", d.shop.Name, time.Hour)
	d.later(time.Hour)
	resold("theirs", "another", 2*time.Hour)
	about := vendorhooks.About{ICCID: activation.ICCID(ours.Status.Esim.ICCID)}
	if fate, err := d.hints().Hint(t.Context(), d.shop.Name, about); fate != vendorhooks.Stored || err != nil {
		t.Fatalf("it became %d, %v", fate, err)
	}
	for name, want := range map[string]bool{"order": false, "newer": true, "theirs": false} {
		order, err := d.shop.Find(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := order.Annotations[v1alpha1.RefreshAnnotation] != ""; got != want {
			t.Errorf("order %s is asked about: %t", name, got)
		}
	}
}

// awaiting is an operator that is still at every order.
type awaiting struct {
	operators.Driver
	asked int
}

func (d *awaiting) Provision(context.Context, operators.Purchase, operators.Journal) (operators.Profile, error) {
	d.asked++
	return operators.Profile{}, &operators.Error{Class: operators.Busy, Message: "still at it", RetryAfter: time.Hour}
}

// waitingAtDesk is a desk with an order that waits for an operator that is still at it.
func waitingAtDesk(t *testing.T) (*desk, *awaiting) {
	t.Helper()
	d := atDesk(t, testshop.Options{}, nil)
	d.connect()
	driver := &awaiting{Driver: d.Pool.For(d.shop.Name).Driver()}
	d.Pool.For(d.shop.Name).Connect(driver, 50)
	d.order()
	for range 3 {
		d.work()
	}
	if driver.asked != 1 {
		t.Fatalf("the operator was asked %d times", driver.asked)
	}
	return d, driver
}

func TestAHintAtAWaitingOrderHasItLookedUpOnce(t *testing.T) {
	d, driver := waitingAtDesk(t)
	d.later(10*time.Second + 300*time.Millisecond)
	if fate := d.hint(); fate != vendorhooks.Stored {
		t.Fatalf("it became %d", fate)
	}
	before := d.look().ResourceVersion
	if fate := d.hint(); fate != vendorhooks.Covered || d.look().ResourceVersion != before {
		t.Errorf("a second one, before the order was looked up, became %d", fate)
	}
	after := d.work()
	if driver.asked != 1 || after != 700*time.Millisecond {
		t.Errorf("asked %d times, the next pass is due after %s", driver.asked, after)
	}
	d.later(after)
	for range 3 {
		d.work()
	}
	if driver.asked != 2 {
		t.Errorf("for one hint the operator was asked %d times", driver.asked-1)
	}
	d.later(time.Second)
	if fate := d.hint(); fate != vendorhooks.Stored {
		t.Errorf("a later one became %d", fate)
	}
	d.later(time.Second)
	if d.work(); driver.asked != 3 {
		t.Errorf("after a second hint the operator was asked %d times", driver.asked)
	}
}

func TestAHintAtAnOrderThatIsDueOrEndedCostsNoWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.EsimOrder)
		want   vendorhooks.Fate
	}{
		"due":              {func(o *v1alpha1.EsimOrder) { o.Status.Provisioning.NextAttemptTime = nil }, vendorhooks.Covered},
		"waits for stock":  {func(o *v1alpha1.EsimOrder) { o.Status.Provisioning.LastError.Class = string(operators.OutOfStock) }, vendorhooks.Moot},
		"strands profiles": {func(o *v1alpha1.EsimOrder) { o.Status.Provisioning.LostAnswers = 1 }, vendorhooks.Moot},
		"failed":           {func(o *v1alpha1.EsimOrder) { o.Status.Phase = v1alpha1.PhaseFailed }, vendorhooks.Moot},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := waitingAtDesk(t)
			d.status(tc.change)
			before := d.look().ResourceVersion
			if fate := d.hint(); fate != tc.want || d.look().ResourceVersion != before {
				t.Errorf("it became %d, want %d", fate, tc.want)
			}
		})
	}
}

func TestAHintComesAfterWhatOthersWriteMeanwhile(t *testing.T) {
	d := deliveredAtDesk(t, &tracking{})
	edits := 3
	busy := interceptor.NewClient(d.api, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if edits--; edits >= 0 {
				return apierrors.NewConflict(schema.GroupResource{Resource: "esimorders"}, o.GetName(), errors.New("edited"))
			}
			return c.Patch(ctx, o, patch, opts...)
		},
	})
	hints := d.hints()
	hints.Writer = busy
	if fate, err := hints.Hint(t.Context(), d.shop.Name, d.byRequest()); fate != vendorhooks.Stored || err != nil {
		t.Errorf("it became %d, %v", fate, err)
	}
	if d.look().Annotations[v1alpha1.RefreshAnnotation] == "" {
		t.Error("it was not written")
	}
}

func TestAHintThatCannotBeWrittenIsAnErrorAndIsNotLostOnRepeat(t *testing.T) {
	d := deliveredAtDesk(t, &tracking{})
	away := errors.New("the API server is away")
	hints := d.hints()
	hints.Writer = interceptor.NewClient(d.api, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return away
		},
	})
	if _, err := hints.Hint(t.Context(), d.shop.Name, d.byRequest()); !errors.Is(err, away) {
		t.Errorf("the error is %v", err)
	}
	if fate := d.hint(); fate != vendorhooks.Stored {
		t.Errorf("when it came again it became %d", fate)
	}
}

func TestWholesalersAreKnownByWhatTheirOperatorSays(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	namespace := d.shop.Credentials().Namespace
	reads := 0
	live := interceptor.NewClient(d.api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			reads++
			return c.Get(ctx, key, o, opts...)
		},
	})
	roster := &controllers.VendorRoster{Client: d.api, Live: live, Namespace: namespace, Clock: d.clock}
	if _, err := roster.Known(t.Context()); err != nil || reads != 0 {
		t.Errorf("without webhooks %d Secrets were read: %v", reads, err)
	}
	zendit := &v1alpha1.EsimOperator{ObjectMeta: metav1.ObjectMeta{Name: "zendit"}, Spec: v1alpha1.EsimOperatorSpec{
		Zendit: &v1alpha1.ResellerDriver{Webhook: &v1alpha1.ResellerWebhook{
			HeaderName: "X-Key", HeaderSecretRef: &v1alpha1.SecretReference{Name: "hooks"},
		}},
	}}
	if err := d.api.Create(t.Context(), zendit); err != nil {
		t.Fatal(err)
	}
	d.later(10 * time.Second)
	for range 3 {
		if _, err := roster.Known(t.Context()); !apierrors.IsNotFound(err) || reads != 1 {
			t.Errorf("without the Secret, which was read %d times, the error is %v", reads, err)
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "hooks"}, Data: map[string][]byte{"webhook-header": []byte("x")}}
	if err := d.api.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	d.later(time.Second)
	for range 3 {
		if _, err := roster.Known(t.Context()); err != nil || reads != 2 {
			t.Errorf("with the Secret, which was read %d times, the error is %v", reads-1, err)
		}
	}
}
