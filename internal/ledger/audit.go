package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Audit reads a client's orders and wallets anew, and returns the names of the wallets whose
// balance is another by that than by the book. sure is false where the book changed meanwhile,
// or a charge is on its way: then nothing can be said, and nothing is. What differs must differ
// at a second look: the book hears of a refund a moment after the API server.
func (l *Ledger) Audit(ctx context.Context, namespace string) (differing []string, sure bool, err error) {
	first, sure, err := l.audit(ctx, namespace)
	if err != nil || !sure || len(first) == 0 {
		return nil, sure, err
	}
	second, sure, err := l.audit(ctx, namespace)
	if err != nil || !sure {
		return nil, false, err
	}
	return slices.DeleteFunc(second, func(wallet string) bool { return !slices.Contains(first, wallet) }), true, nil
}

func (l *Ledger) audit(ctx context.Context, namespace string) (differing []string, sure bool, err error) {
	b := l.book(namespace)
	if err := b.use(ctx, l.Live); err != nil {
		return nil, false, err
	}
	defer b.gate.RUnlock()
	before := b.state()
	orders, _, err := listOrders(ctx, l.Live, namespace)
	if err != nil {
		return nil, false, err
	}
	var wallets v1alpha1.EsimWalletList
	if err := l.Live.List(ctx, &wallets, client.InNamespace(namespace)); err != nil {
		return nil, false, fmt.Errorf("listing the wallets of namespace %s: %w", namespace, err)
	}
	for i := range wallets.Items {
		wallet := &wallets.Items[i]
		statement, err := StatementOf(wallet, orders)
		if err != nil {
			return nil, false, err
		}
		totals, err := b.totals(wallet)
		if err != nil {
			return nil, false, err
		}
		if !totals.Balance.Equal(statement.Balance) {
			differing = append(differing, wallet.Name)
		}
	}
	if after := b.state(); !before.quiet || before != after {
		return nil, false, nil
	}
	return differing, true, nil
}

// Namespaces are those whose books are open.
func (l *Ledger) Namespaces() []string {
	l.mu.Lock()
	books := maps.Clone(l.books)
	l.mu.Unlock()
	maps.DeleteFunc(books, func(_ string, b *book) bool { return !b.isOpen() })
	return slices.Collect(maps.Keys(books))
}

// bookState tells two looks at a book apart.
type bookState struct {
	version uint64
	opened  bool
	quiet   bool
}

func (b *book) state() bookState {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := bookState{version: b.version, opened: b.opened, quiet: true}
	for _, a := range b.accounts {
		state.quiet = state.quiet && a.reserved.Sign() == 0
	}
	return state
}
