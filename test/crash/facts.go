package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// Facts are a world as it may be compared with another: without times, UIDs, and what is drawn
// at random; and without how often something had to be tried.
type Facts struct {
	Orders   map[string]OrderFacts
	Wallets  map[string]WalletFacts
	Products map[string]map[string]string
	// Bought counts each operator's profiles that somebody could use.
	Bought map[string]int
	// Secrets of orders, with the names of their keys.
	Secrets map[string][]string
	// Also is the JSON of what the story adds.
	Also map[string]string
	// Unsettled is what is still under way.
	Unsettled []string
}

// OrderFacts are what became of an order.
type OrderFacts struct {
	Phase      v1alpha1.OrderPhase
	Conditions map[string]string
	Plan       string
	Source     string
	// Paid and Refunded are sums, with the wallet and the reason.
	Paid, Refunded string
	// Code is the masked activation code.
	Code       string
	Activation string
	Failure    string
	Finalizers []string
	// Numbered tells whether REST clients have a number for it.
	Numbered bool
	Receipts []string
}

// WalletFacts are a wallet's sums.
type WalletFacts struct {
	Balance, Deposited, Debited, Refunded string
	SettledDebited, SettledRefunded       string
	SettledOrders                         int64
	Finalizers                            []string
	Numbered                              bool
}

// look gathers the facts of a world.
func (w *World) look(ctx context.Context) (Facts, error) {
	facts := Facts{
		Orders: map[string]OrderFacts{}, Wallets: map[string]WalletFacts{}, Products: map[string]map[string]string{},
		Bought: map[string]int{}, Secrets: map[string][]string{}, Also: map[string]string{},
	}
	var orders v1alpha1.EsimOrderList
	if err := w.API.List(ctx, &orders); err != nil {
		return facts, fmt.Errorf("listing orders: %w", err)
	}
	w.lookAtOrders(orders.Items, &facts)
	if err := errors.Join(w.lookAtWallets(ctx, orders.Items, &facts), w.lookAtProducts(ctx, &facts), w.lookAtSecrets(ctx, &facts)); err != nil {
		return facts, err
	}
	for _, seller := range w.sellers {
		facts.Bought[w.alias(seller.name)] = seller.bought()
	}
	for name, look := range w.also {
		found, err := look(ctx)
		if err != nil {
			return facts, fmt.Errorf("looking at %s: %w", name, err)
		}
		text, err := json.Marshal(found)
		if err != nil {
			return facts, fmt.Errorf("looking at %s: %w", name, err)
		}
		facts.Also[name] = w.alias(string(text))
	}
	slices.Sort(facts.Unsettled)
	return facts, nil
}

// alias takes out of a text what is another in each run.
func (w *World) alias(text string) string { return strings.ReplaceAll(text, w.Name, "shop") }

func (w *World) lookAtOrders(orders []v1alpha1.EsimOrder, facts *Facts) {
	for i := range orders {
		order := &orders[i]
		facts.Orders[order.Name] = w.orderFacts(order)
		for _, unsettled := range underWay(order) {
			facts.Unsettled = append(facts.Unsettled, order.Name+": "+unsettled)
		}
	}
}

func (w *World) orderFacts(order *v1alpha1.EsimOrder) OrderFacts {
	status := order.Status
	facts := OrderFacts{
		Phase: status.Phase, Conditions: conditions(status.Conditions), Finalizers: slices.Sorted(slices.Values(order.Finalizers)),
		Numbered: status.ID != 0,
	}
	if p := status.Plan; p != nil {
		facts.Plan = w.alias(fmt.Sprintf("%s/%s %s %s", p.Product, p.Variant, p.Amount, p.Currency))
	}
	if p := status.Provisioning; p != nil {
		facts.Source = w.alias(p.OperatorRef.Name + " " + p.PlanID)
	}
	if c := status.Charge; c != nil {
		facts.Paid = fmt.Sprintf("%s %s from %s", c.Amount, c.Currency, c.WalletRef.Name)
		if c.Refund != nil {
			facts.Refunded = c.Refund.Reason
		}
	}
	if status.Esim != nil {
		facts.Code = status.Esim.ActivationCode
	}
	if a := status.Activation; a != nil {
		facts.Activation = fmt.Sprintf("%s installed=%t used=%t expires=%t codeRemoved=%t", a.Status, a.Installed, a.Used, a.ExpiryTime != nil, a.CodeRemoved)
	}
	if status.Failure != nil {
		facts.Failure = string(status.Failure.Code)
	}
	for _, receipt := range status.Receipts {
		facts.Receipts = append(facts.Receipts, receipt.Type+" "+receipt.Refused)
	}
	slices.Sort(facts.Receipts)
	return facts
}

