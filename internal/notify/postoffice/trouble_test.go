package postoffice_test

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/postoffice"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

func TestReceiptsThatWaitForCredentialsCostTheAPIServerLittle(t *testing.T) {
	reads := 0
	api := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			reads++
			return c.Get(ctx, key, o, opts...)
		},
	})
	clock := testingclock.NewFakePassiveClock(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC))
	office := &postoffice.Office{
		Live: api, Clock: clock, Credentials: types.NamespacedName{Namespace: "esim-system", Name: "smtp"},
		Server: mail.Server{Host: "127.0.0.1", Port: 1, From: "shop@example.com", Timeout: time.Second},
	}
	send := func() error {
		return office.Send(t.Context(), "ann@example.com", "evt_1", receipt.Receipt{Kind: receipt.Failed, OrderID: 1, Time: clock.Now()})
	}
	for range 100 {
		if send() == nil {
			t.Fatal("a mail was sent without credentials")
		}
	}
	if reads != 1 {
		t.Errorf("100 receipts that wait read the Secret %d times", reads)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "esim-system", Name: "smtp"},
		Data:       map[string][]byte{postoffice.KeyUsername: []byte("shop"), postoffice.KeyPassword: []byte("not a real one")},
	}
	if err := api.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	clock.SetTime(clock.Now().Add(10 * time.Second))
	// Port 1 takes no connections: that is the mail server's trouble, and no more ours.
	if deferred := (*mail.Deferred)(nil); !errors.As(send(), &deferred) {
		t.Errorf("with credentials the error is %v", send())
	}
}
