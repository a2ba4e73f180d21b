package ledger_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// settledBefore is an order that the leader before settled and let go, as a cache that lags
// shows it still.
func (a *acme) settledBefore(name, reference string, price v1alpha1.Decimal) *v1alpha1.EsimOrder {
	a.t.Helper()
	order := a.order(name, price, func(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = reference })
	a.chargedBy(order, a.walletNow("main"))
	order = a.end(order, v1alpha1.PhaseDelivered)
	wallet, _ := a.settle(order)
	a.letGo(order)
	wallet.Status.Settling = nil
	a.must(a.api.Status().Update(a.t.Context(), wallet))
	return order
}

// versioned has lists of orders say which version they are as of, as the API server does.
func (a *acme) versioned() client.WithWatch {
	return onList(a.api, func(ctx context.Context, send func() error, list client.ObjectList) error {
		if _, ok := list.(*v1alpha1.EsimOrderList); !ok {
			return send()
		}
		now := a.walletNow("main")
		if err := a.api.Update(ctx, now); err != nil { // for the version
			return err
		}
		err := send()
		list.SetResourceVersion(now.ResourceVersion)
		return err
	})
}

// A cache that lags shows orders that are settled and gone. Their money is in the wallet's
// settled totals: an order that the wallet covers is not refused for their sake, for good.
func TestNoOrderIsRefusedForOnesThatAreGone(t *testing.T) {
	for name, live := range map[string]func(*acme) client.WithWatch{
		"where versions tell":     (*acme).versioned,
		"where versions do not":   func(a *acme) client.WithWatch { return a.api },
		"seen while it is opened": nil,
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			wallet := a.wallet("main", "10")
			shown := a.settledBefore("gone", "", "5")
			books := a.ledger()
			if live != nil {
				books.Live = live(a)
				a.sums(books, a.walletNow("main"))
				books.Observe(shown)
			} else {
				books.Live = onList(a.api, func(_ context.Context, send func() error, _ client.ObjectList) error {
					err := send()
					if shown != nil {
						books.Observe(shown)
						shown = nil
					}
					return err
				})
			}
			a.charged(books, "order", "5")
			if diff := cmp.Diff(sums{"0", "0", 1}, a.sums(books, wallet)); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
		})
	}
}

// What the book was opened after does not change what it says.
func TestWhatIsOlderThanTheBookIsNotCounted(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	gone := a.settledBefore("gone", "", "5")
	there := a.written("there", wallet, "2")
	books := a.ledger()
	books.Live = a.versioned()
	wallet = a.walletNow("main")
	a.sums(books, wallet)
	books.Observe(gone)
	books.Observe(there)
	if diff := cmp.Diff(sums{"3", "3", 1}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	books.Observe(a.written("new", wallet, "1"))
	if diff := cmp.Diff(sums{"2", "2", 2}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals after a charge by another (-want +got):\n%s", diff)
	}
}

// A charge that only the cache told of is not spent by another order.
func TestWhatAnotherLeaderChargedIsNotSpentAgain(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	books := a.ledger()
	a.sums(books, wallet)
	books.Observe(a.written("by another", wallet, "6"))
	if err := a.charge(books, a.order("order", "5")); refusal(err).Code != v1alpha1.FailureInsufficientFunds {
		t.Errorf("the order: %v, want INSUFFICIENT_FUNDS", err)
	}
}

// A reference is free again once its order is gone, whatever an old cache shows.
func TestAReferenceIsNotRefusedForAnOrderThatIsGone(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	shown := a.settledBefore("gone", "r", "5")
	books := a.ledger()
	a.sums(books, wallet)
	books.Observe(shown)
	order := a.order("order", "5", func(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = "r" })
	holder, err := books.Claim(t.Context(), order)
	a.must(err)
	if holder != "" {
		t.Errorf("the reference is said to be that of order %q", holder)
	}
}
