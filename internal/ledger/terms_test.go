package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
)

// later is after how long an order is to be tried again; 0 for another error or none.
func later(err error) time.Duration {
	if later := (*ledger.Later)(nil); errors.As(err, &later) {
		return later.After
	}
	return 0
}

// deposit adds to a wallet what counts at once.
func (a *acme) deposit(amount v1alpha1.SignedDecimal) {
	a.t.Helper()
	wallet := a.walletNow("main")
	wallet.Spec.Deposits = append(wallet.Spec.Deposits, v1alpha1.WalletDeposit{
		Reference: fmt.Sprint("deposit ", len(wallet.Spec.Deposits)), Amount: amount,
	})
	a.must(a.api.Update(a.t.Context(), wallet))
}

// oldWallets is a cache that goes on showing the wallets as they are now.
func (a *acme) oldWallets() client.WithWatch {
	a.t.Helper()
	var wallets v1alpha1.EsimWalletList
	a.must(a.api.List(a.t.Context(), &wallets, client.InNamespace("acme")))
	return onList(a.api, func(_ context.Context, send func() error, list client.ObjectList) error {
		if list, ok := list.(*v1alpha1.EsimWalletList); ok {
			wallets.DeepCopyInto(list)
			return nil
		}
		return send()
	})
}

// walletLists has the API server's lists of wallets counted. The first is that which the
// book is opened from.
func (a *acme) walletLists(lists *int) client.WithWatch {
	var mu sync.Mutex
	return onList(a.api, func(_ context.Context, send func() error, list client.ObjectList) error {
		if _, ok := list.(*v1alpha1.EsimWalletList); ok {
			mu.Lock()
			*lists++
			mu.Unlock()
		}
		return send()
	})
}

// Whoever may place orders cannot have the API server asked at will.
func TestOrdersThatAreRefusedAtOnceCostFewLists(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "1")
	books := a.ledger()
	lists := 0
	books.Live = a.walletLists(&lists)
	a.sums(books, wallet)
	const orders = 200
	waiting := make([]*v1alpha1.EsimOrder, orders)
	for i := range waiting {
		waiting[i] = a.order(fmt.Sprintf("o%03d", i), "4.5")
	}
	lists = 0
	for round := 0; len(waiting) > 0; round++ {
		if round == 2 {
			t.Fatalf("%d orders are not refused yet", len(waiting))
		}
		results := make([]error, len(waiting))
		var all sync.WaitGroup
		for i, order := range waiting {
			all.Go(func() { results[i] = a.charge(books, order) })
		}
		all.Wait()
		var left []*v1alpha1.EsimOrder
		for i, err := range results {
			switch after := later(err); {
			case after > 0 && after <= time.Second:
				left = append(left, waiting[i])
			case !isRefusal(err):
				t.Fatalf("an order that the wallet does not cover: %v", err)
			}
		}
		waiting = left
		a.soon()
	}
	if lists > 2 {
		t.Errorf("%d lists of wallets for %d orders", lists, orders)
	}
}

// One after the other they cost one list a second, and none waits for more than one.
func TestOrdersThatAreRefusedOneByOneCostAListASecond(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "1")
	books := a.ledger()
	lists := 0
	books.Live = a.walletLists(&lists)
	a.sums(books, wallet)
	lists = 0
	var waiting []*v1alpha1.EsimOrder
	const seconds, each = 10, 20
	for second := range seconds {
		for i := range each {
			waiting = append(waiting, a.order(fmt.Sprintf("o%d-%d", second, i), "4.5"))
		}
		var left []*v1alpha1.EsimOrder
		for _, order := range waiting {
			if err := a.charge(books, order); later(err) > 0 {
				left = append(left, order)
			} else if !isRefusal(err) {
				t.Fatal(err)
			}
		}
		if second > 0 && len(left) > each {
			t.Fatalf("%d orders wait for another second", len(left))
		}
		waiting = left
		a.soon()
	}
	if lists > seconds {
		t.Errorf("%d lists of wallets in %d seconds", lists, seconds)
	}
}

