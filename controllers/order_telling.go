package controllers

import (
	"sync/atomic"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// mostTelling is how many orders at one time write that they wait. When ten thousand begin to
// wait, each has that to say at the same moment, and those that are being filled need the API
// server more.
const mostTelling = 16

// telling counts the orders that write that they wait.
type telling struct{ now atomic.Int32 }

// enter takes the right to write, where there is one; leave gives it back.
func (t *telling) enter() (leave func(), ok bool) {
	if t.now.Add(1) > mostTelling {
		t.now.Add(-1)
		return nil, false
	}
	return func() { t.now.Add(-1) }, true
}

// tellsAlready tells whether an order's Ready condition says what a decision would have it say.
func tellsAlready(order *v1alpha1.EsimOrder, d *decision) bool {
	ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Reason == d.reason && ready.Message == d.message
}
