package ledger

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// meanwhile is what is told of orders between the beginning of the list that a book is opened
// from and the moment that it is open. The list may be older than what is told, and nothing is
// told twice.
//
// The wallets are listed after the orders. So an order that has left before that is in what
// the wallets say, also where the list of orders still shows it. What is told later may be in
// it or not, and is told again once the book is open. On nil, nobody is opening the book:
// what is told will be in the lists.
type meanwhile struct {
	// walletsListed is set when the list of wallets begins.
	walletsListed bool
	// leftOrders count as live ones no more; they are true where nothing is left of the order.
	leftOrders map[types.UID]bool
	// settledOrders were settled by this process; the cache may still show them.
	settledOrders map[types.UID]struct{}
	// distrusted: what was listed may be wrong already.
	distrusted bool
	told       []tale
}

// tale is what was told of one order, or of several where order is empty.
type tale struct {
	order types.UID
	tell  func()
}

func newMeanwhile() *meanwhile {
	return &meanwhile{leftOrders: map[types.UID]bool{}, settledOrders: map[types.UID]struct{}{}}
}

// seen is told of an order that is there.
func (m *meanwhile) seen(order types.UID, tell func()) {
	if m != nil {
		m.told = append(m.told, tale{order, tell})
	}
}

// left is told of an order that does not count as a live one any more, or is gone.
func (m *meanwhile) left(order types.UID, gone bool, tell func()) {
	switch {
	case m == nil:
	case m.walletsListed:
		m.told = append(m.told, tale{order, tell})
	default:
		m.leftOrders[order] = gone || m.leftOrders[order]
	}
}

// settled is told of orders that this process settled.
func (m *meanwhile) settled(moved []v1alpha1.SettlingOrder, tell func()) {
	switch {
	case m == nil:
	case m.walletsListed:
		m.told = append(m.told, tale{"", tell})
	default:
		for _, order := range moved {
			m.settledOrders[order.UID] = struct{}{}
		}
	}
}

// replay tells it all, but of orders that had left before the wallets were listed, for as long
// as the book is open.
func (m *meanwhile) replay(b *book) {
	for _, t := range m.told {
		if _, left := m.leftOrders[t.order]; !left && b.opened {
			t.tell()
		}
	}
}
