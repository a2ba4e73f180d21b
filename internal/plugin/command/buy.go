package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// purchase is what `buy` is asked for.
type purchase struct {
	product, plan, amount  string
	name, reference, email string
	wallet                 string
	acceptWithin, timeout  time.Duration
	wait, dryRun           bool
	format                 *format
}

const buyLong = `Places an order: an EsimOrder in your namespace.

The order has a name that you choose with --name, or that is made of product and plan. It is
not accepted after an hour (--accept-within): were the object applied again later, to a new
cluster say, it would cost nothing. If the answer to the request is lost, the same order is
looked for and not placed twice. Give a --reference of your own too: a second order with the
same one is refused, whoever places it.`

func (p *plugin) buy() *cobra.Command {
	var o purchase
	cmd := &cobra.Command{
		Use: "buy PRODUCT [PLAN]", Short: "Order an eSIM", Long: buyLong,
		Example: `  kubectl esim buy japan 1gb-7d --wait
  kubectl esim buy japan --amount 4.50 --name trip-to-tokyo --reference booking-2041 --email ann@example.com
  kubectl esim buy japan 1gb-7d --dry-run -o yaml > order.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return exact("PRODUCT", "PLAN")(cmd, args)
			}
			if (len(args) == 2) == (o.amount != "") {
				return fmt.Errorf("say which plan of %s to buy: its name after the product, or its price with --amount", args[0])
			}
			return nil
		},
		ValidArgsFunction: p.completePlan,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.product = args[0]
			if len(args) == 2 {
				o.plan = args[1]
			}
			return p.runBuy(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.amount, "amount", "", "Buy the plan with this price before discounts, in place of its name")
	flags.StringVar(&o.name, "name", "", "Name of the order (default: product, plan and five random letters)")
	flags.StringVar(&o.reference, "reference", "", "Your own reference, unique in the namespace: no second order with it is filled")
	flags.StringVar(&o.email, "email", "", "Who gets the receipt with the QR code")
	flags.StringVar(&o.wallet, "wallet", "", "EsimWallet that pays (default: the one in the plan's currency)")
	flags.DurationVar(&o.acceptWithin, "accept-within", time.Hour, "An order that is not accepted within this time costs nothing; 0 for no limit")
	flags.BoolVar(&o.wait, "wait", false, "Wait until the order is delivered, or has failed")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "How long --wait waits; 0 for ever")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Have the API server check the order, and place none")
	o.format = addFormat(cmd, asJSON, asYAML, asName)
	return cmd
}

func (p *plugin) runBuy(ctx context.Context, o purchase) error {
	s, err := p.connect()
	if err != nil {
		return err
	}
	order, err := p.order(s.namespace, o)
	if err != nil {
		return err
	}
	if o.dryRun {
		// Printed is what was asked for, to be kept and applied: without the UID and the
		// finalizers that the API server gave to the order that it would have made.
		if err := p.place(ctx, s, order.DeepCopy(), true); err != nil {
			return err
		}
		return p.showBought(o, order, "would be placed; nothing was bought")
	}
	if err := p.place(ctx, s, order, false); err != nil {
		return err
	}
	if !o.wait {
		return p.showBought(o, order, fmt.Sprintf("placed; see what becomes of it: kubectl esim describe %s -n %s", order.Name, order.Namespace))
	}
	if err := flush(p.ErrOut, fmt.Sprintf("esimorder/%s placed in namespace %s\n", order.Name, order.Namespace)); err != nil {
		return err
	}
	return p.awaitDelivery(ctx, s, o, order.Name)
}

// order is the EsimOrder that is asked for.
func (p *plugin) order(namespace string, o purchase) (*v1alpha1.EsimOrder, error) {
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: o.name},
		Spec: v1alpha1.EsimOrderSpec{
			ProductRef: v1alpha1.ProductReference{Name: o.product}, Variant: o.plan, Amount: v1alpha1.Decimal(o.amount),
			ClientReference: o.reference, NotificationEmail: o.email,
		},
	}
	if o.wallet != "" {
		order.Spec.WalletRef = &v1alpha1.WalletReference{Name: o.wallet}
	}
	if o.acceptWithin < 0 {
		return nil, fmt.Errorf("--accept-within is %s; it may be a time such as 1h, or 0 for no limit", o.acceptWithin)
	}
	if o.acceptWithin > 0 {
		deadline := metav1.NewTime(p.Clock.Now().Add(o.acceptWithin).UTC().Truncate(time.Second))
		order.Spec.AcceptBefore = &deadline
	}
	if order.Name == "" {
		var err error
		if order.Name, err = p.newName(o); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// newName is made of product, plan and five random letters or digits. It is chosen here and not
// by the API server, so that an order whose answer was lost can be looked for.
func (p *plugin) newName(o purchase) (string, error) {
	const letters, most = "bcdfghjklmnpqrstvwxz2456789", 200
	var random [5]byte
	if _, err := io.ReadFull(p.Random, random[:]); err != nil {
		return "", fmt.Errorf("naming the order: %w; name it yourself with --name", err)
	}
	name := o.product
	if o.plan != "" {
		name += "-" + o.plan
	}
	if len(name) > most {
		name = name[:most]
	}
	name += "-"
	for _, b := range random {
		name += string(letters[int(b)%len(letters)])
	}
	return name, nil
}

// placeTries is how often a request to place an order is sent whose answer was lost.
const placeTries = 3

// place creates the order. A request whose answer was lost may have arrived: the same order, by
// its name, is sent again, and if it is there already it is ours.
func (p *plugin) place(ctx context.Context, s *session, order *v1alpha1.EsimOrder, dryRun bool) error {
	call := s.orderCall("place the order", "create", order.Name, roleOrdersEdit)
	var options []client.CreateOption
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	wanted := order.DeepCopy()
	for try := 1; ; try++ {
		*order = *wanted.DeepCopy()
		err := s.Create(ctx, order, options...)
		switch {
		case err == nil:
			return nil
		case apierrors.IsAlreadyExists(err) && try > 1:
			return s.ours(ctx, wanted, order)
		case !lost(err) || try == placeTries || ctx.Err() != nil:
			return s.explain(ctx, err, call)
		}
	}
}

// ours reads an order that is there after a request whose answer was lost.
func (s *session) ours(ctx context.Context, wanted, into *v1alpha1.EsimOrder) error {
	found, err := s.order(ctx, wanted.Name)
	if err != nil {
		return err
	}
	sameDeadline := wanted.Spec.AcceptBefore.Equal(found.Spec.AcceptBefore)
	if found.Spec.ProductRef != wanted.Spec.ProductRef || found.Spec.Variant != wanted.Spec.Variant || !sameDeadline {
		return fmt.Errorf("there is another order named %s in namespace %s; nothing was bought: choose another --name", wanted.Name, wanted.Namespace)
	}
	*into = *found
	return nil
}

// lost tells whether a request may have been executed although it failed.
func lost(err error) bool {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsInternalError(err)
	}
	return !errors.Is(err, context.Canceled)
}

// awaitDelivery follows an order to its end. One that FAILED is an error.
func (p *plugin) awaitDelivery(ctx context.Context, s *session, o purchase, name string) error {
	ctx, cancel := limited(ctx, o.timeout)
	defer cancel()
	var last *v1alpha1.EsimOrder
	shown, printing := p.progress(), error(nil)
	err := p.follow(ctx, s, name, func(order *v1alpha1.EsimOrder) bool {
		last = order
		printing = shown.show(order)
		return order.Terminal() || printing != nil
	})
	if err := errors.Join(s.waited(err, name, o.timeout), printing); err != nil {
		return err
	}
	switch last.Status.Phase {
	case v1alpha1.PhaseDelivered:
		return p.showBought(o, last, fmt.Sprintf("delivered%s; show its QR code: kubectl esim qr %s -n %s", price(last), name, last.Namespace))
	case v1alpha1.PhaseFailed:
		if o.format.machine() {
			if err := p.showBought(o, last, ""); err != nil {
				return err
			}
		}
		return fmt.Errorf("order %s FAILED: %s; what you can do: kubectl esim describe %s -n %s", name, last.Status.Failure.Reason, name, last.Namespace)
	default:
		return fmt.Errorf("order %s was cancelled while you waited", name)
	}
}

// price is what an order cost, for a sentence.
func price(order *v1alpha1.EsimOrder) string {
	charge := order.Status.Charge
	if charge == nil {
		return ""
	}
	return fmt.Sprintf(" for %s %s from wallet %s", charge.Amount, charge.Currency, charge.WalletRef.Name)
}

func (p *plugin) showBought(o purchase, order *v1alpha1.EsimOrder, became string) error {
	if o.format.machine() {
		return printObject(p.Out, o.format, kindOf("EsimOrder"), order)
	}
	return flush(p.Out, fmt.Sprintf("esimorder/%s %s\n", order.Name, became))
}
