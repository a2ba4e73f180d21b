package ledger

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// book holds the accounts of one client's wallets.
type book struct {
	namespace string
	tell      func(types.NamespacedName)

	// gate is held for reading while the book is used, until the write that a use led to is
	// answered, and for writing while the book is opened: no charge is on its way then.
	gate  sync.RWMutex
	looks looks
	// taking is held by whoever takes orders over from an earlier leader.
	taking sync.Mutex

	// mu guards what follows, and is never held over a call.
	mu     sync.Mutex
	opened bool
	// version changes with every sum.
	version  uint64
	accounts map[types.UID]*account
	entries  map[types.UID]*entry
	// settledOrders are those whose money is in their wallet's settled totals and that the cache
	// may still show.
	settledOrders map[types.UID]struct{}
	// uncharged are the orders that an earlier leader, or an earlier write of ours whose answer
	// was lost, may still charge.
	uncharged  map[types.UID]*v1alpha1.EsimOrder
	references references
	// shown are the wallets' newest copies that anybody showed.
	shown map[types.UID]*v1alpha1.EsimWallet
	// asOf is the version of the list of orders that the book was opened from; empty where it
	// is not known.
	asOf string
	// hearsay counts the entries that are.
	hearsay int
	// meanwhile is what is told while the book is opened; nil at other times.
	meanwhile *meanwhile
}

// account of one wallet. The sums are exact.
type account struct {
	name string
	// charged and refunded are those of live orders; reserved is for charges on their way.
	charged, refunded, reserved money.Amount
	// open counts orders that are charged and PENDING; live, those that are charged.
	open, live int
	// settled totals, as the wallet's status has them.
	settledDebited, settledRefunded money.Amount
}

// stage of an entry.
type stage int

const (
	reserved stage = iota
	charged
	refunded
)

// entry is what one order took from a wallet.
type entry struct {
	order  string
	wallet types.UID
	amount money.Amount
	stage  stage
	open   bool
	// hearsay: all that is known of the entry is that the cache showed it. The order may be long
	// gone, and its money in the wallet's settled totals: so nothing is refused for its sake.
	hearsay bool
}

// source of what is said of an order.
type source int

const (
	// answered by the API server, just now.
	answered source = iota
	// told by the cache, which may be old.
	told
)

// Totals are the sums of a wallet, in its currency.
type Totals struct {
	// Deposited, Debited, Refunded: all of it, of orders that are gone too.
	Deposited, Debited, Refunded money.Amount
	// Balance is Deposited - Debited + Refunded.
	Balance money.Amount
	// Available is Balance and the credit limit, less what charges on their way will take.
	Available money.Amount
	// Open counts orders that are charged and PENDING.
	Open int
}

// counts tells whether an order's charge counts as that of a live order: one that is deleted
// and lacks the finalizer is settled, or its wallet is gone.
func counts(order *v1alpha1.EsimOrder) bool {
	return order.Status.Charge != nil &&
		(order.DeletionTimestamp.IsZero() || controllerutil.ContainsFinalizer(order, v1alpha1.SettlementFinalizer))
}

func entryOf(order *v1alpha1.EsimOrder) (*entry, error) {
	charge := order.Status.Charge
	amount, err := money.Parse(string(charge.Amount))
	if err != nil {
		return nil, fmt.Errorf("the charge of EsimOrder %s/%s: %w", order.Namespace, order.Name, err)
	}
	e := &entry{order: order.Name, wallet: charge.WalletUID, amount: amount, stage: charged, open: !order.Terminal()}
	if charge.Refund != nil {
		e.stage = refunded
	}
	return e, nil
}

// account of a wallet; a new one where none is known.
func (b *book) account(wallet types.UID) *account {
	a, ok := b.accounts[wallet]
	if !ok {
		a = &account{}
		b.accounts[wallet] = a
	}
	return a
}

// add and remove keep the sums of an entry's account in step with the entry.
func (b *book) add(order types.UID, e *entry) {
	b.entries[order] = e
	b.account(e.wallet).count(e, 1)
	if e.hearsay {
		b.hearsay++
	}
	b.version++
}

func (b *book) remove(order types.UID) {
	e, ok := b.entries[order]
	if !ok {
		return
	}
	delete(b.entries, order)
	b.account(e.wallet).count(e, -1)
	if e.hearsay {
		b.hearsay--
	}
	b.version++
}

func (a *account) count(e *entry, sign int) {
	amount := e.amount
	if sign < 0 {
		amount = amount.Neg()
	}
	if e.stage == reserved {
		a.reserved = a.reserved.Add(amount)
		return
	}
	a.live += sign
	a.charged = a.charged.Add(amount)
	if e.stage == refunded {
		a.refunded = a.refunded.Add(amount)
	}
	if e.open {
		a.open += sign
	}
}

