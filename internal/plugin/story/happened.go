package story

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// timeline collects moments.
type timeline []Moment

func (t *timeline) at(when time.Time, format string, args ...any) {
	if !when.IsZero() {
		*t = append(*t, Moment{Time: when, Text: fmt.Sprintf(format, args...)})
	}
}

func (t *timeline) atOptional(when *metav1.Time, text string) {
	if when != nil {
		t.at(when.Time, "%s", text)
	}
}

// happened is all that the status and the events tell with a time, oldest first. What happened
// within one second stays in the order in which it had to happen.
func (n narrator) happened(events []corev1.Event) []Moment {
	var line timeline
	line.at(n.order.CreationTimestamp.Time, "Ordered.")
	n.paying(&line)
	n.buying(&line)
	n.ending(&line)
	n.living(&line)
	n.receipts(&line)
	n.exceptions(&line, events)
	line.atOptional(n.order.DeletionTimestamp, "Deleted.")
	for i := range line {
		line[i].Time = line[i].Time.In(n.now.Location())
	}
	slices.SortStableFunc(line, func(a, b Moment) int {
		return cmp.Compare(a.Time.Unix(), b.Time.Unix())
	})
	return line
}

func (n narrator) paying(line *timeline) {
	charge := n.order.Status.Charge
	if charge == nil {
		return
	}
	line.at(charge.Time.Time, "%s %s taken from wallet %s.", charge.Amount, charge.Currency, charge.WalletRef.Name)
}

func (n narrator) buying(line *timeline) {
	p := n.order.Status.Provisioning
	if p == nil {
		return
	}
	operator, plan := p.OperatorRef.Name, p.PlanID
	if len(p.Attempts) > 0 {
		operator, plan = p.Attempts[0].OperatorRef.Name, p.Attempts[0].PlanID
	}
	line.at(p.StartTime.Time, "%s was asked for plan %s.", operator, plan)
	for i, ended := range p.Attempts {
		next := "Given up there."
		switch following := nextOperator(p, i); {
		case n.order.Status.Phase == v1alpha1.PhaseFailed && i == len(p.Attempts)-1 && following == ended.OperatorRef.Name:
		case following == ended.OperatorRef.Name:
			next = "Tried anew there."
		default:
			next = following + " was asked next."
		}
		line.at(ended.EndTime.Time, "%s gave nothing (%s): %s %s", ended.OperatorRef.Name, ended.Class, sentence(ended.Message), next)
	}
	if last := p.LastError; last != nil && n.order.Status.Phase == v1alpha1.PhasePending {
		line.at(last.Time.Time, "%s: %s%s", p.OperatorRef.Name, sentence(last.Message), tries(p.Tries))
	}
}

// nextOperator is who was asked after an attempt.
func nextOperator(p *v1alpha1.OrderProvisioning, attempt int) string {
	if attempt+1 < len(p.Attempts) {
		return p.Attempts[attempt+1].OperatorRef.Name
	}
	return p.OperatorRef.Name
}

func tries(count int32) string {
	if count < 2 {
		return ""
	}
	return fmt.Sprintf(" Tried %d times.", count)
}

func (n narrator) ending(line *timeline) {
	status := n.order.Status
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled)
	switch {
	case status.Phase == v1alpha1.PhaseDelivered && ready != nil && status.Esim != nil:
		line.at(ready.LastTransitionTime.Time, "Delivered: ICCID %s.", status.Esim.ICCID)
	case status.Phase == v1alpha1.PhaseFailed && stalled != nil && status.Failure != nil:
		line.at(stalled.LastTransitionTime.Time, "FAILED (%s): %s", status.Failure.Code, sentence(status.Failure.Reason))
	case status.Phase == v1alpha1.PhaseCancelled && stalled != nil:
		line.at(stalled.LastTransitionTime.Time, "CANCELLED: %s", sentence(stalled.Message))
	}
	if c := status.Charge; c != nil && c.Refund != nil {
		line.at(c.Refund.Time.Time, "%s %s went back to wallet %s.", c.Amount, c.Currency, c.WalletRef.Name)
	}
}

func (n narrator) living(line *timeline) {
	life := n.order.Status.Activation
	if life == nil {
		return
	}
	line.atOptional(life.InstalledTime, "Installed on a device.")
	if life.ActivatedTime != nil && (life.Used || !life.ActivatedTime.Equal(life.InstalledTime)) {
		line.atOptional(life.ActivatedTime, "Used for the first time.")
	}
	if life.Status == v1alpha1.ActivationExpired {
		line.atOptional(life.ExpiryTime, "The plan ended.")
	}
	line.atOptional(life.RefreshedTime, "The operator was asked, as requested, whether it is installed.")
}

func (n narrator) receipts(line *timeline) {
	for _, receipt := range n.order.Status.Receipts {
		if receipt.Refused != "" {
			line.at(receipt.Time.Time, "The receipt was refused by the mail server: %s", sentence(receipt.Refused))
			continue
		}
		line.at(receipt.Time.Time, "The receipt was sent.")
	}
}

// told are the conditions whose message is a part of the story, beside Ready.
var told = []string{
	v1alpha1.ConditionCancelRefused, v1alpha1.ConditionDownloadFailed, v1alpha1.ConditionDeletedFromDevice,
}

// exceptions are what conditions tell, and what only events do: the same happening may be in
// both, and is told once.
func (n narrator) exceptions(line *timeline, events []corev1.Event) {
	seen := map[string]bool{}
	for _, moment := range *line {
		seen[moment.Text] = true
	}
	for _, condition := range told {
		if c := meta.FindStatusCondition(n.order.Status.Conditions, condition); c != nil && c.Status == metav1.ConditionTrue {
			line.at(c.LastTransitionTime.Time, "%s", sentence(c.Message))
			seen[sentence(c.Message)] = true
		}
	}
	for i := range events {
		event := &events[i]
		if !tellsMore[event.Reason] || seen[sentence(event.Message)] {
			continue
		}
		seen[sentence(event.Message)] = true
		line.at(eventTime(event), "%s%s", sentence(event.Message), times(event))
	}
}

// tellsMore are the reasons of events about what the status forgets once it is over.
var tellsMore = map[string]bool{
	"OutOfStock": true, "OperatorBusy": true, "OperatorMisconfigured": true, "OperatorUnavailable": true,
	"StartingOver": true, "OutcomeUnknown": true, "NeedsPerson": true, "ConnectedElsewhere": true,
	"ReportedAfterEnd": true,
}

// eventTime is when an event happened first.
func eventTime(event *corev1.Event) time.Time {
	for _, when := range []time.Time{event.EventTime.Time, event.FirstTimestamp.Time} {
		if !when.IsZero() {
			return when
		}
	}
	return event.CreationTimestamp.Time
}

func times(event *corev1.Event) string {
	if event.Series == nil || event.Series.Count < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d times)", event.Series.Count)
}
