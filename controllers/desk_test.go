package controllers_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testdesk"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// desk is a shop on an API server in memory, and a desk that works its orders.
type desk struct {
	*testdesk.Desk
	t   *testing.T
	api client.WithWatch
	// writer is what the desk writes through.
	writer client.Client
	shop   *testshop.Shop
	clock  *testingclock.FakePassiveClock
}

// atDesk opens a shop and a desk. happens comes before each write of an order's status; nil
// for nothing.
func atDesk(t *testing.T, o testshop.Options, happens func(d *desk, order *v1alpha1.EsimOrder) error) *desk {
	t.Helper()
	d := &desk{t: t, clock: testingclock.NewFakePassiveClock(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC))}
	var err error
	if d.api, err = testdesk.NewAPI(d.clock); err != nil {
		t.Fatal(err)
	}
	if d.shop, err = testshop.Open(t.Context(), d.api, "shop", o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.shop.Close(); err != nil {
			t.Error(err)
		}
	})
	var writer client.Client = d.api
	if happens != nil {
		writer = testdesk.BeforeStatusWrite(d.api, func(_ context.Context, order *v1alpha1.EsimOrder) error { return happens(d, order) })
	}
	d.writer = writer
	d.restart()
	return d
}

// restart has another process work at the desk: what the one before it knew is gone.
func (d *desk) restart() {
	d.Desk = testdesk.Open(testdesk.Options{Cache: d.api, Live: d.api, Writer: d.writer, Clock: d.clock})
}

func (d *desk) connect() {
	d.t.Helper()
	var operator v1alpha1.EsimOperator
	if err := d.api.Get(d.t.Context(), types.NamespacedName{Name: d.shop.Name}, &operator); err != nil {
		d.t.Fatal(err)
	}
	if err := d.Connect(&operator, d.shop.Credentials()); err != nil {
		d.t.Fatal(err)
	}
}

// pass makes a pass over the order that d's tests buy with, and lets the time pass that it
// asks for.
func (d *desk) pass() error {
	d.t.Helper()
	after, err := d.Work(d.t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"})
	d.clock.SetTime(d.clock.Now().Add(after))
	return err
}

func (d *desk) order(change ...func(*v1alpha1.EsimOrder)) {
	d.t.Helper()
	if _, err := d.shop.Order(d.t.Context(), "order", change...); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) look() *v1alpha1.EsimOrder {
	d.t.Helper()
	order, err := d.shop.Find(d.t.Context(), "order")
	if err != nil {
		d.t.Fatal(err)
	}
	return order
}

// foreignSecret stands where the order's Secret would go, and is not ours.
func (d *desk) foreignSecret() *corev1.Secret {
	d.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: d.shop.Name, Name: v1alpha1.ActivationSecretName("order")}}
	if err := d.api.Create(d.t.Context(), secret); err != nil {
		d.t.Fatal(err)
	}
	return secret
}
