package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/doctor"
	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

func (p *plugin) operators() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "operators", Aliases: []string{"operator"}, Short: "Show how the mobile operators are",
		Long: `Shows whether each mobile operator can be bought from and since when, and what to do where one
cannot. It reads EsimOperators, which are the platform team's.`,
		Args: exact(),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.runOperators(cmd.Context(), f) },
	}
	f = addFormat(cmd, wide, asJSON, asYAML, asName)
	return cmd
}

func (p *plugin) runOperators(ctx context.Context, f *format) error {
	s, err := p.connect()
	if err != nil {
		return err
	}
	var list v1alpha1.EsimOperatorList
	if err := s.List(ctx, &list); err != nil {
		return s.explain(ctx, err, refusal.Call{
			Did: "read the operators", Verb: "list", Group: v1alpha1.GroupVersion.Group, Resource: "esimoperators", Role: rolePlatform,
		})
	}
	if f.machine() {
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(kindOf("EsimOperator"))
			list.Items[i].ManagedFields = nil
		}
		return printObject(p.Out, f, kindOf("EsimOperatorList"), &list)
	}
	if len(list.Items) == 0 {
		return flush(p.ErrOut, "There are no EsimOperators: nothing can be bought. config/samples/operator.yaml is a beginning.\n")
	}
	if err := p.operatorTable(list.Items).print(p.Out, f); err != nil {
		return err
	}
	return flush(p.Out, whatToDo(doctor.Operators(list.Items)))
}

func (p *plugin) operatorTable(operators []v1alpha1.EsimOperator) *table {
	var t table
	for _, name := range []string{"NAME", "KIND", "HEALTH", "SINCE", "PLANS", "BALANCE"} {
		t.column(name, false)
	}
	for _, name := range []string{"REQUESTS/S", "IN FLIGHT", "SM-DP+"} {
		t.column(name, true)
	}
	for i := range operators {
		o := &operators[i]
		health, since := "not probed yet", "-"
		if ready := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			health, since = ready.Reason, duration.HumanDuration(p.Clock.Since(ready.LastTransitionTime.Time))
		}
		plans, balance := "-", "-"
		if o.Status.Catalogue != nil {
			plans = strconv.Itoa(int(o.Status.Catalogue.Plans))
		}
		if o.Status.Balance != nil {
			balance = string(o.Status.Balance.Amount) + " " + string(o.Status.Balance.Currency)
		}
		t.row(o.Name, driver(o), health, since, plans, balance,
			strconv.Itoa(int(o.Spec.Limits.RequestsPerSecond)), strconv.Itoa(int(o.Spec.Limits.InFlight)), dash(o.Status.SMDPAddress))
	}
	return &t
}

// driver is how an operator is spoken to.
func driver(o *v1alpha1.EsimOperator) string {
	switch {
	case o.Spec.ES2Plus != nil:
		return "ES2+"
	case o.Spec.Zendit != nil:
		return "Zendit"
	case o.Spec.EsimAccess != nil:
		return "eSIM Access"
	case o.Spec.Airalo != nil:
		return "Airalo"
	default:
		return "-"
	}
}

// whatToDo prints findings that are not well, each with its remedy; nothing where all is well.
func whatToDo(findings []doctor.Finding) string {
	var out strings.Builder
	for _, finding := range findings {
		if finding.Level != doctor.OK {
			fmt.Fprintf(&out, "\n%s: %s\n  %s\n", finding.Object, finding.Message, finding.Remedy)
		}
	}
	return out.String()
}
