package main

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/test/stand"
)

const (
	// overREST is how many of 100 orders are made over REST; the others are by kubectl.
	overREST = 60
	// mailed is how many of 100 orders want a receipt.
	mailed = 50
	// refreshed is how many of 100 orders made by kubectl are refreshed, secondThoughts later.
	refreshed = 10
	// tended is how often somebody looks for orders that wait for a person.
	tended = time.Minute
	// patience is how many of the oldest orders are looked at for one that can be deleted.
	patience = 20
)

// placeSteadily has all orders come, over REST and by kubectl, and be read and refreshed. Once
// there are as many as shall be, an old one is deleted for each that comes.
func (s *soak) placeSteadily(ctx context.Context, t *tally) error {
	tick := time.NewTicker(max(s.storm/time.Duration(s.orders), time.Millisecond))
	defer tick.Stop()
	var placed []ordered
	tendedAt := time.Now()
	for n := range s.orders {
		made, err := s.placeSomehow(ctx, t, n)
		if err != nil {
			return err
		}
		placed = append(placed, made)
		if err := s.reconsider(ctx, placed); err != nil {
			return err
		}
		if len(placed) > s.steady {
			if placed, err = s.retire(ctx, t, placed); err != nil {
				return err
			}
		}
		if time.Since(tendedAt) > tended {
			if err := s.tend(ctx, t); err != nil {
				return err
			}
			tendedAt = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// placeSomehow makes one order, over REST or by kubectl.
func (s *soak) placeSomehow(ctx context.Context, t *tally, n int) (ordered, error) {
	name, email := s.name(n), ""
	if s.chance.IntN(100) < mailed {
		email = name.Name + "@example.com"
	}
	if s.chance.IntN(100) >= overREST {
		order := s.newOrder(n, s.draw())
		order.Spec.NotificationEmail = email
		return s.create(ctx, t, n, order)
	}
	of := s.draw()
	number, err := s.orderOverREST(ctx, name.Namespace, fmt.Sprintf("REF-%d", n), email, of)
	if err != nil {
		return ordered{}, err
	}
	made := ordered{key: types.NamespacedName{Namespace: name.Namespace, Name: fmt.Sprintf("o-%d", number)}, offer: of, number: number}
	var order v1alpha1.EsimOrder
	if err := s.env.Client.Get(ctx, made.key, &order); err != nil {
		return ordered{}, fmt.Errorf("reading order %d, which was made over REST: %w", n, err)
	}
	made.uid = order.UID
	t.orders[made.uid] = made
	return made, nil
}

// reconsider does with an order that was placed a moment ago what clients do: look at it, cancel
// it, or have its operator asked for news.
func (s *soak) reconsider(ctx context.Context, placed []ordered) error {
	if len(placed) <= secondThoughts {
		return nil
	}
	of := placed[len(placed)-1-secondThoughts]
	wanted := s.chance.IntN(100) >= cancelled
	switch {
	case of.number != 0 && !wanted:
		return s.cancelOverREST(ctx, of)
	case of.number != 0:
		return s.look(ctx, of)
	case !wanted:
		return s.patch(ctx, of, `{"spec": {"cancel": true}}`)
	case s.chance.IntN(100) < refreshed:
		return s.patch(ctx, of, fmt.Sprintf(`{"metadata": {"annotations": {%q: %q}}}`, v1alpha1.RefreshAnnotation, time.Now().Format(time.RFC3339)))
	default:
		return nil
	}
}

// retire deletes the oldest order that has ended, and keeps what became of it: the books are held
// against that too.
func (s *soak) retire(ctx context.Context, t *tally, placed []ordered) ([]ordered, error) {
	for at, old := range placed[:min(patience, len(placed))] {
		var order v1alpha1.EsimOrder
		if err := s.env.Client.Get(ctx, old.key, &order); err != nil {
			return placed, fmt.Errorf("reading %s: %w", old.key, err)
		}
		if !atRest(&order) {
			continue
		}
		// It is deleted as it was read, or not at all.
		err := s.env.Client.Delete(ctx, &order, client.Preconditions{UID: &order.UID, ResourceVersion: &order.ResourceVersion})
		if apierrors.IsConflict(err) {
			continue
		}
		if err != nil {
			return placed, fmt.Errorf("deleting %s: %w", old.key, err)
		}
		order.ManagedFields = nil
		t.retired[order.UID] = &order
		s.deleted.Add(1)
		return append(placed[:at], placed[at+1:]...), nil
	}
	return placed, nil
}

// atRest tells whether nothing about an order will change any more that money depends on.
func atRest(order *v1alpha1.EsimOrder) bool {
	undoing := order.Status.Phase == v1alpha1.PhaseDelivered && order.Spec.Cancel &&
		!meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionCancelRefused)
	return order.Terminal() && !undoing
}

// tend resolves what waits for a person.
func (s *soak) tend(ctx context.Context, t *tally) error {
	orders, err := s.read(ctx)
	if err != nil {
		return err
	}
	var open []*v1alpha1.EsimOrder
	for _, order := range orders {
		if !order.Terminal() {
			open = append(open, order)
		}
	}
	return s.resolve(ctx, t, open)
}

// settle waits until the orders that were deleted are gone and the clients have been told of those
// that are left.
func (s *soak) settle(ctx context.Context, t *tally) error {
	err := stand.Until(ctx, endLimit, "the deleted orders to go", func() (bool, error) {
		orders, err := s.read(ctx)
		for _, order := range orders {
			if order.DeletionTimestamp != nil {
				return false, err
			}
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	orders, err := s.read(ctx)
	if err != nil {
		return err
	}
	err = stand.Until(ctx, endLimit, "an event of each delivery", func() (bool, error) {
		for _, order := range orders {
			if order.Status.Phase != v1alpha1.PhaseDelivered {
				continue
			}
			if heard, err := s.post.heard(order.Status.ID); err != nil || !heard {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	t.add("orders deleted while others came", "%d", len(t.retired))
	t.add("events that clients were sent", "%d", s.post.total())
	t.add("answers of the REST API, by status", "%v", s.answers)
	return s.secretsHaveOrders(ctx, orders)
}

// secretsHaveOrders holds that a deleted order leaves no Secret behind.
func (s *soak) secretsHaveOrders(ctx context.Context, orders map[types.UID]*v1alpha1.EsimOrder) error {
	secrets, err := s.activationSecrets(ctx)
	if err != nil {
		return err
	}
	for i := range secrets {
		owner := metav1.GetControllerOf(&secrets[i])
		if owner == nil || orders[owner.UID] == nil {
			return fmt.Errorf("the Secret %s/%s is of no order", secrets[i].Namespace, secrets[i].Name)
		}
	}
	return nil
}
