package orders_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

func newAPI(t *testing.T) client.WithWatch {
	t.Helper()
	api, err := testdesk.NewAPI(clocktesting.NewFakePassiveClock(time.Date(2026, time.May, 15, 14, 30, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	return api
}

func newDesk(api orders.API) *orders.Desk {
	return &orders.Desk{Index: &orders.Index{}, API: api, Random: rand.Reader}
}

func trip(reference string) v1alpha1.EsimOrderSpec {
	return v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Amount: "4.5", ClientReference: reference}
}

// stand makes an order as kubectl does.
func stand(t *testing.T, api client.Client, name, reference string) *v1alpha1.EsimOrder {
	t.Helper()
	order := &v1alpha1.EsimOrder{Spec: trip(reference)}
	order.Namespace, order.Name = "acme", name
	if err := api.Create(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	return order
}

func mustCreate(t *testing.T, desk *orders.Desk, reference string) *v1alpha1.EsimOrder {
	t.Helper()
	order, err := desk.Create(t.Context(), "acme", orders.Request{}, trip(reference))
	if err != nil {
		t.Fatal(err)
	}
	return order
}

// refuses tells whether the desk refuses a reference, naming the first order.
func refuses(t *testing.T, desk *orders.Desk, reference string, first *v1alpha1.EsimOrder) {
	t.Helper()
	_, err := desk.Create(t.Context(), "acme", orders.Request{}, trip(reference))
	var duplicate *orders.DuplicateError
	if !errors.As(err, &duplicate) {
		t.Fatalf("a second order with reference %s: %v", reference, err)
	}
	if duplicate.First.UID != first.UID {
		t.Errorf("the first order is %s, and %s was named", first.Name, duplicate.First.Name)
	}
}

func listed(t *testing.T, api client.Client) []v1alpha1.EsimOrder {
	t.Helper()
	var list v1alpha1.EsimOrderList
	if err := api.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestAHundredAtOnceOverTwoReplicasMakeOneOrder(t *testing.T) {
	api := newAPI(t)
	replicas := []*orders.Desk{newDesk(api), newDesk(api)}
	made := make(chan *v1alpha1.EsimOrder, 100)
	known := make(chan string, 100)
	begin := make(chan struct{})
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			<-begin
			order, err := replicas[i%2].Create(t.Context(), "acme", orders.Request{}, trip("TRIP"))
			var duplicate *orders.DuplicateError
			switch {
			case err == nil:
				made <- order
			case errors.As(err, &duplicate):
				known <- duplicate.First.Name
			default:
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	close(begin)
	group.Wait()
	if len(made) != 1 || len(known) != 99 {
		t.Fatalf("%d made, %d refused", len(made), len(known))
	}
	first := <-made
	for range 99 {
		if name := <-known; name != first.Name {
			t.Errorf("%s was named, and the order is %s", name, first.Name)
		}
	}
	if all := listed(t, api); len(all) != 1 || all[0].Name != ids.OrderName(ids.FromReference("TRIP", 0)) {
		t.Errorf("orders: %v", all)
	}
}

func TestAReferenceWhoseNameIsTakenGetsTheNext(t *testing.T) {
	api := newAPI(t)
	inTheWay := stand(t, api, ids.OrderName(ids.FromReference("TRIP", 0)), "other")
	stand(t, api, ids.OrderName(ids.FromReference("TRIP", 1)), "")
	first := mustCreate(t, newDesk(api), "TRIP")
	if want := ids.OrderName(ids.FromReference("TRIP", 2)); first.Name != want {
		t.Errorf("named %s, want %s", first.Name, want)
	}
	refuses(t, newDesk(api), "TRIP", first)

	// With the way free again, only the index knows the first order.
	inTheWay.Finalizers = nil
	if err := errors.Join(api.Update(t.Context(), inTheWay), api.Delete(t.Context(), inTheWay)); err != nil {
		t.Fatal(err)
	}
	desk := newDesk(api)
	desk.Index.OnAdd(first, false)
	refuses(t, desk, "TRIP", first)
}

func TestAReferenceThatKubectlUsedIsRefused(t *testing.T) {
	api := newAPI(t)
	first := stand(t, api, "trip-to-tokyo", "TRIP")
	desk := newDesk(api)
	desk.Index.OnAdd(first, false)
	refuses(t, desk, "TRIP", first)

	// Where the index did not know it, the controller refuses the second, and the first is named.
	second := mustCreate(t, newDesk(api), "TRIP")
	second.Status.Failure = &v1alpha1.OrderFailure{Code: v1alpha1.FailureDuplicateReference}
	if err := api.Status().Update(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	desk.Index.OnAdd(second, false)
	refuses(t, desk, "TRIP", first)

	// With the first gone, the one that failed for it still has its name.
	desk.Index.OnDelete(first)
	refuses(t, desk, "TRIP", second)
}

func TestOrdersWithoutAReferenceAreAllMade(t *testing.T) {
	api := newAPI(t)
	desk := newDesk(api)
	// The same number twice, and zero: both are passed over.
	desk.Random = strings.NewReader("\x00\x00\x00\x0e" + "\x00\x00\x00\x0e" + "\x00\x00\x00\x01" + "\x00\x00\x00\x11")
	for _, want := range []string{"o-7", "o-1", "o-8"} {
		if order := mustCreate(t, desk, ""); order.Name != want {
			t.Errorf("named %s, want %s", order.Name, want)
		}
	}
	if _, err := desk.Create(t.Context(), "acme", orders.Request{}, trip("")); err == nil {
		t.Error("an order was made without a random number")
	}
}

func TestNoNameIsNoOrder(t *testing.T) {
	api := newAPI(t)
	stand(t, api, "o-1", "")
	desk := newDesk(api)
	desk.Random = strings.NewReader(strings.Repeat("\x00", 4*64))
	if _, err := desk.Create(t.Context(), "acme", orders.Request{}, trip("")); !errors.Is(err, orders.ErrNoName) {
		t.Errorf("got %v", err)
	}
}

func TestANameThatGetsFreeMeanwhileIsUsed(t *testing.T) {
	api := newAPI(t)
	name := ids.OrderName(ids.FromReference("TRIP", 0))
	inTheWay := stand(t, api, name, "other")
	// It goes between the refusal and the look at it.
	racing := interceptor.NewClient(api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			inTheWay.Finalizers = nil
			if err := errors.Join(c.Update(ctx, inTheWay), c.Delete(ctx, inTheWay)); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
	if order := mustCreate(t, newDesk(racing), "TRIP"); order.Name != name {
		t.Errorf("named %s, want %s", order.Name, name)
	}
}

func TestWhatTheAPIServerSaysIsHandedOn(t *testing.T) {
	away := apierrors.NewServiceUnavailable("etcd is away")
	invalid := &apierrors.StatusError{}
	invalid.ErrStatus.Reason, invalid.ErrStatus.Code = "Invalid", http.StatusUnprocessableEntity
	for _, answer := range []error{away, invalid} {
		refusing := interceptor.NewClient(newAPI(t), interceptor.Funcs{
			Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return answer },
		})
		if _, err := newDesk(refusing).Create(t.Context(), "acme", orders.Request{}, trip("TRIP")); !errors.Is(err, answer) {
			t.Errorf("got %v, want %v", err, answer)
		}
	}
	blind := interceptor.NewClient(newAPI(t), interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			return apierrors.NewAlreadyExists(schema.GroupResource{}, "o-1")
		},
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return away
		},
	})
	if _, err := newDesk(blind).Create(t.Context(), "acme", orders.Request{}, trip("TRIP")); !errors.Is(err, away) {
		t.Errorf("got %v, want %v", err, away)
	}
	if _, err := newDesk(blind).Find(t.Context(), "acme", 1); !errors.Is(err, away) {
		t.Errorf("got %v, want %v", err, away)
	}
}

func TestAnIDIsReadableAtOnceAtEveryReplica(t *testing.T) {
	api := newAPI(t)
	here, there := newDesk(api), newDesk(api)
	made := mustCreate(t, here, "TRIP")
	id := ids.Order(made.Name, made.UID)
	found, err := there.Find(t.Context(), "acme", id)
	if err != nil || found == nil || found.UID != made.UID {
		t.Fatalf("got %v, %v", found, err)
	}
	for _, c := range []struct {
		namespace string
		id        int64
	}{{"globex", id}, {"acme", id + 1}, {"acme", 0}, {"acme", -1}, {"acme", 1 << 31}, {"acme", 1<<63 - 1}} {
		if found, err := there.Find(t.Context(), c.namespace, c.id); found != nil || err != nil {
			t.Errorf("id %d of %s: %v, %v", c.id, c.namespace, found, err)
		}
	}
	kubectl := stand(t, api, "trip-to-tokyo", "")
	there.Index.OnAdd(kubectl, false)
	if found, err := there.Find(t.Context(), "acme", ids.Order(kubectl.Name, kubectl.UID)); found != kubectl || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestAnOrderIsSentWithItsFinalizer(t *testing.T) {
	var sent *v1alpha1.EsimOrder
	watching := interceptor.NewClient(newAPI(t), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			sent, _ = o.DeepCopyObject().(*v1alpha1.EsimOrder)
			return c.Create(ctx, o, opts...)
		},
	})
	mustCreate(t, newDesk(watching), "TRIP")
	if len(sent.Finalizers) != 1 || sent.Finalizers[0] != v1alpha1.SettlementFinalizer {
		t.Errorf("finalizers %v", sent.Finalizers)
	}
}
