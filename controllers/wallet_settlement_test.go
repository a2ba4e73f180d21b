package controllers_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

// How many stories the settlement is tried with, and how long they are.
const (
	settlementRuns  = 1000
	settlementSteps = 70
)

// setRapid sets a flag that was not set on the command line, for this test.
func setRapid(t *testing.T, name string, value int) {
	t.Helper()
	set := flag.Lookup(name)
	before := set.Value.String()
	if before != set.DefValue {
		return
	}
	if err := set.Value.Set(fmt.Sprint(value)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Value.Set(before); err != nil {
			t.Error(err)
		}
	})
}

// TestDeletingOrdersChangesNoBalance has two processes settle one wallet at the same time, call
// by call in any order, while their caches lag, calls are lost or come late, processes die and
// start anew from old caches, orders are refunded, and names are used again.
func TestDeletingOrdersChangesNoBalance(t *testing.T) {
	setRapid(t, "rapid.checks", settlementRuns)
	setRapid(t, "rapid.steps", settlementSteps)
	clock := testingclock.NewFakePassiveClock(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC))
	api, err := testdesk.NewAPI(clock)
	if err != nil {
		t.Fatal(err)
	}
	stories := 0
	rapid.Check(t, func(t *rapid.T) {
		stories++
		namespace := fmt.Sprintf("client-%d", stories)
		if err := api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
			t.Fatal(err)
		}
		s := &story{till: openTill(t, api, clock, namespace)}
		s.processes = [2]*process{s.started(t), s.started(t)}
		defer s.stop()
		t.Repeat(map[string]func(*rapid.T){
			"":      s.check,
			"order": s.order, "delete": s.remove, "drop the other finalizer": s.dropOther, "refund": s.refund,
			"hand over": s.handOver, "time": s.time, "sync": s.sync, "sync more": s.sync,
			"step": s.step, "step again": s.step, "step once more": s.step, "step a fourth time": s.step, "step a fifth time": s.step,
			"lose": s.lose, "arrive late": s.arrive, "die": s.die,
		})
		s.end(t)
	})
}

// story is what happens to a till.
type story struct {
	till      *till
	processes [2]*process
	late      []func()
	checked   int
}

// check holds the promise after every step that wrote something.
func (s *story) check(t *rapid.T) {
	if s.checked == s.till.writes {
		return
	}
	if err := s.till.balances(); err != nil {
		t.Fatal(err)
	}
	s.checked = s.till.writes
}

func (s *story) started(t *rapid.T) *process {
	p := s.till.start(rapid.IntRange(0, 6).Draw(t, "lag"))
	p.stepwise = true
	return p
}

func (s *story) any(t *rapid.T) *process { return s.processes[rapid.IntRange(0, 1).Draw(t, "process")] }

// pick draws an order that is there and fits.
func (s *story) pick(t *rapid.T, fits func(*v1alpha1.EsimOrder) bool) *v1alpha1.EsimOrder {
	var fitting []*v1alpha1.EsimOrder
	orders := s.till.orders()
	for i := range orders {
		if fits(&orders[i]) {
			fitting = append(fitting, &orders[i])
		}
	}
	if len(fitting) == 0 {
		return nil
	}
	return rapid.SampledFrom(fitting).Draw(t, "order")
}

func (s *story) order(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
	if s.till.order(name) != nil {
		return
	}
	var finalizers []string
	if rapid.IntRange(0, 4).Draw(t, "other") == 0 {
		finalizers = []string{otherFinalizer}
	}
	s.till.charged(name, rapid.SampledFrom([]string{"1", "4.5", "7.125", "0", "30"}).Draw(t, "price"), finalizers...)
}

func (s *story) remove(t *rapid.T) {
	if o := s.pick(t, func(o *v1alpha1.EsimOrder) bool { return o.DeletionTimestamp.IsZero() }); o != nil {
		s.till.remove(o.Name)
		s.any(t).settle(o)
	}
}

