package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/test/stand"
)

// judge holds what all orders say against all ledgers, and against what was paid.
func (s *soak) judge(ctx context.Context, t *tally) error {
	orders, err := s.read(ctx)
	if err != nil {
		return err
	}
	maps.Copy(orders, t.retired)
	owned, err := s.simulator.Owned(ctx)
	if err != nil {
		return err
	}
	var errs []error
	t.ended, t.delivered, t.owned = map[string]int{}, map[string]int{}, map[string]int{}
	for _, operator := range owned {
		t.owned[operator]++
	}
	holders := map[string]string{}
	for uid, placed := range t.orders {
		order := orders[uid]
		if order == nil {
			errs = append(errs, fmt.Errorf("%s is gone", placed.key))
			continue
		}
		if err := t.hold(order, placed.offer, owned, holders); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", err, describe([]*v1alpha1.EsimOrder{order})))
		}
	}
	for iccid, operator := range owned {
		if holders[iccid] == "" {
			errs = append(errs, fmt.Errorf("%s sold %s, and no delivered order has it", operator, iccid))
		}
	}
	errs = append(errs, s.judgeStranded(ctx, t), s.judgeMoney(ctx, t, orders))
	s.sayf("judged: %d delivered, %d owned at the operators, %d complaints", len(holders), len(owned), count(errs))
	return errors.Join(errs...)
}

func count(errs []error) (n int) {
	for _, err := range errs {
		if err != nil {
			n++
		}
	}
	return n
}

// hold tells what is wrong with one order.
func (t *tally) hold(order *v1alpha1.EsimOrder, of offer, owned, holders map[string]string) error {
	charge := order.Status.Charge
	paid := charge != nil && charge.Refund == nil
	switch order.Status.Phase {
	case v1alpha1.PhaseDelivered:
		t.ended["DELIVERED"]++
		if order.Status.Esim == nil || order.Status.Provisioning == nil {
			return errors.New("DELIVERED without a profile")
		}
		iccid, operator := order.Status.Esim.ICCID, order.Status.Provisioning.OperatorRef.Name
		t.delivered[operator]++
		other := holders[iccid]
		holders[iccid] = order.Name
		switch {
		case of.unknown:
			return errors.New("DELIVERED what nobody sells")
		case owned[iccid] != operator:
			return fmt.Errorf("DELIVERED %s from %s, which is owned at %q", iccid, operator, owned[iccid])
		case other != "":
			return fmt.Errorf("DELIVERED %s, as %s was", iccid, other)
		case !paid || !costs(string(charge.Amount), string(of.amount)):
			return errors.New("DELIVERED and not paid as it should be")
		}
	case v1alpha1.PhaseFailed:
		t.ended["FAILED "+string(order.Status.Failure.Code)]++
		switch {
		case !of.unknown:
			return fmt.Errorf("FAILED although there is a source that sells it: %s", order.Status.Failure.Reason)
		case paid:
			return errors.New("FAILED and not refunded")
		}
	case v1alpha1.PhaseCancelled:
		t.ended["CANCELLED"]++
		switch {
		case !order.Spec.Cancel:
			return errors.New("CANCELLED although nobody wanted that")
		case paid:
			return errors.New("CANCELLED and not refunded")
		}
	default:
		t.ended[string(order.Status.Phase)]++
		return fmt.Errorf("it is %s", order.Status.Phase)
	}
	return nil
}

// costs tells whether two amounts are the same.
func costs(charged, priced string) bool {
	one, err := money.Parse(charged)
	if err != nil {
		return false
	}
	other, err := money.Parse(priced)
	return err == nil && one.Equal(other)
}

// judgeStranded holds the profiles that were reserved and not bought against the answers of
// DownloadOrder that were lost, to faults and to kills: at each kill as many as were in flight.
func (s *soak) judgeStranded(ctx context.Context, t *tally) error {
	var err error
	if t.stranded, err = s.simulator.Stranded(ctx); err != nil {
		return err
	}
	const page = 10_000
	for after, more := int64(0), true; more; {
		var found struct {
			Entries []smdp.LedgerEntry `json:"entries"`
			More    bool               `json:"more"`
		}
		path := fmt.Sprintf("/ledger?function=%s&after=%d&limit=%d", es2plus.DownloadOrder, after, page)
		if err := s.simulator.Tell(ctx, http.MethodGet, path, "", &found); err != nil {
			return err
		}
		for _, entry := range found.Entries {
			after = entry.Sequence
			if entry.Fault != "" {
				t.strandable++
			}
		}
		more = found.More
	}
	t.strandable += t.kills * int(s.operator(stand.Telco).Spec.Limits.InFlight)
	if t.stranded > t.strandable {
		return fmt.Errorf("%d profiles are stranded, and only %d answers of DownloadOrder can have been lost", t.stranded, t.strandable)
	}
	return nil
}

// judgeMoney holds each wallet against what its orders say, and waits for what the manager's own
// audit finds.
func (s *soak) judgeMoney(ctx context.Context, t *tally, orders map[types.UID]*v1alpha1.EsimOrder) error {
	spent := map[string]money.Amount{}
	for _, order := range orders {
		charge := order.Status.Charge
		if charge == nil || charge.Refund != nil {
			continue
		}
		amount, err := money.Parse(string(charge.Amount))
		if err != nil {
			return fmt.Errorf("reading the charge of %s: %w", order.Name, err)
		}
		spent[order.Namespace] = spent[order.Namespace].Add(amount)
	}
	start, err := money.Parse(deposited)
	if err != nil {
		return fmt.Errorf("reading the deposit: %w", err)
	}
	var errs []error
	for _, name := range s.clients {
		want := start.Sub(spent[name])
		t.add("spent by "+name, "%s USD", spent[name])
		if err := s.awaitBalance(ctx, name, want); err != nil {
			errs = append(errs, err)
		}
	}
	differing := -1.0
	err = stand.Until(ctx, readyLimit, "an audit of all wallets without a difference", func() (bool, error) {
		found, err := s.gauges.read(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // a manager that is just starting does not answer.
		}
		wrong, told := found["esim_ledger_differing_wallets"]
		if !told || time.Since(s.managerStarted()) < leaseRunsOut+2*auditInterval {
			return false, nil // nothing was audited yet
		}
		differing = wrong
		return differing == 0 && found["esim_ledger_unaudited_namespaces"] == 0, nil
	})
	t.add("wallets that the manager's audit finds wrong", "%.0f", differing)
	return errors.Join(append(errs, err)...)
}

func (s *soak) awaitBalance(ctx context.Context, namespace string, want money.Amount) error {
	shows := ""
	err := stand.Until(ctx, readyLimit, "a balance", func() (bool, error) {
		var found v1alpha1.EsimWallet
		if err := s.env.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: wallet}, &found); err != nil {
			return false, fmt.Errorf("reading the wallet of %s: %w", namespace, err)
		}
		shows = string(found.Status.Balance)
		balance, err := money.Parse(shows)
		return err == nil && balance.Equal(want), nil
	})
	if err != nil {
		return fmt.Errorf("the wallet of %s shows %s, and its orders leave %s: %w", namespace, shows, want, err)
	}
	return nil
}
