package ledger

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/pricing"
)

// Reservation is money that is set aside for one charge. Exactly one of its methods must be
// called, once.
type Reservation struct {
	// Charge to write into the order's status.
	Charge *v1alpha1.OrderCharge

	ledger *Ledger
	book   *book
	order  *v1alpha1.EsimOrder
	entry  *entry
}

// Reserve sets aside what the order's plan costs. The order has its plan and its id. The error
// is a *Refusal where the order must FAIL, a *Later where that is not known yet, ErrCharged, or
// one of the API server's.
func (l *Ledger) Reserve(ctx context.Context, order *v1alpha1.EsimOrder) (*Reservation, error) {
	b := l.book(order.Namespace)
	asked := b.looks.asked(order.UID)
	for {
		if err := b.use(ctx, l.Live); err != nil {
			return nil, err
		}
		reservation, err := l.reserve(ctx, b, order, asked)
		if err == nil {
			return reservation, nil
		}
		b.gate.RUnlock()
		if !errors.Is(err, errStartOver) {
			return nil, err
		}
	}
}

// errStartOver says that what a reservation was to be made from holds no more: the book was
// closed meanwhile, or it is not known for sure what others took.
var errStartOver = errors.New("the book changed while money was set aside")

// reserve asks the cache first. A refusal is for good, and the cache may be old, so what it
// would refuse is asked of the API server. asked is how many looks had begun when the order
// first came.
func (l *Ledger) reserve(ctx context.Context, b *book, order *v1alpha1.EsimOrder, asked uint64) (*Reservation, error) {
	if err := l.takeOver(ctx, b, order.UID); err != nil {
		return nil, err
	}
	cached, err := readTerms(ctx, l.Cache, order.Namespace)
	if err != nil {
		return nil, err
	}
	charge, err := l.reserveOn(cached, b, order)
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		now, unknown := l.secondLook(ctx, b, order.UID, asked)
		if unknown != nil {
			return nil, unknown
		}
		charge, err = l.reserveOn(now, b, order)
	}
	if refusal := (*Refusal)(nil); err == nil || errors.As(err, &refusal) {
		b.looks.forget(order.UID)
	}
	if err != nil {
		return nil, err
	}
	return &Reservation{Charge: charge, ledger: l, book: b, order: order.DeepCopy(), entry: b.entry(order.UID)}, nil
}

// reserveOn sets aside what the order costs on the terms given.
func (l *Ledger) reserveOn(on terms, b *book, order *v1alpha1.EsimOrder) (*v1alpha1.OrderCharge, error) {
	plan := order.Status.Plan
	request := pricing.Request{
		Amount: plan.Amount, Currency: plan.Currency, Product: plan.Product, Wallet: order.Spec.WalletRef,
		Client: on.client, Wallets: b.newest(on.wallets),
	}
	quote, err := request.Quote()
	if err != nil {
		return nil, refused(err)
	}
	if !controllerutil.ContainsFinalizer(quote.Wallet, v1alpha1.WalletFinalizer) {
		return nil, &Later{After: holdDelay, Cause: fmt.Errorf("EsimWallet %s: %w", quote.Wallet.Name, ErrNotHeld)}
	}
	if err := b.setAside(order, quote); err != nil {
		return nil, err
	}
	charge := &v1alpha1.OrderCharge{
		WalletRef: v1alpha1.WalletReference{Name: quote.Wallet.Name}, WalletUID: quote.Wallet.FirstUID(),
		Amount: v1alpha1.Amount(quote.Payable.String()), Currency: quote.Wallet.Spec.Currency,
		TransactionID: ids.Debit(order.Status.ID), Time: metav1.NewTime(l.Clock.Now()),
	}
	if quote.DiscountPercent.Sign() > 0 {
		charge.DiscountPercent = v1alpha1.Percent(quote.DiscountPercent.String())
	}
	if quote.Rate != nil {
		charge.ExchangeRate = *quote.Rate
	}
	return charge, nil
}

// setAside takes the quote's amount out of what the wallet can spend. What an earlier try of
// the same order set aside is given back first.
func (b *book) setAside(order *v1alpha1.EsimOrder, quote pricing.Quote) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.opened || b.othersMayTake(order.UID) {
		return errStartOver
	}
	_, settled := b.settledOrders[order.FirstUID()]
	if e, ok := b.entries[order.UID]; settled || ok && e.stage != reserved {
		return ErrCharged
	}
	b.remove(order.UID)
	totals, err := b.totalsLocked(quote.Wallet)
	if err != nil {
		return err
	}
	if totals.Available.Cmp(quote.Payable) < 0 {
		if b.onHearsay() {
			return errStartOver
		}
		return &Refusal{Code: v1alpha1.FailureInsufficientFunds, Reason: fmt.Sprintf(
			"the order costs %[1]s %[2]s, and wallet %[3]s has %[4]s %[2]s to spend; have a deposit added, or order something cheaper",
			quote.Payable, quote.Wallet.Spec.Currency, quote.Wallet.Name, totals.Available)}
	}
	b.add(order.UID, &entry{order: order.Name, wallet: quote.Wallet.FirstUID(), amount: quote.Payable, stage: reserved})
	return nil
}

// othersMayTake tells whether a late write may still charge an order other than the one given:
// its answer was lost after this order's reservation had begun.
func (b *book) othersMayTake(order types.UID) bool {
	others := len(b.uncharged)
	if _, own := b.uncharged[order]; own {
		others--
	}
	return others > 0
}

// Written ends the reservation by the answer to the status write that carried the charge. Only
// an answer that proves that nothing was written frees the money; where there is none, it
// stays set aside until the order tells.
func (r *Reservation) Written(ctx context.Context, written *v1alpha1.EsimOrder, answer error) {
	defer r.book.gate.RUnlock()
	switch {
	case answer == nil:
		r.book.observe(written, answered)
		r.book.taken(r.order.UID, r.entry)
	case apierrors.IsConflict(answer), apierrors.IsNotFound(answer):
		now, err := r.ledger.find(ctx, r.order)
		if err != nil {
			r.book.doubt(r.order)
			return
		}
		if now != nil && now.Status.Charge == nil && !now.Terminal() {
			r.book.release(r.order.UID)
			return
		}
		if now != nil {
			r.book.observe(now, answered)
		}
		r.book.taken(r.order.UID, r.entry)
	case refusedForGood(answer):
		r.book.release(r.order.UID)
	default:
		r.book.doubt(r.order)
	}
}

// refusedForGood: the API server looked at the write and will not do it.
func refusedForGood(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err)
}

// Unused ends the reservation where the charge was not sent.
func (r *Reservation) Unused() {
	defer r.book.gate.RUnlock()
	r.book.release(r.order.UID)
}

// release gives back what was set aside; who may still charge the order stays as it was.
func (b *book) release(order types.UID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.entries[order]; ok && e.stage == reserved {
		b.remove(order)
	}
}

// doubt keeps the money set aside for a charge that may have been written. The order is kept by
// name only: how it stands is not known.
func (b *book) doubt(order *v1alpha1.EsimOrder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uncharged[order.UID] = &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: order.Namespace, Name: order.Name, UID: order.UID},
	}
}
