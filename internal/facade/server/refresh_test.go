package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/server"
	"github.com/telcodev/esim-operator/internal/ids"
)

// asking is a shop whose operator can be asked, and a stand-in for the controller.
type asking struct {
	*shop
	// asked counts the annotations that were written.
	asked atomic.Int64
	// answers has the controller answer after a time; 0 for never.
	answers time.Duration
	// installed is what it answers then.
	installed bool
	// replicas see what is written, each so much later.
	replicas map[*orders.Index]time.Duration
}

const testInterval = 10 * time.Second

func newAsking(t *testing.T) *asking {
	t.Helper()
	a := &asking{shop: newShop(t)}
	a.server.Writer = a.writer(t)
	a.replicas = map[*orders.Index]time.Duration{a.server.Desk.Index: 0}
	return a
}

// writer is the API server, with a controller behind it.
func (a *asking) writer(t *testing.T) client.Writer {
	return interceptor.NewClient(a.api, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := c.Patch(ctx, o, patch, opts...); err != nil {
				return err
			}
			a.asked.Add(1)
			a.show(t, o.GetName())
			if a.answers > 0 {
				time.AfterFunc(a.answers, func() { a.answer(t, o.GetName()) })
			}
			return nil
		},
	})
}

// show lets the replicas see how an order stands.
func (a *asking) show(t *testing.T, name string) *v1alpha1.EsimOrder {
	order := &v1alpha1.EsimOrder{}
	if err := a.api.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: name}, order); err != nil {
		t.Error(err)
	}
	for index, lag := range a.replicas {
		seen := order.DeepCopy()
		if lag == 0 {
			index.OnUpdate(nil, seen)
		} else {
			time.AfterFunc(lag, func() { index.OnUpdate(nil, seen) })
		}
	}
	return order
}

func (a *asking) answer(t *testing.T, name string) {
	order := a.show(t, name)
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	order.Status.Activation.RefreshedTime, order.Status.Activation.Refreshed = &now, order.Annotations[v1alpha1.RefreshAnnotation]
	if a.installed {
		order.Status.Activation.Installed, order.Status.Activation.Status = true, v1alpha1.ActivationActive
	}
	if err := a.api.Status().Update(t.Context(), order); err != nil {
		t.Error(err)
	}
	a.show(t, name)
}

// deliver makes the client's i-th order; interval is its operator's, 0 where it cannot be asked.
func (a *asking) deliver(t *testing.T, i int, interval time.Duration) (path string) {
	t.Helper()
	order := &v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb"}}
	order.Namespace, order.Name = "acme", ids.OrderName(int64(i))
	if err := a.api.Create(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	order.Status.Phase = v1alpha1.PhaseDelivered
	order.Status.Esim = &v1alpha1.OrderEsim{ICCID: "8944110068123456789", ActivationCode: "LPA:1$rsp.example.com$********"}
	order.Status.Activation = &v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled}
	if interval > 0 {
		order.Status.Activation.RefreshInterval = &metav1.Duration{Duration: interval}
	}
	if err := a.api.Status().Update(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	if err := a.api.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "acme", Name: v1alpha1.ActivationSecretName(order.Name),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "EsimOrder", Name: order.Name, UID: order.UID}},
		},
		Type: v1alpha1.ActivationSecretType,
		Data: map[string][]byte{v1alpha1.SecretKeyActivationCode: []byte("LPA:1$rsp.example.com$MATCHING")},
	}); err != nil {
		t.Fatal(err)
	}
	a.show(t, order.Name)
	return fmt.Sprintf("/api/v1/esim/orders/%d", i)
}

// read is an order as a handler answers it, and how long that took.
func read(t *testing.T, handler http.Handler, path string) (order struct {
	IsInstalled bool       `json:"is_installed"`
	RefreshedAt *time.Time `json:"refreshed_at"`
}, took time.Duration) {
	t.Helper()
	begun := time.Now()
	answer := ask(handler, http.MethodGet, path, "")
	if answer.Code != http.StatusOK {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &order); err != nil {
		t.Error(err)
	}
	return order, time.Since(begun)
}

func TestReadingADeliveredOrderAsksItsOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t)
		a.answers = 300 * time.Millisecond
		path, handler := a.deliver(t, 1, testInterval), a.checked(t)
		order, took := read(t, handler, path)
		if took != a.answers || order.RefreshedAt == nil || order.IsInstalled {
			t.Errorf("answered %+v after %s", order, took)
		}
		time.Sleep(testInterval / 2)
		if order, took = read(t, handler, path); took != 0 || a.asked.Load() != 1 || order.RefreshedAt == nil {
			t.Errorf("within the interval it is answered %+v after %s, having asked %d times", order, took, a.asked.Load())
		}
		time.Sleep(testInterval / 2)
		a.installed = true
		if order, _ = read(t, handler, path); !order.IsInstalled || a.asked.Load() != 2 {
			t.Errorf("after the interval it is answered %+v, having asked %d times", order, a.asked.Load())
		}
		time.Sleep(2 * testInterval)
		if _, took = read(t, handler, path); took != 0 || a.asked.Load() != 2 {
			t.Errorf("about a profile that is on its device the operator was asked %d times", a.asked.Load())
		}
	})
}

