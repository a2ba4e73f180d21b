package controllers_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// vendor is an operator that keeps books, as a wholesaler does: what was bought under a request
// ID is found there.
type vendor struct {
	mu sync.Mutex
	// books holds what was bought, and what of it was given back.
	books  map[string]activation.ICCID
	refund map[string]bool
	// away refuses connections; deaf executes what it is told to buy and does not answer; busy
	// is at it.
	away, deaf, busy bool
	// keeps takes nothing back; installed says that what it sold is on a device, and foreign that
	// it is another's.
	keeps, installed, foreign bool
	// garbled sells what nobody can read; soldOut and rejects sell nothing, and picky sells nothing
	// to us.
	garbled, soldOut, rejects, picky bool
	// account that the books are about.
	account string
	// failing is what each call fails with, where it is set.
	failing error
	fresh   []bool
}

// vendorICCID is what a vendor sells.
const vendorICCID activation.ICCID = "8947010000123456784"

func (v *vendor) Books() string               { return v.account }
func (v *vendor) Probe(context.Context) error { return v.reached() }
func (v *vendor) Close()                      {}
func (v *vendor) set(change func(*vendor))    { v.mu.Lock(); defer v.mu.Unlock(); change(v) }

func (v *vendor) reached() error {
	if v.failing != nil {
		return v.failing
	}
	if v.away {
		return &operators.Error{Class: operators.Transient, Message: "it cannot be reached; nothing was sent", Unsent: true}
	}
	return nil
}

func (v *vendor) bought() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.books) - len(v.refund)
}

func (v *vendor) Provision(_ context.Context, p operators.Purchase, _ operators.Journal) (operators.Profile, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fresh = append(v.fresh, p.Fresh)
	if err := v.reached(); err != nil {
		return operators.Profile{}, err
	}
	switch {
	case v.soldOut:
		return operators.Profile{}, &operators.Error{Class: operators.OutOfStock, Message: "it is sold out"}
	case v.rejects:
		return operators.Profile{}, &operators.Error{Class: operators.Rejected, Message: "it does not sell that"}
	}
	if _, ok := v.books[p.RequestID]; !ok {
		if v.picky {
			return operators.Profile{}, &operators.Error{Class: operators.Busy, Message: "it sells to others first", RetryAfter: time.Second, NotInBooks: true}
		}
		if v.books == nil {
			v.books, v.refund = map[string]activation.ICCID{}, map[string]bool{}
		}
		v.books[p.RequestID] = vendorICCID
		if v.deaf {
			return operators.Profile{}, &operators.Error{Class: operators.OutcomeUnknown, Message: "the answer was lost"}
		}
	}
	if v.garbled {
		return operators.Profile{}, &operators.Error{Class: operators.Transient, ICCID: vendorICCID, Message: "what it sold cannot be read"}
	}
	if v.busy {
		return operators.Profile{}, &operators.Error{Class: operators.Busy, Pending: true, Message: "it is at it", RetryAfter: time.Second}
	}
	return operators.Profile{
		ICCID: v.books[p.RequestID], SMDPAddress: "rsp.example.com", MatchingID: activation.NewCredential("ABCDEFGHIJKLMNOPQRST0123"),
	}, nil
}

func (v *vendor) GiveBack(_ context.Context, h operators.Held) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.reached(); err != nil {
		return err
	}
	switch _, ok := v.books[h.RequestID]; {
	case !ok:
		return operators.ErrUnknownProfile
	case v.installed:
		return operators.ErrInstalled
	case v.foreign:
		return operators.ErrNotOurs
	case v.keeps:
		return operators.ErrNotReturnable
	}
	v.refund[h.RequestID] = true
	return nil
}

