package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/ledger"
)

// verdict is what becomes of a call.
type verdict int

const (
	// through: it is made, and answered.
	through verdict = iota
	// diesBefore and diesAfter: the process dies, and the call is not made, or is.
	diesBefore
	diesAfter
	// times out, and was made, or was not, or will be later.
	lostMade
	lostNotMade
	lostLate
)

var (
	errDead    = errors.New("this process is dead")
	errTimeout = errors.New("no answer within the time")
)

// process is one manager, as far as wallets go. Its calls leave one at a time, when the test
// lets them.
type process struct {
	till    *till
	ledger  *ledger.Ledger
	wallets *controllers.WalletReconciler
	// version and event are up to where its caches have come.
	version, event int
	// stepwise has each call wait for a verdict.
	stepwise bool
	arrived  chan bool
	verdicts chan verdict
	running  bool
	dead     bool
	// late are writes without an answer that are still on the wire.
	late []func()
	// calls by kind.
	calls map[string]int
	// namespace that stands in for the till's, where set.
	namespace string

	after time.Duration
	err   error
}

// start makes a process whose caches lag by so many versions and events.
func (tl *till) start(lag int) *process {
	p := &process{
		till: tl, arrived: make(chan bool), verdicts: make(chan verdict), calls: map[string]int{},
		version: max(0, len(tl.versions)-1-lag), event: max(0, len(tl.events)-lag),
	}
	wire := interceptor.NewClient(tl.api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, ok := o.(*corev1.Namespace); ok && p.namespace != "" {
				key.Name = p.namespace
			}
			return p.call(fmt.Sprintf("GET %T", o), false, o, func(o client.Object) error { return c.Get(ctx, key, o, opts...) })
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			return p.call(fmt.Sprintf("LIST %T", list), false, nil, func(client.Object) error { return c.List(ctx, list, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return p.call(fmt.Sprintf("PATCH %T", o), true, o, func(o client.Object) error { return c.Patch(ctx, o, patch, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return p.call(fmt.Sprintf("UPDATE %T", o), true, o, func(o client.Object) error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
	})
	cache := interceptor.NewClient(tl.api, interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
			wallet, ok := o.(*v1alpha1.EsimWallet)
			if !ok || key != tl.key {
				return fmt.Errorf("the cache has no %T %s", o, key)
			}
			return p.cached(wallet)
		},
	})
	p.ledger = &ledger.Ledger{Cache: cache, Live: wire, Writer: wire, Clock: tl.clock}
	p.wallets = &controllers.WalletReconciler{
		Client: cache, Live: wire, Writer: wire, Ledger: p.ledger, Clock: tl.clock,
		Recorder: events.NewFakeRecorder(10_000), CallsAtOnce: 1,
	}
	return p
}

// cached is the wallet as this process' cache has it.
func (p *process) cached(wallet *v1alpha1.EsimWallet) error {
	version := p.till.versions[p.version]
	if version == nil {
		return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("esimwallets").GroupResource(), p.till.key.Name)
	}
	version.DeepCopyInto(wallet)
	return nil
}

// call makes one call, with the verdict that the test gives.
func (p *process) call(kind string, write bool, o client.Object, do func(client.Object) error) error {
	if p.dead {
		return errDead
	}
	p.calls[kind]++
	given := through
	if p.stepwise {
		p.arrived <- true
		given = <-p.verdicts
	}
	if given == through {
		return do(o)
	}
	p.dead = given == diesBefore || given == diesAfter
	if !write {
		return errors.Join(errTimeout)
	}
	unseen, _ := o.DeepCopyObject().(client.Object)
	switch given {
	case diesAfter, lostMade:
		if err := do(unseen); err != nil { // the server's answer, which nobody hears
			return errors.Join(errTimeout)
		}
	case lostLate:
		p.late = append(p.late, func() { p.mayFail(do(unseen)) })
	}
	return errTimeout
}

// mayFail takes the answer to a write that nobody waits for: a refusal is as good as success.
func (p *process) mayFail(err error) {
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		p.till.t.Fatalf("a late write: %v", err)
	}
}

// settle hands an order over.
func (p *process) settle(order *v1alpha1.EsimOrder) {
	p.wallets.Settle(p.till.key, order.Status.Charge.WalletUID, client.ObjectKeyFromObject(order), order.UID)
}

// sync lets the caches catch up by so many versions and events.
func (p *process) sync(versions, happened int) {
	p.version = min(len(p.till.versions)-1, p.version+versions)
	for range min(happened, len(p.till.events)-p.event) {
		p.till.events[p.event](p.ledger)
		p.event++
	}
}

// pass makes a whole pass.
func (p *process) pass() (time.Duration, error) {
	result, err := p.wallets.Reconcile(context.Background(), ctrl.Request{NamespacedName: p.till.key})
	return result.RequeueAfter, err
}

// begin begins a pass whose calls wait; step lets the next one go, and the pass on to the one
// after it.
func (p *process) begin() {
	p.running = true
	go func() {
		p.after, p.err = p.pass()
		p.arrived <- false
	}()
	p.running = <-p.arrived
}

func (p *process) step(v verdict) {
	p.verdicts <- v
	p.running = <-p.arrived
}

// die ends the process, in the middle of its pass where it is in one. What it sent may still
// arrive.
func (p *process) die() {
	if p.running {
		p.step(diesBefore)
	}
	p.dead = true
}

// rest makes passes until there is nothing left to do, and lets the time go by that they ask
// for. The caches keep up.
func (p *process) rest() {
	p.till.t.Helper()
	for range 1000 {
		p.sync(len(p.till.versions), len(p.till.events))
		after, err := p.pass()
		p.till.must(err)
		version, event := len(p.till.versions)-1, len(p.till.events)
		if after == 0 && p.version == version && p.event == event {
			return
		}
		p.till.clock.SetTime(p.till.clock.Now().Add(after))
	}
	p.till.t.Fatal("the passes over the wallet do not come to an end")
}
