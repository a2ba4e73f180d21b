package controllers_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// patched is an operator whose connections are accepted, whoever answers behind them.
type patched struct {
	*vendor
	silent bool
	tries  int
}

func (p *patched) Try(context.Context) error {
	p.tries++
	if p.silent {
		return &operators.Error{Class: operators.Transient, Message: "it did not answer"}
	}
	return nil
}

func TestAnOperatorThatCameBackIsReadyWithoutAnOrder(t *testing.T) {
	for name, driver := range map[string]operators.Driver{
		"whose probe is a call":       &vendor{},
		"that is asked for an answer": &patched{vendor: &vendor{}},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := twoSources(t)
			synctest.Test(t, func(t *testing.T) {
				w := watchedOperator(t, d, driver)
				w.looks("True Reachable")
				w.breaks()
				w.looks("False CircuitOpen")
				time.Sleep(connections.DefaultConfig.BreakerDelay)
				w.looks("True Reachable")
			})
		})
	}
}

func TestAnOperatorThatAcceptsConnectionsAndAnswersNothingIsNotReady(t *testing.T) {
	d, _ := twoSources(t)
	driver := &patched{vendor: &vendor{}, silent: true}
	synctest.Test(t, func(t *testing.T) {
		w := watchedOperator(t, d, driver)
		w.breaks()
		for range 3 {
			time.Sleep(connections.DefaultConfig.BreakerDelay)
			w.looks("False CircuitOpen")
			w.looks("False CircuitOpen")
		}
		if driver.tries != 3 {
			t.Errorf("it was tried %d times in three of the breaker's waits", driver.tries)
		}
		driver.silent = false
		time.Sleep(connections.DefaultConfig.BreakerDelay)
		w.looks("True Reachable")
	})
}

// caretaker looks after one EsimOperator.
type caretaker struct {
	t          *testing.T
	d          *desk
	pool       *connections.Pool
	reconciler *controllers.OperatorReconciler
}

func watchedOperator(t *testing.T, d *desk, driver operators.Driver) *caretaker {
	t.Helper()
	w := &caretaker{t: t, d: d, pool: connections.NewPool(connections.DefaultConfig)}
	w.reconciler = &controllers.OperatorReconciler{
		Client: d.api, Live: d.api, Writer: d.api, Connections: w.pool,
		NewDriver: func(*v1alpha1.EsimOperator, *corev1.Secret, func(operators.Call)) (operators.Driver, error) {
			return driver, nil
		},
		Recorder: events.NewFakeRecorder(100), Clock: d.clock, Jitter: func() float64 { return 0 }, Namespace: "esim-system",
	}
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = "esim-system", "wholesaler"
	if err := d.api.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.looks("True Reachable")
	return w
}

// breaks has calls go unanswered.
func (w *caretaker) breaks() {
	for range connections.DefaultConfig.BreakerFailures {
		w.pool.For("wholesaler").Observe(operators.Call{Function: "Buy", Outcome: string(operators.Transient)})
	}
}

// looks has the operator looked at, and says what Ready says then.
func (w *caretaker) looks(want string) {
	w.t.Helper()
	key := types.NamespacedName{Name: "wholesaler"}
	if _, err := w.reconciler.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		w.t.Fatal(err)
	}
	var operator v1alpha1.EsimOperator
	if err := w.d.api.Get(w.t.Context(), key, &operator); err != nil {
		w.t.Fatal(err)
	}
	ready := meta.FindStatusCondition(operator.Status.Conditions, v1alpha1.ConditionReady)
	if got := string(ready.Status) + " " + ready.Reason; got != want {
		w.t.Errorf("Ready is %s, want %s", got, want)
	}
}
