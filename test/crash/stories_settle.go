package crash

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// settleStories are those in which orders, and then all else of a client, are deleted.
func settleStories() []Story {
	return []Story{
		{
			Name: "deleted with its client", Known: true,
			Tell: told(order("kept"), order("undone"), becomes("kept", v1alpha1.PhaseDelivered), becomes("undone", v1alpha1.PhaseDelivered),
				cancel("undone"), becomes("undone", v1alpha1.PhaseCancelled), removeNamespace),
		},
		{
			Name: "settled, and the client gone", Known: true,
			Shop: withoutPlan("none"),
			Open: func(_ context.Context, w *World) error {
				w.Own = &v1alpha1.WalletSettled{}
				w.Also("settled", func(context.Context) (any, error) { return w.Own, nil })
				return nil
			},
			Tell: told(
				order("kept"), order("undone"), order("refunded", func(o *v1alpha1.EsimOrder) { o.Spec.Variant = "none" }),
				becomes("kept", v1alpha1.PhaseDelivered), becomes("undone", v1alpha1.PhaseDelivered), becomes("refunded", v1alpha1.PhaseFailed),
				cancel("undone"), becomes("undone", v1alpha1.PhaseCancelled),
				remove("kept"), remove("undone"), remove("refunded"),
				vanishes("kept"), vanishes("undone"), vanishes("refunded"),
				settled, removeNamespace,
			),
		}}
}

// withoutPlan is a shop with one more variant, whose plan its operator does not know.
func withoutPlan(variant string) testshop.Options {
	return testshop.Options{Product: func(p *v1alpha1.EsimProduct) {
		none := p.Spec.Variants[0].DeepCopy()
		none.Name, none.Amount, none.Sources[0].PlanID = variant, "9.25", "XX-NONE"
		p.Spec.Variants = append(p.Spec.Variants, *none)
	}}
}

// settled waits until the wallet holds nothing of the orders but their sums, and keeps those:
// the wallet will be gone.
func settled(ctx context.Context, w *World) error {
	return w.Until(ctx, "the wallet is settled", func(ctx context.Context) (bool, error) {
		wallet, err := w.Shop.Wallet(ctx)
		if err != nil {
			return false, err
		}
		w.Own = &wallet.Status.Settled
		return wallet.Status.Settled.Orders >= 3 && len(wallet.Status.Settling) == 0, nil
	})
}

// removeNamespace deletes the client's namespace, and all in it, as the namespace controller
// does, which a control plane for tests has not.
func removeNamespace(ctx context.Context, w *World) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.Name}}
	if err := w.API.Delete(ctx, namespace); err != nil {
		return fmt.Errorf("deleting the namespace: %w", err)
	}
	err := w.Until(ctx, "the namespace is empty", func(ctx context.Context) (bool, error) {
		left := 0
		for _, list := range []client.ObjectList{&corev1.SecretList{}, &v1alpha1.EsimWalletList{}, &v1alpha1.EsimOrderList{}} {
			n, err := w.removeAll(ctx, list)
			if err != nil {
				return false, err
			}
			left += n
		}
		return left == 0, nil
	})
	if err != nil {
		return err
	}
	if err := w.API.Get(ctx, client.ObjectKeyFromObject(namespace), namespace); err != nil {
		return fmt.Errorf("reading the namespace: %w", err)
	}
	namespace.Spec.Finalizers = nil
	if err := w.API.SubResource("finalize").Update(ctx, namespace); err != nil {
		return fmt.Errorf("finalizing the namespace: %w", err)
	}
	return nil
}

// removeAll deletes what is in the client's namespace, as somebody who may delete activation
// Secrets too. It returns how much there was.
func (w *World) removeAll(ctx context.Context, list client.ObjectList) (n int, err error) {
	if err := w.API.List(ctx, list, client.InNamespace(w.Name)); err != nil {
		return 0, fmt.Errorf("listing what is left: %w", err)
	}
	err = meta.EachListItem(list, func(item runtime.Object) error {
		n++
		object, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", item)
		}
		if !object.GetDeletionTimestamp().IsZero() {
			return nil
		}
		by := w.API
		if _, ok := object.(*corev1.Secret); ok {
			by = w.stage.machine
		}
		if err := by.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting %T %s: %w", object, object.GetName(), err)
		}
		return nil
	})
	return n, err
}
