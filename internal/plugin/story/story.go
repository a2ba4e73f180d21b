// Package story tells what became of an order in plain words: what happened when, what it waits
// for, and what whoever placed it can do. It reads an EsimOrder and its events, and nothing
// else: no client, no clock.
package story

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Story is an order in plain words. It holds no activation code.
type Story struct {
	// Order is the EsimOrder's name, Namespace its client's.
	Order     string `json:"order"`
	Namespace string `json:"namespace"`
	// State is Brief of the order.
	State string `json:"state"`
	// Facts are what the order is about, such as its plan and what it cost.
	Facts []Fact `json:"facts,omitempty"`
	// Happened is what happened so far, oldest first.
	Happened []Moment `json:"happened,omitempty"`
	// WaitsFor says what has to happen next; empty where the order waits for nothing.
	WaitsFor string `json:"waitsFor,omitempty"`
	// Advice is what the reader can do, best first.
	Advice []string `json:"advice,omitempty"`
}

// Fact is something about an order that has a name.
type Fact struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Moment is something that happened to an order.
type Moment struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

// Of tells an order's story. events are those of the order, in any order; none where they cannot
// be read: most of the story is in the status. now is for how long things will take.
func Of(order *v1alpha1.EsimOrder, events []corev1.Event, now time.Time) Story {
	n := narrator{order: order, now: now, target: target(order)}
	waits, advice := n.outlook()
	return Story{
		Order: order.Name, Namespace: order.Namespace, State: Brief(order),
		Facts: n.facts(), Happened: n.happened(events), WaitsFor: waits, Advice: advice,
	}
}

// narrator is what the parts of a story are told from.
type narrator struct {
	order *v1alpha1.EsimOrder
	now   time.Time
	// target names the order on a command line.
	target string
}

// target is how a command names an order.
func target(order *v1alpha1.EsimOrder) string {
	if order.Namespace == "" {
		return order.Name
	}
	return order.Name + " -n " + order.Namespace
}

// readyReason is why an order is, or is not, Ready; empty where nobody has looked at it yet.
func readyReason(order *v1alpha1.EsimOrder) string {
	if ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return ""
}

// holds tells whether a condition is True.
func holds(order *v1alpha1.EsimOrder, condition string) bool {
	return meta.IsStatusConditionTrue(order.Status.Conditions, condition)
}

// reasonAndMessage of a condition; empty where the order does not have it.
func reasonAndMessage(order *v1alpha1.EsimOrder, condition string) (reason, message string) {
	if c := meta.FindStatusCondition(order.Status.Conditions, condition); c != nil {
		return c.Reason, c.Message
	}
	return "", ""
}
