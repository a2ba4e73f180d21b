package ledger

import (
	"fmt"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// settled moves orders from the live ones to their wallet's settled totals.
func (b *book) settled(wallet *v1alpha1.EsimWallet, moved []v1alpha1.SettlingOrder) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened {
		return b.moved(wallet, moved)
	}
	// A failure closes the book again: whoever uses it next is told.
	b.meanwhile.settled(moved, func() { _ = b.moved(wallet, moved) })
	return nil
}

// moved is settled in an open book. Totals that grew by more than was moved are not this
// process' work alone: then it is not known which orders are in them. The caller holds mu.
func (b *book) moved(wallet *v1alpha1.EsimWallet, moved []v1alpha1.SettlingOrder) error {
	for _, order := range moved {
		b.remove(order.UID)
		b.settledOrders[order.UID] = struct{}{}
	}
	b.version++
	a := b.account(wallet.FirstUID())
	before := *a
	if err := a.adopt(wallet); err != nil {
		b.opened = false
		return err
	}
	ours, err := a.grewBy(before, moved)
	if err != nil || !ours {
		b.opened = false
		b.notify(wallet.FirstUID())
	}
	return err
}

// grewBy tells whether the settled totals differ from earlier ones by some orders, or not at
// all: then these were in them already.
func (a *account) grewBy(before account, moved []v1alpha1.SettlingOrder) (bool, error) {
	debited, refunded := before.settledDebited, before.settledRefunded
	if a.settledDebited.Equal(debited) && a.settledRefunded.Equal(refunded) {
		return true, nil
	}
	for _, order := range moved {
		d, err := money.Parse(string(order.Debited))
		if err != nil {
			return false, fmt.Errorf("settling EsimOrder %s: %w", order.Name, err)
		}
		r, err := money.Parse(string(order.Refunded))
		if err != nil {
			return false, fmt.Errorf("settling EsimOrder %s: %w", order.Name, err)
		}
		debited, refunded = debited.Add(d), refunded.Add(r)
	}
	return a.settledDebited.Equal(debited) && a.settledRefunded.Equal(refunded), nil
}

// adopt takes the settled totals from a wallet's status.
func (a *account) adopt(wallet *v1alpha1.EsimWallet) (err error) {
	a.name = wallet.Name
	if a.settledDebited, err = amountOf(wallet.Status.Settled.Debited); err != nil {
		return fmt.Errorf("the settled debits of EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
	}
	if a.settledRefunded, err = amountOf(wallet.Status.Settled.Refunded); err != nil {
		return fmt.Errorf("the settled refunds of EsimWallet %s/%s: %w", wallet.Namespace, wallet.Name, err)
	}
	return nil
}
