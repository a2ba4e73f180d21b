package controllers_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

// barrier keeps mails at the server while it is down.
type barrier struct {
	mu   sync.Mutex
	down chan struct{}
}

func (b *barrier) lower() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down == nil {
		b.down = make(chan struct{})
	}
}

func (b *barrier) raise() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		close(b.down)
		b.down = nil
	}
}

func (b *barrier) pass() {
	b.mu.Lock()
	down := b.down
	b.mu.Unlock()
	if down != nil {
		<-down
	}
}

// barredLetters go through the barrier of their address, where it has one.
type barredLetters struct {
	letters
	barriers map[string]*barrier
	// begun, where set, is told of each mail that comes to a barrier.
	begun chan struct{}
}

func (b barredLetters) Send(ctx context.Context, to, about string, r receipt.Receipt) error {
	if barrier := b.barriers[to]; barrier != nil {
		if b.begun != nil {
			b.begun <- struct{}{}
		}
		barrier.pass()
	}
	return b.letters.Send(ctx, to, about, r)
}

// annWaits delivers an order, and has its receipt to ann wait at the server.
func annWaits(t *testing.T) (*office, *barrier) {
	t.Helper()
	o := openOffice(t)
	held, begun := &barrier{}, make(chan struct{}, 10)
	held.lower()
	t.Cleanup(held.raise)
	o.courier.Mail = barredLetters{letters{o.world}, map[string]*barrier{ann: held}, begun}
	o.deliver()
	o.hand("order")
	<-begun
	return o, held
}

// replaced has the order go to another address, a minute later, and the courier empty the outbox.
func (o *office) replaced(to string) {
	o.t.Helper()
	o.clock.SetTime(o.clock.Now().Add(time.Minute))
	o.address(to)
	o.work()
	for began := time.Now(); len(o.look().Status.Notifications) > 0; {
		if time.Since(began) > time.Minute {
			o.t.Fatalf("the outbox still holds %+v", o.look().Status.Notifications)
		}
		o.hand("order")
	}
	o.hand("order") // and see that it is empty
}

// TestMailsOnTheirWayCountAgainstWhatAnOrderMaySend has a mail server that is slow, and somebody
// who has one order write to as many as possible.
func TestMailsOnTheirWayCountAgainstWhatAnOrderMaySend(t *testing.T) {
	o := openOffice(t)
	o.deliver()
	o.carry()
	for _, name := range []string{"a", "b", "c", "d"} {
		o.replaced(name + "@example.com")
	}
	slow := o.slowMail()
	for _, name := range []string{"e", "f", "g", "h", "i", "j", "k"} {
		o.clock.SetTime(o.clock.Now().Add(time.Minute))
		o.address(name + "@example.com")
		o.work()
		if soon := 10 * time.Second; o.handedOver() < soon {
			<-slow.begun
		}
	}
	close(slow.through)
	o.carry()
	order := o.look()
	if mails := o.mails(); len(mails) != 10 || len(order.Status.Receipts) != 10 || len(order.Status.Notifications) != 0 {
		t.Errorf("%d mails went out, the order remembers %d, its outbox holds %+v", len(mails), len(order.Status.Receipts), order.Status.Notifications)
	}
	said := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReceiptSent)
	if said == nil || said.Reason != "TooManyAddresses" {
		t.Errorf("of the address that got none the order says %+v", said)
	}
}

// handedOver has the courier look at the order once, and returns after how long it wants to come
// back: soon, where it has handed over a mail.
func (o *office) handedOver() time.Duration {
	o.t.Helper()
	key := types.NamespacedName{Namespace: o.shop.Name, Name: "order"}
	result, err := o.courier.Reconcile(o.t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil {
		o.t.Fatal(err)
	}
	return result.RequeueAfter
}

// What the order remembers is all that keeps a second receipt, with the code in it, from an
// address that comes back. These are about a mail that is slower than the one to the address that replaced its own.
func TestAMailThatIsSlowerThanItsSuccessorIsRemembered(t *testing.T) {
	const bob = "bob@example.com"
	both := []string{ann + " receipt.delivered", bob + " receipt.delivered"}
	for name, test := range map[string]struct {
		then string
		back func(*office, *barrier)
		want []string
	}{
		"where the address comes back after it has gone out": {
			bob, func(o *office, held *barrier) { held.raise(); o.carry(); o.replaced(ann) }, both,
		},
		"where the address comes back while it is on its way": {
			bob, func(o *office, held *barrier) {
				o.address(ann)
				o.work()
				o.hand("order")
				held.raise()
				o.carry()
			}, both,
		},
		"where the address was taken away": {
			"", func(o *office, held *barrier) { held.raise(); o.carry(); o.replaced(ann) }, both[:1],
		},
		"where its record conflicts": {
			bob, func(o *office, held *barrier) {
				o.conflict = true
				held.raise()
				o.carry()
				o.conflict = false
				o.carry()
				o.replaced(ann)
			}, both,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, held := annWaits(t)
			o.replaced(test.then)
			test.back(o, held)
			o.carry()
			if diff := cmp.Diff(test.want, o.mails()); diff != "" {
				t.Errorf("mails (-want +got):\n%s", diff)
			}
			if order := o.look(); len(order.Status.Receipts) != len(test.want) || len(order.Status.Notifications) != 0 {
				t.Errorf("the order remembers %+v, its outbox holds %+v", order.Status.Receipts, order.Status.Notifications)
			}
		})
	}
}
