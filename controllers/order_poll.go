package controllers

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

// polling is how often an operator is asked by itself after a delivery: most profiles are
// installed within minutes. After the last stage it is asked on request only.
var polling = []struct{ until, every time.Duration }{
	{10 * time.Minute, 30 * time.Second},
	{10*time.Minute + time.Hour, 5 * time.Minute},
	{10*time.Minute + 25*time.Hour, time.Hour},
}

// nextPoll is when an order is looked at next after now; false where it is not any more. It
// follows from the order alone, so that a restart neither forgets it nor has all orders come at
// once; and orders that were delivered together spread by up to a fifth of the interval.
func nextPoll(delivered time.Time, order types.UID, now time.Time) (time.Time, bool) {
	sum := sha256.Sum256([]byte(order))
	spread := float64(binary.BigEndian.Uint32(sum[:4])) / (1 << 32)
	var from time.Duration
	for _, stage := range polling {
		shift := time.Duration(spread * float64(stage.every) / 5)
		for at := from + stage.every; at <= stage.until; at += stage.every {
			if when := delivered.Add(at + shift); when.After(now) {
				return when, true
			}
		}
		from = stage.until
	}
	return time.Time{}, false
}

// deliveredTime is when an order was delivered.
func deliveredTime(order *v1alpha1.EsimOrder) time.Time {
	if ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.LastTransitionTime.Time
	}
	return order.CreationTimestamp.Time
}

// looks are when this process last looked at orders whose operator can be asked. What it does
// not know it saw just now: after a restart an order waits for its next turn.
type looks struct {
	mu      sync.Mutex
	byOrder map[types.NamespacedName]look
}

type look struct {
	// order by its UID: another one of the same name was not looked at.
	order types.UID
	at    time.Time
	// request that was acted on, answered or not.
	request string
	// answer of the operator that may not be written yet; nil where there is none.
	answer *answer
}

// answer is what an operator told of a profile.
type answer struct {
	life operators.Life
	at   time.Time
	// request that was answered; empty where nobody had asked.
	request string
}

// begin has an order that was just delivered looked at in its first turn.
func (l *looks) begin(order *v1alpha1.EsimOrder, now time.Time) {
	if !trackable(order) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(client.ObjectKeyFromObject(order), look{order: order.UID, at: now})
}

// due tells whether a turn to look has come since the last look.
func (l *looks) due(order *v1alpha1.EsimOrder, now time.Time) bool {
	key := client.ObjectKeyFromObject(order)
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.byOrder[key]
	if last.order != order.UID {
		l.put(key, look{order: order.UID, at: now})
		return false
	}
	turn, ok := nextPoll(deliveredTime(order), order.UID, last.at)
	return ok && !turn.After(now)
}

// answered tells whether a request was acted on by this process, also where the operator did not
// answer.
func (l *looks) answered(order *v1alpha1.EsimOrder, request string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.byOrder[client.ObjectKeyFromObject(order)]
	return request != "" && last.order == order.UID && last.request == request
}

// looked notes a look, and the answer until it is written; nil where none came.
func (l *looks) looked(order *v1alpha1.EsimOrder, at time.Time, request string, came *answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := client.ObjectKeyFromObject(order)
	if last := l.byOrder[key]; request == "" && last.order == order.UID {
		request = last.request
	}
	l.put(key, look{order.UID, at, request, came})
}

// unwritten is the last answer, where it may not be in the order yet: the write after it may have
// failed, and the operator is not asked for the same again.
func (l *looks) unwritten(order *v1alpha1.EsimOrder) *answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.byOrder[client.ObjectKeyFromObject(order)]; last.order == order.UID {
		return last.answer
	}
	return nil
}

// written notes that the last answer is in the order.
func (l *looks) written(order *v1alpha1.EsimOrder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := client.ObjectKeyFromObject(order)
	if last := l.byOrder[key]; last.order == order.UID && last.answer != nil {
		last.answer = nil
		l.put(key, last)
	}
}

func (l *looks) forget(order types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byOrder, order)
}

func (l *looks) put(order types.NamespacedName, seen look) {
	if l.byOrder == nil {
		l.byOrder = map[types.NamespacedName]look{}
	}
	l.byOrder[order] = seen
}
