package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// most bounds how many findings one check makes of one kind, and how many orders are read.
const (
	mostFindings = 20
	mostOrders   = 2000
)

// checkCatalogue looks at what is for sale.
func checkCatalogue(ctx context.Context, i *Installation) []Finding {
	var list v1alpha1.EsimProductList
	if err := i.Client.List(ctx, &list); err != nil {
		return []Finding{unread(err, "EsimProducts", listing("esimproducts"))}
	}
	sellable, unsold := 0, map[string][]string{}
	for at := range list.Items {
		product := &list.Items[at]
		switch ready := meta.FindStatusCondition(product.Status.Conditions, v1alpha1.ConditionReady); {
		case ready == nil:
			unsold["the manager has not looked at it yet"] = append(unsold["the manager has not looked at it yet"], product.Name)
		case ready.Status == "True":
			sellable++
		case ready.Reason == v1alpha1.ProductReasonNothingActive: // somebody took it out of sale
		default:
			why := ready.Reason + ": " + ready.Message
			unsold[why] = append(unsold[why], product.Name)
		}
	}
	var findings []Finding
	for _, why := range slices.Sorted(maps.Keys(unsold)) {
		findings = append(findings, warn(someOf(unsold[why]), why, "see their sources, and how the operators are: kubectl esim operators"))
	}
	findings = bounded(findings)
	if sellable == 0 {
		return append(findings, fail("EsimProducts", "nothing is for sale", "apply products whose sources are Ready; config/samples has some"))
	}
	return append(findings, ok("EsimProducts", fmt.Sprintf("%d of %d can be sold", sellable, len(list.Items))))
}

// someOf names a few products that have one and the same trouble.
func someOf(products []string) string {
	const shown = 3
	if len(products) == 1 {
		return "EsimProduct " + products[0]
	}
	text := fmt.Sprintf("%d EsimProducts (%s", len(products), strings.Join(products[:min(shown, len(products))], ", "))
	if len(products) > shown {
		text += ", …"
	}
	return text + ")"
}

// bounded keeps a list readable.
func bounded(findings []Finding) []Finding {
	if len(findings) <= mostFindings {
		return findings
	}
	rest := warn("and others", fmt.Sprintf("%d more of this kind", len(findings)-mostFindings), "mend the first ones; often the cause is one")
	return append(findings[:mostFindings:mostFindings], rest)
}

// checkWallets looks for wallets that cannot pay.
func checkWallets(ctx context.Context, i *Installation) []Finding {
	var list v1alpha1.EsimWalletList
	if err := i.Client.List(ctx, &list); err != nil {
		return []Finding{unread(err, "EsimWallets", listing("esimwallets"))}
	}
	var findings []Finding
	for at := range list.Items {
		if f := ofWallet(&list.Items[at]); f.Level != OK {
			findings = append(findings, f)
		}
	}
	if len(findings) == 0 {
		return []Finding{ok("EsimWallets", fmt.Sprintf("%d can pay", len(list.Items)))}
	}
	return bounded(findings)
}

func ofWallet(w *v1alpha1.EsimWallet) Finding {
	object := fmt.Sprintf("EsimWallet %s/%s", w.Namespace, w.Name)
	ready := meta.FindStatusCondition(w.Status.Conditions, v1alpha1.ConditionReady)
	low := meta.FindStatusCondition(w.Status.Conditions, v1alpha1.ConditionLowFunds)
	switch {
	case ready == nil:
		return warn(object, "the manager has not summed it up yet", "see that the manager runs")
	case ready.Reason == v1alpha1.WalletReasonInvalidSpec:
		return fail(object, ready.Message, "mend the field that is named")
	case low != nil && low.Reason == v1alpha1.WalletReasonOverdrawn:
		return fail(object, "more was taken than there was: "+low.Message, "see its statement: kubectl esim wallet "+w.Name+" -n "+w.Namespace)
	case low != nil && low.Reason != v1alpha1.WalletReasonEnough:
		return warn(object, low.Message, "add a deposit to its spec, once the client has paid")
	}
	return ok(object, "it can pay")
}

const (
	// unseenFor is how long an order may be without a status before somebody should look.
	unseenFor = time.Minute
	// waitingFor is how long an order may be PENDING before somebody should look.
	waitingFor = time.Hour
)

// checkOrders looks for orders that wait for a person, or for long.
func checkOrders(ctx context.Context, i *Installation) []Finding {
	var list v1alpha1.EsimOrderList
	err := i.Client.List(ctx, &list, client.MatchingFields{"status.phase": string(v1alpha1.PhasePending)}, client.Limit(mostOrders))
	if err != nil {
		return []Finding{unread(err, "EsimOrders", listing("esimorders"))}
	}
	return ofOrders(list.Items, list.Continue != "", i.Now())
}

func ofOrders(pending []v1alpha1.EsimOrder, more bool, now time.Time) []Finding {
	var findings []Finding
	unseen, long := 0, map[string]int{}
	for at := range pending {
		order := &pending[at]
		ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady)
		age := now.Sub(order.CreationTimestamp.Time)
		switch {
		case ready == nil && order.Status.Provisioning == nil && age > unseenFor:
			unseen++
		case ready != nil && (ready.Reason == "NeedsPerson" || ready.Reason == "ConnectedElsewhere"):
			findings = append(findings, fail(fmt.Sprintf("EsimOrder %s/%s", order.Namespace, order.Name), "it waits for a person: "+ready.Message,
				fmt.Sprintf("see what to do: kubectl esim describe %s -n %s", order.Name, order.Namespace)))
		case ready != nil && age > waitingFor:
			long[ready.Reason]++
		}
	}
	findings = bounded(findings)
	if unseen > 0 {
		findings = append(findings, fail("EsimOrders", fmt.Sprintf("%d have been waiting for more than %s, and no manager has looked at them", unseen, unseenFor),
			"see that a manager leads, and what its log says"))
	}
	if len(long) > 0 {
		var reasons []string
		for _, reason := range slices.Sorted(maps.Keys(long)) {
			reasons = append(reasons, fmt.Sprintf("%d %s", long[reason], reason))
		}
		findings = append(findings, warn("EsimOrders", "waiting for more than an hour: "+strings.Join(reasons, ", "),
			"see what one of them waits for: kubectl get esim -A --field-selector status.phase=PENDING, then kubectl esim describe"))
	}
	if len(findings) == 0 {
		count := fmt.Sprintf("%d are on their way, none for long", len(pending))
		if more {
			count = fmt.Sprintf("more than %d are on their way; of those that were looked at none for long", len(pending))
		}
		return []Finding{ok("EsimOrders", count)}
	}
	return findings
}