// twoSources is a desk whose product can be bought from a vendor that keeps books, and then from
// an SM-DP+.
func twoSources(t *testing.T) (*desk, *vendor) {
	t.Helper()
	wholesaler := &vendor{}
	d := atDesk(t, testshop.Options{Product: func(p *v1alpha1.EsimProduct) {
		first := v1alpha1.VariantSource{OperatorRef: v1alpha1.OperatorReference{Name: "wholesaler"}, PlanID: "JP-1"}
		p.Spec.Variants[0].Sources = append([]v1alpha1.VariantSource{first}, p.Spec.Variants[0].Sources...)
	}}, nil)
	operator := &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: "wholesaler"},
		Spec: v1alpha1.EsimOperatorSpec{
			Zendit:   &v1alpha1.ResellerDriver{CredentialsSecretRef: v1alpha1.SecretReference{Name: "wholesaler"}},
			Recovery: v1alpha1.OperatorRecovery{FailoverAfter: metav1.Duration{Duration: time.Minute}},
		},
	}
	if err := d.api.Create(t.Context(), operator); err != nil {
		t.Fatal(err)
	}
	d.Pool.For("wholesaler").Connect(wholesaler, 50)
	d.connect()
	return d, wholesaler
}

// reaches makes passes, and lets the time pass that they ask for, until the order is in a phase.
func (d *desk) reaches(phase v1alpha1.OrderPhase, most time.Duration) *v1alpha1.EsimOrder {
	d.t.Helper()
	start := d.clock.Now()
	for d.clock.Now().Sub(start) <= most {
		began := d.clock.Now()
		if err := d.pass(); err != nil {
			d.t.Fatal(err)
		}
		order := d.look()
		if order.Status.Phase == phase {
			return order
		}
		if order.Terminal() {
			break
		}
		if d.clock.Now().Equal(began) {
			d.clock.SetTime(began.Add(time.Second))
		}
	}
	order := d.look()
	d.t.Fatalf("after %s the order is %s: %+v", most, order.Status.Phase, meta.FindStatusCondition(order.Status.Conditions, "Ready"))
	return nil
}

func TestAnOrderIsGivenToItsFirstSource(t *testing.T) {
	d, wholesaler := twoSources(t)
	d.order()
	order := d.reaches(v1alpha1.PhaseDelivered, time.Minute)
	if order.Status.Provisioning.OperatorRef.Name != "wholesaler" || wholesaler.bought() != 1 || d.shop.Bought() != 0 {
		t.Errorf("it was bought from %s", order.Status.Provisioning.OperatorRef.Name)
	}
	if len(wholesaler.fresh) != 1 || !wholesaler.fresh[0] {
		t.Errorf("the first call was made with fresh %v: it looked up what it had not sent yet", wholesaler.fresh)
	}
}

func TestAnOrderGoesOnAtTheNextSourceOnceTheFirstWasAwayForLong(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.away = true })
	d.order()
	start := d.clock.Now()
	order := d.reaches(v1alpha1.PhaseDelivered, 5*time.Minute)
	if waited := d.clock.Now().Sub(start); waited < time.Minute {
		t.Errorf("it went on after %s already", waited)
	}
	if wholesaler.bought() != 0 || d.shop.Bought() != 1 {
		t.Errorf("bought %d and %d", wholesaler.bought(), d.shop.Bought())
	}
	if attempts := order.Status.Provisioning.Attempts; len(attempts) != 1 || attempts[0].OperatorRef.Name != "wholesaler" || attempts[0].Class != string(operators.Transient) {
		t.Errorf("the attempts are %+v", attempts)
	}
}

func TestALostAnswerNeverLeadsToAnotherSource(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.deaf = true })
	d.order()
	if err := d.pass(); err != nil {
		t.Fatal(err)
	}
	if wholesaler.bought() != 1 {
		t.Fatal("nothing was bought yet")
	}
	wholesaler.set(func(v *vendor) { v.away = true })
	for range 40 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	order := d.look()
	if order.Status.Phase != v1alpha1.PhasePending || order.Status.Provisioning.Attempt != 1 || d.shop.Bought() != 0 {
		t.Fatalf("the order is %s, attempt %d", order.Status.Phase, order.Status.Provisioning.Attempt)
	}
	wholesaler.set(func(v *vendor) { v.away, v.deaf = false, false })
	d.reaches(v1alpha1.PhaseDelivered, time.Hour)
	if wholesaler.bought() != 1 || d.shop.Bought() != 0 {
		t.Errorf("bought %d and %d", wholesaler.bought(), d.shop.Bought())
	}
}

