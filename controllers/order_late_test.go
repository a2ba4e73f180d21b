package controllers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testdesk"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// errCutOff is what a manager gets that was cut off.
var errCutOff = errors.New("cut off")

// former carries the calls of a manager that is about to be cut off. One of them takes as long as
// meanwhile does; after that nothing is given back any more.
type former struct {
	inner     http.RoundTripper
	slow      es2plus.Function
	meanwhile func()
}

func (f former) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	switch request.URL.Path {
	case f.slow.Path():
		f.meanwhile()
	case es2plus.CancelOrder.Path():
		return nil, errCutOff
	}
	return f.inner.RoundTrip(request)
}

// lossy carries a manager's calls, and loses the answer to its first CancelOrder.
type lossy struct {
	inner http.RoundTripper
	once  sync.Once
	lost  func()
}

func (l *lossy) RoundTrip(request *http.Request) (answer *http.Response, err error) {
	answer, err = l.inner.RoundTrip(request)
	if err != nil || request.URL.Path != es2plus.CancelOrder.Path() {
		return answer, err
	}
	l.once.Do(func() {
		err = errors.Join(errCutOff, answer.Body.Close())
		l.lost()
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// overlapping has a manager ask for an order's profile and be cut off: while it waits for the answer
// another leads, and sees what meanwhile does to the order. The answer is written down then, and
// nothing after it. The desk is that of the other.
func overlapping(t *testing.T, overlap time.Duration, meanwhile func(d *desk)) *desk {
	t.Helper()
	d := atDesk(t, testshop.Options{}, nil)
	leads := true
	cutOff := testdesk.Open(testdesk.Options{
		Cache: d.api, Live: d.api, Clock: d.clock,
		Writer: testdesk.BeforeStatusWrite(d.api, func(context.Context, *v1alpha1.EsimOrder) error {
			if leads {
				return nil
			}
			return errCutOff
		}),
		WrapTransport: func(inner http.RoundTripper) http.RoundTripper {
			return former{inner, es2plus.DownloadOrder, func() {
				leads = false
				meanwhile(d)
			}}
		},
	})
	d.Orders.Overlap = func(*v1alpha1.EsimOperator) time.Duration { return overlap }
	d.connect()
	var operator v1alpha1.EsimOperator
	if err := d.api.Get(t.Context(), types.NamespacedName{Name: d.shop.Name}, &operator); err != nil {
		t.Fatal(err)
	}
	if err := cutOff.Connect(&operator, d.shop.Credentials()); err != nil {
		t.Fatal(err)
	}
	d.order()
	if _, err := cutOff.Work(t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"}); !errors.Is(err, errCutOff) {
		t.Fatalf("the former leader: %v", err)
	}
	return d
}

// meanwhile makes passes, ten seconds apart, and lets the wallet work too.
func (d *desk) meanwhile(n int) {
	d.t.Helper()
	for range n {
		if _, err := d.Work(d.t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"}); err != nil {
			d.t.Fatal(err)
		}
		if _, err := d.WorkWallet(d.t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: testshop.WalletName}); err != nil {
			d.t.Fatal(err)
		}
		d.clock.SetTime(d.clock.Now().Add(10 * time.Second))
	}
}

// nothingIsLeft says that no profile is held and no Secret is left.
func (d *desk) nothingIsLeft() {
	d.t.Helper()
	secret, err := d.shop.Secret(d.t.Context(), "order")
	if err != nil {
		d.t.Fatal(err)
	}
	if secret != nil || d.shop.Bought() != 0 || d.shop.Stranded() != 0 {
		d.t.Errorf("%d profiles are bought and %d stranded, the Secret is there: %t", d.shop.Bought(), d.shop.Stranded(), secret != nil)
	}
}

func TestWhatAFormerLeaderBuysTooLateIsGivenBack(t *testing.T) {
	const overlap = time.Hour
	remove := func(d *desk) {
		if err := d.api.Delete(d.t.Context(), d.look()); err != nil {
			d.t.Fatal(err)
		}
	}
	for name, meanwhile := range map[string]func(*desk){
		"for an order that was cancelled": func(d *desk) { d.edit(wantsCancel); d.meanwhile(1) },
		"for an order that was deleted":   func(d *desk) { remove(d); d.meanwhile(8) },
		"for an order that was cancelled, and then deleted": func(d *desk) {
			d.edit(wantsCancel)
			d.meanwhile(1)
			remove(d)
			d.meanwhile(8)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := overlapping(t, overlap, meanwhile)
			if secret, err := d.shop.Secret(t.Context(), "order"); err != nil || secret == nil || d.shop.Bought() != 1 {
				t.Fatalf("the former leader left Secret %v (%v), and bought %d profiles", secret != nil, err, d.shop.Bought())
			}
			d.clock.SetTime(d.clock.Now().Add(overlap))
			d.passes(4)
			d.nothingIsLeft()
			if order := d.look(); order != nil && (!order.DeletionTimestamp.IsZero() || order.Status.Provisioning.Closing != "") {
				t.Errorf("the order is not let go: %+v", order.Status.Provisioning)
			}
		})
	}

	t.Run("also where the operator is away at first, or the manager dies before the Secret is removed", func(t *testing.T) {
		d := overlapping(t, overlap, func(d *desk) { d.edit(wantsCancel); d.meanwhile(1) })
		d.clock.SetTime(d.clock.Now().Add(overlap))
		d.fault(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.CancelOrder})
		d.passes(2)
		if d.shop.Bought() != 1 || d.look().Status.Provisioning.Closing == "" {
			t.Errorf("the order does not wait for its operator: %+v", d.look().Status.Provisioning)
		}
		if err := d.shop.SMDP.ClearFaults(); err != nil {
			t.Fatal(err)
		}
		d.restart()
		d.connect()
		d.passes(4)
		d.nothingIsLeft()
	})
}