func TestAnOrderWhoseOperatorDoesNotAnswerIsAnsweredAsItWasRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t)
		path, handler := a.deliver(t, 1, testInterval), a.checked(t)
		if order, took := read(t, handler, path); took != orders.RefreshPatience || order.RefreshedAt != nil {
			t.Errorf("answered %+v after %s", order, took)
		}
		if _, took := read(t, handler, path); took != 0 || a.asked.Load() != 1 {
			t.Errorf("answered again after %s, having asked %d times within the interval", took, a.asked.Load())
		}
	})
}

func TestAnOrderThatCannotBeAnnotatedIsAnsweredAsItWasRecorded(t *testing.T) {
	for name, fault := range map[string]error{
		"forbidden": apierrors.NewForbidden(schema.GroupResource{Resource: "esimorders"}, "o-1", errors.New("not bound")),
		"away":      apierrors.NewServerTimeout(schema.GroupResource{Resource: "esimorders"}, "patch", 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAsking(t)
				tries := 0
				a.server.Writer = interceptor.NewClient(a.api, interceptor.Funcs{
					Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
						tries++
						return fault
					},
				})
				path, handler := a.deliver(t, 1, testInterval), a.checked(t)
				for range 3 {
					if _, took := read(t, handler, path); took != 0 {
						t.Errorf("answered after %s", took)
					}
				}
				if tries != 1 {
					t.Errorf("tried %d times at one moment", tries)
				}
			})
		})
	}
}

func TestWhatNeedsNoAskingCostsNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t)
		handler := a.checked(t)
		es2plus, reseller := a.deliver(t, 1, 0), a.deliver(t, 2, testInterval)
		for _, path := range []string{es2plus, "/api/v1/esim/orders", reseller + "/qr.png", reseller + "/qr.svg"} {
			begun := time.Now()
			if answer := ask(handler, http.MethodGet, path, ""); answer.Code != http.StatusOK || time.Since(begun) != 0 {
				t.Errorf("%s is answered %d after %s", path, answer.Code, time.Since(begun))
			}
		}
		if n := a.asked.Load(); n != 0 {
			t.Errorf("operators were asked %d times", n)
		}
	})
}

// Each replica has its own index, which may lag; the API server decides which of them asks.
func TestAHundredReadersAtTwoReplicasAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lag = 500 * time.Millisecond
		a := newAsking(t)
		other := newShop(t, func(s *server.Server) { s.Live, s.Writer = a.api, a.server.Writer })
		a.replicas[other.server.Desk.Index] = lag
		a.answers = time.Second
		path := a.deliver(t, 1, testInterval)
		time.Sleep(lag)
		var group sync.WaitGroup
		for _, replica := range []struct {
			http.Handler
			want time.Duration
		}{{a.checked(t), a.answers}, {other.checked(t), a.answers + lag}} {
			for range 50 {
				group.Go(func() {
					if order, took := read(t, replica, path); took != replica.want || order.RefreshedAt == nil {
						t.Errorf("answered %+v after %s, want %s", order, took, replica.want)
					}
				})
			}
			// The other replica does not know yet that the operator is being asked.
			synctest.Wait()
		}
		group.Wait()
		if n := a.asked.Load(); n != 1 {
			t.Errorf("the operator was asked %d times", n)
		}
	})
}

func TestWhoeverAskedFirstMayHangUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writing = 500 * time.Millisecond
		a := newAsking(t)
		a.answers = time.Second
		at := a.server.Writer
		a.server.Writer = interceptor.NewClient(a.api, interceptor.Funcs{
			Patch: func(ctx context.Context, _ client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
				select {
				case <-time.After(writing):
					return at.Patch(ctx, o, patch, opts...)
				case <-ctx.Done():
					return ctx.Err()
				}
			},
		})
		path, handler := a.deliver(t, 1, testInterval), a.checked(t)
		var group sync.WaitGroup
		gone, hangUp := context.WithCancel(t.Context())
		group.Go(func() {
			request := httptest.NewRequestWithContext(gone, http.MethodGet, path, http.NoBody)
			a.http.ServeHTTP(httptest.NewRecorder(), request)
		})
		synctest.Wait()
		group.Go(func() {
			if order, took := read(t, handler, path); took != writing+a.answers || order.RefreshedAt == nil {
				t.Errorf("answered %+v after %s", order, took)
			}
		})
		synctest.Wait()
		hangUp()
		group.Wait()
	})
}

func TestAClientHasFewOperatorsAskedAtOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 20
		a := newAsking(t)
		a.answers = time.Second
		handler := a.checked(t)
		var atOnce, late atomic.Int64
		var group sync.WaitGroup
		for i := range 3 * most {
			path := a.deliver(t, i+1, testInterval)
			group.Go(func() {
				switch _, took := read(t, handler, path); took {
				case 0:
					atOnce.Add(1)
				case time.Second:
					late.Add(1)
				default:
					t.Errorf("answered after %s", took)
				}
			})
		}
		group.Wait()
		if a.asked.Load() != most || late.Load() != most || atOnce.Load() != 2*most {
			t.Errorf("asked %d times; %d waited, %d did not", a.asked.Load(), late.Load(), atOnce.Load())
		}
	})
}