// A deposit that was made before an order was placed pays for it, also where another order was
// refused between the two from what the API server had answered before.
func TestARefusalRestsOnWhatWasReadAfterTheOrderWasPlaced(t *testing.T) {
	a := newAcme(t)
	a.wallet("main", "1")
	books := a.ledger()
	books.Cache = a.oldWallets()
	if err := a.charge(books, a.order("refused", "10")); !isRefusal(err) {
		t.Fatal(err)
	}
	a.deposit("9")
	order := a.order("covered", "10")
	if err := a.charge(books, order); later(err) == 0 {
		t.Fatalf("within the second: %v, want Later", err)
	}
	a.soon()
	a.must(a.charge(books, order))
}

// The same holds while an earlier look is on its way.
func TestALookThatBeganBeforeTheOrderIsNotItsOwn(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "1")
	books := a.ledger()
	books.Cache = a.oldWallets()
	a.sums(books, wallet)
	slow := newStop()
	books.Live = onList(a.api, func(_ context.Context, send func() error, _ client.ObjectList) error {
		err := send()
		slow.once()
		return err
	})
	first := reserve(books, a.order("refused", "10"))
	<-slow.stopped
	a.deposit("9")
	order := a.order("covered", "10")
	if err := a.charge(books, order); later(err) == 0 {
		t.Errorf("while an older look is on its way: %v, want Later", err)
	}
	close(slow.goOn)
	if _, err := first(); !isRefusal(err) {
		t.Errorf("the first order: %v, want a refusal", err)
	}
	a.soon()
	a.must(a.charge(books, order))
}

// A look that fails refuses nobody, and the next one is made.
func TestALookThatFailsRefusesNobody(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "1")
	books := a.ledger()
	books.Cache = a.oldWallets()
	a.sums(books, wallet)
	unreachable := errors.New("unreachable")
	books.Live = onList(a.api, func(context.Context, func() error, client.ObjectList) error { return unreachable })
	a.deposit("9")
	order := a.order("order", "10")
	if err := a.charge(books, order); !errors.Is(err, unreachable) || isRefusal(err) {
		t.Errorf("while the API server is unreachable: %v", err)
	}
	books.Live = a.api
	a.soon()
	a.must(a.charge(books, order))
}

// What was taken back and known to this process once is not spent, whatever an older cache
// shows; and what was known once counts for good.
func TestTheNewestCopyOfAWalletCounts(t *testing.T) {
	limit := func(w *v1alpha1.EsimWallet) { w.Spec.Type, w.Spec.CreditLimit = v1alpha1.WalletPostpaid, "20" }
	for name, tc := range map[string]struct {
		before, change func(*v1alpha1.EsimWallet)
	}{
		"a reversal": {
			change: func(w *v1alpha1.EsimWallet) {
				w.Spec.Deposits = append(w.Spec.Deposits, v1alpha1.WalletDeposit{Reference: "back", Amount: "-10"})
			},
		},
		"a lower limit": {
			before: limit,
			change: func(w *v1alpha1.EsimWallet) { w.Spec.CreditLimit = "0"; w.Spec.Deposits[0].Amount = "0" },
		},
	} {
		for by, show := range map[string]func(a *acme, books *ledger.Ledger, wallet *v1alpha1.EsimWallet){
			"the book was opened": func(a *acme, books *ledger.Ledger, wallet *v1alpha1.EsimWallet) {
				books.Distrust("acme")
				a.sums(books, wallet)
			},
			"another order was refused": func(a *acme, books *ledger.Ledger, _ *v1alpha1.EsimWallet) {
				if err := a.charge(books, a.order("refused", "1000")); !isRefusal(err) {
					t.Fatal(err)
				}
			},
		} {
			t.Run(name+", since when "+by, func(t *testing.T) {
				a := newAcme(t)
				if tc.before == nil {
					tc.before = func(*v1alpha1.EsimWallet) {}
				}
				a.wallet("main", "10", tc.before)
				books := a.ledger()
				a.sums(books, a.walletNow("main"))
				books.Cache = a.oldWallets()
				wallet := a.walletNow("main")
				tc.change(wallet)
				a.must(a.api.Update(t.Context(), wallet))
				show(a, books, wallet)
				a.soon()
				if err := a.charge(books, a.order("order", "5")); refusal(err).Code != v1alpha1.FailureInsufficientFunds {
					t.Errorf("the order: %v, want INSUFFICIENT_FUNDS", err)
				}
				if diff := cmp.Diff("0", a.balance("main")); diff != "" {
					t.Errorf("balance (-want +got):\n%s", diff)
				}
			})
		}
	}
}
