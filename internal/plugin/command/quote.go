package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/plugin/refusal"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// quoted is what a plan costs, as -o json shows it. Amounts are decimal texts.
type quoted struct {
	Product         string `json:"product"`
	Variant         string `json:"variant"`
	DisplayName     string `json:"displayName"`
	Price           string `json:"price"`
	DiscountPercent string `json:"discountPercent,omitempty"`
	Discount        string `json:"discount,omitempty"`
	Total           string `json:"total"`
	Currency        string `json:"currency"`
	Wallet          string `json:"wallet"`
	ExchangeRate    string `json:"exchangeRate,omitempty"`
	Payable         string `json:"payable"`
	WalletCurrency  string `json:"walletCurrency"`
	// Available in the wallet; empty where the manager has not summed it up yet.
	Available string `json:"available,omitempty"`
	// Affordable tells whether that is enough; absent where it is not known.
	Affordable *bool `json:"affordable,omitempty"`
}

const quoteLong = `Tells what a plan costs you, with your discounts, and which wallet would pay. It is computed
by the code that charges orders. Nothing is reserved.

It reads products, and your namespace's wallets and terms.`

func (p *plugin) quote() *cobra.Command {
	var amount, wallet string
	var f *format
	cmd := &cobra.Command{
		Use: "quote PRODUCT [PLAN]", Short: "Tell what a plan costs you", Long: quoteLong,
		Example: `  kubectl esim quote japan              # every plan of it
  kubectl esim quote japan 1gb-7d`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return exact("PRODUCT")(cmd, args)
			}
			if len(args) == 2 && amount != "" {
				return fmt.Errorf("name the plan, or give its price with --amount, not both")
			}
			return nil
		},
		ValidArgsFunction: p.completePlan,
		RunE: func(cmd *cobra.Command, args []string) error {
			plan := ""
			if len(args) == 2 {
				plan = args[1]
			}
			return p.runQuote(cmd.Context(), args[0], plan, amount, wallet, f)
		},
	}
	cmd.Flags().StringVar(&amount, "amount", "", "The plan with this price before discounts, in place of its name")
	cmd.Flags().StringVar(&wallet, "wallet", "", "EsimWallet that would pay (default: the one in the plan's currency)")
	f = addFormat(cmd, asJSON, asYAML)
	return cmd
}

func (p *plugin) runQuote(ctx context.Context, name, plan, amount, wallet string, f *format) error {
	s, err := p.connect()
	if err != nil {
		return err
	}
	product, err := s.product(ctx, name)
	if err != nil {
		return err
	}
	terms, err := s.terms(ctx)
	if err != nil {
		return err
	}
	if err := sold(product, terms, s.namespace); err != nil {
		return err
	}
	variants, err := onSale(product, plan, amount)
	if err != nil {
		return err
	}
	wallets, err := s.wallets(ctx)
	if err != nil {
		return err
	}
	var quotes []quoted
	for _, variant := range variants {
		request := pricing.Request{
			Amount: variant.Amount, Currency: product.Spec.Currency, Product: product.Name, Client: terms, Wallets: wallets,
		}
		if wallet != "" {
			request.Wallet = &v1alpha1.WalletReference{Name: wallet}
		}
		quote, err := request.Quote()
		if err != nil {
			return fmt.Errorf("%s %s cannot be bought: %w", product.Name, variant.Name, err)
		}
		quotes = append(quotes, show(product, variant, &quote))
	}
	return p.printQuotes(quotes, plan != "" || amount != "", f)
}

// terms are those on which the namespace buys; nil where it has none of its own.
func (s *session) terms(ctx context.Context) (*v1alpha1.EsimClient, error) {
	var terms v1alpha1.EsimClient
	err := s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: v1alpha1.ClientName}, &terms)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.explain(ctx, err, refusal.Call{
			Did: "read your discounts", Verb: "get", Group: v1alpha1.GroupVersion.Group, Resource: "esimclients",
			Namespace: s.namespace, Name: v1alpha1.ClientName, Role: roleWalletsView,
		})
	}
	return &terms, nil
}

// sold says why a product is not sold to a client; nil where it is.
func sold(product *v1alpha1.EsimProduct, terms *v1alpha1.EsimClient, namespace string) error {
	if terms == nil || terms.Spec.ProductSelector == nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(terms.Spec.ProductSelector)
	if err != nil {
		return fmt.Errorf("the productSelector of namespace %s's EsimClient is malformed; have it mended: %w", namespace, err)
	}
	if !selector.Matches(labels.Set(product.Labels)) {
		return fmt.Errorf("product %s is not sold in namespace %s", product.Name, namespace)
	}
	return nil
}