func TestAfterARestartTheBooksAreAskedBeforeAnOrderGoesElsewhere(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.away = true })
	d.order()
	for range 3 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	d.restart()
	d.Pool.For("wholesaler").Connect(wholesaler, 50)
	d.connect()
	for range 30 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	if order := d.look(); order.Status.Provisioning.Attempt != 1 || d.shop.Bought() != 0 {
		t.Fatalf("a process that cannot know what was sent went to attempt %d", order.Status.Provisioning.Attempt)
	}
	wholesaler.set(func(v *vendor) { v.away = false })
	d.reaches(v1alpha1.PhaseDelivered, time.Hour)
	if got := wholesaler.bought() + d.shop.Bought(); got != 1 {
		t.Errorf("%d were bought", got)
	}
}

func TestAJournaledProfileIsGivenBackBeforeAnOrderGoesElsewhere(t *testing.T) {
	wholesaler := &vendor{}
	d := atDesk(t, testshop.Options{
		Product: func(p *v1alpha1.EsimProduct) {
			second := v1alpha1.VariantSource{OperatorRef: v1alpha1.OperatorReference{Name: "wholesaler"}, PlanID: "JP-1"}
			p.Spec.Variants[0].Sources = append(p.Spec.Variants[0].Sources, second)
		},
		Operator: func(o *v1alpha1.EsimOperator) {
			o.Spec.Recovery.FailoverAfter = metav1.Duration{Duration: time.Minute}
		},
	}, nil)
	operator := &v1alpha1.EsimOperator{ObjectMeta: metav1.ObjectMeta{Name: "wholesaler"}, Spec: v1alpha1.EsimOperatorSpec{Zendit: &v1alpha1.ResellerDriver{}}}
	if err := d.api.Create(t.Context(), operator); err != nil {
		t.Fatal(err)
	}
	d.Pool.For("wholesaler").Connect(wholesaler, 50)
	d.connect()
	d.fault(smdp.Fault{Kind: smdp.FaultStatusCode, SubjectCode: "8.9", ReasonCode: "5.1", Function: es2plus.ConfirmOrder})
	d.order()
	order := d.reaches(v1alpha1.PhaseDelivered, 10*time.Minute)
	if order.Status.Provisioning.OperatorRef.Name != "wholesaler" || wholesaler.bought() != 1 || d.shop.Bought() != 0 || d.shop.Stranded() != 0 {
		t.Errorf("bought %d and %d, stranded %d", wholesaler.bought(), d.shop.Bought(), d.shop.Stranded())
	}
}

func TestCancellingAsksTheBooks(t *testing.T) {
	for name, tc := range map[string]struct {
		vendor func(*vendor)
		phase  v1alpha1.OrderPhase
		left   int
	}{
		"what is being made is given back":    {func(v *vendor) { v.busy = true }, v1alpha1.PhaseCancelled, 0},
		"what nobody heard of is given back":  {func(v *vendor) { v.deaf = true }, v1alpha1.PhaseCancelled, 0},
		"what is not taken back is delivered": {func(v *vendor) { v.busy, v.keeps = true, true }, v1alpha1.PhaseDelivered, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d, wholesaler := twoSources(t)
			wholesaler.set(tc.vendor)
			d.order()
			for range 2 {
				if err := d.pass(); err != nil {
					t.Fatal(err)
				}
			}
			if wholesaler.bought() != 1 {
				t.Fatal("nothing was bought yet")
			}
			d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
			if err := d.pass(); err != nil {
				t.Fatal(err)
			}
			wholesaler.set(func(v *vendor) { v.busy = false })
			order := d.reaches(tc.phase, time.Hour)
			if wholesaler.bought() != tc.left || d.shop.Bought() != 0 {
				t.Errorf("%d are left", wholesaler.bought())
			}
			if refunded := order.Status.Charge.Refund != nil; refunded != (tc.phase == v1alpha1.PhaseCancelled) {
				t.Errorf("refunded: %t", refunded)
			}
		})
	}
}

func TestAnOrderThatWasNeverSentIsCancelledAlthoughItsVendorIsAway(t *testing.T) {
	d, wholesaler := twoSources(t)
	wholesaler.set(func(v *vendor) { v.away = true })
	d.order()
	for range 2 {
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
	}
	d.edit(func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
	if order := d.reaches(v1alpha1.PhaseCancelled, time.Minute); order.Status.Charge.Refund == nil {
		t.Error("it was not refunded")
	}
}
