package controllers_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

// slowLetters takes mails only when it is told to.
type slowLetters struct {
	letters
	begun, through chan struct{}
}

func (s slowLetters) Send(ctx context.Context, to, about string, r receipt.Receipt) error {
	s.begun <- struct{}{}
	<-s.through
	return s.letters.Send(ctx, to, about, r)
}

// slowMail has mails wait at the server until the test lets them through.
func (o *office) slowMail() (slow slowLetters) {
	o.t.Helper()
	slow = slowLetters{letters{o.world}, make(chan struct{}, 100), make(chan struct{}, 100)}
	o.courier.Mail = slow
	return slow
}

// hand has the courier look at an order once, and hand over what is due.
func (o *office) hand(name string) {
	o.t.Helper()
	key := types.NamespacedName{Namespace: o.shop.Name, Name: name}
	if _, err := o.courier.Reconcile(o.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		o.t.Fatal(err)
	}
}

// address replaces the order's address.
func (o *office) address(to string) {
	o.t.Helper()
	o.edit(func(order *v1alpha1.EsimOrder) { order.Spec.NotificationEmail = to; order.Generation++ })
}

func (o *office) mails() []string {
	return slices.DeleteFunc(o.world.arrived(), func(s string) bool { return strings.HasPrefix(s, "https") })
}

func TestAnAddressThatChangesWhileAMailIsOnItsWayGetsItsOwn(t *testing.T) {
	for name, later := range map[string]time.Duration{"within the second": 0, "later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			o := openOffice(t)
			slow := o.slowMail()
			o.deliver()
			o.hand("order")
			<-slow.begun // the mail to ann is with the server
			o.clock.SetTime(o.clock.Now().Add(later))
			o.address("bob@example.com")
			o.work()
			for range 3 {
				slow.through <- struct{}{}
			}
			o.carry()
			o.clock.SetTime(o.clock.Now().Add(time.Minute))
			o.address(ann) // she has had hers
			o.work()
			o.carry()
			if diff := cmp.Diff([]string{ann + " receipt.delivered", "bob@example.com receipt.delivered"}, o.mails()); diff != "" {
				t.Errorf("mails (-want +got):\n%s", diff)
			}
		})
	}
}

func TestACourierThatSeesANewAddressFirstSendsToItOnce(t *testing.T) {
	o := openOffice(t)
	slow := o.slowMail()
	o.deliver()
	o.address("bob@example.com")
	o.hand("order") // before the order controller has seen the address
	<-slow.begun
	o.clock.SetTime(o.clock.Now().Add(time.Minute))
	o.work()
	for range 3 {
		slow.through <- struct{}{}
	}
	o.carry()
	if diff := cmp.Diff([]string{"bob@example.com receipt.delivered"}, o.mails()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
}

func TestAMailThatWaitsForItsTurnDoesNotGoToAnAddressThatWasReplaced(t *testing.T) {
	o := openOffice(t)
	o.courier.MailConcurrency = 1
	o.courier.Open()
	slow := o.slowMail()
	if _, err := o.shop.Order(t.Context(), "before", func(order *v1alpha1.EsimOrder) { order.Spec.NotificationEmail = "eve@example.com" }); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := o.Work(t.Context(), types.NamespacedName{Namespace: o.shop.Name, Name: "before"}); err != nil {
			t.Fatal(err)
		}
	}
	o.hand("before")
	<-slow.begun
	o.deliver()
	o.hand("order") // waits behind the other order's mail
	o.clock.SetTime(o.clock.Now().Add(time.Minute))
	o.address("bob@example.com")
	o.work()
	for range 5 {
		slow.through <- struct{}{}
	}
	o.carry()
	if diff := cmp.Diff([]string{"bob@example.com receipt.delivered", "eve@example.com receipt.delivered"}, o.mails()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
}

func TestNoMoreReceiptsGoOutThanAnOrderRemembers(t *testing.T) {
	o := openOffice(t)
	o.deliver()
	o.carry()
	for i := range 50 {
		o.clock.SetTime(o.clock.Now().Add(time.Minute))
		slow := o.slowMail()
		o.address(string(rune('a'+i%26)) + strings.Repeat("x", i/26) + "@example.com")
		o.work()
		o.hand("order")
		if i%2 == 0 { // it is replaced while it is on its way
			o.address("other" + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + "@example.com")
			o.clock.SetTime(o.clock.Now().Add(time.Minute))
			o.work()
		}
		for range 3 {
			slow.through <- struct{}{}
		}
		o.carry()
	}
	if mails, known := len(o.mails()), len(o.look().Status.Receipts); mails > 11 || known > 10 {
		t.Errorf("%d mails went out, the order remembers %d", mails, known)
	}
}