// onSale are a product's variants that can be bought: all, or the one of a name or a price.
func onSale(product *v1alpha1.EsimProduct, name, amount string) ([]*v1alpha1.EsimVariant, error) {
	var found []*v1alpha1.EsimVariant
	var names []string
	for i := range product.Spec.Variants {
		variant := &product.Spec.Variants[i]
		if variant.Inactive || len(variant.Sources) == 0 {
			continue
		}
		names = append(names, variant.Name)
		named := name == "" || variant.Name == name
		priced := amount == "" || variant.Amount.Equal(v1alpha1.Decimal(amount))
		if named && priced {
			found = append(found, variant)
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("product %s has no plan on sale", product.Name)
	case len(found) == 0 && name != "":
		return nil, fmt.Errorf("product %s has no plan %s on sale; it has %s", product.Name, name, strings.Join(names, ", "))
	case len(found) == 0:
		return nil, fmt.Errorf("product %s has no plan at %s %s on sale; it has %s", product.Name, amount, product.Spec.Currency, strings.Join(names, ", "))
	case amount != "":
		return found[:1], nil // of several with one price the first is bought
	}
	return found, nil
}

func show(product *v1alpha1.EsimProduct, variant *v1alpha1.EsimVariant, quote *pricing.Quote) quoted {
	q := quoted{
		Product: product.Name, Variant: variant.Name, DisplayName: product.Spec.DisplayName + " " + variant.DisplayName,
		Price: quote.Price.String(), Total: quote.Total.String(), Currency: string(product.Spec.Currency),
		Wallet: quote.Wallet.Name, Payable: quote.Payable.String(), WalletCurrency: string(quote.Wallet.Spec.Currency),
		Available: string(quote.Wallet.Status.Available),
	}
	if quote.DiscountPercent.Sign() > 0 {
		q.DiscountPercent, q.Discount = quote.DiscountPercent.String(), quote.Discount.String()
	}
	if quote.Rate != nil {
		q.ExchangeRate = string(*quote.Rate)
	}
	if available, err := money.Parse(q.Available); err == nil {
		enough := quote.Payable.Cmp(available) <= 0
		q.Affordable = &enough
	}
	return q
}

func (p *plugin) printQuotes(quotes []quoted, single bool, f *format) error {
	switch {
	case f.machine() && single:
		return printValue(p.Out, f, quotes[0])
	case f.machine():
		return printValue(p.Out, f, quotes)
	case single:
		return flush(p.Out, quotes[0].text())
	}
	var t table
	for _, name := range []string{"PLAN", "NAME", "PRICE", "DISCOUNT", "YOU PAY", "WALLET"} {
		t.column(name, false)
	}
	for i := range quotes {
		q := &quotes[i]
		discount := "-"
		if q.DiscountPercent != "" {
			discount = q.DiscountPercent + " %"
		}
		t.row(q.Variant, q.DisplayName, q.Price+" "+q.Currency, discount, q.Payable+" "+q.WalletCurrency, q.Wallet)
	}
	return t.print(p.Out, f)
}

// text is a quote as a bill.
func (q *quoted) text() string {
	var out strings.Builder
	line := func(name, amount, currency string) { fmt.Fprintf(&out, "  %-22s %12s %s\n", name, amount, currency) }
	fmt.Fprintf(&out, "%s (%s %s)\n\n", q.DisplayName, q.Product, q.Variant)
	line("Price", q.Price, q.Currency)
	if q.DiscountPercent != "" {
		line("Discount, "+q.DiscountPercent+" %", "-"+q.Discount, q.Currency)
	}
	if q.ExchangeRate != "" {
		line("Total", q.Total, q.Currency)
		line("Exchange rate", q.ExchangeRate, q.WalletCurrency+" for 1 "+q.Currency)
	}
	line("You pay", q.Payable, q.WalletCurrency)
	fmt.Fprintln(&out)
	switch {
	case q.Affordable == nil:
		fmt.Fprintf(&out, "Wallet %s would pay.\n", q.Wallet)
	case *q.Affordable:
		fmt.Fprintf(&out, "Wallet %s would pay; it has %s %s to spend.\n", q.Wallet, q.Available, q.WalletCurrency)
	default:
		fmt.Fprintf(&out, "Wallet %s has only %s %s to spend: an order would FAIL. Have it topped up first.\n", q.Wallet, q.Available, q.WalletCurrency)
	}
	return out.String()
}
