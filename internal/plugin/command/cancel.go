package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const cancelLong = `Takes an order back: what the operator holds for it is given back, and the money returns to
the wallet. That cannot be undone. Once the eSIM is on a device it is too late.`

func (p *plugin) cancel() *cobra.Command {
	var wait bool
	var timeout time.Duration
	var f *format
	cmd := &cobra.Command{
		Use: "cancel ORDER", Short: "Take an order back, for the full price", Long: cancelLong,
		Args: exact("ORDER"), ValidArgsFunction: p.completeOrder,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.runCancel(cmd.Context(), args[0], wait, timeout, f)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "Wait until the order is cancelled, or cannot be")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "How long --wait waits; 0 for ever")
	f = addFormat(cmd, asJSON, asYAML, asName)
	return cmd
}

func (p *plugin) runCancel(ctx context.Context, name string, wait bool, timeout time.Duration, f *format) error {
	s, err := p.connect()
	if err != nil {
		return err
	}
	order, err := s.order(ctx, name)
	if err != nil {
		return err
	}
	if err := cancellable(order); err != nil {
		return err
	}
	if order.Status.Phase != v1alpha1.PhaseCancelled && !order.Spec.Cancel {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"cancel":true}}`))
		if err := s.Patch(ctx, order, patch); err != nil {
			return s.explain(ctx, err, s.orderCall("cancel the order "+name, "patch", name, roleOrdersEdit))
		}
	}
	if order.Status.Phase != v1alpha1.PhaseCancelled && wait {
		if order, err = p.awaitCancelled(ctx, s, order, timeout); err != nil {
			return err
		}
	}
	if f.machine() {
		return printObject(p.Out, f, kindOf("EsimOrder"), order)
	}
	return flush(p.Out, fmt.Sprintf("esimorder/%s %s\n", name, cancelledAs(order)))
}

// cancellable says why an order cannot be cancelled; nil where it can, or is already.
func cancellable(order *v1alpha1.EsimOrder) error {
	life := order.Status.Activation
	switch {
	case order.Status.Phase == v1alpha1.PhaseFailed:
		return fmt.Errorf("order %s FAILED: there is nothing to take back, and nothing stays paid", order.Name)
	case life != nil && life.Installed:
		return fmt.Errorf("order %s is installed on a device: it can be neither taken back nor refunded", order.Name)
	}
	return refusedToCancel(order)
}

// refusedToCancel is the operator's refusal to take an order back; nil where there is none.
func refusedToCancel(order *v1alpha1.EsimOrder) error {
	refused := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionCancelRefused)
	if order.Status.Phase != v1alpha1.PhaseDelivered || refused == nil {
		return nil
	}
	return fmt.Errorf("order %s cannot be cancelled: %s", order.Name, refused.Message)
}

func cancelledAs(order *v1alpha1.EsimOrder) string {
	charge := order.Status.Charge
	switch {
	case order.Status.Phase != v1alpha1.PhaseCancelled:
		return fmt.Sprintf("is being cancelled; see how far it is: kubectl esim describe %s -n %s", order.Name, order.Namespace)
	case charge != nil && charge.Refund != nil:
		return fmt.Sprintf("cancelled; %s %s went back to wallet %s", charge.Amount, charge.Currency, charge.WalletRef.Name)
	default:
		return "cancelled; nothing was charged"
	}
}

// awaitCancelled follows an order until it is cancelled, or it is clear that it will not be.
func (p *plugin) awaitCancelled(ctx context.Context, s *session, order *v1alpha1.EsimOrder, timeout time.Duration) (*v1alpha1.EsimOrder, error) {
	ctx, cancel := limited(ctx, timeout)
	defer cancel()
	last := order
	shown, printing := p.progress(), error(nil)
	err := p.follow(ctx, s, order.Name, func(now *v1alpha1.EsimOrder) bool {
		last = now
		printing = shown.show(now)
		return printing != nil || now.Status.Phase == v1alpha1.PhaseCancelled || cancellable(now) != nil
	})
	if err := errors.Join(s.waited(err, order.Name, timeout), printing); err != nil {
		return nil, err
	}
	if last.Status.Phase != v1alpha1.PhaseCancelled {
		return nil, cancellable(last)
	}
	return last, nil
}
