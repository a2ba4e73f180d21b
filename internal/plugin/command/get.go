package command

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/story"
)

func (p *plugin) get() *cobra.Command {
	var everywhere bool
	var f *format
	cmd := &cobra.Command{
		Use: "get [ORDER]", Short: "List orders, with where each stands in words",
		Example: `  kubectl esim get
  kubectl esim get -A -o wide
  kubectl esim get trip-to-tokyo -o yaml`,
		Args: atMostOne, ValidArgsFunction: p.completeOrder,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.connect()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if everywhere {
					return fmt.Errorf("an order is in one namespace: name it with -n, and leave --all-namespaces out")
				}
				return p.getOne(cmd.Context(), s, args[0], f)
			}
			return p.getAll(cmd.Context(), s, everywhere, f)
		},
	}
	cmd.Flags().BoolVarP(&everywhere, "all-namespaces", "A", false, "List the orders of all namespaces")
	f = addFormat(cmd, wide, asJSON, asYAML, asName)
	return cmd
}

func (p *plugin) getOne(ctx context.Context, s *session, name string, f *format) error {
	order, err := s.order(ctx, name)
	if err != nil {
		return err
	}
	if f.machine() {
		return printObject(p.Out, f, kindOf("EsimOrder"), order)
	}
	return p.orderTable([]v1alpha1.EsimOrder{*order}, false).print(p.Out, f)
}

func (p *plugin) getAll(ctx context.Context, s *session, everywhere bool, f *format) error {
	namespace := s.namespace
	if everywhere {
		namespace = ""
	}
	orders, err := s.ordersIn(ctx, namespace)
	if err != nil {
		return err
	}
	if f.machine() {
		for i := range orders {
			orders[i].SetGroupVersionKind(kindOf("EsimOrder"))
			orders[i].ManagedFields = nil
		}
		return printObject(p.Out, f, kindOf("EsimOrderList"), &v1alpha1.EsimOrderList{Items: orders})
	}
	if len(orders) == 0 {
		where := "in namespace " + namespace
		if everywhere {
			where = "in any namespace"
		}
		return flush(p.ErrOut, fmt.Sprintf("There are no orders %s.\n", where))
	}
	return p.orderTable(orders, everywhere).print(p.Out, f)
}

func (p *plugin) orderTable(orders []v1alpha1.EsimOrder, namespaced bool) *table {
	var t table
	if namespaced {
		t.column("NAMESPACE", false)
	}
	for _, name := range []string{"NAME", "PLAN", "STATE", "PAID", "ICCID", "AGE"} {
		t.column(name, false)
	}
	for _, name := range []string{"ID", "OPERATOR", "WALLET", "REFERENCE"} {
		t.column(name, true)
	}
	for i := range orders {
		order := &orders[i]
		var cells []any
		if namespaced {
			cells = append(cells, order.Namespace)
		}
		t.row(append(cells, p.orderCells(order)...)...)
	}
	return &t
}

func (p *plugin) orderCells(order *v1alpha1.EsimOrder) []any {
	plan, paid, iccid, id, operator, wallet := order.Spec.ProductRef.Name, "-", "-", "-", "-", "-"
	if order.Status.Plan != nil {
		plan = order.Status.Plan.DisplayName
	} else if order.Spec.Variant != "" {
		plan += " " + order.Spec.Variant
	}
	if charge := order.Status.Charge; charge != nil {
		paid, wallet = string(charge.Amount)+" "+string(charge.Currency), charge.WalletRef.Name
		if charge.Refund != nil {
			paid = "refunded"
		}
	}
	if order.Status.Esim != nil {
		iccid = order.Status.Esim.ICCID
	}
	if order.Status.ID != 0 {
		id = strconv.FormatInt(order.Status.ID, 10)
	}
	if order.Status.Provisioning != nil {
		operator = order.Status.Provisioning.OperatorRef.Name
	}
	age := duration.HumanDuration(p.Clock.Since(order.CreationTimestamp.Time))
	return []any{
		order.Name, plan, story.Brief(order), paid, iccid, age, id, operator, wallet, dash(order.Spec.ClientReference),
	}
}
