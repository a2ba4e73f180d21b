package orders

import (
	"cmp"
	"errors"

	"github.com/tidwall/btree"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/money"
)

// Entry is what an order did to its wallet: its charge, or the refund of it.
type Entry struct {
	// Time in seconds, which is what times of the ledger have, and ID of the transaction.
	Time, ID int64
	// Order that was charged. Nobody changes it.
	Order  *v1alpha1.EsimOrder
	Refund bool
}

// latestFirst is the order of statements: by time, then by id.
func latestFirst(a, b Entry) bool {
	return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(b.ID, a.ID), cmp.Compare(a.Order.Name, b.Order.Name)) < 0
}

// Entries are what the orders of a client did to one of its wallets, at one moment, latest first.
type Entries struct {
	tree *btree.BTreeG[Entry]
	// net is the sum of all, but for those of so many orders whose charge cannot be read.
	net        money.Amount
	unreadable int
}

// ErrUnreadable says that the charge of an order is no number.
var ErrUnreadable = errors.New("the charge of an order is not a decimal number")

func newEntries() *Entries {
	return &Entries{tree: btree.NewBTreeGOptions(latestFirst, btree.Options{NoLocks: true})}
}

// Net is what they come to: what the orders have changed the wallet's balance by. It costs
// nothing, however many there are.
func (e *Entries) Net() (money.Amount, error) {
	if e.unreadable > 0 {
		return money.Amount{}, ErrUnreadable
	}
	return e.net, nil
}

// count takes an order's charge in, with the sign 1, or out, with -1.
func (e *Entries) count(order *v1alpha1.EsimOrder, sign int) {
	charge := order.Status.Charge
	amount, err := money.Parse(string(charge.Amount))
	switch {
	case err != nil:
		e.unreadable += sign
	case charge.Refund != nil:
		// What was charged is what is refunded.
	case sign > 0:
		e.net = e.net.Sub(amount)
	default:
		e.net = e.net.Add(amount)
	}
}

// Len is how many there are.
func (e *Entries) Len() int { return e.tree.Len() }

// At is the i-th, from 0, in O(log n).
func (e *Entries) At(i int) Entry {
	entry, _ := e.tree.GetAt(i)
	return entry
}

// entriesOf are what an order did, and to which wallet: to none where it counts no more.
func entriesOf(order *v1alpha1.EsimOrder) (wallet types.UID, entries []Entry) {
	if !ledger.Counts(order) {
		return "", nil
	}
	charge := order.Status.Charge
	entries = append(entries, Entry{Time: charge.Time.Unix(), ID: charge.TransactionID, Order: order})
	if refund := charge.Refund; refund != nil {
		entries = append(entries, Entry{Time: refund.Time.Unix(), ID: refund.TransactionID, Order: order, Refund: true})
	}
	return charge.WalletUID, entries
}

// enter takes in what an order did. The caller holds mu.
func (s *shelf) enter(order *v1alpha1.EsimOrder) {
	wallet, entries := entriesOf(order)
	if len(entries) == 0 {
		return
	}
	if s.wallets[wallet] == nil {
		s.wallets[wallet] = newEntries()
	}
	for _, e := range entries {
		s.wallets[wallet].tree.Set(e)
	}
	s.wallets[wallet].count(order, 1)
}

// strike takes out what an order did. The caller holds mu.
func (s *shelf) strike(order *v1alpha1.EsimOrder) {
	wallet, entries := entriesOf(order)
	if len(entries) == 0 {
		return
	}
	of := s.wallets[wallet]
	for _, e := range entries {
		of.tree.Delete(e)
	}
	of.count(order, -1)
	if of.Len() == 0 {
		delete(s.wallets, wallet)
	}
}

// Entries are what a client's orders did to a wallet, but for those that are in its settled
// totals already. It costs the same however many they are, and O(log n) for each that is being
// settled.
func (x *Index) Entries(wallet *v1alpha1.EsimWallet) *Entries {
	s := x.shelf(wallet.Namespace)
	if s == nil {
		return newEntries()
	}
	// A copy marks what it is made of.
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.wallets[wallet.FirstUID()]
	if of == nil {
		return newEntries()
	}
	copied := &Entries{tree: of.tree.Copy(), net: of.net, unreadable: of.unreadable}
	for _, settling := range wallet.Status.Settling {
		known, ok := s.names[settling.Name]
		if !ok || known.order.FirstUID() != settling.UID {
			continue
		}
		if charged, entries := entriesOf(known.order); charged == wallet.FirstUID() {
			for _, e := range entries {
				copied.tree.Delete(e)
			}
			copied.count(known.order, -1)
		}
	}
	return copied
}
