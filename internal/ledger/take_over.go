package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// What a new leader does before its first charge for a client, and what each step is for:
//
//  1. A complete list of the client's orders from the API server. A cache, also one that has
//     been warm for hours, may lack the last charges of the leader before.
//  2. A status write, with resourceVersion, on each order that the list shows uncharged: a
//     charge of the leader before that is still on its way can only be about one of those, and
//     now fails with a conflict. Where ours conflicts, the charge came first: it is counted.
//  3. The fence (package leader) keeps a leader whose lease has run out from sending more.
//
// Without any one of the three a wallet can be overdrawn.

// pageSize of the lists that a book is opened from. All pages show one moment.
const pageSize = 1000

// takeTries is how often an order is written to before it is left for another time: whoever
// owns the order may edit it in a loop, and must not hold up who waits.
const takeTries = 20

// writesAtOnce is how many orders are taken over in parallel.
const writesAtOnce = 16

// use opens the book if it is not open, and holds its gate for reading, for the caller to give
// back. The error leaves the gate alone.
func (b *book) use(ctx context.Context, live client.Reader) error {
	for {
		b.gate.RLock()
		if b.isOpen() {
			return nil
		}
		b.gate.RUnlock()
		if err := b.open(ctx, live); err != nil {
			return fmt.Errorf("opening the ledger of namespace %s: %w", b.namespace, err)
		}
	}
}

func (b *book) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened
}

// open reads orders, then wallets. In this order: what was settled in between is known of, by
// what is told meanwhile; or it counts twice until the cache tells that it is gone, which
// spends nothing twice.
func (b *book) open(ctx context.Context, live client.Reader) error {
	b.gate.Lock()
	defer b.gate.Unlock()
	if b.isOpen() {
		return nil
	}
	b.listen(newMeanwhile())
	orders, asOf, err := listOrders(ctx, live, b.namespace)
	if err != nil {
		b.listen(nil)
		return err
	}
	b.mu.Lock()
	b.meanwhile.walletsListed = true
	b.mu.Unlock()
	var wallets v1alpha1.EsimWalletList
	if err := live.List(ctx, &wallets, client.InNamespace(b.namespace)); err != nil {
		b.listen(nil)
		return fmt.Errorf("listing its wallets: %w", err)
	}
	return b.fill(orders, asOf, wallets.Items)
}

// listen keeps what is told from now on; nil ends that.
func (b *book) listen(m *meanwhile) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.meanwhile = m
}

// listOrders returns all orders of a namespace, and the version that they all are as of.
func listOrders(ctx context.Context, live client.Reader, namespace string) (orders []v1alpha1.EsimOrder, asOf string, err error) {
	var next string
	for {
		var page v1alpha1.EsimOrderList
		err := live.List(ctx, &page, client.InNamespace(namespace), client.Limit(pageSize), client.Continue(next))
		if err != nil {
			return nil, "", fmt.Errorf("listing its orders: %w", err)
		}
		if next == "" {
			asOf = page.ResourceVersion
		}
		for i := range page.Items {
			lighten(&page.Items[i])
		}
		orders = append(orders, page.Items...)
		if next = page.Continue; next == "" {
			return orders, asOf, nil
		}
	}
}

// lighten takes from an order what no book, audit or statement reads. What is uncharged stays
// complete: it may be written to.
func lighten(order *v1alpha1.EsimOrder) {
	order.ManagedFields = nil
	if order.Status.Charge != nil {
		order.Status.Conditions = nil
	}
}

