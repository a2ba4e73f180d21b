package ledger

import (
	"context"
	"errors"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Ledger is the leader's books. It is safe for concurrent use.
type Ledger struct {
	// Cache reads wallets and clients. It may be old. Where it lacks a deposit, a higher limit, a
	// rate or a wallet, nobody is refused for that: Live is asked first. Where it lacks what
	// takes money back (a reversal, a lower limit) or a change of rates or discounts, a charge
	// goes by what was before, as one does that was written a moment earlier: so a wallet may be
	// overdrawn by a reversal, by no more than is charged before the first reader in this process
	// shows it. Of wallets the newest copy that any reader showed counts, whoever is older.
	Cache client.Reader
	// Live reads from the API server.
	Live client.Reader
	// Writer takes orders over from an earlier leader.
	Writer client.Client
	// Clock tells the time of charges.
	Clock clock.PassiveClock

	mu      sync.Mutex
	books   map[string]*book
	changed func(types.NamespacedName)
	// unhurried is held by the one who opens a book only to show what is in it.
	unhurried sync.Mutex
}

// ErrOpening says that the books of other clients are being opened, and that this one's turn has
// not come: ask again soon.
var ErrOpening = errors.New("the book is opened later: another one is being opened")

// OnChange sets what is called with each wallet whose sums may have changed. It must not
// block.
func (l *Ledger) OnChange(changed func(wallet types.NamespacedName)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = changed
}

func (l *Ledger) tell(wallet types.NamespacedName) {
	l.mu.Lock()
	changed := l.changed
	l.mu.Unlock()
	if changed != nil {
		changed(wallet)
	}
}

// book of a namespace, opened or not.
func (l *Ledger) book(namespace string) *book {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.books[namespace]
	if !ok {
		if l.books == nil {
			l.books = map[string]*book{}
		}
		b = &book{namespace: namespace, tell: l.tell}
		l.books[namespace] = b
	}
	return b
}

// Claim gives the order's clientReference to it, or returns the name of the order that has it
// already: one that was accepted, else the one that was created first. A reference is free
// again when the order that had it is gone. Who might still accept another order with it, by a
// late write, is kept from it first, as before a charge.
func (l *Ledger) Claim(ctx context.Context, order *v1alpha1.EsimOrder) (holder string, err error) {
	b := l.book(order.Namespace)
	for {
		holder, err = l.claim(ctx, b, order)
		if !errors.Is(err, errStartOver) {
			return holder, err
		}
	}
}

func (l *Ledger) claim(ctx context.Context, b *book, order *v1alpha1.EsimOrder) (holder string, err error) {
	if err := b.use(ctx, l.Live); err != nil {
		return "", err
	}
	defer b.gate.RUnlock()
	if err := l.takeOver(ctx, b, order.UID); err != nil {
		return "", err
	}
	return b.claim(order)
}

// Observe takes in what an order's status says, from wherever it was read: a charge or a
// refund that was ever written stays. It is called with every order that the cache shows. A
// charge that is known from here alone is not spent, and refuses nobody: the order may be
// settled and gone for long.
func (l *Ledger) Observe(order *v1alpha1.EsimOrder) { l.book(order.Namespace).observe(order, told) }

// Gone takes in that an order does not exist any more.
func (l *Ledger) Gone(order *v1alpha1.EsimOrder) { l.book(order.Namespace).gone(order) }

// Charges are the orders whose charges count against a wallet and that are not settled.
func (l *Ledger) Charges(ctx context.Context, wallet *v1alpha1.EsimWallet) (int, error) {
	b := l.book(wallet.Namespace)
	if err := b.use(ctx, l.Live); err != nil {
		return 0, err
	}
	defer b.gate.RUnlock()
	return b.charges(wallet.FirstUID()), nil
}

// Totals are a wallet's sums now. Books that are not open are opened for it one at a time, and the
// error is ErrOpening for who would have to wait: a new leader that lists all clients' orders at once
// would keep the API server from the client who is buying, and hold all those lists in memory.
func (l *Ledger) Totals(ctx context.Context, wallet *v1alpha1.EsimWallet) (Totals, error) {
	b := l.book(wallet.Namespace)
	if !b.isOpen() {
		if !l.unhurried.TryLock() {
			return Totals{}, ErrOpening
		}
		defer l.unhurried.Unlock()
	}
	if err := b.use(ctx, l.Live); err != nil {
		return Totals{}, err
	}
	defer b.gate.RUnlock()
	return b.totals(wallet)
}

// Settled takes in that the wallet's status was written: the money of the orders in moved is
// in its settled totals from now on.
func (l *Ledger) Settled(wallet *v1alpha1.EsimWallet, moved []v1alpha1.SettlingOrder) error {
	return l.book(wallet.Namespace).settled(wallet, moved)
}

// Distrust has a client's book opened anew before it is used again: somebody else wrote what
// only the leader writes.
func (l *Ledger) Distrust(namespace string) { l.book(namespace).distrust() }

// WalletGone forgets the account of a wallet that does not exist any more.
func (l *Ledger) WalletGone(namespace string, wallet types.UID) {
	l.book(namespace).closeAccount(wallet)
}
