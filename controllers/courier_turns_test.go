package controllers_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

// counter is a mail server that tells whose mail it has, and takes it once it is told to.
type counter struct{ has, take chan string }

func (c counter) Send(_ context.Context, to, _ string, _ receipt.Receipt) error {
	c.has <- to
	<-c.take
	return nil
}

// failedOrder is an order of any client that has a receipt to send.
func (o *office) failedOrder(namespace, name string) ctrl.Result {
	o.t.Helper()
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + name)},
		Spec:       v1alpha1.EsimOrderSpec{NotificationEmail: namespace + "@example.com"},
	}
	if err := o.api.Create(o.t.Context(), order); err != nil {
		o.t.Fatal(err)
	}
	order.Status = v1alpha1.EsimOrderStatus{
		Phase: v1alpha1.PhaseFailed, Failure: &v1alpha1.OrderFailure{Code: v1alpha1.FailurePlanUnavailable},
		Notifications: []v1alpha1.OrderNotification{{Type: v1alpha1.ReceiptFailed, Time: metav1.NewTime(o.clock.Now())}},
	}
	if err := o.api.Status().Update(o.t.Context(), order); err != nil {
		o.t.Fatal(err)
	}
	key := types.NamespacedName{Namespace: namespace, Name: name}
	result, err := o.courier.Reconcile(o.t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil {
		o.t.Fatal(err)
	}
	return result
}

func TestAFloodOfReceiptsDoesNotHoldUpAnotherClients(t *testing.T) {
	o := openOffice(t)
	const flood = 20
	mail := counter{make(chan string), make(chan string, flood+1)}
	o.courier.MailConcurrency, o.courier.Mail = 1, mail
	o.courier.Open()
	for i := range flood {
		o.failedOrder("flood", fmt.Sprint(i))
	}
	o.failedOrder("single", "order")
	for o.courier.MailsWaiting() == 0 {
		runtime.Gosched() // the one client has its turn, and the other is not there yet
	}
	var sent []string
	for range flood + 1 {
		sent = append(sent, <-mail.has)
		mail.take <- "it"
	}
	if before := slices.Index(sent, "single@example.com"); before > 3 {
		t.Errorf("%d mails of another client went before", before)
	}
}

func TestReceiptsThatWaitForTheirTurnDoNotHoldUpTheEnd(t *testing.T) {
	o := openOffice(t)
	mail := counter{make(chan string, 100), make(chan string, 100)}
	o.courier.MailConcurrency, o.courier.Mail = 1, mail
	o.courier.Open()
	for i := range 10 {
		o.failedOrder(fmt.Sprintf("client-%d", i), "order")
	}
	<-mail.has
	closed := make(chan error)
	go func() { closed <- o.courier.Close(t.Context()) }()
	for i := 10; o.failedOrder(fmt.Sprintf("client-%d", i), "order").RequeueAfter == 0; i++ {
		runtime.Gosched() // it is not closing yet
	}
	mail.take <- "it"
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if len(mail.has) > 0 {
		t.Error("a mail left after the end was asked for")
	}
}