// underWay is what an order still has before it.
func underWay(order *v1alpha1.EsimOrder) (what []string) {
	status := order.Status
	if !order.Terminal() {
		what = append(what, string(status.Phase))
	}
	if !order.DeletionTimestamp.IsZero() {
		what = append(what, "being deleted")
	}
	if p := status.Provisioning; p != nil && (p.Closing != "" || p.NextAttemptTime != nil) {
		what = append(what, "its provisioning goes on")
	}
	if a := status.Activation; a != nil && a.Installed && !a.CodeRemoved {
		what = append(what, "its code is to be removed")
	}
	if len(status.Notifications) > 0 || len(status.Reports) > 0 {
		what = append(what, "not all is told")
	}
	if status.ObservedGeneration != order.Generation {
		what = append(what, "its spec was not looked at")
	}
	return what
}

func conditions(all v1alpha1.Conditions) map[string]string {
	found := map[string]string{}
	for _, condition := range all {
		found[condition.Type] = string(condition.Status) + " " + condition.Reason
	}
	return found
}

func (w *World) lookAtWallets(ctx context.Context, orders []v1alpha1.EsimOrder, facts *Facts) error {
	var wallets v1alpha1.EsimWalletList
	if err := w.API.List(ctx, &wallets); err != nil {
		return fmt.Errorf("listing wallets: %w", err)
	}
	for _, wallet := range wallets.Items {
		s := wallet.Status
		facts.Wallets[wallet.Name] = WalletFacts{
			Balance: string(s.Balance), Deposited: string(s.Deposited), Debited: string(s.Debited), Refunded: string(s.Refunded),
			SettledDebited: string(s.Settled.Debited), SettledRefunded: string(s.Settled.Refunded), SettledOrders: s.Settled.Orders,
			Finalizers: slices.Sorted(slices.Values(wallet.Finalizers)), Numbered: s.ID != 0,
		}
		if len(s.Settling) > 0 || s.OpenOrders > 0 || !wallet.DeletionTimestamp.IsZero() {
			facts.Unsettled = append(facts.Unsettled, "wallet "+wallet.Name)
		}
		counted, err := counted(&wallet, orders)
		if err != nil {
			return err
		}
		if counted != (sums{string(s.Debited), string(s.Refunded)}) {
			facts.Unsettled = append(facts.Unsettled, "wallet "+wallet.Name+" shows other sums than its orders")
		}
	}
	return nil
}

// sums of a wallet's charges and refunds.
type sums struct{ debited, refunded string }

// counted are a wallet's sums as its orders have them: those that are there, and those that are
// gone.
func counted(wallet *v1alpha1.EsimWallet, orders []v1alpha1.EsimOrder) (sums, error) {
	settling := map[types.UID]bool{}
	for _, order := range wallet.Status.Settling {
		settling[order.UID] = true
	}
	var debited, refunded money.Amount
	var errs []error
	add := func(to *money.Amount, text v1alpha1.Amount) {
		if text == "" {
			return
		}
		amount, err := money.Parse(string(text))
		errs = append(errs, err)
		*to = to.Add(amount)
	}
	add(&debited, wallet.Status.Settled.Debited)
	add(&refunded, wallet.Status.Settled.Refunded)
	for i := range orders {
		charge := orders[i].Status.Charge
		if charge == nil || charge.WalletUID != wallet.UID || settling[orders[i].UID] {
			continue
		}
		add(&debited, charge.Amount)
		if charge.Refund != nil {
			add(&refunded, charge.Amount)
		}
	}
	return sums{debited.String(), refunded.String()}, errors.Join(errs...)
}

func (w *World) lookAtProducts(ctx context.Context, facts *Facts) error {
	var products v1alpha1.EsimProductList
	if err := w.API.List(ctx, &products); err != nil {
		return fmt.Errorf("listing products: %w", err)
	}
	for _, product := range products.Items {
		facts.Products[w.alias(product.Name)] = conditions(product.Status.Conditions)
	}
	return nil
}

// lookAtSecrets finds the Secrets of orders. One whose order is gone is under way: nothing may
// be left of it.
func (w *World) lookAtSecrets(ctx context.Context, facts *Facts) error {
	var secrets corev1.SecretList
	if err := w.API.List(ctx, &secrets); err != nil {
		return fmt.Errorf("listing Secrets: %w", err)
	}
	for _, secret := range secrets.Items {
		if secret.Type != v1alpha1.ActivationSecretType {
			continue
		}
		keys := []string{}
		for key := range secret.Data {
			keys = append(keys, key)
		}
		for _, finalizer := range secret.Finalizers {
			keys = append(keys, "finalizer "+finalizer)
		}
		slices.Sort(keys)
		facts.Secrets[secret.Name] = keys
		owner := metav1.GetControllerOf(&secret)
		if _, ok := facts.Orders[strings.TrimSuffix(secret.Name, "-activation")]; !ok || owner == nil {
			facts.Unsettled = append(facts.Unsettled, "Secret "+secret.Name+" is nobody's")
		}
	}
	return nil
}