func TestAnOrderThatIsDeliveredKeepsItsSecretWhileAnotherCouldBeWritten(t *testing.T) {
	const overlap = time.Hour
	d := overlapping(t, overlap, func(d *desk) {
		d.meanwhile(2)
		if err := d.api.Delete(d.t.Context(), d.until("DELIVERED Delivered")); err != nil {
			d.t.Fatal(err)
		}
		d.meanwhile(8)
	})
	// The former leader finds the other's Secret, and writes none of its own.
	if secret, err := d.shop.Secret(t.Context(), "order"); err != nil || secret == nil || d.look() == nil {
		t.Fatalf("the Secret is there: %t, and the order: %t (%v)", secret != nil, d.look() != nil, err)
	}
	d.clock.SetTime(d.clock.Now().Add(overlap))
	d.passes(4)
	secret, err := d.shop.Secret(t.Context(), "order")
	if err != nil || secret != nil || d.look() != nil {
		t.Errorf("the Secret is there: %t, and the order: %t (%v)", secret != nil, d.look() != nil, err)
	}
}

func TestAnOrderThatTheLeaderBoughtItselfWaitsForNobody(t *testing.T) {
	d := atDesk(t, testshop.Options{}, nil)
	d.Orders.Overlap = func(*v1alpha1.EsimOperator) time.Duration { return time.Hour }
	d.connect()
	d.order()
	if err := d.api.Delete(t.Context(), d.until("DELIVERED Delivered")); err != nil {
		t.Fatal(err)
	}
	d.passes(4)
	if d.look() != nil {
		t.Error("the order waits for a former leader that never was")
	}
}

func TestAnAnswerToAFormerLeadersFirstQuestionProvesNothing(t *testing.T) {
	asked, answered := make(chan struct{}), make(chan struct{})
	d := atDesk(t, testshop.Options{}, func(_ *desk, _ *v1alpha1.EsimOrder) error {
		select {
		case <-asked: // what this leader heard is written once the former one has written what it heard
			<-answered
		default:
		}
		return nil
	})
	d.connect()
	d.order()
	d.until("DELIVERED Delivered")
	d.edit(wantsCancel)
	ended := make(chan error, 1)
	before := testdesk.Open(testdesk.Options{
		Cache: d.api, Live: d.api, Writer: d.api, Clock: d.clock,
		WrapTransport: func(inner http.RoundTripper) http.RoundTripper {
			return former{inner, es2plus.CancelOrder, func() {
				go func() {
					_, err := d.Work(t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"})
					ended <- err
				}()
				<-asked
			}}
		},
	})
	d.Desk = testdesk.Open(testdesk.Options{
		Cache: d.api, Live: d.api, Writer: d.writer, Clock: d.clock,
		WrapTransport: func(inner http.RoundTripper) http.RoundTripper {
			return &lossy{inner: inner, lost: func() { close(asked) }}
		},
	})
	d.connect()
	var operator v1alpha1.EsimOperator
	if err := d.api.Get(t.Context(), types.NamespacedName{Name: d.shop.Name}, &operator); err != nil {
		t.Fatal(err)
	}
	if err := before.Connect(&operator, d.shop.Credentials()); err != nil {
		t.Fatal(err)
	}
	// The operator does not know the profile any more: the other leader's call has given it back, and
	// its answer was lost.
	_, err := before.Work(t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: "order"})
	close(answered)
	if err := <-ended; err != nil && !apierrors.IsConflict(err) {
		t.Fatal(err)
	}
	if !apierrors.IsConflict(err) {
		t.Errorf("the former leader: %v", err)
	}
	d.passes(3)
	if order := d.look(); order.Status.Phase != v1alpha1.PhaseCancelled || order.Status.Charge.Refund == nil {
		t.Errorf("the order is %s, refund %+v", summary(order), order.Status.Charge.Refund)
	}
	d.nothingIsLeft()
}
