package story

import (
	"fmt"
	"io"
	"strings"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// facts are what an order is about.
func (n narrator) facts() []Fact {
	var facts []Fact
	add := func(name, format string, args ...any) {
		facts = append(facts, Fact{name, fmt.Sprintf(format, args...)})
	}
	status := n.order.Status
	if status.ID != 0 {
		add("Number", "%d (over REST)", status.ID)
	}
	if n.order.Spec.ClientReference != "" {
		add("Reference", "%s", n.order.Spec.ClientReference)
	}
	if plan := status.Plan; plan != nil {
		add("Plan", "%s (%s, %s), %s %s", plan.DisplayName, plan.Product, plan.Variant, plan.Amount, plan.Currency)
	} else {
		add("Plan", "%s", wanted(n.order))
	}
	add("Paid", "%s", n.paid())
	if p := status.Provisioning; p != nil {
		add("Operator", "%s, plan %s", p.OperatorRef.Name, p.PlanID)
	}
	if esim := status.Esim; esim != nil {
		add("ICCID", "%s", esim.ICCID)
		add("Code", "%s", n.code())
	}
	if n.order.Spec.NotificationEmail != "" {
		add("Receipt to", "%s", n.order.Spec.NotificationEmail)
	}
	return facts
}

// wanted is the plan that an order asks for, before it is accepted.
func wanted(order *v1alpha1.EsimOrder) string {
	if order.Spec.Variant != "" {
		return order.Spec.ProductRef.Name + ", " + order.Spec.Variant
	}
	return fmt.Sprintf("%s, at a price of %s", order.Spec.ProductRef.Name, order.Spec.Amount)
}

func (n narrator) paid() string {
	charge := n.order.Status.Charge
	if charge == nil {
		if n.order.Terminal() {
			return "nothing"
		}
		return "nothing yet"
	}
	if charge.Refund != nil {
		return fmt.Sprintf("nothing: %s %s went back to wallet %s", charge.Amount, charge.Currency, charge.WalletRef.Name)
	}
	text := fmt.Sprintf("%s %s, from wallet %s", charge.Amount, charge.Currency, charge.WalletRef.Name)
	if charge.DiscountPercent != "" {
		text += fmt.Sprintf(", %s %% discount", charge.DiscountPercent)
	}
	if charge.ExchangeRate != "" {
		text += fmt.Sprintf(", at a rate of %s", charge.ExchangeRate)
	}
	return text
}

// code says where the activation code is. It never says the code.
func (n narrator) code() string {
	life := n.order.Status.Activation
	if life != nil && life.Installed {
		return "removed, as the profile is on its device"
	}
	if n.order.Status.Phase == v1alpha1.PhaseCancelled {
		return "removed, as the profile was given back"
	}
	return fmt.Sprintf("%s, in Secret %s", n.order.Status.Esim.ActivationCode, n.order.Status.Esim.SecretRef.Name)
}

const (
	momentLayout = "2006-01-02 15:04:05"
	textWidth    = 100
)

// WriteTo prints a story for people. Times are in the location that they carry.
func (s Story) WriteTo(w io.Writer) (int64, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "%s in %s: %s\n\n", s.Order, s.Namespace, s.State)
	for _, fact := range s.Facts {
		fmt.Fprintf(&out, "  %-11s %s\n", fact.Name, fact.Text)
	}
	if len(s.Happened) > 0 {
		fmt.Fprint(&out, "\nWhat happened\n")
		for _, moment := range s.Happened {
			write(&out, "  "+moment.Time.Format(momentLayout)+"  ", moment.Text)
		}
	}
	if s.WaitsFor != "" {
		fmt.Fprint(&out, "\nWhat it waits for\n")
		write(&out, "  ", s.WaitsFor)
	}
	if len(s.Advice) > 0 {
		fmt.Fprint(&out, "\nWhat you can do\n")
		for _, line := range s.Advice {
			write(&out, "  - ", line)
		}
	}
	n, err := io.WriteString(w, out.String())
	return int64(n), err
}

// write breaks a text into lines that begin below its own beginning. A command stays on one
// line, so that it can be copied.
func write(out *strings.Builder, prefix, text string) {
	prose, command, _ := strings.Cut(text, ": kubectl ")
	words := strings.Fields(prose)
	if command != "" {
		words[len(words)-1] += ":"
		words = append(words, "kubectl "+command)
	}
	indent := strings.Repeat(" ", len(prefix))
	line := prefix
	for i, word := range words {
		switch {
		case i == 0:
			line += word
		case len(line)+1+len(word) > textWidth:
			fmt.Fprintln(out, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(out, line)
}
