package money

import (
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// rounds is how many passes over everything a world needs, at most, to come to rest.
const rounds = 60

// rest lets a manager without mishaps work until nothing is left to do, and holds what is
// there then against the truth.
func (w *world) rest() error {
	if err := errors.Join(w.shop.SMDP.ClearFaults(), w.shop.SMDP.SetStock(testshop.Plan, 100)); err != nil {
		return err
	}
	w.leader.line.Arm(0, "")
	if err := w.succeed(w.leader, false); err != nil {
		return err
	}
	var restless error
	for range rounds {
		if err := w.round(); err != nil {
			return err
		}
		if restless = w.restless(); restless == nil {
			return w.judge()
		}
	}
	return fmt.Errorf("after %d rounds: %w", rounds, restless)
}

func (w *world) round() error {
	for _, key := range w.orders {
		if err := w.leader.cache.syncOrder(w.ctx, key); err != nil {
			return err
		}
		w.work(w.leader, key)
	}
	for _, key := range w.wallets() {
		if err := w.leader.cache.syncWallet(w.ctx, key); err != nil {
			return err
		}
		if _, err := w.leader.WorkWallet(w.ctx, key); err != nil {
			return fmt.Errorf("EsimWallet %s: %w", key.Name, err)
		}
	}
	w.clock.SetTime(w.clock.Now().Add(10 * time.Minute))
	return w.check()
}

// excused is an order that waits for somebody to look up what happened.
func excused(order *v1alpha1.EsimOrder) bool {
	unknown := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionOutcomeUnknown)
	return unknown != nil && unknown.Reason == "NeedsPerson"
}

// restless says what is not at its end yet.
func (w *world) restless() error {
	var orders v1alpha1.EsimOrderList
	if err := w.api.List(w.ctx, &orders, client.InNamespace(w.shop.Name)); err != nil {
		return err
	}
	for i := range orders.Items {
		order := &orders.Items[i]
		switch {
		case excused(order):
		case !order.DeletionTimestamp.IsZero():
			return fmt.Errorf("EsimOrder %s is deleted and still there", order.Name)
		case !order.Terminal():
			return fmt.Errorf("EsimOrder %s is PENDING: %+v", order.Name, order.Status.Conditions)
		case order.Status.Provisioning != nil && order.Status.Provisioning.Closing != "":
			return fmt.Errorf("EsimOrder %s is %s and still closing", order.Name, order.Status.Phase)
		}
	}
	for _, key := range w.wallets() {
		if err := w.restlessWallet(key); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) restlessWallet(key types.NamespacedName) error {
	var wallet v1alpha1.EsimWallet
	if err := w.api.Get(w.ctx, key, &wallet); err != nil {
		return client.IgnoreNotFound(err)
	}
	if len(wallet.Status.Settling) > 0 {
		return fmt.Errorf("EsimWallet %s is still settling", key.Name)
	}
	totals, err := w.leader.Orders.Ledger.Totals(w.ctx, &wallet)
	if err != nil {
		return err
	}
	if string(wallet.Status.Balance) != totals.Balance.String() {
		return fmt.Errorf("EsimWallet %s shows %s, and has %s", key.Name, wallet.Status.Balance, totals.Balance)
	}
	return nil
}

// judge holds the world at rest against the truth: every order that was delivered has one
// profile, every other none; the leader's book says what the objects say.
func (w *world) judge() error {
	var orders v1alpha1.EsimOrderList
	if err := w.api.List(w.ctx, &orders, client.InNamespace(w.shop.Name)); err != nil {
		return err
	}
	unclear := map[types.UID]bool{}
	for i := range orders.Items {
		unclear[orders.Items[i].UID] = excused(&orders.Items[i])
	}
	for uid, phase := range w.truth.phases {
		want := 0
		if phase == v1alpha1.PhaseDelivered {
			want = 1
		}
		if got := w.usable(uid); got != want && !unclear[uid] {
			return fmt.Errorf("the order with UID %s ended %s and has %d usable profiles", uid, phase, got)
		}
	}
	differing, sure, err := w.leader.Orders.Ledger.Audit(w.ctx, w.shop.Name)
	if err != nil {
		return err
	}
	if !sure || len(differing) > 0 {
		return fmt.Errorf("the audit of a world at rest is sure: %v, and finds other balances for %v", sure, differing)
	}
	return w.check()
}
