package controllers_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

// laggard is a cache that shows the order as it was when it was last refreshed.
type laggard struct {
	api   client.WithWatch
	order *v1alpha1.EsimOrder
}

func (l *laggard) refresh(ctx context.Context, key types.NamespacedName) {
	var order v1alpha1.EsimOrder
	if l.api.Get(ctx, key, &order) == nil {
		l.order = &order
	}
}

func (l *laggard) client() client.Client {
	return interceptor.NewClient(l.api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if order, ok := o.(*v1alpha1.EsimOrder); ok && l.order != nil {
				l.order.DeepCopyInto(order)
				return nil
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
}

// TestWhateverHappensNothingIsLostAndNoReceiptComesTwice lets caches lag, writes conflict,
// recipients fail or are slow, and people change their minds, in random order, in one process.
func TestWhateverHappensNothingIsLostAndNoReceiptComesTwice(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { whateverHappens(t, rand.New(rand.NewPCG(seed, 5))) })
	}
}

func whateverHappens(t *testing.T, random *rand.Rand) {
	c := openChaos(t, random)
	some := func() {
		steps := append(c.reads(), c.changes()...)
		for range 60 {
			steps[random.IntN(len(steps))]()
		}
	}
	some()
	last := []func(){
		func() { c.reports(v1alpha1.DeviceInstalled) },
		func() { c.edit(func(order *v1alpha1.EsimOrder) { order.Spec.Cancel = true; order.Generation++ }) },
		func() {},
	}
	last[random.IntN(len(last))]()
	some()
	c.rest()
	c.check()
}

// chaos is an office whose caches lag.
type chaos struct {
	*office
	random       *rand.Rand
	key          types.NamespacedName
	orders, seen *laggard
	servers      map[string]*barrier
	conflicts    bool
	replays      int
}

func openChaos(t *testing.T, random *rand.Rand) *chaos {
	t.Helper()
	o := openOffice(t)
	c := &chaos{
		office: o, random: random, key: types.NamespacedName{Namespace: o.shop.Name, Name: "order"},
		orders: &laggard{api: o.api}, seen: &laggard{api: o.api}, servers: map[string]*barrier{},
	}
	for _, person := range people {
		c.servers[person] = &barrier{}
		t.Cleanup(c.servers[person].raise)
	}
	o.courier.Mail = barredLetters{letters: letters{o.world}, barriers: c.servers}
	o.deliver()
	o.Orders.Client, o.courier.Client = c.orders.client(), c.seen.client()
	o.Orders.Writer = interceptor.NewClient(o.api, interceptor.Funcs{
		SubResourceUpdate: func(ctx context.Context, w client.Client, sub string, object client.Object, opts ...client.SubResourceUpdateOption) error {
			if c.conflicts {
				return apierrors.NewConflict(schema.GroupResource{}, object.GetName(), errors.New("it changed"))
			}
			return w.SubResource(sub).Update(ctx, object, opts...)
		},
	})
	return c
}

// work and send make a pass each. Conflicts and other trouble are what the test is about; what
// counts is what comes of it.
func (c *chaos) work() { _, _ = c.Work(c.t.Context(), c.key) }

func (c *chaos) send() {
	_, _ = c.courier.Reconcile(c.t.Context(), ctrl.Request{NamespacedName: c.key})
}

// reads are what the manager does.
func (c *chaos) reads() []func() {
	return []func(){
		func() { c.orders.refresh(c.t.Context(), c.key) },
		func() { c.seen.refresh(c.t.Context(), c.key) },
		c.work, c.work, c.send, c.send,
	}
}

var people = []string{ann, "bob@example.com", "eve@example.com"}

// changes are what others do to it.
func (c *chaos) changes() []func() {
	random := c.random
	return []func(){
		func() { c.clock.SetTime(c.clock.Now().Add(time.Duration(random.IntN(20_000)) * time.Millisecond)) },
		func() { c.conflicts = random.IntN(3) == 0 },
		func() { c.conflict = random.IntN(3) == 0 },
		func() {
			c.world.fail(people[random.IntN(3)], []error{nil, &mail.Deferred{Reason: "later"}}[random.IntN(2)])
		},
		func() {
			c.world.fail(shopHook, []error{nil, &webhook.Failed{Reason: "it answered 500"}, errors.New("ours")}[random.IntN(3)])
		},
		func() { c.address(people[random.IntN(3)]) },
		func() {
			server := c.servers[people[random.IntN(3)]]
			[]func(){server.lower, server.raise}[random.IntN(2)]()
		},
		func() {
			if c.replays++; c.replays < 4 {
				c.edit(func(order *v1alpha1.EsimOrder) {
					metav1.SetMetaDataAnnotation(&order.ObjectMeta, v1alpha1.ReplayAnnotation, strconv.Itoa(c.replays))
				})
			}
		},
	}
}

// rest ends all trouble, and lets everything come to its end.
func (c *chaos) rest() {
	c.t.Helper()
	c.conflicts, c.conflict = false, false
	for _, to := range append([]string{shopHook}, people...) {
		c.world.fail(to, nil)
	}
	for _, server := range c.servers {
		server.raise()
	}
	for range 40 {
		c.orders.refresh(c.t.Context(), c.key)
		c.work()
		c.seen.refresh(c.t.Context(), c.key)
		c.hand("order")
		c.clock.SetTime(c.clock.Now().Add(10 * time.Minute))
		for !c.courier.Idle() {
			c.hand("order")
		}
	}
}

func (c *chaos) check() {
	c.t.Helper()
	t, order, got := c.t, c.look(), c.world.arrived()
	if len(order.Status.Notifications) != 0 || len(order.Status.Reports) != 0 || order.Status.ObservedGeneration != order.Generation {
		t.Errorf("not at rest: outbox %+v, reports %+v, generation %d of %d",
			order.Status.Notifications, order.Status.Reports, order.Status.ObservedGeneration, order.Generation)
	}
	for i, what := range got {
		if strings.Contains(what, "receipt.") && i > 0 && got[i-1] == what {
			t.Errorf("twice: %s", what)
		}
	}
	want := map[string]bool{shopHook + " wallet.debited": true, shopHook + " esim.order.delivered": true}
	switch status := order.Status; {
	case status.Phase == v1alpha1.PhaseCancelled:
		want[shopHook+" esim.order.cancelled"], want[shopHook+" wallet.credited"] = true, true
		want[order.Spec.NotificationEmail+" receipt.cancelled"] = true
	case status.Activation.Installed:
		want[shopHook+" esim.installed"], want[shopHook+" esim.activated"] = true, true
	default:
		want[order.Spec.NotificationEmail+" receipt.delivered"] = true
	}
	for what := range want {
		if !slices.Contains(got, what) {
			t.Errorf("%s is lost; arrived: %v; the order is %s", what, got, summary(order))
		}
	}
}
