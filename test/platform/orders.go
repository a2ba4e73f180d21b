package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const (
	// deliveryLimit is how long an order may take at most, once nothing fails any more.
	deliveryLimit = 3 * time.Minute
	// between two orders of a trickle.
	trickleEvery = 400 * time.Millisecond
	// requestLimit bounds one request of a client.
	requestLimit = 5 * time.Second
	look         = 100 * time.Millisecond
)

// ordered is an order that a client wants.
type ordered struct {
	key     types.NamespacedName
	variant string
	// asked is when the client began to ask for it, at when the API server had it.
	asked, at time.Time
}

func mailAddress(order string) string { return order + "@example.com" }

// order has the client order, again and again until the API server takes it, as an applying
// controller would.
func (w *world) order(ctx context.Context, variant string) (*ordered, error) {
	w.mu.Lock()
	name := fmt.Sprintf("%s-%d", variant, len(w.orders))
	placed := &ordered{key: types.NamespacedName{Namespace: shopper, Name: name}, variant: variant, asked: time.Now()}
	w.orders = append(w.orders, placed)
	w.mu.Unlock()
	for {
		made := &v1alpha1.EsimOrder{
			ObjectMeta: metav1.ObjectMeta{Namespace: shopper, Name: name},
			Spec: v1alpha1.EsimOrderSpec{
				ProductRef: v1alpha1.ProductReference{Name: product}, Variant: variant,
				WalletRef: &v1alpha1.WalletReference{Name: wallet}, NotificationEmail: mailAddress(name),
			},
		}
		request, cancel := context.WithTimeout(ctx, requestLimit)
		err := w.env.Client.Create(request, made)
		cancel()
		if apierrors.IsAlreadyExists(err) {
			err = w.env.Client.Get(ctx, placed.key, made)
		}
		if err == nil {
			w.mu.Lock()
			placed.at = time.Now()
			w.mu.Unlock()
			return placed, nil
		}
		if refused := (*apierrors.StatusError)(nil); errors.As(err, &refused) && (apierrors.IsInvalid(err) || apierrors.IsForbidden(err)) {
			return nil, fmt.Errorf("ordering %s: %w", name, err)
		}
		if !pause(ctx, look) {
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
}

// pause waits; false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// trickle has orders come, one after another, until the returned function is called, which tells
// what went wrong with that.
func (w *world) trickle(ctx context.Context) (stop func() error) {
	flowing, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	var failed error
	w.dying = append(w.dying, end, running.Wait)
	running.Go(func() {
		for n := 0; flowing.Err() == nil; n++ {
			variant := "es2plus"
			if n%2 == 1 {
				variant = "wholesale"
			}
			// One that has begun is finished: it is not known whether the API server has it.
			if _, err := w.order(w.life, variant); err != nil {
				failed = err
				return
			}
			pause(flowing, trickleEvery)
		}
	})
	return sync.OnceValue(func() error {
		end()
		running.Wait()
		return failed
	})
}

// has tells whether the API server has taken an order.
func (w *world) has(o *ordered) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !o.at.IsZero()
}

// wanted are the orders that clients asked for in a span of time.
func (w *world) wanted(from, to time.Time) []*ordered {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []*ordered
	for _, o := range w.orders {
		if !o.asked.Before(from) && o.asked.Before(to) {
			found = append(found, o)
		}
	}
	return found
}

// delivered waits until orders are delivered. An API server that is away is waited for too.
func (w *world) delivered(ctx context.Context, orders []*ordered) error {
	ctx, cancel := context.WithTimeout(ctx, deliveryLimit)
	defer cancel()
	for _, o := range orders {
		for {
			var found v1alpha1.EsimOrder
			taken := w.has(o) // by now: it may be taken while it is looked for
			request, cancel := context.WithTimeout(ctx, requestLimit)
			err := w.env.Client.Get(request, o.key, &found)
			cancel()
			switch {
			case err == nil && found.Status.Phase == v1alpha1.PhaseDelivered:
			case apierrors.IsNotFound(err) && taken:
				return fmt.Errorf("the order %s is lost", o.key.Name)
			case err == nil && found.Terminal():
				return fmt.Errorf("the order %s ended %s", o.key.Name, describe(&found))
			case !pause(ctx, look):
				return fmt.Errorf("waiting for the order %s, which is %s: %w", o.key.Name, describe(&found), errors.Join(err, ctx.Err()))
			default:
				continue
			}
			break
		}
	}
	return nil
}

func describe(order *v1alpha1.EsimOrder) string {
	text := string(order.Status.Phase)
	if p := order.Status.Provisioning; p != nil {
		text += fmt.Sprintf(", attempt %d at %s", p.Attempt, p.OperatorRef.Name)
		if p.NextAttemptTime != nil {
			text += ", due at " + p.NextAttemptTime.UTC().Format(time.TimeOnly)
		}
	}
	if ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		text += ", " + ready.Reason + ": " + ready.Message
	}
	return text
}

// recover measures how long after a failure's end the orders that were made meanwhile, and a
// fresh one of each kind, are delivered, and reports it.
func (w *world) recover(ctx context.Context, story string, began, ended time.Time, note string) error {
	meanwhile := w.wanted(began, ended)
	var backlog, fresh time.Duration
	var first, second error
	var both sync.WaitGroup
	both.Go(func() {
		first = w.delivered(ctx, meanwhile)
		backlog = time.Since(ended)
	})
	both.Go(func() {
		for variant := range offers {
			placed, err := w.order(ctx, variant)
			if err == nil {
				err = w.delivered(ctx, []*ordered{placed})
			}
			second = errors.Join(second, err)
		}
		fresh = time.Since(ended)
	})
	both.Wait()
	if err := errors.Join(first, second); err != nil {
		return fmt.Errorf("%s: %w", story, err)
	}
	if len(meanwhile) == 0 {
		backlog = 0
	}
	w.report.add(outage{story: story, lasted: ended.Sub(began), meanwhile: len(meanwhile), backlog: backlog, fresh: fresh, note: note})
	w.sayf("%s: lasted %s, %d orders meanwhile delivered after %s, a fresh one after %s", story, seconds(ended.Sub(began)), len(meanwhile), seconds(backlog), seconds(fresh))
	return nil
}

// all orders as the API server has them, and nothing else.
func (w *world) read(ctx context.Context) ([]v1alpha1.EsimOrder, error) {
	var found v1alpha1.EsimOrderList
	if err := w.env.Client.List(ctx, &found, client.InNamespace(shopper)); err != nil {
		return nil, fmt.Errorf("reading the orders: %w", err)
	}
	return found.Items, nil
}