// fill makes the book from what was read.
func (b *book) fill(orders []v1alpha1.EsimOrder, asOf string, wallets []v1alpha1.EsimWallet) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	meanwhile := b.meanwhile
	b.meanwhile = nil
	b.accounts, b.entries = map[types.UID]*account{}, map[types.UID]*entry{}
	b.asOf, b.hearsay, b.shown = asOf, 0, map[types.UID]*v1alpha1.EsimWallet{}
	b.settledOrders, b.uncharged = settlingNow(wallets), map[types.UID]*v1alpha1.EsimOrder{}
	taken := references{}
	maps.Copy(b.settledOrders, meanwhile.settledOrders)
	maps.DeleteFunc(b.settledOrders, func(order types.UID, _ struct{}) bool { return meanwhile.leftOrders[order] })
	for i := range wallets {
		b.shown[wallets[i].FirstUID()] = &wallets[i]
		if err := b.account(wallets[i].FirstUID()).adopt(&wallets[i]); err != nil {
			return err
		}
	}
	for i := range orders {
		order := &orders[i]
		gone, left := meanwhile.leftOrders[order.FirstUID()]
		if gone {
			continue
		}
		taken.list(order, b.references.promised(order))
		_, settled := b.settledOrders[order.FirstUID()]
		switch {
		case order.Status.Charge == nil && !order.Terminal():
			b.uncharged[order.UID] = order.DeepCopy()
		case settled || left || !counts(order) || !exists(wallets, order.Status.Charge.WalletUID):
		default:
			e, err := entryOf(order)
			if err != nil {
				return err
			}
			b.add(order.FirstUID(), e)
		}
	}
	b.references = taken
	b.opened = true
	b.version++
	meanwhile.replay(b)
	b.opened = b.opened && !meanwhile.distrusted
	for wallet := range b.accounts {
		b.notify(wallet)
	}
	return nil
}

// takeOver writes to every order that somebody else's late write may still charge, but for
// one: that one's own write, which comes next, does the same.
func (l *Ledger) takeOver(ctx context.Context, b *book, but types.UID) error {
	b.taking.Lock()
	defer b.taking.Unlock()
	b.mu.Lock()
	todo := slices.Collect(maps.Values(b.uncharged))
	b.mu.Unlock()
	writes, ctx := errgroup.WithContext(ctx)
	writes.SetLimit(writesAtOnce)
	for _, order := range todo {
		if order.UID != but {
			writes.Go(func() error { return l.take(ctx, b, order) })
		}
	}
	return writes.Wait()
}

// take writes to one order until it is ours, or charged, or gone.
func (l *Ledger) take(ctx context.Context, b *book, order *v1alpha1.EsimOrder) error {
	order = order.DeepCopy()
	uid := order.UID
	for range takeTries {
		before := b.entry(uid)
		if order.ResourceVersion != "" { // else it is known by name only
			order.Status.TakenOverTime = &metav1.MicroTime{Time: l.Clock.Now()}
			err := l.Writer.Status().Update(ctx, order)
			if err == nil {
				b.taken(uid, before)
				return nil
			}
			if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				return fmt.Errorf("taking over EsimOrder %s/%s: %w", order.Namespace, order.Name, err)
			}
		}
		now, err := l.find(ctx, order)
		switch {
		case err != nil:
			return err
		case now == nil || now.Terminal() && now.Status.Charge == nil:
			b.taken(uid, before)
			return nil
		case now.Status.Charge != nil:
			b.observe(now, answered)
			b.taken(uid, before)
			return nil
		}
		order = now
	}
	return fmt.Errorf("taking over EsimOrder %s/%s: it was edited meanwhile, %d times in a row", order.Namespace, order.Name, takeTries)
}

// taken tells that no write that was sent while the order's entry was the one given can charge
// it any more: what was set aside for that is free again. A reservation that was made since
// is another entry, and stays.
func (b *book) taken(order types.UID, before *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.uncharged, order)
	if e := b.entries[order]; e != nil && e == before && e.stage == reserved {
		b.remove(order)
	}
}

func (b *book) entry(order types.UID) *entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.entries[order]
}

// find reads an order live; nil where it is gone, or another one has its name.
func (l *Ledger) find(ctx context.Context, order *v1alpha1.EsimOrder) (*v1alpha1.EsimOrder, error) {
	var now v1alpha1.EsimOrder
	err := l.Live.Get(ctx, client.ObjectKeyFromObject(order), &now)
	if apierrors.IsNotFound(err) || err == nil && now.UID != order.UID {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading EsimOrder %s/%s: %w", order.Namespace, order.Name, err)
	}
	return &now, nil
}

// settlingNow are the UIDs of the orders that wallets say they are settling.
func settlingNow(wallets []v1alpha1.EsimWallet) map[types.UID]struct{} {
	uids := map[types.UID]struct{}{}
	for i := range wallets {
		for _, order := range wallets[i].Status.Settling {
			uids[order.UID] = struct{}{}
		}
	}
	return uids
}

func exists(wallets []v1alpha1.EsimWallet, wallet types.UID) bool {
	return slices.ContainsFunc(wallets, func(w v1alpha1.EsimWallet) bool { return w.FirstUID() == wallet })
}