func (s *story) dropOther(t *rapid.T) {
	if o := s.pick(t, func(o *v1alpha1.EsimOrder) bool { return !o.DeletionTimestamp.IsZero() && has(o, otherFinalizer) }); o != nil {
		s.till.dropOther(o.Name)
	}
}

func (s *story) refund(t *rapid.T) {
	refundable := func(o *v1alpha1.EsimOrder) bool {
		return o.Status.Charge.Refund == nil && has(o, v1alpha1.SettlementFinalizer)
	}
	if o := s.pick(t, refundable); o != nil {
		s.till.refund(o.Name)
	}
}

// handOver hands over any order that ever was: also one that is not deleted, or long gone.
func (s *story) handOver(t *rapid.T) {
	if len(s.till.created) > 0 {
		s.any(t).settle(rapid.SampledFrom(s.till.created).Draw(t, "order"))
	}
}

func (s *story) sync(t *rapid.T) {
	s.any(t).sync(rapid.IntRange(0, 3).Draw(t, "versions"), rapid.IntRange(0, 3).Draw(t, "events"))
}

func (s *story) time(t *rapid.T) {
	s.till.clock.SetTime(s.till.clock.Now().Add(time.Duration(rapid.SampledFrom([]int{100, 1000}).Draw(t, "milliseconds")) * time.Millisecond))
}

func (s *story) step(t *rapid.T) {
	if p := s.any(t); p.running {
		p.step(through)
	} else {
		p.begin()
	}
}

func (s *story) lose(t *rapid.T) {
	if p := s.any(t); p.running {
		p.step(rapid.SampledFrom([]verdict{lostMade, lostNotMade, lostLate}).Draw(t, "how"))
		s.late, p.late = append(s.late, p.late...), nil
	}
}

func (s *story) arrive(t *rapid.T) {
	if len(s.late) > 0 {
		i := rapid.IntRange(0, len(s.late)-1).Draw(t, "which")
		s.late[i]()
		s.late = append(s.late[:i:i], s.late[i+1:]...)
	}
}

// die ends a process; the next one starts from caches that may be older than its were.
func (s *story) die(t *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(t, "process")
	if p := s.processes[i]; p.running && rapid.Bool().Draw(t, "its last write arrives") {
		p.step(diesAfter)
	}
	s.processes[i].die()
	s.processes[i] = s.started(t)
}

func (s *story) stop() {
	for _, p := range s.processes {
		p.die()
	}
}

// end lets one process finish what is left, and then has everything deleted.
func (s *story) end(t *rapid.T) {
	for _, arrive := range s.late {
		arrive()
	}
	s.processes[1].die()
	last := s.processes[0]
	for last.running {
		last.step(through)
	}
	last.stepwise = false
	finish := func() {
		for _, o := range s.till.created {
			last.settle(o)
		}
		s.till.clock.SetTime(s.till.clock.Now().Add(time.Minute))
		last.rest()
	}
	finish()
	finish() // what was settled is not settled again
	wallet := s.till.wallet()
	if got := amount(string(wallet.Status.Balance)); !got.Equal(s.till.truth) {
		t.Fatalf("the balance is shown as %s, and is %s: %+v", got, s.till.truth, wallet.Status)
	}
	if len(wallet.Status.Settling) > 0 {
		t.Fatalf("still settling: %+v", wallet.Status.Settling)
	}
	if err := s.till.api.Delete(t.Context(), wallet); err != nil {
		t.Fatal(err)
	}
	for _, o := range s.till.orders() {
		if has(&o, otherFinalizer) && !o.DeletionTimestamp.IsZero() {
			s.till.dropOther(o.Name)
		} else if o.DeletionTimestamp.IsZero() {
			s.till.remove(o.Name)
			if has(&o, otherFinalizer) {
				s.till.dropOther(o.Name)
			}
		}
	}
	finish()
	if orders := s.till.orders(); len(orders) > 0 || s.till.wallet() != nil {
		t.Fatalf("left behind: wallet %+v, orders %+v", s.till.wallet(), orders)
	}
}

func has(o client.Object, finalizer string) bool {
	for _, f := range o.GetFinalizers() {
		if f == finalizer {
			return true
		}
	}
	return false
}
