package story

import (
	"fmt"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Brief says in a few words where an order stands: for a column of a table, and for progress.
func Brief(order *v1alpha1.EsimOrder) string {
	if order.DeletionTimestamp != nil {
		return "being deleted"
	}
	switch order.Status.Phase {
	case v1alpha1.PhaseFailed:
		if order.Status.Failure == nil {
			return "failed"
		}
		return "failed: " + failureWords(order.Status.Failure.Code).brief
	case v1alpha1.PhaseCancelled:
		return "cancelled"
	case v1alpha1.PhaseDelivered:
		return briefLife(order)
	default:
		if order.Spec.Cancel && readyReason(order) != "NeedsPerson" {
			return "being cancelled"
		}
		return wordsFor(readyReason(order)).brief
	}
}

// briefLife is Brief of a delivered order.
func briefLife(order *v1alpha1.EsimOrder) string {
	life := order.Status.Activation
	switch {
	case undoing(order):
		return "being cancelled"
	case holds(order, v1alpha1.ConditionDeletedFromDevice):
		return "deleted from its device"
	case life == nil || life.Status == v1alpha1.ActivationNotInstalled:
		if holds(order, v1alpha1.ConditionDownloadFailed) {
			return "could not be installed"
		}
		return "ready to install"
	case life.Status == v1alpha1.ActivationExpired:
		return "expired"
	case life.ExpiryTime != nil:
		return "active until " + life.ExpiryTime.Format("2 Jan 2006")
	default:
		return "active"
	}
}

// undoing tells whether a delivered order is being taken back.
func undoing(order *v1alpha1.EsimOrder) bool {
	return holds(order, v1alpha1.ConditionCancelling) || order.Spec.Cancel && !holds(order, v1alpha1.ConditionCancelRefused)
}

// outlook is what an order waits for, and what can be done.
func (n narrator) outlook() (waits string, advice []string) {
	switch {
	case n.order.DeletionTimestamp != nil:
		waits, advice = "It is being deleted. What the operator holds for it is given back, and its money is settled with the wallet, before it goes.", []string{adviceNothing}
	case n.order.Status.Phase == v1alpha1.PhaseFailed:
		if f := n.order.Status.Failure; f != nil {
			advice = failureWords(f.Code).advice
		}
	case n.order.Status.Phase == v1alpha1.PhaseCancelled:
	case n.order.Status.Phase == v1alpha1.PhaseDelivered:
		waits, advice = n.lifeAhead()
	default:
		waits, advice = n.wayAhead()
	}
	advice = append(advice[:len(advice):len(advice)], n.asideAdvice()...)
	return waits, n.addressed(advice)
}

// wayAhead is the outlook of a PENDING order.
func (n narrator) wayAhead() (string, []string) {
	reason := readyReason(n.order)
	w := wordsFor(reason)
	if _, known := waiting[reason]; !known && reason != "" {
		w.waits += " Reason: " + reason + "."
	}
	waits := []string{w.waits}
	if _, message := reasonAndMessage(n.order, v1alpha1.ConditionReady); message != "" {
		waits = append(waits, "In the manager's words: "+sentence(message))
	}
	if n.order.Spec.Cancel {
		waits = append(waits, "It is to be cancelled; what the operator holds for it is given back first.")
	}
	if p := n.order.Status.Provisioning; p != nil && p.NextAttemptTime != nil && p.NextAttemptTime.After(n.now) {
		waits = append(waits, "The next try is in "+lasting(p.NextAttemptTime.Sub(n.now))+".")
	}
	return strings.Join(waits, " "), n.withoutCancelled(w.advice)
}

// withoutCancelled leaves out the advice to cancel what is being cancelled.
func (n narrator) withoutCancelled(advice []string) []string {
	if !n.order.Spec.Cancel {
		return advice
	}
	var kept []string
	for _, line := range advice {
		if !strings.Contains(line, "kubectl esim cancel") {
			kept = append(kept, line)
		}
	}
	return kept
}

// lifeAhead is the outlook of a delivered order.
func (n narrator) lifeAhead() (string, []string) {
	life := n.order.Status.Activation
	switch {
	case undoing(n.order):
		_, message := reasonAndMessage(n.order, v1alpha1.ConditionCancelling)
		return strings.TrimSpace(waiting["Cancelling"].waits + " " + sentence(message)), waiting["Cancelling"].advice
	case life != nil && life.Status == v1alpha1.ActivationExpired:
		return "", []string{"For another eSIM, make a new order."}
	case life != nil && life.Installed:
		if life.ExpiryTime != nil && life.ExpiryTime.After(n.now) {
			return "The plan ends in " + lasting(life.ExpiryTime.Sub(n.now)) + ".", nil
		}
		return "", nil
	}
	advice := []string{"Install it on a phone: kubectl esim qr %s"}
	if life != nil && life.RefreshInterval != nil {
		advice = append(advice, "Ask the operator whether it is installed by now: kubectl esim refresh %s")
	}
	if !holds(n.order, v1alpha1.ConditionCancelRefused) {
		advice = append(advice, "Not needed any more? Until it is installed it can be given back, for the full price: kubectl esim cancel %s")
	}
	return "It waits to be installed on a device.", advice
}

// asideAdvice is for what is the matter beside the order's phase.
func (n narrator) asideAdvice() []string {
	var advice []string
	for _, a := range asides {
		if reason, _ := reasonAndMessage(n.order, a.condition); reason == a.reason {
			advice = append(advice, a.advice...)
		}
	}
	return advice
}

// addressed puts the names of order and product where advice names them.
func (n narrator) addressed(advice []string) []string {
	product := n.order.Spec.ProductRef.Name
	if n.order.Namespace != "" {
		product += " -n " + n.order.Namespace
	}
	names := strings.NewReplacer("%s", n.target, "%p", product)
	var lines []string
	for _, line := range advice {
		lines = append(lines, names.Replace(line))
	}
	return lines
}

// sentence is a message of the manager with a capital and a full stop.
func sentence(message string) string {
	if message == "" {
		return ""
	}
	first := strings.ToUpper(message[:1])
	if strings.HasPrefix(message, "EsimO") || message[0] >= 0x80 {
		first = message[:1]
	}
	return strings.TrimRight(first+message[1:], ".") + "."
}

// lasting is a time that something takes, in its two largest units.
func lasting(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours, minutes, seconds := d/(24*time.Hour), d/time.Hour%24, d/time.Minute%60, d/time.Second%60
	switch {
	case days > 0 && hours > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case days > 0:
		return fmt.Sprintf("%dd", days)
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%dh", hours)
	case minutes > 0 && seconds > 0:
		return fmt.Sprintf("%dm %ds", minutes, seconds)
	case minutes > 0:
		return fmt.Sprintf("%dm", minutes)
	default:
		return fmt.Sprintf("%ds", seconds)
	}
}
