package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const (
	// readPage is how many orders are read at a time.
	readPage = 500
	// needsPerson is the reason of an order of which nobody but a person can tell.
	needsPerson = "NeedsPerson"
	// shown is how many orders an error names.
	shown = 5
)

// read is all orders there are now.
func (s *soak) read(ctx context.Context) (map[types.UID]*v1alpha1.EsimOrder, error) {
	found := map[types.UID]*v1alpha1.EsimOrder{}
	for _, namespace := range s.clients {
		var page v1alpha1.EsimOrderList
		for {
			err := s.env.Client.List(ctx, &page, client.InNamespace(namespace), client.Limit(readPage), client.Continue(page.Continue))
			if err != nil {
				return nil, fmt.Errorf("reading the orders of %s: %w", namespace, err)
			}
			for i := range page.Items {
				found[page.Items[i].UID] = page.Items[i].DeepCopy()
			}
			if page.Continue == "" {
				break
			}
		}
	}
	return found, nil
}

// becalm waits, without mishaps, until every order has ended.
func (s *soak) becalm(ctx context.Context, t *tally) error {
	ctx, cancel := context.WithTimeout(ctx, s.calm)
	defer cancel()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for round := 0; ; round++ {
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
		if len(open) == 0 {
			s.sayf("every order has ended")
			return nil
		}
		if round%15 == 0 {
			s.sayf("%d orders are still open: %s", len(open), reasons(open))
		}
		if err := s.resolve(ctx, t, open); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s without mishaps %d orders have not ended: %w", s.calm, len(open), describe(open))
		case <-tick.C:
		}
	}
}

// reasons counts why orders are open.
func reasons(open []*v1alpha1.EsimOrder) string {
	counts := map[string]int{}
	for _, order := range open {
		reason := "nothing was said"
		if ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			reason = ready.Reason
		}
		if order.Status.Provisioning != nil {
			reason += " at " + order.Status.Provisioning.OperatorRef.Name
		}
		counts[reason]++
	}
	text := ""
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		text += fmt.Sprintf("%d %s; ", counts[reason], reason)
	}
	return text
}

// describe names some orders, and where they stand.
func describe(orders []*v1alpha1.EsimOrder) error {
	var errs []error
	for _, order := range orders[:min(shown, len(orders))] {
		text := fmt.Sprintf("%s/%s is %s", order.Namespace, order.Name, order.Status.Phase)
		if p := order.Status.Provisioning; p != nil {
			text += fmt.Sprintf(", attempt %d (%s) at %s", p.Attempt, p.RequestID, p.OperatorRef.Name)
		}
		if ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			text += ", " + ready.Reason + ": " + ready.Message
		}
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// resolve does what a person would for orders that wait for one: look at the operator, and tell.
func (s *soak) resolve(ctx context.Context, t *tally, open []*v1alpha1.EsimOrder) error {
	var books map[string]string
	for _, order := range open {
		unknown := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionOutcomeUnknown)
		if unknown == nil || unknown.Status != metav1.ConditionTrue || unknown.Reason != needsPerson || order.Annotations[v1alpha1.ResolveAnnotation] != "" {
			continue
		}
		if books == nil {
			var err error
			if books, err = s.simulator.Owned(ctx); err != nil {
				return err
			}
		}
		p := order.Status.Provisioning
		for _, held := range []string{p.ICCID, p.Closing} {
			if _, sold := books[held]; sold {
				return fmt.Errorf("an order waits for a person, and its profile can be used: %w", describe([]*v1alpha1.EsimOrder{order}))
			}
		}
		before := order.DeepCopy()
		metav1.SetMetaDataAnnotation(&order.ObjectMeta, v1alpha1.ResolveAnnotation, v1alpha1.ResolveNotBought)
		if err := s.env.Client.Patch(ctx, order, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("resolving %s: %w", order.Name, err)
		}
		t.resolved++
	}
	return nil
}