// observe merges what an order says of itself with what is known: a charge and a refund, once
// written, stay.
func (b *book) observe(order *v1alpha1.EsimOrder, by source) {
	if order.Terminal() {
		b.looks.forget(order.UID)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened {
		b.observed(order, by)
		return
	}
	if left := order.Status.Charge != nil && !counts(order); left {
		b.meanwhile.left(order.FirstUID(), false, func() { b.observed(order, by) })
		return
	}
	b.meanwhile.seen(order.FirstUID(), func() { b.observed(order, by) })
}

// observed is observe in an open book. The caller holds mu.
func (b *book) observed(order *v1alpha1.EsimOrder, by source) {
	known := b.entries[order.FirstUID()]
	if _, settled := b.settledOrders[order.FirstUID()]; settled || order.Status.Charge == nil {
		return
	}
	if known == nil && by == told && b.listedSince(order) {
		return // an order that the list lacks was gone by then, and settled
	}
	if !counts(order) {
		b.lost(order.FirstUID())
		return
	}
	seen, err := entryOf(order)
	if err != nil {
		b.opened = false // whoever uses the book next is told what is wrong
		return
	}
	if known != nil && known.hearsay && by == answered {
		known.hearsay = false
		b.hearsay--
	}
	if known != nil && known.stage >= seen.stage && known.open == seen.open {
		return
	}
	seen.hearsay = by == told && (known == nil || known.hearsay)
	if known != nil && known.stage > seen.stage {
		seen.stage = known.stage
	}
	if known != nil && known.stage != reserved {
		seen.open = seen.open && known.open // an old cache shows it PENDING still
	}
	if known == nil || known.stage == reserved {
		b.references.list(order, b.references.promised(order)) // somebody else may have accepted it
	}
	delete(b.uncharged, order.UID)
	b.remove(order.FirstUID())
	b.add(order.FirstUID(), seen)
	b.notify(seen.wallet)
}

// listedSince tells whether the list that the book was opened from is not older than what is
// shown of an order. Where versions cannot be compared, it is not known to be.
func (b *book) listedSince(order *v1alpha1.EsimOrder) bool {
	newer, err := resourceversion.CompareResourceVersion(b.asOf, order.ResourceVersion)
	return err == nil && newer >= 0
}

// onHearsay tells whether what the book says may rest on nothing but what an old cache showed.
// Then the book is closed: once it is opened anew, each entry is one that the API server showed.
// The caller holds mu.
func (b *book) onHearsay() bool {
	if b.hearsay > 0 {
		b.opened = false
	}
	return b.hearsay > 0
}

// gone takes in that an order does not exist any more.
func (b *book) gone(order *v1alpha1.EsimOrder) {
	b.looks.forget(order.UID)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened {
		b.vanished(order)
		return
	}
	b.meanwhile.left(order.FirstUID(), true, func() { b.vanished(order) })
}

// vanished is gone in an open book. The caller holds mu.
func (b *book) vanished(order *v1alpha1.EsimOrder) {
	b.references.release(order)
	delete(b.uncharged, order.UID)
	if _, settled := b.settledOrders[order.FirstUID()]; settled {
		delete(b.settledOrders, order.FirstUID())
		return
	}
	b.lost(order.FirstUID())
}

// lost is an order that left without being settled by this process: another leader settled it,
// its wallet went before it, or somebody took its finalizer. The wallets' own totals tell.
func (b *book) lost(order types.UID) {
	known, ok := b.entries[order]
	switch {
	case !ok:
		return
	case known.stage == reserved:
		b.remove(order) // it was never charged, and cannot be any more
	default:
		b.opened = false
	}
	b.notify(known.wallet)
}

// amountOf reads an amount of a status; absent is 0.
func amountOf(text v1alpha1.Amount) (money.Amount, error) {
	if text == "" {
		return money.Amount{}, nil
	}
	return money.Parse(string(text))
}

// accountOf is the account of a wallet that exists. One that is met for the first time since
// the book was opened was created since, and settled by nobody but this process.
func (b *book) accountOf(wallet *v1alpha1.EsimWallet) (*account, error) {
	known, ok := b.accounts[wallet.FirstUID()]
	if ok && known.name != "" {
		return known, nil
	}
	a := b.account(wallet.FirstUID())
	err := a.adopt(wallet)
	return a, err
}

func (b *book) totals(wallet *v1alpha1.EsimWallet) (Totals, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.totalsLocked(wallet)
}

func (b *book) totalsLocked(wallet *v1alpha1.EsimWallet) (Totals, error) {
	a, err := b.accountOf(wallet)
	if err != nil {
		return Totals{}, err
	}
	deposited, err := pricing.Deposited(wallet)
	if err != nil {
		return Totals{}, err
	}
	credit, err := pricing.Credit(wallet)
	if err != nil {
		return Totals{}, err
	}
	t := Totals{
		Deposited: deposited,
		Debited:   a.settledDebited.Add(a.charged),
		Refunded:  a.settledRefunded.Add(a.refunded),
		Open:      a.open,
	}
	t.Balance = t.Deposited.Sub(t.Debited).Add(t.Refunded)
	t.Available = t.Balance.Add(credit).Sub(a.reserved)
	return t, nil
}

func (b *book) charges(wallet types.UID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.accounts[wallet]
	if !ok {
		return 0
	}
	n := a.live
	for _, e := range b.entries {
		if e.wallet == wallet && e.stage == reserved {
			n++
		}
	}
	return n
}

func (b *book) distrust() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened = false
	if b.meanwhile != nil {
		b.meanwhile.distrusted = true
	}
}

// closeAccount drops a wallet's account, and closes a book that is empty then. The book itself
// stays the namespace's: who is about to use it must not meet another one.
func (b *book) closeAccount(wallet types.UID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.accounts, wallet)
	delete(b.shown, wallet)
	if len(b.accounts) == 0 && len(b.entries) == 0 && b.references.empty() {
		b.opened = false
	}
}

// notify tells that a wallet's sums changed. The caller holds mu.
func (b *book) notify(wallet types.UID) {
	a, ok := b.accounts[wallet]
	if ok && a.name != "" {
		b.tell(types.NamespacedName{Namespace: b.namespace, Name: a.name})
	}
}
