package command

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// completion bounds how long a shell waits for names, and how many there are.
const (
	completionTime  = 3 * time.Second
	completionNames = 500
)

// complete offers what list finds and begins as the word that is being typed. A completion that
// cannot be made, for want of a right too, offers nothing: a shell has no place for errors.
func (p *plugin) complete(cmd *cobra.Command, typed string, list func(context.Context, *session) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	s, err := p.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names, err := list(ctx, s)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, typed) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (p *plugin) completeOrder(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.complete(cmd, typed, func(ctx context.Context, s *session) ([]string, error) {
		var orders v1alpha1.EsimOrderList
		err := s.List(ctx, &orders, client.InNamespace(s.namespace), client.Limit(completionNames))
		return namesOf(orders.Items, func(o *v1alpha1.EsimOrder) string { return o.Name }), err
	})
}

func (p *plugin) completeWallet(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.complete(cmd, typed, func(ctx context.Context, s *session) ([]string, error) {
		wallets, err := s.wallets(ctx)
		return namesOf(wallets, func(w *v1alpha1.EsimWallet) string { return w.Name }), err
	})
}

// completePlan offers products, and then the plans of the one that was chosen.
func (p *plugin) completePlan(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return p.complete(cmd, typed, func(ctx context.Context, s *session) ([]string, error) {
			var products v1alpha1.EsimProductList
			err := s.List(ctx, &products, client.Limit(completionNames))
			return namesOf(products.Items, func(o *v1alpha1.EsimProduct) string { return o.Name + "\t" + o.Spec.DisplayName }), err
		})
	case 1:
		return p.complete(cmd, typed, func(ctx context.Context, s *session) ([]string, error) {
			product, err := s.product(ctx, args[0])
			if err != nil {
				return nil, err
			}
			plans, err := onSale(product, "", "")
			var names []string
			for _, plan := range plans {
				names = append(names, plan.Name+"\t"+plan.DisplayName+", "+string(plan.Amount)+" "+string(product.Spec.Currency))
			}
			return names, err
		})
	default:
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func namesOf[T any](items []T, name func(*T) string) []string {
	names := make([]string, 0, len(items))
	for i := range items {
		names = append(names, name(&items[i]))
	}
	return names
}
