package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/story"
)

const refreshLong = `Has an order's operator asked, now, whether the eSIM is on a device, and says what it
answered. An operator is asked about one order only so often; operators that speak ES2+ cannot
be asked, and report by themselves. A pending order that waits for its operator's answer is
looked up now.`

func (p *plugin) refresh() *cobra.Command {
	var wait bool
	var timeout time.Duration
	var f *format
	cmd := &cobra.Command{
		Use: "refresh ORDER", Short: "Ask the operator what became of an eSIM", Long: refreshLong,
		Args: exact("ORDER"), ValidArgsFunction: p.completeOrder,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.runRefresh(cmd.Context(), args[0], wait, timeout, f)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", true, "Wait for the operator's answer")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "How long --wait waits; 0 for ever")
	f = addFormat(cmd, asJSON, asYAML, asName)
	return cmd
}

func (p *plugin) runRefresh(ctx context.Context, name string, wait bool, timeout time.Duration, f *format) error {
	s, err := p.connect()
	if err != nil {
		return err
	}
	order, err := s.order(ctx, name)
	if err != nil {
		return err
	}
	asked, err := refreshable(order)
	if err != nil {
		return err
	}
	if asked {
		value := p.Clock.Now().UTC().Format(time.RFC3339Nano)
		if err := s.ask(ctx, order, value); err != nil {
			return err
		}
		if wait && order.Status.Phase == v1alpha1.PhaseDelivered {
			if order, err = p.awaitAnswer(ctx, s, order, value, timeout); err != nil {
				return err
			}
		}
	}
	if f.machine() {
		return printObject(p.Out, f, kindOf("EsimOrder"), order)
	}
	return flush(p.Out, fmt.Sprintf("esimorder/%s: %s\n", name, story.Brief(order)))
}

// refreshable tells whether it makes sense to ask: not where the answer is known. The error says
// why nobody can be asked.
func refreshable(order *v1alpha1.EsimOrder) (bool, error) {
	life := order.Status.Activation
	switch {
	case order.Status.Phase == v1alpha1.PhaseFailed || order.Status.Phase == v1alpha1.PhaseCancelled:
		return false, fmt.Errorf("order %s is %s: there is no eSIM to ask about", order.Name, order.Status.Phase)
	case order.Status.Phase != v1alpha1.PhaseDelivered:
		return true, nil
	case life == nil || life.Installed:
		return false, nil
	case life.RefreshInterval == nil:
		return false, fmt.Errorf("the operator of order %s cannot be asked: it reports by itself when the eSIM is installed, and has not yet", order.Name)
	}
	return true, nil
}

// ask sets the annotation that has the operator asked.
func (s *session) ask(ctx context.Context, order *v1alpha1.EsimOrder, value string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{v1alpha1.RefreshAnnotation: value},
	}})
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	err = s.Patch(ctx, order, client.RawPatch(types.MergePatchType, patch))
	return s.explain(ctx, err, s.orderCall("ask for a refresh of the order "+order.Name, "patch", order.Name, roleOrdersEdit))
}

func (p *plugin) awaitAnswer(ctx context.Context, s *session, order *v1alpha1.EsimOrder, value string, timeout time.Duration) (*v1alpha1.EsimOrder, error) {
	ctx, cancel := limited(ctx, timeout)
	defer cancel()
	last := order
	err := p.follow(ctx, s, order.Name, func(now *v1alpha1.EsimOrder) bool {
		last = now
		life := now.Status.Activation
		return now.Status.Phase != v1alpha1.PhaseDelivered || life == nil || life.Installed || life.Refreshed == value
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("the operator %s did not answer within %s; it is asked all the same: try again later, or see how it is: kubectl esim operators",
			order.Status.Provisioning.OperatorRef.Name, timeout)
	}
	return last, s.waited(err, order.Name, timeout)
}
