package controllers_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// failsOverAfter sets how long an operator may be unfit.
func (d *desk) failsOverAfter(name string, after time.Duration) {
	d.t.Helper()
	var operator v1alpha1.EsimOperator
	if err := d.api.Get(d.t.Context(), types.NamespacedName{Name: name}, &operator); err != nil {
		d.t.Fatal(err)
	}
	operator.Spec.Recovery.FailoverAfter = metav1.Duration{Duration: after}
	if err := d.api.Update(d.t.Context(), &operator); err != nil {
		d.t.Fatal(err)
	}
}

func TestOfManyOrdersOneFindsOutWhetherTheOtherOperatorIsBack(t *testing.T) {
	const orders = 8
	d, wholesaler := twoSources(t)
	d.failsOverAfter(d.shop.Name, time.Nanosecond)
	pool := connections.NewPool(connections.Config{BreakerFailures: 5, BreakerDelay: time.Nanosecond, TrialInterval: time.Hour})
	d.Pool, d.Orders.Connections = pool, pool
	pool.For("wholesaler").Connect(wholesaler, 50)
	d.connect()
	wholesaler.set(func(v *vendor) { v.away = true })
	name := func(i int) string { return fmt.Sprintf("order-%d", i) }
	for i := range orders {
		if _, err := d.shop.Order(t.Context(), name(i)); err != nil {
			t.Fatal(err)
		}
	}
	work := func(i int) {
		if _, err := d.Work(t.Context(), types.NamespacedName{Namespace: d.shop.Name, Name: name(i)}); err != nil {
			t.Fatal(err)
		}
	}
	// All are intended for the wholesaler, which is away; then the other one seems to be back.
	for i := range orders {
		work(i)
	}
	for range 5 {
		pool.For(d.shop.Name).Observe(operators.Call{Function: "DownloadOrder", Outcome: string(operators.Transient)})
	}
	since := pool.For(d.shop.Name).Fitness().UnfitSince
	for !time.Now().After(since) {
		runtime.Gosched()
	}
	pool.For(d.shop.Name).Probed(nil)
	d.clock.SetTime(d.clock.Now().Add(time.Hour))
	moved := 0
	for i := range orders {
		work(i)
		order, err := d.shop.Find(t.Context(), name(i))
		if err != nil {
			t.Fatal(err)
		}
		if order.Status.Provisioning.Attempt > 1 {
			moved++
		}
	}
	if moved != 1 {
		t.Errorf("%d of %d orders went to find out", moved, orders)
	}
}
